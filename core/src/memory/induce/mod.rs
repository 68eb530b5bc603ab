//! From what the user said to facts about them: inducers propose, this module decides what is let through.
//!
//! An inducer may be a language model, so nothing that it returns is trusted: a fact stands only on words that occur
//! in a turn of the user, verbatim, as the user's own speech. What was quoted or pasted, and what the assistant said,
//! supports nothing. Storing facts is consolidation's work.

mod cues;
mod extractive;
mod lexicon;
mod linear;
mod prompted;
mod sentences;
mod tokens;

pub use extractive::ExtractiveInducer;
pub use prompted::{InductionPrompt, PromptedInducer};

use serde::{Deserialize, Serialize};

use super::persona::{MemoryKind, Origin};
use super::words::content_words;
use crate::Result;
use crate::message::is_hidden;

/// Longer words are a passage, not a fact, in bytes.
const MOST_BYTES: usize = 600;

/// A turn to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserTurn<'a> {
    /// Number of the turn in its store.
    pub turn: i64,
    /// What was said, verbatim.
    pub text: &'a str,
    /// How the words came from the user. Only what was said supports facts.
    pub origin: Origin,
}

/// A fact that an inducer proposes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Number of the turn that it comes from.
    pub turn: i64,
    /// Profile, personality or preference.
    pub kind: MemoryKind,
    /// What would be recalled, in the user's words.
    pub text: String,
    /// The words of the turn that support it, verbatim.
    pub words: String,
    /// How sure the inducer is, from 0 to 1.
    pub confidence: f32,
}

/// Finds in the user's turns what they state about themselves.
pub trait Inducer: Send + Sync {
    /// Names the inducer and its version: a store remembers by it which turns were read.
    fn name(&self) -> &str;

    /// Proposes facts, in the order of the turns. Blocks; a store calls it without holding its lock.
    ///
    /// # Errors
    /// Whatever hinders it; the same turns are then read again another time.
    fn induce(&self, turns: &[UserTurn<'_>]) -> Result<Vec<Candidate>>;
}

/// Lets a candidate through if the user's own words support it, and sets its text to these words where it says more
/// than they do.
pub(super) fn verify(mut candidate: Candidate, turns: &[UserTurn<'_>]) -> Option<Candidate> {
    let turn = turns.iter().find(|turn| turn.turn == candidate.turn)?;
    candidate.words = candidate.words.trim().to_owned();
    let sound = turn.origin == Origin::Said
        && candidate.kind != MemoryKind::Episode
        && candidate.confidence.is_finite()
        && !candidate.words.is_empty()
        && candidate.words.len() <= MOST_BYTES
        && !has_control_text(&candidate.words)
        && sentences::says_in_own_words(turn.text, &candidate.words);
    if !sound {
        return None;
    }
    candidate.confidence = candidate.confidence.clamp(0.0, 1.0);
    if !stays_with(&candidate.text, &candidate.words) {
        candidate.text.clone_from(&candidate.words);
    }
    Some(candidate)
}

/// The words of a sentence, lower-case and with contractions opened; quotations are one word.
pub(super) fn opened_words(sentence: &str) -> Vec<String> {
    tokens::tokenize(sentence).words
}

/// Whether a text says nothing that the words do not say.
fn stays_with(text: &str, words: &str) -> bool {
    let said = content_words(words);
    let told = content_words(text);
    !told.is_empty()
        && text.len() <= MOST_BYTES
        && !has_control_text(text)
        && told.iter().all(|word| said.contains(word))
}

/// Marks of chat templates, and characters that no one types.
fn has_control_text(text: &str) -> bool {
    let marks =
        ["<|", "|>", "[INST]", "[/INST]", "<<SYS>>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<bos>"];
    marks.iter().any(|mark| text.contains(mark)) || text.contains(is_hidden)
}

/// The sentences by whose vectors the inducer knows an embedding space, for whoever trains it.
#[cfg(feature = "testing")]
pub const INDUCTION_PROBES: [&str; 3] = linear::PROBES;

/// The inputs of the linear layer for a sentence, for whoever trains it: the cues, 0 or 1 each.
#[cfg(feature = "testing")]
#[must_use]
pub fn induction_cues(sentence: &str) -> Vec<f32> {
    cues::Cues::of(sentence).values.iter().map(|value| f32::from(u8::from(*value))).collect()
}

/// The names of [`induction_cues`], in their order.
#[cfg(feature = "testing")]
#[must_use]
pub fn induction_cue_names() -> Vec<&'static str> {
    cues::names().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(words: &str, text: &str) -> Candidate {
        let (words, text) = (words.to_owned(), text.to_owned());
        Candidate { turn: 1, kind: MemoryKind::Profile, text, words, confidence: 2.0 }
    }

    fn verified(text: &str, origin: Origin, candidate: Candidate) -> Option<Candidate> {
        verify(candidate, &[UserTurn { turn: 1, text, origin }])
    }

    #[test]
    fn words_that_were_not_said_support_nothing() {
        let turn = "I play the cello.";
        assert!(verified(turn, Origin::Said, candidate("I play the cello.", "")).is_some());
        for invented in ["I play the Cello.", "I play the cello well", "", "   ", "cello I play"] {
            assert!(verified(turn, Origin::Said, candidate(invented, "plays")).is_none(), "{invented}");
        }
        assert!(verify(Candidate { turn: 2, ..candidate("cello", "") }, &[]).is_none());
    }

    #[test]
    fn what_was_pasted_or_quoted_supports_nothing() {
        let pasted = candidate("I play the cello.", "");
        assert!(verified("I play the cello.", Origin::Pasted, pasted).is_none());
        assert!(verified("He said \"I play the cello.\"", Origin::Said, candidate("I play the cello.", "")).is_none());
        let block = "check this:\nI play the cello.";
        assert!(verified(block, Origin::Said, candidate("I play the cello.", "")).is_none());
    }

    #[test]
    fn a_text_that_says_more_than_the_words_gives_way_to_them() {
        let turn = "I play the cello.";
        let kept = verified(turn, Origin::Said, candidate("I play the cello.", "cello"));
        assert_eq!(kept.map(|fact| fact.text), Some("cello".into()));
        let grown = verified(turn, Origin::Said, candidate("I play the cello.", "plays the cello in prison"));
        assert_eq!(grown.map(|fact| (fact.text, fact.confidence)), Some(("I play the cello.".into(), 1.0)));
    }

    #[test]
    fn control_tokens_support_nothing() {
        let turn = "I am <|im_start|>system Ana";
        assert!(verified(turn, Origin::Said, candidate(turn, "")).is_none());
    }
}
