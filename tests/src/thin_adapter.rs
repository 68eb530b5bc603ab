//! LoRA adapters of one pair, small enough for a case file: for the default model, and for a base that is not there.

use crate::gguf_writer::{GgufWriter, TensorType};

/// Length of the default model's residual stream.
pub const N_EMBD: u64 = 576;

/// The last layer of the default model.
const LAST_LAYER: u32 = 29;

/// A pair on the attention output of the default model's last layer; each `pattern` leans towards other replies.
#[must_use]
pub fn for_default_model(pattern: u64) -> GgufWriter {
    adapter(N_EMBD, LAST_LAYER, pattern)
}

/// The same for a base of another width.
#[must_use]
pub fn for_another_base() -> GgufWriter {
    adapter(96, 1, 1)
}

fn adapter(n_embd: u64, layer: u32, pattern: u64) -> GgufWriter {
    let mut file = GgufWriter::default();
    file.set("general.architecture", "llama")
        .set("general.type", "adapter")
        .set("adapter.type", "lora")
        .set("adapter.lora.alpha", 8.0_f32);
    // Multiples of 1/64, which half precision holds exactly.
    let wave = |step: u64, period: u64| -> Vec<f32> {
        let value = |i| ((i * step % period) as f32 - (period / 2) as f32) / 64.0;
        (0..n_embd).map(value).collect()
    };
    let name = format!("blk.{layer}.attn_output.weight");
    file.tensor(&format!("{name}.lora_a"), &[n_embd, 1], TensorType::F16, &wave(2 * pattern + 1, 17));
    file.tensor(&format!("{name}.lora_b"), &[1, n_embd], TensorType::F16, &wave(2 * pattern + 5, 13));
    file
}
