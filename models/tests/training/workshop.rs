//! A folder of one test, the model to train on, and the tool run on them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ended::Ended;
use crate::skipped::skipped;

/// A folder with data, and the model that every test trains on.
pub(crate) struct Workshop {
    folder: TempDir,
    pub(crate) model: String,
}

impl Workshop {
    /// Nothing, said aloud, where there is no model to test with.
    pub(crate) fn open(test: &str) -> Option<Self> {
        let model = std::env::var("ALOE_TEST_MODEL").ok().filter(|path| PathBuf::from(path).is_file());
        if model.is_none() {
            skipped(test, "ALOE_TEST_MODEL names no file; `./dev test` sets it");
        }
        Some(Self { folder: tempfile::tempdir().expect("temporary folder"), model: model? })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_lines(&self, name: &str, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).expect("read");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// `aloe LINE` in the folder; `MODEL` stands for the model.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.args(line.split_whitespace().map(|word| if word == "MODEL" { self.model.as_str() } else { word }));
        command.current_dir(self.folder.path()).env("ALOE_CONFIG", self.path("config"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn aloe(&self, line: &str) -> Ended {
        Ended::from(self.command(line).output().expect("run"))
    }

    pub(crate) fn spawn(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
    }

    /// Log-probabilities of the replies of every line of `file`.
    pub(crate) fn scores(&self, line: &str) -> Vec<f64> {
        let ended = self.aloe(&format!("score {line} --threads 1")).succeeded();
        let lines = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.flat_map(|line| serde_json::from_value::<Vec<f64>>(line["log_probs"].clone()).expect("numbers")).collect()
    }
}

/// A run directory in which eight scripted persons are about to talk.
pub(crate) fn personas(workshop: &Workshop) {
    let folder = workshop.path("run/personas");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(workshop.path("run/run.json"), r#"{"format":1,"made_by":"test"}"#).expect("written");
    let persona = |number: usize| {
        let profile = format!(
            "Jo is a {}-year-old baker in Graz. She loves chess. Her home is flat {number}. She keeps hens. Her brother \
             sails. She sings badly.",
            20 + number
        );
        json!({
            "id": format!("persona-{number}"), "split": "train", "profile_id": format!("profile-{number}"),
            "personality_id": "personality-0", "profile": profile,
            "personality": "Is playful and loves a good joke. Forgives quickly.",
        })
    };
    workshop.write_lines("run/personas/personas.jsonl", &(0..8).map(persona).collect::<Vec<_>>());
}
