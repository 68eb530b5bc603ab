//! How much each memory matters to a message: meaning, words and manner weighed into one number.
//!
//! Fused by score and not by rank: reciprocal-rank fusion gives a first place the same weight whether it matched
//! everything or next to nothing, and was measured to be worse than the better of its two parts. Every memory is
//! weighed, not only the nearest ones: at ten thousand that takes 0.3 ms (measured).

use super::index::{MemoryIndex, Trait};
use super::landmarks::Bearing;
use super::persona::{MemoryKind, Origin};
use super::retrieve::SearchBy;
use super::terms::TermHash;
use super::words::{Reader, content_words};

/// A message of a thousand words is searched by this many of them, the first.
const MOST_WORDS: usize = 24;

// The weights were set on the half of the evaluation set that is for tuning; `tests/tests/retrieval.rs` measures them.
// All are in units of a cosine.

/// What all words of the message count when a memory holds them all and they are rare; half of them a quarter of it.
const WORDS: f32 = 0.40;
/// The summed rarity from which words are trusted wholly; below, a match may be chance.
const SURE_RARITY: f32 = 6.0;
/// A smaller pull is not given as a reason.
const WORTH_TELLING: f32 = 0.08;
/// What words count instead where there is no vector.
const WORDS_ALONE: f32 = 0.30;
/// How far a request is drawn towards what such requests have to heed.
const TO_HEED: f32 = 0.70;
/// For a request, what the user said of their limits and likings counts more.
const RESTRICTS: f32 = 0.06;
/// What the user asked tells less of them than what they stated; what they pasted was written by someone else.
const ONLY_ASKS: f32 = 0.20;
const PASTED: f32 = 0.10;
/// A message that concerns anyone, or does not speak of the user, needs a stronger reason to recall something.
const IMPERSONAL: f32 = 0.15;
const NOT_OF_SELF: f32 = 0.15;
/// A fact says again, in fewer words, what its turn says: it lifts the turn only when it matches so much better. With
/// nothing here, whatever is short came first.
const REPEATS: f32 = 0.08;
/// What the user pinned matters a little more to everything.
const PINNED: f32 = 0.05;
/// An unsure fact counts less, and of two equal memories the newer one counts more.
const UNSURE: f32 = 0.05;
const NEWEST: f32 = 0.01;
/// What is said so soon after something else and leans on it ("It's called Miso.") shares its relevance.
const SAME_BREATH_MS: i64 = 10 * 60 * 1000;

/// A message as it is searched for.
pub(super) struct Question<'a> {
    /// The vector of the message, `[dimension]`.
    pub(super) vector: Option<&'a [f32]>,
    pub(super) bearing: Bearing,
    pub(super) words: Vec<Word>,
    of_self: bool,
    by: SearchBy,
}

/// A word of the message.
pub(super) struct Word {
    /// As it stands there, lower-case.
    pub(super) shown: String,
    /// One term, or several for a script without spaces.
    pub(super) terms: Vec<TermHash>,
}

impl<'a> Question<'a> {
    pub(super) fn new(text: &str, vector: Option<&'a [f32]>, bearing: Option<Bearing>, by: SearchBy) -> Self {
        let mut reader = Reader::default();
        let of_self = reader.read(text).of_self;
        let words = content_words(text).into_iter().take(MOST_WORDS).map(|shown| {
            reader.read(&shown);
            Word { terms: reader.terms().to_vec(), shown }
        });
        Self {
            words: words.collect(),
            vector: vector.filter(|_| by != SearchBy::Words),
            // Without landmarks nothing is known of the message, and nothing is held against it.
            bearing: bearing.unwrap_or(Bearing { personal: 1.0, ..Bearing::default() }),
            of_self,
            by,
        }
    }

    /// Where to look: at what the message says, and for a request at what such requests have to heed.
    fn direction(&self, vector: &[f32]) -> Vec<f32> {
        let pull = TO_HEED * self.bearing.request;
        match self.by {
            SearchBy::MeaningAndWords if !self.bearing.to_heed.is_empty() => {
                vector.iter().zip(&self.bearing.to_heed).map(|(x, heed)| x + pull * heed).collect()
            }
            _ => vector.to_vec(),
        }
    }

    /// Why a memory was recalled, for people.
    pub(super) fn why(&self, index: &MemoryIndex, row: usize) -> String {
        let mut reasons = Vec::new();
        if let Some(vector) = self.vector.filter(|_| index.vectors.has(row)) {
            reasons.push(format!("meaning {:.2}", index.vectors.cosine(row, vector)));
            if self.by == SearchBy::MeaningAndWords && self.pull(index, row) > WORTH_TELLING {
                reasons.extend(self.bearing.topics.first().map(|(topic, _)| format!("may bear on {topic}")));
            }
        }
        let holds = |term: &TermHash| index.terms.rows(*term).binary_search(&(row as u32)).is_ok();
        let words = self.words.iter().filter(|word| self.by != SearchBy::Meaning && word.terms.iter().any(holds));
        let quoted: Vec<_> = words.map(|word| format!("'{}'", word.shown)).collect();
        if !quoted.is_empty() {
            reasons.push(format!("words {}", quoted.join(", ")));
        }
        if reasons.is_empty() {
            reasons.push("said right after what matches".into()); // nothing else recalls what matches nothing itself
        }
        reasons.join(", ")
    }

    /// How much nearer a memory is to a request for what such requests have to heed.
    fn pull(&self, index: &MemoryIndex, row: usize) -> f32 {
        match self.bearing.to_heed.is_empty() {
            true => 0.0,
            false => TO_HEED * self.bearing.request * index.vectors.cosine(row, &self.bearing.to_heed),
        }
    }

