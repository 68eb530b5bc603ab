//! The page on a port of this machine, for whoever has the address that was printed.
//!
//! Another page in the same browser cannot reach it: each request must name this host (against a name that is pointed
//! here later), carry the token (against everybody else on the machine), and a rating must come from this page's origin.

use std::io::Read as _;
use std::path::Path;

use serde_json::json;
use tiny_http::{Header, Method, Request, Response};

use super::contents::{Contents, Looked};
use super::conversations::Conversations;
use super::page::{Mode, page, policy};
use super::ratings::{Rating, Ratings};
use crate::error::{Error, Result};

/// A rating is short; a longer body is none.
const MOST_BODY_BYTES: u64 = 4096;

/// A server that is bound and not yet answering.
pub(crate) struct Server {
    http: tiny_http::Server,
    port: u16,
    token: String,
}

/// What is sent back: status, content type, body.
type Answer = (u16, &'static str, Vec<u8>);

impl Server {
    /// Binds to 127.0.0.1; port 0 takes a free one.
    pub(crate) fn bind(port: u16) -> Result<Self> {
        let busy = || Error::usage(format!("port {port} of 127.0.0.1 cannot be used"), "another --port, or none");
        let http = tiny_http::Server::http(("127.0.0.1", port)).map_err(|_| busy())?;
        let port = http.server_addr().to_ip().map(|address| address.port()).ok_or_else(busy)?;
        Ok(Self { http, port, token: secret()? })
    }

    /// The address to open, token and all.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// Answers until the process ends. Each load of the page reads the run anew.
    pub(crate) fn run(&self, looked: &Looked<'_>, mut ratings: Ratings) -> Result<()> {
        let mut conversations = Conversations::open(looked.run)?;
        for mut request in self.http.incoming_requests() {
            let nonce = secret()?;
            let answer = self.refused(&request).unwrap_or_else(|| {
                self.answer(&mut request, looked, &mut conversations, &mut ratings, &nonce).unwrap_or_else(|error| {
                    (500, "application/json", json!({ "error": error.to_string() }).to_string().into())
                })
            });
            respond(request, answer, &nonce);
        }
        Ok(())
    }

    /// Why a request is not answered.
    fn refused(&self, request: &Request) -> Option<Answer> {
        let (host, own) =
            (header(request, "host"), [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)]);
        if !host.is_some_and(|host| own.iter().any(|own| own == host)) {
            return Some((421, "text/plain", b"this address is not served here".to_vec()));
        }
        let (_, query) = parts(request.url());
        let given = header(request, "x-aloe-token").map(str::to_owned).or_else(|| parameter(query, "token"));
        // A page elsewhere can put a token into an address, but not into a header.
        let in_header = header(request, "x-aloe-token").is_some() || *request.method() == Method::Get;
        if !given.is_some_and(|given| same(&given, &self.token)) || !in_header {
            return Some((403, "text/plain", b"open the address that aloe view printed".to_vec()));
        }
        let origin = header(request, "origin");
        let from_here = |origin: &str| own.iter().any(|own| origin == format!("http://{own}"));
        if origin.is_some_and(|origin| !from_here(origin)) {
            return Some((403, "text/plain", b"another page has no business here".to_vec()));
        }
        None
    }

    fn answer(
        &self,
        request: &mut Request,
        looked: &Looked<'_>,
        conversations: &mut Conversations,
        ratings: &mut Ratings,
        nonce: &str,
    ) -> Result<Answer> {
        let url = request.url().to_owned();
        let (path, query) = parts(&url);
        Ok(match (request.method(), path) {
            (Method::Get, "/") => {
                *conversations = Conversations::open(looked.run)?;
                let contents = Contents::read(looked, conversations, ratings.all().to_vec())?;
                let page = page(&contents, &Mode::Served { token: &self.token }, nonce)?;
                (200, "text/html; charset=utf-8", page.into_bytes())
            }
            (Method::Get, "/conversation") => match place(query, conversations) {
                Some(place) => as_json(&conversations.read(place)?)?,
                None => (404, "application/json", b"null".to_vec()),
            },
            (Method::Get, "/search") => {
                as_json(&conversations.search(&parameter(query, "words").unwrap_or_default())?)?
            }
            (Method::Post, "/rating") => match rating(request) {
                Some(rating) => {
                    ratings.keep(rating)?;
                    as_json(&ratings.all().len())?
                }
                None => (400, "application/json", b"null".to_vec()),
            },
            _ => (404, "text/plain", b"not here".to_vec()),
        })
    }
}

fn as_json<T: serde::Serialize>(value: &T) -> Result<Answer> {
    Ok((200, "application/json", serde_json::to_vec(value).map_err(Error::internal)?))
}

fn rating(request: &mut Request) -> Option<Rating> {
    let mut body = Vec::new();
    request.as_reader().take(MOST_BODY_BYTES).read_to_end(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn place(query: &str, conversations: &Conversations) -> Option<usize> {
    parameter(query, "place")?.parse().ok().filter(|place| *place < conversations.len())
}

fn respond(request: Request, (status, kind, body): Answer, nonce: &str) {
    let mut response = Response::from_data(body).with_status_code(status);
    let policy = format!("{}; frame-ancestors 'none'", policy(nonce, true));
    for (name, value) in [
        ("content-type", kind),
        ("content-security-policy", &policy),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    // A reader that went away is nobody's mistake.
    let _ = request.respond(response);
}

fn header<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}

fn parts(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

/// A value of a query, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Compares without telling by its time how much was right.
fn same(a: &str, b: &str) -> bool {
    blake3::hash(a.as_bytes()) == blake3::hash(b.as_bytes())
}

/// 128 bits that nobody can guess, in hexadecimal.
pub(crate) fn secret() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a folder is a run at all.
pub(crate) fn is_run(run: &Path) -> bool {
    run.join("run.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_or_is_none() {
        assert_eq!(parameter("a=1&words=two+caf%C3%A9s%26", "words").as_deref(), Some("two cafés&"));
        for bad in ["words=%", "words=%G0", "words=%FF", "word=x", ""] {
            assert_eq!(parameter(bad, "words"), None, "{bad}");
        }
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        assert_ne!(secret().expect("drawn"), secret().expect("drawn"));
    }
}
