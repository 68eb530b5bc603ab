//! What is known of the user, as records: memories, their kind, where they come from and why they were recalled.
//!
//! Records only: storing them is the log's and searching them the retriever's work. Where a memory comes from is
//! stamped by code when the turn is stored and never rises afterwards; no model decides it.

use serde::{Deserialize, Serialize};

use super::db::unknown_word;

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemoryKind {
    /// Something the user said, verbatim.
    Episode,
    /// A fact of the user's life: job, home, family, health, plans.
    Profile,
    /// A lasting trait of character.
    Personality,
    /// What the user likes, avoids, or wants answers to be like.
    Preference,
}

impl MemoryKind {
    /// The word that files and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Episode => "episode",
            Self::Profile => "profile",
            Self::Personality => "personality",
            Self::Preference => "preference",
        }
    }

    pub(super) fn parse(word: &str) -> rusqlite::Result<Self> {
        match word {
            "episode" => Ok(Self::Episode),
            "profile" => Ok(Self::Profile),
            "personality" => Ok(Self::Personality),
            "preference" => Ok(Self::Preference),
            _ => Err(unknown_word("kind")),
        }
    }
}

/// How the words of a turn came from the user. Trust falls in this order and never rises again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Typed or spoken by the user.
    #[default]
    Said,
    /// Put in by the user but written by someone else: a document, a quoted message.
    Pasted,
}

impl Origin {
    /// The word that files and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Pasted => "pasted",
        }
    }

    pub(super) fn parse(word: &str) -> rusqlite::Result<Self> {
        match word {
            "said" => Ok(Self::Said),
            "pasted" => Ok(Self::Pasted),
            _ => Err(unknown_word("origin")),
        }
    }
}

/// One thing remembered, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The id that `forget` takes; never used again after the memory is forgotten.
    pub id: i64,
    /// What it is about.
    pub kind: MemoryKind,
    /// What would be recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// Conversation of that turn.
    pub conversation: i64,
    /// How the words came from the user.
    pub origin: Origin,
    /// When the words were said, in milliseconds since 1970 by the device's clock. Never used for order.
    pub at_ms: i64,
    /// Kept from decay by the user's wish.
    pub pinned: bool,
}

/// A memory that matters to a message, with how much and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// The id that `forget` takes.
    pub id: i64,
    /// What is recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from; a higher number was said later.
    pub turn: i64,
    /// Conversation of that turn.
    pub conversation: i64,
    /// How much it matters, from 0 to 1.
    pub score: f32,
    /// What it is about.
    pub kind: MemoryKind,
    /// How the words came from the user.
    pub origin: Origin,
    /// Why it was recalled, for people: `meaning 0.62, words 'cello'`.
    pub why: String,
    /// When the words were said, in milliseconds since 1970 by the device's clock.
    pub at_ms: i64,
}
