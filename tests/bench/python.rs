//! Python peers: their packages in a folder of our own, and one long-lived process that answers line by line.
//!
//! `pip install --target` instead of a virtual environment: Debian keeps `venv` in a package of its own, and `./dev`
//! needs pip anyway. Whatever is missing is a reason to skip, never a failure of the benchmark.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Pinned, so that two runs a year apart compare with the same peer. ONNX Runtime is of the version that AloeKit takes:
/// what is compared is how it is driven.
const EMBEDDING: &[&str] = &["onnxruntime==1.26.0", "tokenizers==0.23.2", "numpy==2.4.6"];

/// llama.cpp for Python; it compiles for some minutes. Of the newest version, since the peer is what people install.
#[allow(dead_code, reason = "each benchmark uses a part of it")]
pub(crate) const LLAMA: &str = "llama-cpp-python";

/// A running peer; it ends with its input.
pub(crate) struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a script of `tests/bench/peers`, fetching its packages first; or says why it cannot run.
    #[allow(dead_code, reason = "each benchmark uses a part of it")]
    pub(crate) fn start(script: &str, arguments: &[&Path]) -> Result<Self, String> {
        Self::start_with(EMBEDDING, script, arguments)
    }

    /// The same with packages of its own.
    pub(crate) fn start_with(packages: &[&str], script: &str, arguments: &[&Path]) -> Result<Self, String> {
        let packages = folder_with(packages)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers").join(script);
        let mut command = Command::new("python3");
        command.arg(script).args(arguments).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::spawn(command)
    }

    /// Starts a script with what this Python has installed: packages of gigabytes are nobody's to fetch unasked.
    #[allow(dead_code, reason = "each benchmark uses a part of it")]
    pub(crate) fn start_installed(python: &Path, script: &str, arguments: &[&Path]) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers").join(script);
        let mut command = Command::new(python);
        command.arg(script).args(arguments).env("OMP_NUM_THREADS", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self, String> {
        let mut process = command.spawn().map_err(|e| format!("Python does not start: {e}"))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("Python has no pipes".into());
        };
        let mut peer = Self { process, requests, answers: BufReader::new(answers) };
        peer.answer().map(|_ready| peer)
    }

    /// Sends one request and waits for its answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.requests, "{request}").map_err(|e| format!("the Python peer went away: {e}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|e| format!("the Python peer went away: {e}"))?;
        serde_json::from_str(&line).map_err(|_| "the Python peer ended; its own words are above".into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It answers nobody any more, whatever it is doing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of these packages, filled on the first run.
fn folder_with(packages: &[&str]) -> Result<PathBuf, String> {
    let name = if packages == EMBEDDING { "bench-python" } else { "bench-python-llama" };
    let folder = cache_folder().ok_or("neither ALOE_CACHE nor HOME is set")?.join(name);
    let (stamp, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    eprintln!("fetching {} for the Python peer", packages.join(", "));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
    pip.arg(&folder).args(packages).stdout(Stdio::null());
    match pip.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return Err("pip could not install its packages; its own words are above".into()),
        Err(e) => return Err(format!("python3 does not start: {e}")),
    }
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(folder)
}

/// Where `./dev` keeps what it downloads.
fn cache_folder() -> Option<PathBuf> {
    let set = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME");
    set("ALOE_CACHE").or_else(|| match cfg!(target_os = "macos") {
        true => home().map(|home| home.join("Library/Caches/aloekit")),
        false => set("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache"))).map(|c| c.join("aloekit")),
    })
}
