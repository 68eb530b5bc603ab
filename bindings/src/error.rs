//! What an app can do about a failure: the only place where the core's errors are translated.

use aloekit::Error;

/// What every fallible call returns.
pub type Result<T, E = AloeError> = std::result::Result<T, E>;

/// Why a call failed. Each variant is something that an app can act on; `reason` is for logs and holds nothing that a
/// user said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[allow(missing_docs, reason = "the variants' own texts say it")]
pub enum AloeError {
    /// A file is not there: download it.
    #[error("{what} is missing: {path}")]
    ModelMissing { what: String, path: String },
    /// A file is damaged: download it again.
    #[error("{path} is damaged: {reason}")]
    ModelCorrupt { path: String, reason: String },
    /// The file is sound, and this version cannot run it: offer another model or an update.
    #[error("{path} cannot be run here: {reason}")]
    ModelIncompatible { path: String, reason: String },
    /// The adapter was made for another base: fetch the one for this base.
    #[error("adapter {path} does not fit: {reason}")]
    AdapterMismatch { path: String, reason: String },
    /// Nothing was loaded: choose a smaller model or a shorter context.
    #[error("about {required_mib} MiB are needed, {available_mib} MiB are available")]
    NotEnoughMemory { required_mib: u64, available_mib: u64 },
    /// Shorten the message.
    #[error("{required_tokens} tokens are needed, the context holds {available_tokens}")]
    ContextExceeded { required_tokens: u64, available_tokens: u64 },
    /// The session is still answering: wait or cancel.
    #[error("still answering")]
    Busy,
    /// The app itself cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The object was closed: open it again.
    #[error("already closed")]
    Closed,
    /// The GPU may not be used now: try again in the foreground.
    #[error("in the background, where the GPU may not be used")]
    Backgrounded,
    /// Ask the user to free space.
    #[error("no room to write {path}")]
    StorageFull { path: String },
    /// Another process has the store open.
    #[error("{path} is held by another process")]
    StorageLocked { path: String },
    /// Open with `OnDamage.QUARANTINE`, or restore a copy. Nothing was changed.
    #[error("{path} is damaged: {reason}")]
    StorageCorrupt { path: String, reason: String },
    /// A file may not be read or written: check where the app keeps its data.
    #[error("{path} cannot be used: {reason}")]
    StorageDenied { path: String, reason: String },
    /// The key does not open the store.
    #[error("the key does not open {path}")]
    WrongKey { path: String },
    /// A newer version of the app wrote this: ask for an update.
    #[error("written by a newer version ({found}, known up to {supported})")]
    SchemaTooNew { found: i64, supported: i64 },
    /// The file to import is not one; nothing of it was imported.
    #[error("cannot be imported: {reason}")]
    ImportInvalid { line: Option<u64>, reason: String },
    /// Vectors were made by another embedder: call `Persona.reembed`.
    #[error("memory was embedded by {stored}, the embedder is {given}")]
    EmbedderChanged { stored: String, given: String },
    /// A mistake of the app's code: an argument is out of its range.
    #[error("{what}: {reason}")]
    InvalidInput { what: String, reason: String },
    /// There is nothing with this id, or not any more.
    #[error("no {what} with id {id}")]
    NotFound { what: String, id: i64 },
    /// A listener of the app threw.
    #[error("the app's listener failed: {reason}")]
    CallbackFailed { reason: String },
    /// A defect of the library: report it.
    #[error("internal error: {reason}")]
    Internal { reason: String },
}

impl From<Error> for AloeError {
    /// Exhaustive but for what `#[non_exhaustive]` demands; a test fails on a variant of the core that is not here.
    fn from(error: Error) -> Self {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        match error {
            Error::ModelMissing { what, path } => Self::ModelMissing { what: what.into(), path: text(path) },
            Error::ModelCorrupt { path, reason } => Self::ModelCorrupt { path: text(path), reason },
            Error::ModelIncompatible { path, reason } => Self::ModelIncompatible { path: text(path), reason },
            Error::AdapterMismatch { path, reason } => Self::AdapterMismatch { path: text(path), reason },
            Error::NotEnoughMemory { required_mib, available_mib } => {
                Self::NotEnoughMemory { required_mib, available_mib }
            }
            Error::ContextExceeded { required_tokens, available_tokens } => Self::ContextExceeded {
                required_tokens: required_tokens as u64,
                available_tokens: available_tokens as u64,
            },
            Error::Busy => Self::Busy,
            Error::Cancelled => Self::Cancelled,
            Error::Closed => Self::Closed,
            Error::Backgrounded => Self::Backgrounded,
            Error::StorageFull { path } => Self::StorageFull { path: text(path) },
            Error::StorageLocked { path } => Self::StorageLocked { path: text(path) },
            Error::StorageCorrupt { path, reason } => Self::StorageCorrupt { path: text(path), reason },
            Error::StorageDenied { path, reason } => Self::StorageDenied { path: text(path), reason },
            Error::WrongKey { path } => Self::WrongKey { path: text(path) },
            Error::SchemaTooNew { path: _, found, supported } => Self::SchemaTooNew { found, supported },
            Error::ExportTooNew { found, supported } => {
                Self::SchemaTooNew { found: found.into(), supported: supported.into() }
            }
            Error::ImportInvalid { line, reason } => Self::ImportInvalid { line, reason },
            Error::EmbedderChanged { stored, given } => Self::EmbedderChanged { stored, given },
            Error::InvalidInput { what, reason } => Self::InvalidInput { what: what.into(), reason },
            Error::NotFound { what, id } => Self::NotFound { what: what.into(), id },
            Error::CallbackFailed { reason } => Self::CallbackFailed { reason },
            Error::Io { path, source } => Self::StorageDenied { path: text(path), reason: source.to_string() },
            Error::Internal { reason } => Self::Internal { reason },
            unknown => Self::Internal { reason: unknown.to_string() },
        }
    }
}

/// What a listener threw that is no [`AloeError`] of its own.
impl From<uniffi::UnexpectedUniFFICallbackError> for AloeError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::CallbackFailed { reason: error.reason }
    }
}
