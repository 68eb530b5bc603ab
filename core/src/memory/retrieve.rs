//! Finding the memories that matter to a message: the most relevant ones, each thing once, with score and reason.

use std::cmp::Ordering;

use super::db::{Fault, Held};
use super::embed::Embedder;
use super::index::{MemoryIndex, Trait};
use super::landmarks::Bearing;
use super::memories;
use super::persona::{Memory, MemoryKind, Origin, Recalled};
use super::relevance::{Question, weigh};
use super::turn::ConversationId;
use super::words;

/// Thrice as many as are asked for are looked at, because some say the same; but no more than this above.
const MOST_SPARE: usize = 64;
/// Two memories nearer than this say the same.
const SAME_MEANING: f32 = 0.96;
/// From this nearness to what is recalled already, a memory adds less, up to so much of a cosine (maximal marginal
/// relevance, Carbonell and Goldstein).
const ALIKE_FROM: f32 = 0.60;
const ALIKE: f32 = 0.20;
/// A relevance of this many cosines is scored 0.5, and how fast the score rises there: half as fast as the share of
/// memories that matter (logistic regression on the half for tuning), so that weak ones can still be told apart.
const HALF: f32 = 0.45;
const STEEPNESS: f32 = 6.0;

/// How much is retrieved, and what is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrieveLimits {
    /// At most so many memories; 0 retrieves nothing.
    pub max_count: usize,
    /// Nothing that scores less, from 0 to 1. Of what scores 0.15 one in fifty matters (measured), of 0.5 one in three,
    /// of 0.85 nine in ten; with 0 everything is ranked.
    pub min_score: f32,
    /// By what memories are found.
    pub by: SearchBy,
    /// Leaves out the turns of a conversation from a turn on, because they stand in the prompt word for word.
    pub in_context: Option<(ConversationId, i64)>,
}

impl Default for RetrieveLimits {
    fn default() -> Self {
        Self { max_count: 8, min_score: 0.15, by: SearchBy::default(), in_context: None }
    }
}

/// By what memories are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchBy {
    /// Meaning, words, and what is known of the message and the memories; without vectors, all but meaning.
    #[default]
    MeaningAndWords,
    /// Meaning alone: nothing but the cosine counts.
    Meaning,
    /// Words alone.
    Words,
}

/// What is known of a message before the search.
#[derive(Default)]
pub(super) struct Query<'a> {
    pub(super) text: &'a str,
    pub(super) vector: Option<&'a [f32]>,
    pub(super) bearing: Option<Bearing>,
}

/// The memories that matter to the message, best first.
pub(super) fn retrieve(
    held: &mut Held,
    query: Query<'_>,
    embedder: Option<&dyn Embedder>,
    limits: &RetrieveLimits,
) -> Result<Vec<Recalled>, Fault> {
    if limits.max_count == 0 || !words::says_something(query.text) {
        return Ok(Vec::new());
    }
    let Held { connection, index, .. } = held;
    index.refresh(connection, embedder)?;
    let question = Question::new(query.text, query.vector, query.bearing, limits.by);
    let relevance = weigh(index, &question);
    let candidates = each_once(index, most_relevant(index, &relevance, limits));
    let mut recalled = Vec::with_capacity(limits.max_count.min(candidates.len()));
    for found in rather_different(index, candidates, limits.max_count) {
        // Superseded since the index was filled, it is no memory in force.
        let Some(memory) = memories::one(connection, index.traits[found.row].id)? else { continue };
        recalled.push(recall(memory, score(found.relevance), question.why(index, found.row)));
    }
    Ok(recalled)
}

#[derive(Debug, Clone, Copy)]
struct Found {
    row: usize,
    relevance: f32,
}

/// The best first: above the least score, not in the prompt, and some to spare.
fn most_relevant(index: &MemoryIndex, relevance: &[f32], limits: &RetrieveLimits) -> Vec<Found> {
    let least = relevance_of(limits.min_score);
    let rows = relevance.iter().enumerate().map(|(row, relevance)| Found { row, relevance: *relevance });
    let enough = |found: &Found| {
        found.relevance >= least && found.relevance > f32::NEG_INFINITY && index.traits[found.row].in_force
    };
    let mut found: Vec<Found> =
        rows.filter(|found| enough(found) && !stands_in_context(index, found.row, limits.in_context)).collect();
    let count = limits.max_count.saturating_add(limits.max_count.saturating_mul(2).min(MOST_SPARE));
    if found.len() > count {
        found.select_nth_unstable_by(count, better_then_newer);
        found.truncate(count);
    }
    found.sort_by(better_then_newer);
    found
}

