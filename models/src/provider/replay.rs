//! Recorded answers: a run's `calls.jsonl` answers the same requests again, without a model.

use std::collections::HashMap;
use std::path::Path;

use super::journal::{recording, request_hash};
use super::{Answer, Call, Provider};
use crate::error::{CallFault, Error, Result};

/// Answers from a recording.
pub(super) struct Replay {
    answers: HashMap<String, Answer>,
    file: String,
    lanes: usize,
}

impl Replay {
    /// Reads the recording.
    pub(super) fn open(path: &Path, lanes: usize) -> Result<Self> {
        Ok(Self { answers: recording(path)?, file: path.display().to_string(), lanes })
    }
}

impl Provider for Replay {
    fn kind(&self) -> &'static str {
        "replay"
    }

    fn model(&self) -> &str {
        "replay"
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn worth_keeping(&self) -> bool {
        false
    }

    fn complete(&self, call: &Call<'_>) -> Result<Answer> {
        let answer = self.answers.get(&request_hash(call)).cloned();
        answer.ok_or_else(|| Error::Call { host: self.file.clone(), fault: CallFault::NotRecorded })
    }
}
