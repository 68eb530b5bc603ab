//! One GET with a range, redirects followed by hand, and an answer that is sorted before a byte of it is used.
//!
//! The client's own redirects are off: here each hop is checked, and the token goes to its own origin only.

use std::io::Read;
use std::time::Duration;

use ureq::Body;
use ureq::http::{HeaderMap, Response, header};

use super::address::Address;
use super::agents::{Agents, Patience};
use crate::error::{Error, Result};
use crate::settings::Token;

const MOST_REDIRECTS: usize = 6;

/// What is asked for.
pub(crate) struct Request<'a> {
    pub(crate) address: &'a Address,
    /// Sent to the first address's origin and to no other.
    pub(crate) token: Option<&'a Token>,
    /// The bytes that are here already, and the entity tag they belong to.
    pub(crate) resume: Option<(u64, &'a str)>,
    /// What is fetched, for messages.
    pub(crate) what: &'a str,
}

/// An answer that carries the file, or a part of it.
pub(crate) struct Answer {
    /// Offset of the first byte that follows.
    pub(crate) start: u64,
    /// Size of the whole file, where the server says it.
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<String>,
    /// The hub's own statement of the file's SHA-256.
    pub(crate) stated_sha256: Option<String>,
    /// The commit that the revision stands for.
    pub(crate) commit: Option<String>,
    host: String,
    reader: Box<dyn Read>,
    stall: Duration,
}

/// What became of a request.
pub(crate) enum Outcome {
    Content(Answer),
    /// The server cannot go on from there (416).
    RangeRefused,
}

/// The client.
pub(crate) struct Client {
    agents: Agents,
    stall: Duration,
}

impl Client {
    /// A client that counts `stall` of silence as the end of a connection.
    pub(crate) fn new(stall: Duration) -> Self {
        Self { agents: Agents::new(Patience { silence: stall, first_byte: stall }), stall }
    }

    /// Asks, follows, and sorts the answer.
    pub(crate) fn get(&self, request: &Request<'_>) -> Result<Outcome> {
        let mut address = request.address.clone();
        // The hub states commit and hash on its own answer, before it redirects to where the bytes lie.
        let mut stated = Stated::default();
        for _ in 0..MOST_REDIRECTS {
            let response = self.call(request, &address)?;
            if address.same_origin(request.address) {
                stated.read(response.headers());
            }
            if !response.status().is_redirection() {
                return self.sort(request, &address, response, stated);
            }
            let location = text(response.headers(), header::LOCATION.as_str());
            let location = location.ok_or_else(|| status_error(&address, &response))?;
            address = address.join(&location)?;
        }
        Err(Error::RedirectLoop { host: address.host() })
    }

    fn call(&self, request: &Request<'_>, address: &Address) -> Result<Response<Body>> {
        let mut call = self.agents.to(address).get(address.uri()).header("accept-encoding", "identity");
        if let Some(token) = request.token.filter(|_| address.same_origin(request.address)) {
            call = call.header("authorization", token.header());
        }
        if let Some((from, etag)) = request.resume {
            call = call.header("range", format!("bytes={from}-"));
            // A weak tag may not stand in If-Range; the comparison below still holds it against the answer.
            if !etag.starts_with("W/") {
                call = call.header("if-range", etag);
            }
        }
        call.call().map_err(|error| self.failure(address, &error))
    }

    fn failure(&self, address: &Address, error: &ureq::Error) -> Error {
        match error {
            ureq::Error::Timeout(_) => Error::Stalled { host: address.host(), seconds: self.stall.as_secs() },
            _ => Error::Network { host: address.host(), reason: error.to_string() },
        }
    }

    fn sort(
        &self,
        request: &Request<'_>,
        address: &Address,
        response: Response<Body>,
        stated: Stated,
    ) -> Result<Outcome> {
        let host = address.host();
        let what = || request.what.to_owned();
        let asked = request.resume.map(|(from, _)| from);
        let (start, total) = match (response.status().as_u16(), asked) {
            (200, _) => (0, number(response.headers(), "content-length")),
            (206, Some(from)) => match content_range(response.headers()) {
                Some((start, total)) if start == from => (start, Some(total)),
                _ => return Ok(Outcome::RangeRefused),
            },
            (416, Some(_)) => return Ok(Outcome::RangeRefused),
            (status @ (401 | 403), _) => return Err(Error::AccessDenied { host, what: what(), status }),
            (404 | 410, _) => return Err(Error::NotOnServer { host, what: what() }),
            _ => return Err(status_error(address, &response)),
        };
        if text(response.headers(), "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(Error::NotAFile { host, what: what() });
        }
        let etag = stated.etag.or_else(|| text(response.headers(), "etag"));
        let reader = Box::new(response.into_body().into_reader());
        let Stated { sha256: stated_sha256, commit, .. } = stated;
        Ok(Outcome::Content(Answer { start, total, etag, stated_sha256, commit, host, reader, stall: self.stall }))
    }
}

impl Answer {
    /// The next bytes; 0 at the end. The end may come too early: that is for the caller to compare.
    pub(crate) fn read(&mut self, buffer: &mut [u8], received: u64) -> Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let timed_out = matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock);
            let host = self.host.clone();
            if timed_out {
                Error::Stalled { host, seconds: self.stall.as_secs() }
            } else {
                Error::CutOff { host, received, expected: self.total }
            }
        })
    }

    /// Who sends it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

/// What the hub says of a file in its own headers.
#[derive(Default)]
struct Stated {
    etag: Option<String>,
    sha256: Option<String>,
    commit: Option<String>,
}

impl Stated {
    fn read(&mut self, headers: &HeaderMap) {
        if let Some(linked) = text(headers, "x-linked-etag") {
            let bare = linked.trim_matches('"').to_lowercase();
            self.sha256 = (bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit())).then_some(bare);
            self.etag = Some(linked);
        }
        if let Some(commit) = text(headers, "x-repo-commit") {
            let whole = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            self.commit = whole.then_some(commit);
        }
    }
}

fn status_error(address: &Address, response: &Response<Body>) -> Error {
    Error::Status {
        host: address.host(),
        status: response.status().as_u16(),
        retry_after_s: number(response.headers(), "retry-after"),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// Start and total of `bytes 5-9/10`; a range that does not run to the end is not what was asked for.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let value = text(headers, "content-range")?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, total) = (start.parse().ok()?, end.parse::<u64>().ok()?, total.parse::<u64>().ok()?);
    (start <= end && end.checked_add(1)? == total).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &'static str) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert("content-range", header::HeaderValue::from_static(value));
        content_range(&headers)
    }

    #[test]
    fn only_a_range_that_runs_to_the_end_is_taken() {
        assert_eq!(range("bytes 5-9/10"), Some((5, 10)));
        for bad in
            ["bytes 5-8/10", "bytes 9-5/10", "bytes 5-9/*", "bytes */10", "5-9/10", "bytes 5-18446744073709551615/1"]
        {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
