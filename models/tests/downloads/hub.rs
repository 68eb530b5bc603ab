//! A model hub on a raw socket that misbehaves to order, and the tool run against it as its users run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first byte of `Range: bytes=N-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does with one request; it returns when it hangs up.
pub(crate) type Reply = Box<dyn Fn(&Request, &mut TcpStream) + Send>;

/// A server that takes its replies in order; the last one is repeated.
pub(crate) struct Hub {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Hub {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let replies: Vec<_> = replies.into_iter().map(|reply| Arc::new(Mutex::new(reply))).collect();
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepted");
                let Some(request) = read_request(&stream) else { continue };
                let at = {
                    let mut seen = seen.lock().expect("not poisoned");
                    seen.push(request.clone());
                    (seen.len() - 1).min(replies.len() - 1)
                };
                let reply = Arc::clone(&replies[at]);
                std::thread::spawn(move || reply.lock().expect("not poisoned")(&request, &mut stream));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((key, value)) = line.split_once(": ") else { break };
        headers.push((key.to_owned(), value.to_owned()));
    }
    Some(Request { path, headers })
}

/// Bytes that look like a model to the tool.
pub(crate) fn weights(len: usize) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend((0..len - 4).map(|i| u8::try_from((i * 31 + i / 251) % 256).expect("below 256")));
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a status line and headers; a client that is gone is no failure of the server.
pub(crate) fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, String)]) {
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    for (key, value) in headers {
        text.push_str(&format!("{key}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let _ = stream.write_all(text.as_bytes());
}

pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}

/// Answers with the whole file, or with the range that was asked for; sends `sent` bytes of it, then `then`.
fn serve(body: Vec<u8>, etag: &'static str, sent: usize, then: fn()) -> Reply {
    Box::new(move |request, stream| {
        let start = request.range_start().filter(|start| *start < body.len()).unwrap_or(0);
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        let mut headers = vec![("content-length", (body.len() - start).to_string()), ("etag", etag.to_owned())];
        if start > 0 {
            headers.push(("content-range", format!("bytes {start}-{}/{}", body.len() - 1, body.len())));
        }
        head(stream, status, &headers);
        send(stream, &body[start..body.len().min(start.saturating_add(sent))]);
        then();
    })
}

pub(crate) fn whole(body: &[u8]) -> Reply {
    serve(body.to_vec(), "\"one\"", usize::MAX, || {})
}

pub(crate) fn whole_with_etag(body: &[u8], etag: &'static str) -> Reply {
    serve(body.to_vec(), etag, usize::MAX, || {})
}

pub(crate) fn cut_after(body: &[u8], sent: usize) -> Reply {
    serve(body.to_vec(), "\"one\"", sent, || {})
}

pub(crate) fn stall_after(body: &[u8], sent: usize) -> Reply {
    serve(body.to_vec(), "\"one\"", sent, || std::thread::sleep(Duration::from_secs(30)))
}

pub(crate) fn status(line: &'static str, headers: &'static [(&'static str, &'static str)]) -> Reply {
    Box::new(move |_, stream| {
        let mut all = vec![("content-length", "0".to_owned())];
        all.extend(headers.iter().map(|(key, value)| (*key, (*value).to_owned())));
        head(stream, line, &all);
    })
}

/// A home of its own for one test: cache, configuration, one manifest called `tiny`.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
}

impl Home {
    /// A manifest without size and hash: the first download pins them.
    pub(crate) fn unpinned() -> Self {
        Self::with("")
    }

    /// A manifest that knows `body`.
    pub(crate) fn pinned(body: &[u8]) -> Self {
        Self::with(&format!("size = {}\nsha256 = '{}'", body.len(), sha256(body)))
    }

    pub(crate) fn with(lines: &str) -> Self {
        let source = "{ type = 'hugging-face', repo = 'someone/tiny', revision = 'main', file = 'tiny.gguf' }";
        Self::with_file(&format!("name = 'tiny.gguf'\n{lines}\nsource = {source}"))
    }

    pub(crate) fn with_file(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let home = Self { folder };
        for name in ["manifests", "config"] {
            std::fs::create_dir(home.path(name)).expect("made");
        }
        let manifest = format!(
            "id = 'tiny'\nkind = 'chat-model'\nsummary = 'for tests'\nlicence = 'none'\nleast_memory_mib = 1\n\
             [[file]]\nrole = 'weights'\n{lines}\n"
        );
        std::fs::write(home.path("manifests/tiny.toml"), manifest).expect("written");
        let config = "[download]\nstall_timeout_s = 1\nattempts = 3\nfirst_pause_ms = 20\n";
        std::fs::write(home.path("config/config.toml"), config).expect("written");
        home
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path("cache/models/tiny/tiny.gguf")
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.path("cache/models/tiny/tiny.gguf.part")
    }

    pub(crate) fn command(&self, hub: Option<&Hub>, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.args(args).arg("--manifests").arg(self.path("manifests"));
        command.env("ALOE_CACHE", self.path("cache")).env("ALOE_CONFIG", self.path("config"));
        command.env("HF_TOKEN", "hf_canary").env_remove("ALOE_PYTHON").env_remove("NO_COLOR");
        command.env("HF_ENDPOINT", hub.map_or("http://127.0.0.1:9", |hub| &hub.address));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn pull(&self, hub: &Hub) -> Run {
        self.run(Some(hub), &["models", "pull", "tiny"])
    }

    pub(crate) fn run(&self, hub: Option<&Hub>, args: &[&str]) -> Run {
        Run::from(self.command(hub, args).output().expect("run"))
    }
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let run = Self {
            code: output.status.code().expect("not killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stdout.contains("hf_canary") && !run.stderr.contains("hf_canary"), "the token shows: {run:?}");
        run
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn failed_with(self, words: &str) -> Self {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.stderr.contains(words), "{self:?}");
        assert!(self.stderr.contains("hint:"), "{self:?}");
        self
    }
}
