//! Induction without a language model: the user's own sentences, weighed by grammar and meaning.
//!
//! A fact is a whole sentence of the user, word for word; nothing is rewritten, so nothing can be invented. Sentences
//! of a turn that follow an invitation to pretend ("let's play a game", "imagine this") are left alone.

use std::sync::Arc;

use super::super::embed::{EmbedPurpose, Embedder, embed_checked};
use super::cues::Cues;
use super::linear::{Verdict, linear};
use super::sentences::sentences;
use super::{Candidate, Inducer, MOST_BYTES, Origin, UserTurn};
use crate::Result;

/// What is less likely than this by grammar is not worth the embedder's time: questions, requests, small talk. In
/// cross-validation no fact that meaning would have saved is lost by it.
const WORTH_EMBEDDING: f32 = 0.12;
/// Sentences read of one turn; who types more than this has pasted it.
const MOST_SENTENCES: usize = 64;

/// Finds facts without a language model, in some milliseconds a turn.
///
/// ```
/// use aloekit::memory::{ExtractiveInducer, Inducer, MemoryKind, Origin, UserTurn};
///
/// let inducer = ExtractiveInducer::new(None)?;
/// let turn = UserTurn { turn: 1, text: "Hi! I live in Ghent. What can I cook tonight?", origin: Origin::Said };
/// let facts = inducer.induce(&[turn])?;
/// assert_eq!((facts[0].words.as_str(), facts[0].kind), ("I live in Ghent.", MemoryKind::Profile));
/// # Ok::<(), aloekit::Error>(())
/// ```
#[derive(Clone)]
pub struct ExtractiveInducer {
    embedder: Option<Arc<dyn Embedder>>,
}

impl std::fmt::Debug for ExtractiveInducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtractiveInducer").field("uses_meaning", &self.uses_meaning()).finish()
    }
}

impl ExtractiveInducer {
    /// An inducer that weighs meaning too if the embedder gives the vectors that it was trained on (all-MiniLM-L6-v2,
    /// quantized or not); with any other, or none, it goes by grammar alone and finds less.
    ///
    /// # Errors
    /// The embedder's own.
    pub fn new(embedder: Option<Arc<dyn Embedder>>) -> Result<Self> {
        let known = embedder.as_deref().map(|embedder| linear().knows(embedder)).transpose()?;
        Ok(Self { embedder: embedder.filter(|_| known == Some(true)) })
    }

    /// Whether meaning is weighed, not only grammar.
    #[must_use]
    pub fn uses_meaning(&self) -> bool {
        self.embedder.is_some()
    }

    /// Of those sentences that are worth it; without a vector, grammar alone decides.
    fn vectors(&self, read: &[Read<'_>]) -> Result<Vec<Option<Vec<f32>>>> {
        let mut vectors = vec![None; read.len()];
        let places: Vec<usize> = (0..read.len()).filter(|place| read[*place].is_worth_embedding()).collect();
        if let Some(embedder) = self.embedder.as_deref().filter(|_| !places.is_empty()) {
            let texts: Vec<&str> = places.iter().map(|place| read[*place].text).collect();
            let embedded = embed_checked(embedder, &texts, EmbedPurpose::Document)?;
            places.into_iter().zip(embedded).for_each(|(place, vector)| vectors[place] = Some(vector));
        }
        Ok(vectors)
    }
}

impl Inducer for ExtractiveInducer {
    fn name(&self) -> &str {
        if self.uses_meaning() { "extractive-1-meaning" } else { "extractive-1-cues" }
    }

    fn induce(&self, turns: &[UserTurn<'_>]) -> Result<Vec<Candidate>> {
        let said = turns.iter().filter(|turn| turn.origin == Origin::Said);
        let read: Vec<Read<'_>> = said.flat_map(|turn| read(turn)).collect();
        let vectors = self.vectors(&read)?;
        let mut found = Vec::new();
        let mut pretending = None;
        for (read, vector) in read.iter().zip(&vectors) {
            let verdict = linear().weigh(&read.cues, vector.as_deref());
            let is_fact = verdict.fact >= linear().threshold(vector.is_some());
            if pretending == Some(read.turn) {
                continue;
            }
            if is_fact {
                found.push(candidate(read, verdict));
            } else if read.cues.has("frame") {
                pretending = Some(read.turn);
            }
        }
        Ok(found)
    }
}

/// A sentence of the user with its cues.
struct Read<'a> {
    turn: i64,
    text: &'a str,
    cues: Cues,
}

fn read<'a>(turn: &UserTurn<'a>) -> Vec<Read<'a>> {
    let own = sentences(turn.text).into_iter().filter(|sentence| sentence.own && sentence.text.len() <= MOST_BYTES);
    own.take(MOST_SENTENCES)
        .map(|sentence| Read { turn: turn.turn, text: sentence.text, cues: Cues::of(sentence.text) })
        .collect()
}

impl Read<'_> {
    fn is_worth_embedding(&self) -> bool {
        linear().weigh(&self.cues, None).fact >= WORTH_EMBEDDING
    }
}

fn candidate(read: &Read<'_>, verdict: Verdict) -> Candidate {
    Candidate {
        turn: read.turn,
        kind: verdict.kind,
        text: read.text.to_owned(),
        words: read.text.to_owned(),
        confidence: verdict.fact,
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryKind;
    use super::*;

    fn facts(text: &str) -> Vec<(String, MemoryKind)> {
        let inducer = ExtractiveInducer::new(None).expect("nothing can fail without an embedder");
        let turn = UserTurn { turn: 1, text, origin: Origin::Said };
        let found = inducer.induce(&[turn]).expect("nothing can fail without an embedder");
        found.into_iter().map(|fact| (fact.words, fact.kind)).collect()
    }

    #[test]
    fn each_statement_of_a_turn_is_a_fact_of_its_own() {
        let found = facts("Hello! I live in Porto with my wife. I hate mushrooms. What's a good book about trams?");
        assert_eq!(
            found,
            [
                ("I live in Porto with my wife.".into(), MemoryKind::Profile),
                ("I hate mushrooms.".into(), MemoryKind::Preference)
            ]
        );
    }

    #[test]
    fn a_family_has_its_own_facts_and_an_acquaintance_has_none() {
        assert_eq!(facts("My daughter plays the cello.").len(), 1);
        assert_eq!(facts("My boss plays the cello."), []);
    }

    #[test]
    fn what_follows_an_invitation_to_pretend_is_no_fact() {
        assert_eq!(facts("Let's play a game. I live in Porto with my wife."), []);
        assert_eq!(facts("Imagine this. I live in Porto with my wife."), []);
    }

    #[test]
    fn what_somebody_else_said_is_no_fact() {
        for text in [
            "She said \"I live in Porto with my wife\".",
            "Translate this: I live in Porto with my wife.",
            "> I live in Porto with my wife.",
        ] {
            assert_eq!(facts(text), [], "{text}");
        }
    }

    #[test]
    fn odd_texts_are_read_without_a_fact_or_a_panic() {
        for text in ["", " ", "\0", "?", "\u{1f600}\u{1f600}", "''''\"\"\"", "\u{202e}olleh", "...", "- - -", ": :"] {
            assert_eq!(facts(text), [], "{text}");
        }
        assert_eq!(facts(&"I ".repeat(100_000)), []);
    }
}
