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

/// A fact about the user, with the words that support it and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The id that `forget`, `edit` and `set_pinned` take.
    pub id: i64,
    /// Profile, personality or preference.
    pub kind: MemoryKind,
    /// What is recalled: the user's words, unless they edited it.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// Every turn that states it, oldest first.
    pub turns: Vec<i64>,
    /// How sure it was when it was last stated, from 0 to 1. [`Fact::confidence_at`] has it decay.
    pub confidence: f32,
    /// When it was first stated, in milliseconds since 1970 by the device's clock.
    pub first_seen_ms: i64,
    /// When it was last stated, in milliseconds since 1970 by the device's clock.
    pub last_seen_ms: i64,
    /// In how many turns it was stated.
    pub times_confirmed: u32,
    /// What held before, newest first.
    pub superseded: Vec<SupersededFact>,
    /// Kept from decay by the user's wish.
    pub pinned: bool,
}

impl Fact {
    /// How sure it is at a time given in milliseconds since 1970: half as sure after each half-life in which it was not
    /// stated again. Pinned facts do not decay.
    #[must_use]
    pub fn confidence_at(&self, at_ms: i64) -> f32 {
        if self.pinned {
            return self.confidence;
        }
        decayed(self.kind, self.confidence, self.last_seen_ms, at_ms)
    }
}

/// What held before a fact took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupersededFact {
    /// The id that `forget` takes.
    pub id: i64,
    /// What was recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// When it was last stated, in milliseconds since 1970 by the device's clock.
    pub last_seen_ms: i64,
}

/// Exponential decay with a half-life of the kind's own. A clock that was set back does not make a fact surer.
pub(super) fn decayed(kind: MemoryKind, confidence: f32, last_seen_ms: i64, at_ms: i64) -> f32 {
    let age_ms = at_ms.saturating_sub(last_seen_ms).max(0) as f64;
    confidence * 0.5_f64.powf(age_ms / half_life_ms(kind)) as f32
}

/// Character outlasts circumstances, and circumstances outlast taste.
fn half_life_ms(kind: MemoryKind) -> f64 {
    const DAY_MS: f64 = 24.0 * 60.0 * 60.0 * 1000.0;
    let days = match kind {
        MemoryKind::Personality => 1460.0,
        MemoryKind::Profile => 730.0,
        MemoryKind::Preference | MemoryKind::Episode => 545.0,
    };
    days * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(pinned: bool) -> Fact {
        Fact {
            id: 1,
            kind: MemoryKind::Profile,
            text: String::new(),
            words: String::new(),
            turn: 1,
            turns: vec![1],
            confidence: 0.8,
            first_seen_ms: 0,
            last_seen_ms: 1_000,
            times_confirmed: 1,
            superseded: Vec::new(),
            pinned,
        }
    }

    #[test]
    fn a_fact_is_half_as_sure_after_its_half_life_unless_it_is_pinned() {
        let later = 1_000 + half_life_ms(MemoryKind::Profile) as i64;
        assert!((fact(false).confidence_at(later) - 0.4).abs() < 1e-4);
        assert!((fact(true).confidence_at(later) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_clock_set_back_makes_no_fact_surer() {
        for at_ms in [i64::MIN, 0, 1_000] {
            assert!((fact(false).confidence_at(at_ms) - 0.8).abs() < 1e-6);
        }
        assert!(fact(false).confidence_at(i64::MAX) < 1e-3);
    }
}
