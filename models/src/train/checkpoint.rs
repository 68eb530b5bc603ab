//! Where a run stands, in one file that is replaced whole: a kill leaves the one before or the one after.
//!
//! Layout: a line of JSON, then the adapter's numbers and the optimizer's two means as little-endian `f32`, then BLAKE3
//! of all before. Everything else of a step (its examples, its dropout, its rate) follows from its number and the seed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::optimizer::AdamW;
use crate::error::{Error, Result};
use crate::run_dir::{remove_if_there, replace_with};

const HASH_BYTES: usize = 32;

/// A run after `step` steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checkpoint {
    pub(super) step: usize,
    pub(super) numbers: Vec<f32>,
    pub(super) adam: AdamW,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    step: usize,
    numbers: usize,
}

/// The file in a run's folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.bin")
}

impl Checkpoint {
    /// Replaces the file.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let head = Head { format: 1, step: self.step, numbers: self.numbers.len() };
        let mut bytes = serde_json::to_vec(&head).map_err(Error::internal)?;
        bytes.push(b'\n');
        for part in [&self.numbers, &self.adam.mean, &self.adam.square] {
            bytes.extend(part.iter().flat_map(|number| number.to_le_bytes()));
        }
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        replace_with(&path(folder), |file| std::io::Write::write_all(file, &bytes))
    }

    /// The newest checkpoint of a run, if there is one, for an adapter of this many numbers.
    ///
    /// # Errors
    /// [`Error::RunUnknown`] for a damaged file.
    pub(super) fn read(folder: &Path, numbers: usize) -> Result<Option<Self>> {
        let path = path(folder);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, error)),
        };
        let damaged = || Error::RunUnknown { path: path.clone(), reason: "its checkpoint is damaged".into() };
        Self::parse(&bytes, numbers).map(Some).ok_or_else(damaged)
    }

    fn parse(bytes: &[u8], numbers: usize) -> Option<Self> {
        let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&content[..end]).ok()?;
        let values: Vec<f32> = content[end + 1..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if head.format != 1 || head.numbers != numbers || values.len() != 3 * numbers {
            return None;
        }
        let part = |at: usize| values[at * numbers..(at + 1) * numbers].to_vec();
        let adam = AdamW { mean: part(1), square: part(2), steps: head.step as u64 };
        Some(Self { step: head.step, numbers: part(0), adam })
    }
}

/// Deletes what a run left, for one that begins anew.
pub(super) fn forget(folder: &Path) -> Result<()> {
    remove_if_there(&path(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_seen() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(Checkpoint::read(folder.path(), 3).expect("read"), None);
        let adam = AdamW { mean: vec![0.1, 0.2, 0.3], square: vec![1.0, 2.0, 3.0], steps: 7 };
        let checkpoint = Checkpoint { step: 7, numbers: vec![-1.0, f32::MIN_POSITIVE, 3.5], adam };
        checkpoint.write(folder.path()).expect("written");
        assert_eq!(Checkpoint::read(folder.path(), 3).expect("read"), Some(checkpoint));
        assert!(Checkpoint::read(folder.path(), 4).is_err());
        let mut bytes = std::fs::read(path(folder.path())).expect("read");
        bytes[60] ^= 1;
        std::fs::write(path(folder.path()), &bytes).expect("written");
        assert!(matches!(Checkpoint::read(folder.path(), 3), Err(Error::RunUnknown { .. })));
    }
}
