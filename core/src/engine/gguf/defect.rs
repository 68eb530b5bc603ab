//! What can be wrong with a file, before its path is known.

use std::io;
use std::path::Path;

use crate::error::Error;

/// Why a file was refused; `at` makes it the crate's error.
#[derive(Debug)]
pub(super) enum Defect {
    /// Damaged, truncated or another kind of file.
    Corrupt(String),
    /// Sound, and not for this build.
    Incompatible(String),
    /// An adapter of another base.
    Mismatch(String),
    /// The system refused to read.
    Io(io::Error),
}

pub(super) type Checked<T> = Result<T, Defect>;

impl Defect {
    pub(super) fn at(self, path: &Path) -> Error {
        let path = path.to_path_buf();
        match self {
            Self::Corrupt(reason) => Error::ModelCorrupt { path, reason },
            Self::Incompatible(reason) => Error::ModelIncompatible { path, reason },
            Self::Mismatch(reason) => Error::AdapterMismatch { path, reason },
            Self::Io(source) => Error::io(path, source),
        }
    }
}

pub(super) fn corrupt<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Defect::Corrupt(reason.into()))
}

pub(super) fn incompatible<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Defect::Incompatible(reason.into()))
}

pub(super) fn mismatch<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Defect::Mismatch(reason.into()))
}

/// A name from the file as it may stand in an error: printable, and short whatever the file says.
pub(super) fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
    format!("\"{shown}\"")
}