    /// What the message's own manner takes away from every memory. Words that match are reason enough by themselves.
    fn reserve(&self) -> f32 {
        match (self.vector, self.of_self) {
            (None, _) => 0.0,
            (Some(_), true) => IMPERSONAL * (1.0 - self.bearing.personal),
            (Some(_), false) => IMPERSONAL * (1.0 - self.bearing.personal) + NOT_OF_SELF,
        }
    }
}

/// The relevance of every memory of the index: `[rows]`, in cosines, of no bounds; without any bond to the message,
/// minus infinity.
pub(super) fn weigh(index: &MemoryIndex, question: &Question<'_>) -> Vec<f32> {
    let mut relevance = match question.vector {
        Some(vector) => index.vectors.products(&question.direction(vector)),
        None => vec![0.0; index.traits.len()],
    };
    let by_meaning = |row: usize| question.vector.is_some() && index.vectors.has(row);
    if question.by == SearchBy::Meaning {
        let without = relevance.iter_mut().enumerate().filter(|(row, _)| !by_meaning(*row));
        without.for_each(|(_, relevance)| *relevance = f32::NEG_INFINITY);
        return relevance;
    }
    for (row, coverage) in cover(index, &question.words).into_iter().enumerate() {
        if !by_meaning(row) {
            relevance[row] = if coverage.share > 0.0 { WORDS_ALONE * coverage.share.sqrt() } else { f32::NEG_INFINITY };
        }
        relevance[row] += WORDS * coverage.share * coverage.share * coverage.trust;
    }
    weigh_manner(index, question, &mut relevance);
    share_with_what_leans(index, &mut relevance);
    let facts = index.traits.iter().zip(&mut relevance).filter(|(known, _)| known.kind != MemoryKind::Episode);
    facts.for_each(|(_, relevance)| *relevance -= REPEATS);
    relevance
}

fn weigh_manner(index: &MemoryIndex, question: &Question<'_>, relevance: &mut [f32]) {
    let reserve = question.reserve();
    let newest = index.traits.last().map_or(1, |newest| newest.turn.max(1)) as f32;
    for (known, relevance) in index.traits.iter().zip(relevance) {
        *relevance -= reserve;
        *relevance += NEWEST * known.turn as f32 / newest;
        *relevance -= UNSURE * (1.0 - known.confidence);
        if known.pinned {
            *relevance += PINNED;
        }
        if known.manner.only_asks {
            *relevance -= ONLY_ASKS;
        }
        if known.manner.restricts || matches!(known.kind, MemoryKind::Preference | MemoryKind::Personality) {
            *relevance += RESTRICTS * question.bearing.request;
        }
        if known.origin == Origin::Pasted {
            *relevance -= PASTED;
        }
    }
}

/// A memory that leans on the one said just before gets the mean of both, if that is more. What was pasted leans on
/// nothing: somebody else wrote it.
fn share_with_what_leans(index: &MemoryIndex, relevance: &mut [f32]) {
    let leans = |row: &usize| index.traits[*row].manner.leans && index.traits[*row].origin == Origin::Said;
    for row in (1..index.traits.len()).filter(leans) {
        if let Some(before) = said_just_before(&index.traits, row) {
            relevance[row] = relevance[row].max(relevance[row].midpoint(relevance[before]));
        }
    }
}

fn said_just_before(traits: &[Trait], row: usize) -> Option<usize> {
    /// Facts drawn from turns may stand between two turns.
    const LOOK_BACK: usize = 8;
    let this = &traits[row];
    let before = |other: &Trait| other.conversation == this.conversation && other.turn < this.turn;
    let found = (row.saturating_sub(LOOK_BACK)..row).rev().find(|other| before(&traits[*other]))?;
    let gap_ms = this.at_ms.saturating_sub(traits[found].at_ms);
    (0..=SAME_BREATH_MS).contains(&gap_ms).then_some(found)
}

/// How far a memory holds the words of the message.
#[derive(Clone, Copy, Default)]
struct Coverage {
    /// Share of the words, each weighted by how rare it is: 0 to 1.
    share: f32,
    /// How far that can be no chance: 0 to 1.
    trust: f32,
}

fn cover(index: &MemoryIndex, words: &[Word]) -> Vec<Coverage> {
    let mut coverage = vec![Coverage::default(); index.traits.len()];
    let mut total = 0.0;
    // Facts repeat their turns: what was said is what tells a rare word.
    let is_said = |known: &Trait| known.kind == MemoryKind::Episode;
    let stored = index.traits.iter().filter(|known| is_said(known)).count();
    for term in words.iter().flat_map(|word| &word.terms) {
        let rows = index.terms.rows(*term);
        let containing = rows.iter().filter(|row| is_said(&index.traits[**row as usize])).count();
        let rarity = rarity(stored, containing);
        total += rarity;
        rows.iter().for_each(|row| coverage[*row as usize].share += rarity);
    }
    for coverage in coverage.iter_mut().filter(|coverage| coverage.share > 0.0) {
        let found = coverage.share;
        *coverage = Coverage { share: found / total, trust: (found / SURE_RARITY).min(1.0) };
    }
    coverage
}

/// Inverse document frequency as BM25 has it (Robertson and Spärck Jones), never negative. A store of a few messages
/// cannot tell rare words from common ones, so it is taken for a larger one.
fn rarity(stored: usize, containing: usize) -> f32 {
    const LEAST_STORED: usize = 64;
    let (n, df) = (stored.max(LEAST_STORED) as f32, containing as f32);
    (1.0 + (n - df).max(0.0) / (df + 0.5)).ln()
}
