//! The records of the conversation log: conversations, turns, replies, summaries.
//!
//! Records only; `log` reads and writes them. A turn's number is its order: it grows over all conversations and
//! launches and is never used twice, so that a clock set back changes nothing.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::db::unknown_word;
use super::persona::{Origin, Recalled};
use super::retrieve::RetrieveLimits;
use crate::Error;

/// Which conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(pub i64);

impl std::fmt::Display for ConversationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationInfo {
    /// Which conversation.
    pub id: ConversationId,
    /// When it was begun, in milliseconds since 1970.
    pub started_ms: i64,
    /// When its newest turn was said, in milliseconds since 1970; `None` when it has no turn.
    pub last_turn_ms: Option<i64>,
    /// How many user turns it has.
    pub turns: u64,
}

/// How a user turn is stored, and what is recalled for it.
#[derive(Debug, Clone, Default)]
pub struct TurnOptions {
    /// Whether the turn may be recalled later, where its conversation [remembers](super::MemoryStore::set_remembers).
    /// It stands in the transcript either way.
    pub remember: Remember,
    /// How the words came from the user: [`Origin::Pasted`] where all of them were pasted.
    pub origin: Origin,
    /// Which bytes of the text the user pasted, as far as the caller knows. What is found to be pasted by its form is
    /// added: a quoted mail, a log, a transcript of a chat.
    pub pasted: Vec<Range<usize>>,
    /// When it was said, in milliseconds since 1970; `None` is now by the device's clock.
    pub at_ms: Option<i64>,
    /// What is recalled for it; `max_count: 0` recalls nothing.
    pub recall: RetrieveLimits,
}

/// Whether a turn may be recalled later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remember {
    /// It may, unless it is small talk with nothing to recall.
    #[default]
    Yes,
    /// It never is: "don't remember this".
    No,
}

impl From<bool> for Remember {
    fn from(remember: bool) -> Self {
        if remember { Self::Yes } else { Self::No }
    }
}

/// A user turn that is durable, and what was recalled for it.
#[derive(Debug)]
pub struct BegunTurn {
    /// Number of the turn in this store, from 1, growing across conversations and launches.
    pub turn: i64,
    /// What matters to it, best first; found before the turn itself was added.
    pub recalled: Vec<Recalled>,
    /// Why the turn has no vector yet, if the embedder failed. It is stored all the same, is found by its words, and
    /// `reembed` gives it its vector.
    pub embedding_failure: Option<Error>,
}

/// How far a reply got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyState {
    /// Being written, or cut short by the end of the process.
    Partial,
    /// Finished.
    Complete,
    /// Stopped by the user.
    Cancelled,
    /// Ended by an error.
    Failed,
}

impl ReplyState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(word: &str) -> rusqlite::Result<Self> {
        match word {
            "partial" => Ok(Self::Partial),
            "complete" => Ok(Self::Complete),
            "cancelled" => Ok(Self::Cancelled),
            "failed" => Ok(Self::Failed),
            _ => Err(unknown_word("reply_state")),
        }
    }
}

/// What the assistant answered to a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    /// The text so far.
    pub text: String,
    /// How far it got.
    pub state: ReplyState,
}

/// One exchange as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTurn {
    /// Number of the user turn.
    pub turn: i64,
    /// What the user said, verbatim.
    pub user: String,
    /// How the words came from the user; said, if any of them were.
    pub origin: Origin,
    /// Which bytes of the words the user pasted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pasted: Vec<Range<usize>>,
    /// When it was said, in milliseconds since 1970.
    pub at_ms: i64,
    /// The memory text that stood in the prompt of this turn.
    pub recalled_block: Option<String>,
    /// What was answered.
    pub reply: Option<StoredReply>,
}

/// What replaces the older turns of a conversation in its prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The summary.
    pub text: String,
    /// The last turn that it covers.
    pub through_turn: i64,
}
