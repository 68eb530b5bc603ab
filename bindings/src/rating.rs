//! What the user thinks of a reply, and what the adapters do.

use aloekit::memory;

/// What the user thinks of a reply.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Rating {
    /// Thumb up.
    Up,
    /// Thumb down.
    Down,
    /// What it should have said instead.
    Edited {
        /// The reply that the user would rather have read.
        text: String,
    },
}

/// How much likelier the adapters make a reply than the bare model does: the alignment meter.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct Alignment {
    /// log π_adapter - log π_base over the whole reply, in nats; above 0 where the adapters favour it.
    pub nats: f64,
    /// Tokens of the reply.
    pub tokens: u64,
    /// `nats` per token: what replies of different length can be compared by.
    pub nats_per_token: f64,
}

/// What was written of the rated replies.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PreferenceReport {
    /// Edited replies: pairs, which `aloe train dpo` learns from.
    pub pairs: u64,
    /// Replies with a thumb alone.
    pub labelled: u64,
    /// The file of the latter, if there is one.
    pub unpaired: Option<String>,
}

impl Rating {
    pub(crate) fn into_core(self) -> memory::Rating {
        match self {
            Self::Up => memory::Rating::Up,
            Self::Down => memory::Rating::Down,
            Self::Edited { text } => memory::Rating::Edited(text),
        }
    }
}

impl From<memory::Rating> for Rating {
    fn from(rating: memory::Rating) -> Self {
        match rating {
            memory::Rating::Up => Self::Up,
            memory::Rating::Down => Self::Down,
            memory::Rating::Edited(text) => Self::Edited { text },
        }
    }
}

impl From<aloekit::Alignment> for Alignment {
    fn from(alignment: aloekit::Alignment) -> Self {
        let aloekit::Alignment { nats, tokens, nats_per_token } = alignment;
        Self { nats, tokens: tokens as u64, nats_per_token }
    }
}
