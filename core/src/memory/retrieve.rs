//! Finding the memories that matter to a message: by meaning (vectors) and by words (full text), fused by score.
//!
//! Fused by score and not by rank: reciprocal-rank fusion gives a first place the same weight whether it matched
//! everything or next to nothing, and was measured to be worse than the better of its two parts.

use std::cmp::Ordering;
use std::collections::HashMap;

use rusqlite::Connection;

use super::db::{Fault, Held};
use super::embed::Embedder;
use super::index::{VectorIndex, dot};
use super::persona::{Memory, Origin, Recalled};
use super::turn::ConversationId;
use super::{memories, words};

/// How many of the best by each of the two ways are weighed against each other.
const CANDIDATES: usize = 48;
/// A message of a thousand words is searched by this many of them, the first.
const MOST_WORDS: usize = 24;
/// A word found in more memories than this, or than one in twenty, tells too little apart to be worth reading.
const COMMON_FROM: usize = 64;
/// Two memories nearer than this say the same.
const SAME_MEANING: f32 = 0.96;
/// Cosines of unrelated and of nearly equal sentences with MiniLM; in between, nearness grows in a straight line.
const UNRELATED_COSINE: f32 = 0.15;
const SAME_COSINE: f32 = 0.80;
/// How much a full match of words counts by itself.
const WORDS_WEIGHT: f32 = 0.55;
/// What the user asked tells less of them than what they stated; what they pasted was written by someone else.
const ASKED_WEIGHT: f32 = 0.75;
const PASTED_WEIGHT: f32 = 0.75;

/// How much is retrieved, and what is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrieveLimits {
    /// At most so many memories; 0 retrieves nothing.
    pub max_count: usize,
    /// Nothing that scores less, from 0 to 1.
    pub min_score: f32,
    /// By what memories are found.
    pub by: SearchBy,
    /// Leaves out the turns of a conversation from a turn on, because they stand in the prompt word for word.
    pub in_context: Option<(ConversationId, i64)>,
}

impl Default for RetrieveLimits {
    fn default() -> Self {
        Self { max_count: 8, min_score: 0.2, by: SearchBy::default(), in_context: None }
    }
}

/// By what memories are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchBy {
    /// Meaning and words together; words alone while there are no vectors.
    #[default]
    MeaningAndWords,
    /// Meaning alone.
    Meaning,
    /// Words alone.
    Words,
}

/// How well a memory answers, before it has been read.
#[derive(Debug, Default)]
struct Match {
    cosine: Option<f32>,
    /// Share of the message's words found, each weighted by how rare it is; 0 to 1.
    coverage: f32,
    words: Vec<String>,
}

/// The memories that matter to `text`, best first.
pub(super) fn retrieve(
    held: &mut Held,
    text: &str,
    vector: Option<(&dyn Embedder, &[f32])>,
    limits: &RetrieveLimits,
) -> Result<Vec<Recalled>, Fault> {
    if limits.max_count == 0 || !words::says_something(text) {
        return Ok(Vec::new());
    }
    let mut matches = HashMap::new();
    if limits.by != SearchBy::Meaning {
        matches = match_words(&held.connection, text)?;
    }
    if let Some((embedder, vector)) = vector.filter(|_| limits.by != SearchBy::Words) {
        held.index.refresh(&held.connection, embedder)?;
        match_meaning(&held.index, vector, &mut matches);
    }
    let ranked = rank(&held.connection, matches, limits)?;
    Ok(without_repeats(&held.index, ranked, limits.max_count))
}

/// Adds the nearest vectors to the matches, and its cosine to every match that has a vector.
fn match_meaning(index: &VectorIndex, query: &[f32], matches: &mut HashMap<i64, Match>) {
    let cosines = index.cosines(query);
    for (id, found) in matches.iter_mut() {
        found.cosine = index.row_of(*id).map(|row| cosines[row]);
    }
    let mut rows: Vec<usize> = (0..cosines.len()).collect();
    if rows.len() > CANDIDATES {
        rows.select_nth_unstable_by(CANDIDATES, |a, b| cosines[*b].total_cmp(&cosines[*a]));
        rows.truncate(CANDIDATES);
    }
    for row in rows {
        matches.entry(index.id_at(row)).or_default().cosine = Some(cosines[row]);
    }
}

/// The memories in which the message's telling words occur.
fn match_words(connection: &Connection, text: &str) -> Result<HashMap<i64, Match>, Fault> {
    let stored: i64 = connection.prepare_cached("SELECT count(*) FROM memories")?.query_row([], |row| row.get(0))?;
    let stored = usize::try_from(stored).unwrap_or(0).max(COMMON_FROM);
    let common_from = COMMON_FROM.max(stored / 20);
    let mut matches: HashMap<i64, Match> = HashMap::new();
    let mut total = 0.0;
    for word in words::content_words(text).into_iter().take(MOST_WORDS) {
        let found = memories_with(connection, &word, common_from + 1)?;
        if found.len() > common_from {
            continue;
        }
        let rarity = rarity(stored, found.len());
        total += rarity;
        for id in found {
            let entry = matches.entry(id).or_default();
            entry.coverage += rarity;
            entry.words.push(word.clone());
        }
    }
    matches.values_mut().for_each(|found| found.coverage /= total);
    Ok(best_covered(matches))
}

