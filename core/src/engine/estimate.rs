//! How much memory a model will take, and whether the machine has it: asked before anything is loaded.
//!
//! On a phone the system ends the app that takes too much, without a word. The weights and the KV cache are exact;
//! the compute buffers are llama.cpp's own plan, approximated (see [`MemoryEstimate`]). Memory of a GPU is not known
//! here: what is offloaded is counted as if it stayed, which is right where both share one memory.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::gguf::{GgmlType, Header, Tensor};
use crate::error::{Error, Result};

const MIB: u128 = 1 << 20;
/// llama.cpp rounds the context up to this many tokens.
const N_CTX_STEP: u128 = 256;

/// How a model is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRequest {
    /// Tokens of context, all sequences together.
    pub n_ctx: u32,
    /// Tokens computed at once (`n_ubatch`).
    pub n_ubatch: u32,
    /// Rows of logits that one decode may ask for.
    pub n_outputs: u32,
    /// Type of keys and values in the cache: `F16` or `Q8_0`.
    pub kv_type: GgmlType,
    /// Whether attention runs fused; on CPUs "auto" does.
    pub flash_attention: bool,
    /// Whether weights are repacked for the CPU, which keeps a second copy of them.
    pub repack: bool,
    /// MiB that may be taken; `None` asks the machine.
    pub budget_mib: Option<u64>,
}

/// What a model will take, in MiB, each part rounded up.
///
/// The compute buffers are the largest of the output (`4 n_vocab n_outputs`), the feed-forward network
/// (`12 n_ff n_ubatch`) and, without flash attention, the scores (`4 n_head n_ctx n_ubatch`), plus for each token of a batch
/// seven vectors of `n_embd` floats and the attention mask (2 bytes a position with flash attention, 4 without). Against
/// llama.cpp's own numbers for SmolLM2-135M, in nine settings with as many outputs as tokens, it was up to 5% above and
/// never below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The weights, and their repacked copy.
    pub weights_mib: u64,
    /// The keys and values of the whole context.
    pub kv_mib: u64,
    /// Buffers for computing one batch, and the logits.
    pub compute_mib: u64,
    /// All of it.
    pub required_mib: u64,
    /// The budget, or what the machine can give now, less a reserve for everything else.
    pub available_mib: u64,
}

impl MemoryEstimate {
    /// Estimates for a model; numbers too large for anything saturate.
    #[must_use]
    pub fn new(header: &Header, request: &MemoryRequest) -> Self {
        let repacked = if request.repack { repacked_bytes(header) } else { 0 };
        let weights = u128::from(header.tensor_bytes()) + repacked;
        let (kv, compute) = (kv_bytes(header, request), compute_bytes(header, request));
        let available = request.budget_mib.unwrap_or_else(available_mib);
        Self {
            weights_mib: mib(weights),
            kv_mib: mib(kv),
            compute_mib: mib(compute),
            required_mib: mib(weights + kv + compute),
            available_mib: available,
        }
    }

    /// Refuses what does not fit.
    ///
    /// # Errors
    /// `NotEnoughMemory`.
    pub fn check(&self) -> Result<()> {
        let Self { required_mib, available_mib, .. } = *self;
        match required_mib <= available_mib {
            true => Ok(()),
            false => Err(Error::NotEnoughMemory { required_mib, available_mib }),
        }
    }
}

fn mib(bytes: u128) -> u64 {
    u64::try_from(bytes.div_ceil(MIB)).unwrap_or(u64::MAX)
}

/// The greatest terms are 512 layers of 4,096 heads of 8,192 numbers for 2^32 tokens: below 2^70.
fn kv_bytes(header: &Header, request: &MemoryRequest) -> u128 {
    let shape = header.hyperparameters();
    let n_ctx = padded_n_ctx(request);
    let row = |heads: u32, length: u32| {
        let elements = u128::from(heads) * u128::from(length);
        let blocks = elements.div_ceil(u128::from(request.kv_type.block_elements()));
        blocks * u128::from(request.kv_type.block_bytes())
    };
    let of_layer = |&heads: &u32| row(heads, shape.key_length) + row(heads, shape.value_length);
    shape.n_head_kv.iter().map(of_layer).sum::<u128>() * n_ctx
}

