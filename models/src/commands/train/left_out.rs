//! Lines of a dataset that cannot be learned from: some are told, all are counted, and every one is listed in a file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::STATE;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::run_dir::{remove_if_there, write_whole};

/// Told one by one; more would hide what else is said.
const TOLD: usize = 20;
const FILE: &str = "left_out.jsonl";

/// A line that was left out, and why. The reason quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LeftOut {
    file: PathBuf,
    line: u64,
    reason: String,
}

/// All that were left out, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct LeftOutList(Vec<LeftOut>);

impl LeftOutList {
    pub(super) fn push(&mut self, file: &Path, line: u64, reason: String) {
        self.0.push(LeftOut { file: file.to_owned(), line, reason });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The whole list beside the run's checkpoint; no file where nothing was left out.
    pub(super) fn write(&self, state: &Path) -> Result<()> {
        let path = state.join(FILE);
        if self.0.is_empty() {
            return remove_if_there(&path);
        }
        let mut bytes = Vec::new();
        for line in &self.0 {
            serde_json::to_writer(&mut bytes, line).map_err(Error::internal)?;
            bytes.push(b'\n');
        }
        write_whole(&path, &bytes)
    }

    pub(super) fn tell(&self, output: Output) {
        for LeftOut { file, line, reason } in self.0.iter().take(TOLD) {
            output.warn(&format!("{}:{line} is left out: {reason}", file.display()));
        }
        if self.0.len() > TOLD {
            output.warn(&format!("{} lines are left out in all; {STATE}/{FILE} lists them", self.0.len()));
        }
    }
}
