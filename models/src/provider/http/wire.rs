//! One exchange with an endpoint: the request's body, the bounded answer, and what the answer says.

use std::io::Read as _;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Body;
use ureq::http::{HeaderMap, Response};

use super::limits::LimitHeaders;
use super::retry_after::{length, retry_after};
use crate::error::CallFault;
use crate::preset::ProviderNumbers;
use crate::provider::{Answer, Call, estimated_tokens};
use crate::settings::Token;
use crate::source::address::Address;
use crate::source::agents::{Agents, Patience};

/// An answer's body, and what its headers say of limits.
pub(in crate::provider) struct Reply {
    pub(in crate::provider) body: Vec<u8>,
    pub(super) limits: LimitHeaders,
}

/// Sends requests.
pub(in crate::provider) struct Sender {
    agents: Agents,
    idle: Duration,
    whole: Duration,
    most_bytes: u64,
}

impl Sender {
    pub(in crate::provider) fn new(numbers: &ProviderNumbers) -> Self {
        let (idle, whole) = (Duration::from_secs(numbers.idle_timeout_s), Duration::from_secs(numbers.call_timeout_s));
        // A model may think as long as the whole call may take before its first byte.
        let agents = Agents::new(Patience { silence: idle, first_byte: whole });
        Self { agents, idle, whole, most_bytes: numbers.max_body_mib << 20 }
    }

    /// Posts JSON to a path below the address.
    pub(in crate::provider) fn post(
        &self,
        address: &Address,
        key: Option<&Token>,
        path: &str,
        body: &Value,
    ) -> Result<Reply, CallFault> {
        self.send(address, key, path, Some(("application/json", body.to_string().into_bytes())))
    }

    /// Posts a body of this content type, or gets where there is none.
    pub(in crate::provider) fn send(
        &self,
        address: &Address,
        key: Option<&Token>,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Reply, CallFault> {
        let started = Instant::now();
        let agent = self.agents.to(address);
        let url = format!("{}{path}", address.uri().to_string().trim_end_matches('/'));
        let sent = match body {
            Some((kind, bytes)) => {
                let mut call = agent.post(&url).header("content-type", kind).header("accept-encoding", "identity");
                if let Some(key) = key {
                    call = call.header("authorization", key.header());
                }
                call.send(&bytes[..])
            }
            None => {
                let mut call = agent.get(&url).header("accept-encoding", "identity");
                if let Some(key) = key {
                    call = call.header("authorization", key.header());
                }
                call.call()
            }
        };
        let response = sent.map_err(|error| self.failure(&error, started))?;
        check_status(&response)?;
        let limits = limits_of(response.headers());
        Ok(Reply { body: self.body(response, started)?, limits })
    }

    /// The body, as long as it is no larger and no slower than allowed; and all of it.
    fn body(&self, response: Response<Body>, started: Instant) -> Result<Vec<u8>, CallFault> {
        let announced = number(response.headers(), "content-length");
        let too_large = || CallFault::TooLarge(self.most_bytes >> 20);
        if announced.is_some_and(|size| size > self.most_bytes) {
            return Err(too_large());
        }
        let mut reader = response.into_body().into_reader();
        let (mut body, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => body.extend_from_slice(&buffer[..read]),
                Err(error) if timed_out(error.kind()) => return Err(CallFault::Stalled(self.idle.as_secs())),
                Err(_) => return Err(CallFault::CutOff),
            }
            if body.len() as u64 > self.most_bytes {
                return Err(too_large());
            }
            if started.elapsed() > self.whole {
                return Err(CallFault::TooSlow(self.whole.as_secs()));
            }
        }
        if announced.is_some_and(|size| size != body.len() as u64) {
            return Err(CallFault::CutOff);
        }
        Ok(body)
    }

    /// The library's own words name no header and no body; an address may carry a key and is left out.
    fn failure(&self, error: &ureq::Error, started: Instant) -> CallFault {
        match error {
            ureq::Error::Timeout(_) if started.elapsed() >= self.whole => CallFault::TooSlow(self.whole.as_secs()),
            ureq::Error::Timeout(_) => CallFault::Stalled(self.idle.as_secs()),
            ureq::Error::Io(error) if timed_out(error.kind()) => CallFault::Stalled(self.idle.as_secs()),
            ureq::Error::Io(error) => CallFault::Unreachable(error.kind().to_string()),
            ureq::Error::HostNotFound => CallFault::Unreachable("its name is not known".to_owned()),
            ureq::Error::ConnectionFailed => CallFault::Unreachable("no connection".to_owned()),
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => CallFault::CutOff,
            _ => CallFault::Unreachable("the request could not be sent".to_owned()),
        }
    }
}