fn stands_in_context(index: &MemoryIndex, row: usize, in_context: Option<(ConversationId, i64)>) -> bool {
    let known = &index.traits[row];
    in_context.is_some_and(|(conversation, from)| known.conversation == conversation.0 && known.turn >= from)
}

fn better_then_newer(a: &Found, b: &Found) -> Ordering {
    b.relevance.total_cmp(&a.relevance).then(b.row.cmp(&a.row))
}

fn score(relevance: f32) -> f32 {
    1.0 / (1.0 + (-STEEPNESS * (relevance - HALF)).exp())
}

/// The least relevance that gets a score; everything gets 0.
fn relevance_of(score: f32) -> f32 {
    if score <= 0.0 { f32::NEG_INFINITY } else { HALF - (1.0 / score - 1.0).ln() / STEEPNESS }
}

/// Of memories that say the same, keeps the one said last, at the place of the best; one that was said before one that
/// was pasted.
fn each_once(index: &MemoryIndex, ranked: Vec<Found>) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::with_capacity(ranked.len());
    for candidate in ranked {
        match kept.iter_mut().find(|other| says_the_same(index, other.row, candidate.row)) {
            Some(other) if standing(index, candidate.row) > standing(index, other.row) => other.row = candidate.row,
            Some(_) => {}
            None => kept.push(candidate),
        }
    }
    kept
}

fn standing(index: &MemoryIndex, row: usize) -> (bool, i64) {
    (index.traits[row].origin == Origin::Said, index.traits[row].turn)
}

/// The same meaning, the same text, or a turn and a fact drawn from it.
fn says_the_same(index: &MemoryIndex, a: usize, b: usize) -> bool {
    let (one, other) = (&index.traits[a], &index.traits[b]);
    let is_turn = |known: &Trait| known.kind == MemoryKind::Episode;
    (one.turn == other.turn && is_turn(one) != is_turn(other))
        || one.text == other.text
        || index.vectors.likeness(a, b) > SAME_MEANING
}

/// Rather different things than much of the same; the best first.
fn rather_different(index: &MemoryIndex, mut rest: Vec<Found>, count: usize) -> Vec<Found> {
    if rest.len() <= count {
        return rest;
    }
    let mut alike = vec![0.0_f32; rest.len()];
    let mut kept: Vec<Found> = Vec::with_capacity(count);
    while kept.len() < count {
        let gain = |place: &usize| rest[*place].relevance - ALIKE * alike[*place];
        let best = (0..rest.len()).rev().max_by(|a, b| gain(a).total_cmp(&gain(b)));
        let Some(best) = best else { break };
        alike.remove(best);
        let picked = rest.remove(best);
        for (alike, other) in alike.iter_mut().zip(&rest) {
            let likeness = index.vectors.likeness(picked.row, other.row);
            *alike = alike.max((likeness - ALIKE_FROM) / (1.0 - ALIKE_FROM));
        }
        kept.push(picked);
    }
    kept.sort_by(better_then_newer);
    kept
}

fn recall(memory: Memory, score: f32, why: String) -> Recalled {
    Recalled {
        id: memory.id,
        why,
        score,
        text: memory.text,
        words: memory.words,
        turn: memory.turn,
        conversation: memory.conversation,
        kind: memory.kind,
        origin: memory.origin,
        at_ms: memory.at_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_rises_with_relevance_and_stays_between_0_and_1() {
        let scores: Vec<f32> = (-20..30).map(|tenth| score(tenth as f32 / 10.0)).collect();
        assert!(scores.is_sorted() && scores.iter().all(|score| (0.0..=1.0).contains(score)));
        for least in [0.01, 0.15, 0.5, 0.99] {
            assert!((score(relevance_of(least)) - least).abs() < 1e-4);
        }
        assert_eq!(relevance_of(0.0), f32::NEG_INFINITY);
    }
}
