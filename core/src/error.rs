//! The one error type of the crate: each variant names a cause that a caller can act on.
//!
//! Texts say what failed and what to do next, and never contain what a user said.

use std::path::PathBuf;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, with the fields a program needs to act on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of a model, adapter, tokenizer or library is not where it was said to be.
    #[error("{what} is missing: {} does not exist; download it or correct the path", path.display())]
    ModelMissing {
        /// Which file: "model", "adapter", "embedder", "tokenizer", "ONNX Runtime library".
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },

    /// The file is damaged, truncated or of another kind than it should be.
    #[error("{} is damaged: {reason}; download it again", path.display())]
    ModelCorrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The file is sound, but this build cannot run it.
    #[error("{} cannot be run here: {reason}", path.display())]
    ModelIncompatible {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        reason: String,
    },

    /// The adapter was made for another base model, or its tensors do not fit.
    #[error("adapter {} does not fit the loaded model: {reason}; use the adapter made for this base", path.display())]
    AdapterMismatch {
        /// The adapter's file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },

    /// Loading would take more memory than the machine can give.
    #[error(
        "about {required_mib} MiB are needed and {available_mib} MiB are available; choose a smaller model or a shorter context"
    )]
    NotEnoughMemory {
        /// Weights, KV cache and compute buffers together, in MiB.
        required_mib: u64,
        /// What can be had now, in MiB.
        available_mib: u64,
    },

    /// The newest message and what may never be cut do not fit the context.
    #[error(
        "{required_tokens} tokens are needed and the context holds {available_tokens}; shorten the message or open the model with a larger context"
    )]
    ContextExceeded {
        /// Tokens of what may not be cut, the reply's reserve included.
        required_tokens: usize,
        /// Tokens the context has for it.
        available_tokens: usize,
    },

    /// The session is still answering, or all room of the engine is taken by others.
    #[error("the session is still answering; finish or cancel the reply first")]
    Busy,

    /// The caller cancelled the call.
    #[error("cancelled by the caller")]
    Cancelled,

    /// The assistant or session was closed.
    #[error("already closed; open it again")]
    Closed,

    /// The GPU may not be used while the app is in the background.
    #[error("the app is in the background, where the GPU may not be used; try again in the foreground")]
    Backgrounded,

    /// The disk has no room for what must be written.
    #[error("no room to write {}; free some space and try again", path.display())]
    StorageFull {
        /// What was being written.
        path: PathBuf,
    },

    /// Another process holds the store.
    #[error("{} is held by another process; close it there first", path.display())]
    StorageLocked {
        /// The store's file.
        path: PathBuf,
    },

    /// The store is damaged; nothing in it was changed.
    #[error("{} is damaged ({reason}); open it with `OnDamage::Quarantine` to set it aside and start a new one, or restore a copy", path.display())]
    StorageCorrupt {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },

    /// The store may not be read or written.
    #[error("{} cannot be opened ({reason}); check its permissions", path.display())]
    StorageDenied {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },

    /// The key does not open the store; no byte of it was changed.
    #[error("the key does not open {}", path.display())]
    WrongKey {
        /// The store's file.
        path: PathBuf,
    },

    /// A newer version wrote the store; nothing in it was changed.
    #[error("{} was written by a newer version (schema {found}, this version knows up to {supported}); update the app", path.display())]
    SchemaTooNew {
        /// The store's file.
        path: PathBuf,
        /// The schema found.
        found: i64,
        /// The newest schema this version knows.
        supported: i64,
    },

    /// A file to import is not what it should be; nothing of it was imported.
    #[error("the file cannot be imported{}: {reason}; nothing of it was", line.map(|line| format!(" (line {line})")).unwrap_or_default())]
    ImportInvalid {
        /// The first line at fault, from 1, where the file is read by lines.
        line: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },

    /// A newer version wrote the export; nothing of it was imported.
    #[error(
        "the export was written by a newer version (format {found}, this version knows up to {supported}); update the app"
    )]
    ExportTooNew {
        /// The format found.
        found: u32,
        /// The newest format this version knows.
        supported: u32,
    },

    /// The store's vectors were made by another embedder; reading works, searching by meaning does not.
    #[error("memory was embedded by {stored} and the embedder is {given}; call `reembed` to bring it up to date")]
    EmbedderChanged {
        /// Fingerprint and dimension stored.
        stored: String,
        /// Fingerprint and dimension given.
        given: String,
    },

    /// An argument is out of its range.
    #[error("{what}: {reason}")]
    InvalidInput {
        /// Which argument.
        what: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },

    /// What was asked for by id does not exist.
    #[error("no {what} with id {id}")]
    NotFound {
        /// Which kind of thing.
        what: &'static str,
        /// The id asked for.
        id: i64,
    },

    /// A listener given by the app failed.
    #[error("the app's listener failed: {reason}")]
    CallbackFailed {
        /// What it raised.
        reason: String,
    },

    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// A defect of this crate or of a library below it.
    #[error("internal error: {reason}; please report it")]
    Internal {
        /// Where and what.
        reason: String,
    },
}

impl Error {
    /// The error of a file operation, told apart by what the caller can do about it.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::StorageFull { path },
            _ => Self::Io { path, source },
        }
    }

    /// A defect, with where it was met.
    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Internal { reason: reason.to_string() }
    }
}