fn timed_out(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock)
}

fn check_status(response: &Response<Body>) -> Result<(), CallFault> {
    let status = response.status().as_u16();
    let headers = response.headers();
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(CallFault::Redirected(status)),
        401 | 403 => Err(CallFault::KeyRefused(status)),
        404 | 405 | 410 => Err(CallFault::NotFound),
        _ => {
            let exact = number(headers, "retry-after-ms").map(Duration::from_millis);
            let wait = exact.or_else(|| retry_after(text(headers, "retry-after")?, SystemTime::now()));
            let retry_after_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            Err(CallFault::Status { status, retry_after_ms })
        }
    }
}

fn limits_of(headers: &HeaderMap) -> LimitHeaders {
    let read = |name: &str| number(headers, &format!("x-ratelimit-{name}"));
    let reset = |name: &str| text(headers, &format!("x-ratelimit-reset-{name}")).and_then(length);
    LimitHeaders {
        requests: read("limit-requests"),
        requests_left: read("remaining-requests"),
        requests_reset: reset("requests"),
        tokens: read("limit-tokens"),
        tokens_left: read("remaining-tokens"),
        tokens_reset: reset("tokens"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// The body of a chat completion.
pub(in crate::provider) fn body_of(model: &str, call: &Call<'_>, structured: bool) -> Value {
    let mut body = json!({
        "model": model,
        "messages": call.messages,
        "temperature": call.drawing.temperature,
        "max_tokens": call.drawing.max_tokens,
        "seed": call.seed,
        "stream": false,
    });
    if let Some(schema) = call.schema.filter(|_| structured) {
        // A schema is a constant of this program, and a test parses each.
        let form: Value = serde_json::from_str(schema.json).unwrap_or_default();
        let form = json!({ "name": schema.name, "strict": true, "schema": form });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": form });
    }
    body
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What a completion says; anything that is not one is an error, never an empty answer.
pub(in crate::provider) fn read_completion(body: &[u8]) -> Result<Answer, CallFault> {
    let completion: Completion = serde_json::from_slice(body).map_err(|_| CallFault::Malformed("not JSON"))?;
    let choice = completion.choices.into_iter().next().ok_or(CallFault::Malformed("no choices"))?;
    let finish = choice.finish_reason.unwrap_or_default();
    let message = choice.message.ok_or(CallFault::Malformed("no message"))?;
    if finish == "content_filter" || message.refusal.is_some() {
        return Err(CallFault::Filtered);
    }
    let text = message.content.ok_or(CallFault::Malformed("no content"))?;
    let usage = completion.usage.unwrap_or_default();
    let completion_tokens = if usage.completion_tokens > 0 { usage.completion_tokens } else { estimated_tokens(&text) };
    Ok(Answer {
        text,
        model: String::new(),
        prompt_tokens: usage.prompt_tokens,
        completion_tokens,
        cut: finish == "length",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_completion_is_an_error_and_never_an_empty_answer() {
        for (body, fault) in [
            ("", CallFault::Malformed("not JSON")),
            ("<html>", CallFault::Malformed("not JSON")),
            (r#"{"error": {"message": "x"}}"#, CallFault::Malformed("not JSON")),
            (r#"{"choices": []}"#, CallFault::Malformed("no choices")),
            (r#"{"choices": [{}]}"#, CallFault::Malformed("no message")),
            (r#"{"choices": [{"message": {"content": null}}]}"#, CallFault::Malformed("no content")),
            (r#"{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}"#, CallFault::Filtered),
        ] {
            assert_eq!(read_completion(body.as_bytes()), Err(fault), "{body}");
        }
        let cut = r#"{"choices": [{"message": {"content": "Half a"}, "finish_reason": "length"}]}"#;
        assert!(read_completion(cut.as_bytes()).expect("read").cut);
    }
}
