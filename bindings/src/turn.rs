//! A finished turn as a record: what was said, why, what it cost, and how the adapters lean towards it.

use aloekit::engine;

use crate::{Alignment, Recalled};

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string was met.
    StopString,
    /// The greatest reply length was reached.
    MaxTokens,
    /// The caller cancelled.
    Cancelled,
    /// The context has no room for another token.
    ContextFull,
}

/// What a reply cost.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct GenerationStats {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Of these, tokens that were in the KV cache already.
    pub cached_tokens: u64,
    /// Milliseconds from the request to the first token.
    pub ttft_ms: f64,
    /// New prompt tokens per second of prefill.
    pub prefill_tokens_per_s: f64,
    /// Tokens generated.
    pub reply_tokens: u64,
    /// Generated tokens per second, after the first.
    pub decode_tokens_per_s: f64,
}

/// A finished turn.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Turn {
    /// Number of the turn in this store.
    pub turn: i64,
    /// What the user said.
    pub user: String,
    /// What was answered.
    pub reply: String,
    /// The memories that were recalled for the message, strongest first.
    pub facts: Vec<Recalled>,
    /// The facts that stood in the instructions.
    pub persona: Vec<Recalled>,
    /// What it cost.
    pub stats: GenerationStats,
    /// Why the reply ended.
    pub stop: StopReason,
    /// How much likelier the adapters made it, where that was asked for or it was chosen. None without adapters, for a
    /// cancelled or empty reply, and where the context had no room to measure.
    pub alignment: Option<Alignment>,
    /// Of the best of n, the alignment of each candidate in the order in which they were drawn; otherwise empty.
    pub candidates: Vec<Alignment>,
}

impl From<engine::StopReason> for StopReason {
    fn from(stop: engine::StopReason) -> Self {
        match stop {
            engine::StopReason::EndOfTurn => Self::EndOfTurn,
            engine::StopReason::StopString => Self::StopString,
            engine::StopReason::MaxTokens => Self::MaxTokens,
            engine::StopReason::Cancelled => Self::Cancelled,
            engine::StopReason::ContextFull => Self::ContextFull,
        }
    }
}

impl From<aloekit::Turn> for Turn {
    fn from(turn: aloekit::Turn) -> Self {
        let stats = turn.stats;
        Self {
            turn: turn.turn,
            user: turn.user,
            reply: turn.reply,
            facts: turn.facts.into_iter().map(Into::into).collect(),
            persona: turn.persona.into_iter().map(Into::into).collect(),
            stats: GenerationStats {
                prompt_tokens: stats.prompt_tokens as u64,
                cached_tokens: stats.cached_tokens as u64,
                ttft_ms: stats.ttft_ms,
                prefill_tokens_per_s: stats.prefill_tokens_per_s,
                reply_tokens: stats.reply_tokens as u64,
                decode_tokens_per_s: stats.decode_tokens_per_s,
            },
            stop: turn.stop.into(),
            alignment: turn.alignment.map(Into::into),
            candidates: turn.candidates.into_iter().map(Into::into).collect(),
        }
    }
}