fn compute_bytes(header: &Header, request: &MemoryRequest) -> u128 {
    let shape = header.hyperparameters();
    let (n_ctx, n_vocab) = (padded_n_ctx(request), header.tokens().len() as u128);
    let most = |numbers: &[u32]| numbers.iter().copied().max().map_or(0, u128::from);
    let (scores, mask) = match request.flash_attention {
        true => (0, 2 * n_ctx),
        false => (4 * most(&shape.n_head) * n_ctx, 4 * n_ctx),
    };
    let n_ubatch = u128::from(request.n_ubatch.min(request.n_ctx));
    let logits = 4 * n_vocab * u128::from(request.n_outputs);
    let widest = logits.max((12 * most(&shape.n_ff)).max(scores) * n_ubatch);
    widest + (mask + 28 * u128::from(shape.n_embd)) * n_ubatch + logits
}

fn padded_n_ctx(request: &MemoryRequest) -> u128 {
    u128::from(request.n_ctx).next_multiple_of(N_CTX_STEP)
}

/// llama.cpp repacks the matrices it multiplies by, not the embeddings it looks up, if it has a kernel for their type.
fn repacked_bytes(header: &Header) -> u128 {
    let repacked = |tensor: &&Tensor| {
        tensor.shape.len() > 1 && tensor.name != "token_embd.weight" && is_repacked(tensor.ggml_type)
    };
    header.tensors().iter().filter(repacked).map(|tensor| u128::from(tensor.bytes)).sum()
}

/// The types with kernels for this kind of CPU, as if it had all the extensions that they ask for.
fn is_repacked(ggml_type: GgmlType) -> bool {
    use GgmlType::*;
    let everywhere = matches!(ggml_type, Q4_0 | Q4_K | Q2_K | IQ4_NL | MXFP4);
    everywhere || cfg!(target_arch = "aarch64") && matches!(ggml_type, Q5_K | Q6_K | Q8_0 | Q1_0)
}

/// MiB that can be taken now without pushing others out: what is free or can be freed, within this process's control
/// group, less 5% of the machine's memory (128 to 512 MiB) for everything else. Unknown counts as enough.
fn available_mib() -> u64 {
    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(system) = System::new_with_specifics(refresh) else { return u64::MAX };
    // Of a group's usage only `rss` is counted: file pages, such as a model just downloaded, are given up when needed.
    let in_group = system.cgroup_limits().map(|group| group.total_memory.saturating_sub(group.rss));
    available_of(system.total_memory(), system.available_memory(), in_group)
}

fn available_of(total: u64, available: u64, in_group: Option<u64>) -> u64 {
    if total == 0 {
        return u64::MAX;
    }
    let reserve = (total / 20).clamp(128 << 20, 512 << 20);
    let available = in_group.map_or(available, |in_group| available.min(in_group));
    available.saturating_sub(reserve) >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_and_a_reserve_lessen_what_is_available() {
        const GIB: u64 = 1 << 30;
        assert_eq!(available_of(8 * GIB, 4 * GIB, None), 4096 - 410);
        assert_eq!(available_of(8 * GIB, 4 * GIB, Some(GIB)), 1024 - 410);
        assert_eq!(available_of(64 * GIB, 60 * GIB, None), 60 * 1024 - 512);
        assert_eq!(available_of(GIB, 100 << 20, None), 0);
        assert_eq!(available_of(0, 0, None), u64::MAX);
    }

    #[test]
    fn the_machine_has_some_memory() {
        assert!(available_mib() > 0);
    }
}
