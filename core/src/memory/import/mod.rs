//! Bringing in what was kept elsewhere: turns from JSON lines, and whole stores from an [`Export`](super::Export).
//!
//! Nothing in a file is trusted: it is checked before a row is written. Where words come from is stamped here, never
//! read from a line: what a line says the assistant said becomes a reply and no memory of the user.

mod check;
mod instant;
mod lines;
mod restore;
mod turns;

pub use lines::{BadLine, LineFault};
pub use restore::ImportReport;
pub use turns::{OnBadLine, TurnImport};

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// How much is done: bytes of a file of lines, memories of an export.
    pub done: u64,
    /// How much there is, in the same unit; `None` where it cannot be known, as of a pipe.
    pub total: Option<u64>,
}
