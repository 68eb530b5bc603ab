//! A real browser without a window, driven by its own debugging protocol over a pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skipped::skipped;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// Exceptions, refused scripts and requests, as the browser told them.
    pub(crate) complaints: Vec<String>,
    /// Every address that was asked for.
    pub(crate) asked: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it; where there is none, says so and gives nothing.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let named = std::env::var("ALOE_TEST_CHROMIUM").ok();
        let there =
            |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        let Some(name) = named.or_else(|| NAMES.iter().find(|name| there(name)).map(|name| (*name).to_owned())) else {
            skipped(test, "there is no chromium on this machine");
            return None;
        };
        let profile = tempfile::tempdir().expect("temporary folder");
        // Its pipe are the file descriptors 3 and 4, which only a shell can give it without unsafe code.
        let line = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null";
        let mut process = Command::new("sh")
            .args(["-c", line, &name, "--remote-debugging-pipe", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let requests = process.stdin.take().expect("piped");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                if sender.send(serde_json::from_slice(&message).expect("JSON")).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            process,
            requests,
            messages,
            next: 0,
            session: None,
            complaints: Vec::new(),
            asked: Vec::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Goes to an address and waits until the page has drawn itself.
    pub(crate) fn open(&mut self, address: &str) {
        self.ask("Page.navigate", json!({ "url": address }));
        self.wait_for("document.readyState === 'complete' && document.querySelector('#main > *') !== null");
    }

    /// What an expression comes to in the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.ask("Runtime.evaluate", params);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let started = Instant::now();
        while self.eval(&format!("Boolean({expression})")) != Value::Bool(true) {
            assert!(started.elapsed() < PATIENCE, "never true: {expression}; {:?}", self.complaints);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key as a person would.
    pub(crate) fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { json!(key) } else { Value::Null };
        let mut down = json!({ "type": "keyDown", "key": key });
        if !text.is_null() {
            down["text"] = text;
        }
        self.ask("Input.dispatchKeyEvent", down);
        self.ask("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
    }

    /// A window of this size, light or dark.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", features);
    }

    /// Writes what is seen where `ALOE_TEST_SCREENSHOTS` names a folder, for people to look at.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("ALOE_TEST_SCREENSHOTS") else { return };
        let shot = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let encoded = Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(encoded, shot["data"].as_str().expect("a picture")).expect("written");
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).expect("the browser listens");
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("the browser answers");
            if message["id"] == self.next {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => self.complaints.push(message["params"].to_string()),
            Some("Network.requestWillBeSent") => {
                self.asked.push(message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
