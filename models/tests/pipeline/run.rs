//! A run directory of one test, and the tool run on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ended::Ended;

/// What must never show: the key of the mock endpoint.
pub(crate) const CANARY: &str = "sk-canary-5f2a91";

/// A folder with a run in it.
pub(crate) struct Run {
    pub(crate) folder: TempDir,
}

impl Run {
    /// A run that has nothing yet.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    /// A run with so many personas, as `aloe personas` would leave it.
    pub(crate) fn with_personas(count: usize) -> Self {
        let run = Self::new();
        std::fs::create_dir_all(run.path("personas")).expect("made");
        std::fs::write(run.path("run.json"), r#"{"format":1,"made_by":"test"}"#).expect("written");
        let persona = |number: usize| {
            json!({
                "id": format!("persona-{number}"), "split": "train", "profile_id": format!("profile-{number}"),
                "personality_id": "personality-0", "personality": "Is playful and loves a good joke. Forgives quickly.",
                "profile": format!(
                    "Jo is a {}-year-old baker in Graz. She loves chess. Her home is flat {number}. She keeps hens. \
                     Her brother sails. She sings badly.", 20 + number
                ),
            })
        };
        let lines: String = (0..count).map(|number| format!("{}\n", persona(number))).collect();
        std::fs::write(run.path("personas/personas.jsonl"), lines).expect("written");
        run
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir().join(below)
    }

    pub(crate) fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// `aloe VERB --run DIR ARGS`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.arg(words.next().expect("a verb")).arg("--run").arg(self.dir()).args(words);
        command.env("ALOE_CONFIG", self.folder.path().join("config")).env("ALOE_KEY_127_0_0_1", CANARY);
        command.env("ALOE_KEY_LOCALHOST", "sk-of-another-host").env_remove("OPENAI_API_KEY");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end; the key shows nowhere, whatever happened.
    pub(crate) fn aloe(&self, line: &str) -> Ended {
        let ended = Ended::from(self.command(line).output().expect("run"));
        assert!(!ended.stdout.contains(CANARY) && !ended.stderr.contains(CANARY), "the key shows: {ended:?}");
        assert_no_canary(self.folder.path());
        ended
    }

    pub(crate) fn lines(&self, below: &str) -> Vec<Value> {
        lines_of(&self.path(below))
    }
}

/// The records of a file.
pub(crate) fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends in half a line", path.display());
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn assert_no_canary(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("read") {
        let path = entry.expect("read").path();
        if path.is_dir() {
            assert_no_canary(&path);
        } else {
            let bytes = std::fs::read(&path).expect("read");
            let shows = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!shows, "the key is in {}", path.display());
        }
    }
}
