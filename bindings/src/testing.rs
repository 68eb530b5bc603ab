//! An assistant without weights, for the tests of apps: replies come from a script, everything else is real.

use std::sync::Arc;
use std::time::Duration;

use aloekit::Error;
use aloekit::engine::{Engine, Script};
use aloekit::memory::{Embedder, HashingEmbedder, MemoryStore};

use crate::{AloeError, Assistant, Induction, OnDamage, Result, StoreKey, calls, store};

/// Numbers in a vector of the embedder that knows spelling only.
const DIMENSION: usize = 256;

/// One answer of a script.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ScriptedReply {
    /// What the stream gives, piece by piece.
    pub pieces: Vec<String>,
    /// Milliseconds before each piece.
    #[uniffi(default = 0)]
    pub piece_delay_ms: u32,
    /// The error that ends the reply after its pieces.
    #[uniffi(default = None)]
    pub fails_with: Option<AloeError>,
    /// How much likelier adapters make this reply, in nats. To a script, any file that is there is an adapter.
    #[uniffi(default = 0.0)]
    pub alignment_nats: f64,
}

/// What a scripted assistant is made of.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ScriptParams {
    /// Given in this order; after the last, the last again.
    pub replies: Vec<ScriptedReply>,
    /// File of the memory; without one memory is gone when the assistant is closed.
    #[uniffi(default = None)]
    pub memory: Option<String>,
    /// Folder of KV snapshots. A script has no KV state, so none are written.
    #[uniffi(default = None)]
    pub snapshots: Option<String>,
    /// Context window in words, 64 or more.
    #[uniffi(default = 4096)]
    pub n_ctx: u32,
    /// Whether it behaves as if on a GPU.
    #[uniffi(default = false)]
    pub uses_gpu: bool,
    /// What opening does when the memory is damaged.
    #[uniffi(default = None)]
    pub on_damage: Option<OnDamage>,
    /// How what the user says becomes facts; without it `Automatic`. A script is no model that could read.
    #[uniffi(default = None)]
    pub induction: Option<Induction>,
}

/// An assistant that answers from a script. Its memory is the real one, encrypted if it has a key, with an embedder that
/// knows spelling only.
///
/// # Errors
/// [`AloeError::InvalidInput`] for an empty script; those of storage.
#[uniffi::export]
pub async fn open_scripted_assistant(params: ScriptParams, key: Option<Arc<StoreKey>>) -> Result<Arc<Assistant>> {
    calls::run(None, move || {
        let memory = store::memory_params(params.memory, key.as_deref(), params.on_damage, None)?;
        let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new(DIMENSION));
        let memory = MemoryStore::open(memory, Some(Arc::clone(&embedder)))?;
        let replies = params.replies.into_iter().map(ScriptedReply::into_core).collect();
        let script = Script { replies, n_ctx: params.n_ctx as usize, uses_gpu: params.uses_gpu };
        let snapshots = params.snapshots.map(Into::into);
        let induction = Induction::into_core(params.induction);
        let core = aloekit::Assistant::from_parts(Engine::scripted(script)?, memory, snapshots, induction)?;
        Ok(Assistant::new(core, Some(embedder)))
    })
    .await
}

impl ScriptedReply {
    fn into_core(self) -> aloekit::engine::ScriptedReply {
        aloekit::engine::ScriptedReply {
            pieces: self.pieces,
            piece_delay: Duration::from_millis(self.piece_delay_ms.into()),
            alignment_nats: self.alignment_nats,
            fails_with: self
                .fails_with
                .map(|error| -> Arc<dyn Fn() -> Error + Send + Sync> { Arc::new(move || into_core(error.clone())) }),
        }
    }
}

/// The core's error behind one of an app: how a script raises it.
pub(crate) fn into_core(error: AloeError) -> Error {
    match error {
        AloeError::ModelMissing { path, .. } => Error::ModelMissing { what: "model", path: path.into() },
        AloeError::ModelCorrupt { path, reason } => Error::ModelCorrupt { path: path.into(), reason },
        AloeError::ModelIncompatible { path, reason } => Error::ModelIncompatible { path: path.into(), reason },
        AloeError::AdapterMismatch { path, reason } => Error::AdapterMismatch { path: path.into(), reason },
        AloeError::NotEnoughMemory { required_mib, available_mib } => {
            Error::NotEnoughMemory { required_mib, available_mib }
        }
        AloeError::ContextExceeded { required_tokens, available_tokens } => Error::ContextExceeded {
            required_tokens: usize::try_from(required_tokens).unwrap_or(usize::MAX),
            available_tokens: usize::try_from(available_tokens).unwrap_or(usize::MAX),
        },
        AloeError::Busy => Error::Busy,
        AloeError::Cancelled => Error::Cancelled,
        AloeError::Closed => Error::Closed,
        AloeError::Backgrounded => Error::Backgrounded,
        AloeError::StorageFull { path } => Error::StorageFull { path: path.into() },
        AloeError::StorageLocked { path } => Error::StorageLocked { path: path.into() },
        AloeError::StorageCorrupt { path, reason } => Error::StorageCorrupt { path: path.into(), reason },
        AloeError::StorageDenied { path, reason } => Error::StorageDenied { path: path.into(), reason },
        AloeError::WrongKey { path } => Error::WrongKey { path: path.into() },
        AloeError::SchemaTooNew { found, supported } => Error::SchemaTooNew { path: "".into(), found, supported },
        AloeError::ImportInvalid { line, reason } => Error::ImportInvalid { line, reason },
        AloeError::EmbedderChanged { stored, given } => Error::EmbedderChanged { stored, given },
        AloeError::InvalidInput { reason, .. } => Error::InvalidInput { what: "script", reason },
        AloeError::NotFound { id, .. } => Error::NotFound { what: "memory", id },
        AloeError::CallbackFailed { reason } => Error::CallbackFailed { reason },
        AloeError::Internal { reason } => Error::Internal { reason },
    }
}
