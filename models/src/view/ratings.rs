//! What a person prefers, turn by turn: the paper's human check, kept in the run.
//!
//! A line a rating, on the disk before it is confirmed; a later one of the same turn counts instead of an earlier one.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::record::Branch;
use crate::run_dir::{AppendLog, read_lines};

const FOLDER: &str = "ratings";
const FILE: &str = "ratings.jsonl";

/// Which reply is the better one for this person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Choice {
    Left,
    Right,
    Tie,
}

/// One rating.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rating {
    /// The conversation by number and attempt, and the place of the turn in it.
    pub(crate) conversation: u64,
    pub(crate) attempt: u32,
    pub(crate) node: usize,
    pub(crate) choice: Choice,
    /// Which reply stood on the left; its name was not shown.
    pub(crate) left: Branch,
    /// Milliseconds since 1970; given when it is kept.
    #[serde(default)]
    pub(crate) at_ms: u64,
}

/// The ratings of a run, open to take more.
pub(crate) struct Ratings {
    log: AppendLog,
    _lock: std::fs::File,
    all: Vec<Rating>,
}

impl Ratings {
    /// The ratings so far, to be looked at.
    pub(crate) fn read(run: &Path) -> Result<Vec<Rating>> {
        read_lines(&run.join(FOLDER).join(FILE))
    }

    /// The ratings so far, with their file held against other processes.
    ///
    /// # Errors
    /// [`Error::RunBusy`] while another page takes ratings of this run.
    pub(crate) fn open(run: &Path) -> Result<Self> {
        let folder = run.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        let path = folder.join("lock");
        let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| Error::io(&path, error))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => Error::RunBusy { path: folder.clone() },
            std::fs::TryLockError::Error(error) => Error::io(&path, error),
        })?;
        let log = AppendLog::open(&folder.join(FILE))?;
        Ok(Self { log, _lock: lock, all: Self::read(run)? })
    }

    /// Keeps one; it is on the disk when this returns.
    pub(crate) fn keep(&mut self, mut rating: Rating) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        rating.at_ms = u64::try_from(now.as_millis()).unwrap_or_default();
        self.log.append(&rating)?;
        self.all.push(rating);
        Ok(())
    }

    pub(crate) fn all(&self) -> &[Rating] {
        &self.all
    }
}
