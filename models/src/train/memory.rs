//! What training will take of the memory, told before it begins, and what it has taken.

use super::llama::{Keep, PIECE, Projection, Shape, keeps_logits};
use super::lora::LoraPlan;

/// Rows of a tile of attention on a GPU.
pub(super) const TILE_ROWS: usize = 256;

/// Bytes, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct TrainingMemory {
    /// The adapter, its gradient and the optimizer's two means.
    pub(crate) adapter: u64,
    /// The base where it stays on a GPU; on the CPU it stays in its file.
    pub(crate) weights: u64,
    /// What is kept of each layer between the two ways.
    pub(crate) kept: u64,
    /// The layer that is being computed, its matrix among it.
    pub(crate) working: u64,
    /// The logits of tokens with loss.
    pub(crate) logits: u64,
    /// The examples as tokens, and the program itself.
    pub(crate) rest: u64,
}

impl TrainingMemory {
    /// For batches of at most `tokens` tokens, of which `learned` have a loss.
    pub(crate) fn estimate(shape: &Shape, plan: &LoraPlan, tokens: usize, learned: usize, keep: Keep) -> Self {
        let (q, kv) = (shape.n_head * shape.head_dim, shape.n_head_kv * shape.head_dim);
        let (n_embd, n_ff) = (shape.n_embd, shape.n_ff);
        let activations = 2 * q + 2 * kv + n_embd + 2 * n_ff + 7 * plan.config.rank;
        let a_layer = match keep {
            Keep::Nothing => 0,
            Keep::LayerInputs => n_embd,
            Keep::Activations => n_embd + activations,
        };
        // On the way back the gradients of both halves stand beside what was kept.
        let working = tokens * (activations + 6 * n_embd + 5 * q + 3 * n_ff) + 2 * n_ff * n_embd;
        let piece = PIECE * n_embd;
        let most_logits = learned * if keeps_logits(learned, shape) { shape.n_vocab } else { PIECE };
        Self {
            adapter: 4 * 4 * plan.len as u64,
            weights: 0,
            kept: 4 * (shape.n_layer * tokens * a_layer) as u64,
            working: 4 * (working + piece) as u64,
            logits: 4 * (most_logits + 2 * learned * n_embd) as u64,
            rest: 96 << 20,
        }
    }

    /// The same of a GPU's memory, where the base stays if it is `resident`.
    ///
    /// burn keeps what it has freed in pools, which the last part stands for.
    pub(crate) fn on_gpu(
        shape: &Shape,
        plan: &LoraPlan,
        tokens: usize,
        learned: usize,
        keep: Keep,
        resident: bool,
    ) -> Self {
        let on_cpu = Self::estimate(shape, plan, tokens, learned, keep);
        // Weights of a tile of attention, their gradients, and two of what is on the way to each; the mask of all tiles.
        let scores = 4 * shape.n_head * TILE_ROWS.min(tokens) * tokens + tokens * tokens;
        let of_layer: usize =
            Projection::ALL.iter().map(|projection| shape.in_and_out(*projection)).map(|(i, o)| i * o).sum();
        let base = shape.n_layer * of_layer + shape.n_vocab * shape.n_embd;
        Self {
            // Here the optimizer's two means are not.
            adapter: 2 * 4 * plan.len as u64,
            weights: if resident { 4 * base as u64 } else { 0 },
            working: on_cpu.working + 4 * scores as u64,
            rest: 64 << 20,
            ..on_cpu
        }
    }

    /// All of it, in MiB. Logits are gone before the first layer goes back, so the greater of the two counts.
    pub(crate) fn mib(&self) -> u64 {
        (self.adapter + self.weights + self.kept + self.working.max(self.logits) + self.rest).div_ceil(1 << 20)
    }
}

/// The most memory that this process has held, in MiB; nothing where the system does not say.
pub(crate) fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
