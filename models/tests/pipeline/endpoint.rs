//! A chat endpoint on a raw socket that answers every role, and misbehaves to order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) key: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The name of the form that is asked for, if one is.
    pub(crate) fn form(&self) -> String {
        self.json()["response_format"]["json_schema"]["name"].as_str().unwrap_or_default().to_owned()
    }
}

/// What is done with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A good answer.
    Answer,
    /// A completion that says this.
    Say(String),
    /// A status with headers.
    Status(&'static str, &'static str),
    /// A body as it stands.
    Body(String),
    /// Half of what was announced, then gone.
    Cut,
    /// Headers, then silence.
    Stall,
    /// A byte a second.
    Drip,
    /// A body without end.
    Flood,
    /// Ten gigabytes are announced.
    Giant,
    /// A completion that ended for this reason.
    Finish(&'static str),
}

type Choose = Box<dyn Fn(usize, &Request) -> Act + Send + Sync>;

/// The endpoint; every request is kept.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Endpoint {
    /// One that asks `choose` what to do with the request of this number, from 0.
    pub(crate) fn start(choose: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, choose): (_, Arc<Choose>) = (Arc::clone(&requests), Arc::new(Box::new(choose)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, choose) = (Arc::clone(&seen), Arc::clone(&choose));
                std::thread::spawn(move || {
                    let Some(request) = read_request(&stream) else { return };
                    let number = {
                        let mut seen = seen.lock().expect("not poisoned");
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    act(choose(number, &request), &request, stream);
                });
            }
        });
        Self { port, requests }
    }

    /// A list of acts for the first requests, then good answers.
    pub(crate) fn with(acts: Vec<Act>) -> Self {
        Self::start(move |number, _| acts.get(number).cloned().unwrap_or(Act::Answer))
    }

    pub(crate) fn spec(&self) -> String {
        format!("http:gpt@http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut key, mut len) = (None, 0);
    loop {
        let mut line = String::new();
        // The client may be killed here: what has no end is no request.
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "authorization" => key = Some(value.to_owned()),
            "content-length" => len = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Request { key, body })
}

fn act(act: Act, request: &Request, mut stream: TcpStream) {
    let good = || completion(&answer(request), "stop");
    match act {
        Act::Answer => send(&mut stream, "200 OK", "", &good()),
        Act::Say(text) => send(&mut stream, "200 OK", "", &completion(&text, "stop")),
        Act::Finish(reason) => send(&mut stream, "200 OK", "", &completion("Half an answer and", reason)),
        Act::Body(body) => send(&mut stream, "200 OK", "", &body),
        Act::Status(status, headers) => send(&mut stream, status, headers, "{}"),
        Act::Cut => {
            head(&mut stream, "200 OK", "", good().len() as u64);
            let _ = stream.write_all(&good().as_bytes()[..20]);
        }
        Act::Stall => {
            head(&mut stream, "200 OK", "", 100);
            std::thread::sleep(Duration::from_secs(30));
        }
        Act::Drip => {
            head(&mut stream, "200 OK", "", 1000);
            while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(700));
            }
        }
        Act::Giant => {
            head(&mut stream, "200 OK", "", 10 << 30);
            while stream.write_all(&[b' '; 65536]).is_ok() {}
        }
        Act::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 65536]).is_ok() {}
        }
    }
}

fn head(stream: &mut TcpStream, status: &str, headers: &str, len: u64) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {len}\r\n\r\n");
}

pub(crate) fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    head(stream, status, headers, body.len() as u64);
    let _ = stream.write_all(body.as_bytes()).and_then(|()| stream.flush());
}

pub(crate) fn completion(text: &str, finish: &str) -> String {
    let choice = json!({ "message": { "role": "assistant", "content": text }, "finish_reason": finish });
    json!({ "choices": [choice], "usage": { "prompt_tokens": 10, "completion_tokens": 5 } }).to_string()
}

/// What a model would say: of the form that is asked for, and another for another request.
pub(crate) fn answer(request: &Request) -> String {
    let hash = request
        .body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    match request.form().as_str() {
        "induced" => json!({ "profile": "She loves chess.", "personality": null }).to_string(),
        "verdict" => json!({ "better": if hash % 2 == 0 { "first" } else { "second" } }).to_string(),
        _ => format!("Well, {} and also {} come to mind.", word(hash), word(hash >> 20)),
    }
}

fn word(hash: u64) -> String {
    format!("thing{:05x}", hash & 0xf_ffff)
}
