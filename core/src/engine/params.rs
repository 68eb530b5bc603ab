//! What an app may set on the engine and on a generation.

use std::path::PathBuf;

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};

/// How a model is loaded and run. Start from [`EngineParams::new`].
#[derive(Debug, Clone)]
pub struct EngineParams {
    /// The GGUF file.
    pub model: PathBuf,
    /// Tokens of KV cache, shared by all sessions; a single session may fill it. 512 or more; never more than the
    /// model was trained with, whatever is asked.
    pub n_ctx: u32,
    /// Tokens in one decode call, 32 to 4096: larger prefills faster, smaller cancels sooner on a GPU.
    pub n_batch: u32,
    /// Sessions whose KV cache is kept at once, 1 to 64; the one unused longest makes room for another.
    pub n_sessions: u32,
    /// Layers on the GPU; 0 is CPU only, `u32::MAX` all.
    pub n_gpu_layers: u32,
    /// Compute threads; `None` takes the performance cores and steps down when throughput collapses.
    pub n_threads: Option<u32>,
    /// Type of keys and values in the cache.
    pub kv_type: KvType,
    /// Whether attention runs fused.
    pub flash_attention: FlashAttention,
    /// Repack weights for the CPU: faster prefill, a second copy of the weights in RAM.
    pub repack: bool,
    /// Chat template to use instead of the one in the file: the text of a Jinja template, or a built-in's name.
    pub chat_template: Option<String>,
    /// MiB that loading may take; `None` asks the machine.
    pub memory_budget_mib: Option<u64>,
}

impl EngineParams {
    /// Defaults for the model in this file: 4096 tokens of context on the CPU.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            n_ctx: 4096,
            n_batch: 512,
            n_sessions: 4,
            n_gpu_layers: 0,
            n_threads: None,
            kv_type: KvType::F16,
            flash_attention: FlashAttention::Auto,
            repack: true,
            chat_template: None,
            memory_budget_mib: None,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        in_range("n_ctx", self.n_ctx, 512, 1 << 20)?;
        in_range("n_batch", self.n_batch, 32, 4096)?;
        in_range("n_sessions", self.n_sessions, 1, 64)?;
        if let Some(n) = self.n_threads {
            in_range("n_threads", n, 1, 512)?;
        }
        if self.kv_type == KvType::Q8_0 && self.flash_attention == FlashAttention::Off {
            return Err(Error::InvalidInput {
                what: "kv_type",
                reason: "a quantized KV cache needs flash attention; leave it on Auto or On".into(),
            });
        }
        Ok(())
    }
}

fn in_range(what: &'static str, value: u32, low: u32, high: u32) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidInput { what, reason: format!("{value} is outside {low} to {high}") })
}

/// Type of keys and values in the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KvType {
    /// 16-bit floats.
    #[default]
    F16,
    /// 8-bit blocks: about half the memory, slower prefill on CPUs.
    Q8_0,
}

impl KvType {
    pub(super) fn to_raw(self) -> sys::ggml_type {
        match self {
            Self::F16 => sys::GGML_TYPE_F16,
            Self::Q8_0 => sys::GGML_TYPE_Q8_0,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }
}

/// Whether attention runs fused (flash attention).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FlashAttention {
    /// Where the backend supports it.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl FlashAttention {
    pub(super) fn to_raw(self) -> sys::llama_flash_attn_type {
        match self {
            Self::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            Self::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Self::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        }
    }
}

/// How the next token is drawn from the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits; 0 always takes the likeliest token.
    pub temperature: f32,
    /// Keeps this many likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this total probability; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest; 0 drops none.
    pub min_p: f32,
    /// Divides the logits of recent reply tokens; 1 is off.
    pub repetition_penalty: f32,
    /// Lowers a recent token's logit by this much for each time it was used; 0 is off.
    pub frequency_penalty: f32,
    /// Lowers a recent token's logit once by this much; 0 is off.
    pub presence_penalty: f32,
    /// Tokens of the reply that the penalties look back on.
    pub penalty_window: u32,
    /// The same seed gives the same text for the same prompt, model and threads; `None` draws one.
    pub seed: Option<u32>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repetition_penalty: 1.1,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: 128,
            seed: None,
        }
    }
}

impl SamplingParams {
    /// Always the likeliest token, no penalties: for scoring, extraction and tests.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, repetition_penalty: 1.0, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let ranges = [
            ("temperature", self.temperature, 0.0, 10.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 10.0),
            ("frequency_penalty", self.frequency_penalty, -10.0, 10.0),
            ("presence_penalty", self.presence_penalty, -10.0, 10.0),
        ];
        for (what, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(Error::InvalidInput { what, reason: format!("{value} is outside {low} to {high}") });
            }
        }
        Ok(())
    }
}

/// What form the reply must have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Constraint {
    /// Free text.
    #[default]
    None,
    /// JSON that satisfies this JSON schema.
    JsonSchema(String),
    /// Text of this GBNF grammar, from the rule `root`.
    Gbnf(String),
}
