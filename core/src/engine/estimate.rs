//! How much memory loading will take, before anything is loaded.
//!
//! A phone ends an app that asks for too much, and an app that tries again at each start never comes up: better a
//! number and an error first. Weights and KV cache are exact, compute buffers an upper bound that was held against
//! llama.cpp's own figures.

use super::gguf::{GgmlType, Header};
use super::params::{EngineParams, KvType};
use crate::error::{Error, Result};

const MIB: u64 = 1 << 20;

/// What must stay free for the rest of the app and the system.
const RESERVE_MIB: u64 = 128;

/// What a model will take, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights, mapped from the file.
    pub weights_mib: u64,
    /// The copy of the weights that repacking makes.
    pub repacked_mib: u64,
    /// KV cache for the whole context.
    pub kv_mib: u64,
    /// Compute and output buffers.
    pub compute_mib: u64,
    /// All of them.
    pub required_mib: u64,
    /// What can be had: the host's budget, or what the machine has to give less a reserve.
    pub available_mib: u64,
}

impl MemoryEstimate {
    /// The estimate for this file with these parameters.
    #[must_use]
    pub fn new(header: &Header, params: &EngineParams) -> Self {
        let weights_mib = header.tensor_bytes().div_ceil(MIB);
        let repacked_mib = if params.repack { repacked_bytes(header).div_ceil(MIB) } else { 0 };
        let kv_mib = kv_bytes(header, params).div_ceil(MIB);
        let compute_mib = compute_bytes(header, params).div_ceil(MIB);
        let parts = [weights_mib, repacked_mib, kv_mib, compute_mib];
        let required_mib = parts.into_iter().fold(0, u64::saturating_add);
        let available_mib = params.memory_budget_mib.unwrap_or_else(available_mib);
        Self { weights_mib, repacked_mib, kv_mib, compute_mib, required_mib, available_mib }
    }

    /// Whether it can be had.
    ///
    /// # Errors
    /// [`Error::NotEnoughMemory`] with both figures.
    pub fn check(&self) -> Result<()> {
        if self.required_mib <= self.available_mib {
            return Ok(());
        }
        Err(Error::NotEnoughMemory { required_mib: self.required_mib, available_mib: self.available_mib })
    }
}

/// Keys and values of every layer for every token of the context.
fn kv_bytes(header: &Header, params: &EngineParams) -> u64 {
    let shape = header.hyperparameters();
    // A q8_0 block holds 32 values in 34 bytes.
    let bytes = |values: u64| match params.kv_type {
        KvType::F16 => values.saturating_mul(2),
        KvType::Q8_0 => values.div_ceil(32).saturating_mul(34),
    };
    let row = |heads: &u32| {
        let heads = u64::from(*heads);
        bytes(heads * u64::from(shape.key_length)).saturating_add(bytes(heads * u64::from(shape.value_length)))
    };
    shape.n_head_kv.iter().map(row).fold(0_u64, u64::saturating_add).saturating_mul(effective_n_ctx(header, params))
}

/// Logits, the widest activations of a batch, and the attention scores of one layer.
fn compute_bytes(header: &Header, params: &EngineParams) -> u64 {
    let shape = header.hyperparameters();
    let n_ubatch = u64::from(params.n_batch.min(512));
    let n_vocab = header.tokens().len() as u64;
    let n_outputs = u64::from(super::N_OUTPUTS_MAX.max(params.n_sessions));
    let widest = u64::from(shape.n_ff.iter().copied().max().unwrap_or(0));
    let activations = n_ubatch.saturating_mul(4 * (8 * u64::from(shape.n_embd) + 3 * widest));
    let mask = n_ubatch.saturating_mul(effective_n_ctx(header, params)).saturating_mul(4);
    // Once where the graph computes them, once where they are read.
    let logits = n_outputs.saturating_mul(n_vocab).saturating_mul(2 * 4);
    activations.saturating_add(mask).saturating_add(logits)
}

/// Bytes of the weights that llama.cpp's CPU kernels repack: the plain 4-bit ones and Q4_K, multiplied matrices only.
fn repacked_bytes(header: &Header) -> u64 {
    let repackable = |kind| matches!(kind, GgmlType::Q4_0 | GgmlType::Q4_K | GgmlType::IQ4_NL | GgmlType::Q8_0);
    let matrices = header.tensors().iter().filter(|tensor| tensor.shape.len() == 2 && repackable(tensor.ggml_type));
    matrices.filter(|tensor| tensor.name != "token_embd.weight").map(|tensor| tensor.bytes).sum()
}

/// Tokens of context that the engine gives: what was asked, at most what the model was trained with.
pub(super) fn effective_n_ctx(header: &Header, params: &EngineParams) -> u64 {
    u64::from(params.n_ctx.min(header.hyperparameters().n_ctx_train))
}

/// MiB that this process may still take, by the machine and by its control group; all there is where nobody can say.
fn available_mib() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let machine = system.available_memory();
    let group = system.cgroup_limits().map_or(machine, |limits| limits.free_memory);
    (machine.min(group) / MIB).saturating_sub(RESERVE_MIB)
}
