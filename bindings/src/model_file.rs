//! What can be known of a model before it is loaded, and of one that is.

use aloekit::engine::{self, Engine};

use crate::{EngineParams, Result, calls};

/// What a model will take, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct MemoryEstimate {
    /// The weights, and their repacked copy.
    pub weights_mib: u64,
    /// The keys and values of the whole context.
    pub kv_mib: u64,
    /// Buffers for computing one batch.
    pub compute_mib: u64,
    /// All of it.
    pub required_mib: u64,
    /// What can be had now, or the budget.
    pub available_mib: u64,
}

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ModelInfo {
    /// Name in the file, or the file's name.
    pub name: String,
    /// Architecture, such as `llama`.
    pub architecture: String,
    /// Number of parameters.
    pub n_params: u64,
    /// Tokens of context it was trained with.
    pub n_ctx_train: u32,
    /// What was estimated before loading.
    pub memory: MemoryEstimate,
    /// BLAKE3 identity of the file, in hexadecimal.
    pub fingerprint: String,
}

/// What loading a model would take, read from its header alone: ask this before [`open_assistant`](crate::open_assistant).
///
/// # Errors
/// Those of the file and [`AloeError::InvalidInput`](crate::AloeError::InvalidInput); never `NotEnoughMemory`: compare
/// `required_mib` with `available_mib`.
#[uniffi::export]
pub async fn estimate_memory(params: EngineParams) -> Result<MemoryEstimate> {
    calls::run(None, move || Ok(Engine::estimate(&params.into_core())?.into())).await
}

impl From<engine::estimate::MemoryEstimate> for MemoryEstimate {
    fn from(estimate: engine::estimate::MemoryEstimate) -> Self {
        Self {
            weights_mib: estimate.weights_mib,
            kv_mib: estimate.kv_mib,
            compute_mib: estimate.compute_mib,
            required_mib: estimate.required_mib,
            available_mib: estimate.available_mib,
        }
    }
}

impl From<engine::ModelInfo> for ModelInfo {
    fn from(info: engine::ModelInfo) -> Self {
        Self {
            name: info.name,
            architecture: info.architecture,
            n_params: info.n_params,
            n_ctx_train: info.n_ctx_train,
            memory: info.memory.into(),
            fingerprint: info.fingerprint,
        }
    }
}