/// Inverse document frequency as BM25 has it (Robertson and Spärck Jones), never negative.
fn rarity(stored: usize, containing: usize) -> f32 {
    let (n, df) = (stored as f32, containing as f32);
    (1.0 + (n - df).max(0.0) / (df + 0.5)).ln()
}

fn memories_with(connection: &Connection, word: &str, limit: usize) -> Result<Vec<i64>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT rowid FROM memory_text WHERE memory_text MATCH ?1 LIMIT ?2")?;
    // In quotes, a word cannot be read as an operator of the query language.
    let rows = statement.query_map((format!("\"{word}\""), limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn best_covered(matches: HashMap<i64, Match>) -> HashMap<i64, Match> {
    let mut matches: Vec<_> = matches.into_iter().collect();
    matches.sort_by(|(a_id, a), (b_id, b)| b.coverage.total_cmp(&a.coverage).then(b_id.cmp(a_id)));
    matches.truncate(CANDIDATES);
    matches.into_iter().collect()
}

fn rank(
    connection: &Connection,
    matches: HashMap<i64, Match>,
    limits: &RetrieveLimits,
) -> Result<Vec<Recalled>, Fault> {
    let mut ranked = Vec::new();
    for (id, found) in matches {
        if fuse(&found) < limits.min_score {
            continue; // what the memory says can only lower its score, so it need not be read
        }
        let Some(memory) = memories::one(connection, id)? else { continue };
        let recalled = recall(memory, &found);
        if recalled.score >= limits.min_score && !stands_in_context(&recalled, limits.in_context) {
            ranked.push(recalled);
        }
    }
    ranked.sort_by(better_then_newer);
    Ok(ranked)
}

fn better_then_newer(a: &Recalled, b: &Recalled) -> Ordering {
    b.score.total_cmp(&a.score).then(b.turn.cmp(&a.turn)).then(a.id.cmp(&b.id))
}

fn stands_in_context(recalled: &Recalled, in_context: Option<(ConversationId, i64)>) -> bool {
    in_context.is_some_and(|(conversation, from)| recalled.conversation == conversation.0 && recalled.turn >= from)
}

fn recall(memory: Memory, found: &Match) -> Recalled {
    let asked = if words::only_asks(&memory.words) { ASKED_WEIGHT } else { 1.0 };
    let pasted = if memory.origin == Origin::Pasted { PASTED_WEIGHT } else { 1.0 };
    Recalled {
        id: memory.id,
        why: why(found),
        score: fuse(found) * asked * pasted,
        text: memory.text,
        words: memory.words,
        turn: memory.turn,
        conversation: memory.conversation,
        kind: memory.kind,
        origin: memory.origin,
        at_ms: memory.at_ms,
    }
}

/// Noisy-or (Pearl): either reason suffices, and both together weigh more than each.
fn fuse(found: &Match) -> f32 {
    let meaning = found.cosine.map_or(0.0, |cosine| (cosine - UNRELATED_COSINE) / (SAME_COSINE - UNRELATED_COSINE));
    1.0 - (1.0 - meaning.clamp(0.0, 1.0)) * (1.0 - WORDS_WEIGHT * found.coverage.clamp(0.0, 1.0))
}

fn why(found: &Match) -> String {
    let meaning = found.cosine.map(|cosine| format!("meaning {cosine:.2}"));
    let quoted: Vec<_> = found.words.iter().map(|word| format!("'{word}'")).collect();
    let words = (!quoted.is_empty()).then(|| format!("words {}", quoted.join(", ")));
    meaning.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}

/// Of memories that say the same, keeps the one said last, at the place of the best.
fn without_repeats(index: &VectorIndex, ranked: Vec<Recalled>, max_count: usize) -> Vec<Recalled> {
    let mut kept: Vec<Recalled> = Vec::new();
    for candidate in ranked {
        match kept.iter().position(|other| says_the_same(index, other, &candidate)) {
            Some(place) if candidate.turn > kept[place].turn => {
                kept[place] = Recalled { score: kept[place].score, ..candidate };
            }
            Some(_) => {}
            None if kept.len() < max_count => kept.push(candidate),
            None => {}
        }
    }
    kept
}

fn says_the_same(index: &VectorIndex, a: &Recalled, b: &Recalled) -> bool {
    let near = index.vector(a.id).zip(index.vector(b.id)).is_some_and(|(a, b)| dot(a, b) > SAME_MEANING);
    near || a.text.eq_ignore_ascii_case(&b.text)
}
