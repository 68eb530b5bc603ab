//! How well a memory finds what matters to a question: stores filled from a file, asked by several methods.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{Embedder, ExtractiveInducer, MemoryParams, MemoryStore, RetrieveLimits, SearchBy, TurnOptions};
use serde::Deserialize;
use serde_json::Value;

use super::ranking::{DEPTH, Ranked};
use crate::error::{Error, Result};
use crate::run_dir::Lines;

/// Constant of reciprocal-rank fusion (Cormack, Clarke and Büttcher 2009).
const FUSION: f64 = 60.0;
/// How deep the two rankings are read that are fused.
const FUSED: usize = 50;

/// Whose memory it is: documents and questions that belong to one store.
#[derive(Debug, Default)]
pub(crate) struct Owner {
    documents: Vec<Document>,
    questions: Vec<Question>,
}

/// Something that was said. Other keys are left alone.
#[derive(Debug, Deserialize)]
struct Document {
    id: Value,
    text: String,
}

/// A question, and the documents that should be found for it.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(alias = "query")]
    text: String,
    gold: Vec<Value>,
    /// Figures are told for each kind.
    #[serde(default)]
    kind: Option<String>,
    /// Which part of the set it belongs to.
    #[serde(default)]
    split: Option<String>,
}

/// A line of the file: a whole user, a document, or a question.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    User { turns: Vec<Document>, questions: Vec<Question> },
    Question { query: String, gold: Vec<Value>, kind: Option<String>, split: Option<String>, store: Option<Value> },
    Document { id: Value, text: String, store: Option<Value> },
}

/// How a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Full text alone.
    Words,
    /// Vectors alone.
    Meaning,
    /// Plain reciprocal-rank fusion of the two.
    RankFusion,
    /// What the memory does.
    Ours,
    /// The same, with the least score and the count of everyday use.
    OursByDefault,
}

impl Method {
    pub(crate) const ALL: [Self; 5] = [Self::Words, Self::Meaning, Self::RankFusion, Self::Ours, Self::OursByDefault];

    /// Its name in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Words => "full text",
            Self::Meaning => "vectors",
            Self::RankFusion => "rank fusion",
            Self::Ours => "ours",
            Self::OursByDefault => "ours, default limits",
        }
    }

    /// Whether it needs vectors.
    pub(crate) fn needs_embedder(self) -> bool {
        matches!(self, Self::Meaning | Self::RankFusion)
    }
}

/// Reads the file, with only the questions of a split where one is named.
///
/// # Errors
/// [`Error::RecordInvalid`] names the line; a question whose gold is not in its store is one.
pub(crate) fn read_owners(path: &Path, split: Option<&str>) -> Result<Vec<Owner>> {
    let mut owners: Vec<Owner> = Vec::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    for line in Lines::<Line>::open(path)? {
        let (store, owner) = match line? {
            Line::User { turns, questions } => {
                owners.push(Owner { documents: turns, questions });
                continue;
            }
            Line::Question { query, gold, kind, split, store } => {
                let question = Question { text: query, gold, kind, split };
                (store, Owner { documents: Vec::new(), questions: vec![question] })
            }
            Line::Document { id, text, store } => {
                (store, Owner { documents: vec![Document { id, text }], questions: Vec::new() })
            }
        };
        let place = *named.entry(store.map_or_else(String::new, |store| store.to_string())).or_insert(owners.len());
        if place == owners.len() {
            owners.push(Owner::default());
        }
        owners[place].documents.extend(owner.documents);
        owners[place].questions.extend(owner.questions);
    }
    for owner in &mut owners {
        owner.questions.retain(|question| split.is_none_or(|split| question.split.as_deref() == Some(split)));
        owner.expect_gold(path)?;
    }
    owners.retain(|owner| !owner.questions.is_empty());
    Ok(owners)
}

impl Owner {
    /// An evaluation whose answers cannot be found would only look bad.
    fn expect_gold(&self, path: &Path) -> Result<()> {
        let known: HashSet<&Value> = self.documents.iter().map(|document| &document.id).collect();
        for question in &self.questions {
            if question.gold.is_empty() {
                return Err(Error::usage(
                    format!("a question of {} has no gold", path.display()),
                    "name the ids of the documents that should be found",
                ));
            }
            if let Some(missing) = question.gold.iter().find(|id| !known.contains(id)) {
                let reason = format!("gold {missing} of {} is no document of its store", path.display());
                return Err(Error::usage(reason, "documents and questions of one memory carry the same `store`"));
            }
        }
        Ok(())
    }

    /// Questions that will be asked.
    pub(crate) fn question_count(&self) -> usize {
        self.questions.len()
    }
}

/// A store that holds an owner's documents.
pub(crate) struct OwnerStore {
    store: MemoryStore,
    turn_of: HashMap<Value, i64>,
    questions: Vec<Question>,
}

impl OwnerStore {
    /// Stores the documents, a day apart as they stand; with `learnt`, the facts in them too, as a chat would.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn fill(owner: Owner, embedder: Option<Arc<dyn Embedder>>, learnt: bool) -> Result<Self> {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        let store = MemoryStore::open(MemoryParams::in_memory(), embedder.clone())?;
        let conversation = store.create_conversation()?;
        let mut turn_of = HashMap::with_capacity(owner.documents.len());
        for (document, day) in owner.documents.into_iter().zip(1..) {
            let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
            let options = TurnOptions { at_ms: Some(day * DAY_MS), recall, ..TurnOptions::default() };
            let begun = store.begin_turn(conversation, &document.text, &options)?;
            if let Some(failure) = begun.embedding_failure {
                return Err(failure.into());
            }
            turn_of.entry(document.id).or_insert(begun.turn);
        }
        if learnt {
            store.induce(&ExtractiveInducer::new(embedder)?, usize::MAX)?;
        }
        Ok(Self { store, turn_of, questions: owner.questions })
    }

    /// The figures of each question with its kind.
    ///
    /// # Errors
    /// Those of the search.
    pub(crate) fn measure<'a>(&'a self, method: Method) -> Result<Vec<(Option<&'a str>, Ranked)>> {
        let with_kind = |question: &'a Question| Ok((question.kind.as_deref(), self.ranked(method, question)?));
        self.questions.iter().map(with_kind).collect()
    }

    fn ranked(&self, method: Method, question: &Question) -> Result<Ranked> {
        let gold: Vec<i64> = question.gold.iter().filter_map(|id| self.turn_of.get(id).copied()).collect();
        Ok(Ranked::of(&self.search(method, &question.text)?, &gold))
    }

    /// The turns found, best first.
    fn search(&self, method: Method, text: &str) -> Result<Vec<i64>> {
        let everything = |by, max_count| RetrieveLimits { max_count, min_score: 0.0, by, ..RetrieveLimits::default() };
        match method {
            Method::Words => self.turns(text, &everything(SearchBy::Words, DEPTH)),
            Method::Meaning => self.turns(text, &everything(SearchBy::Meaning, DEPTH)),
            Method::Ours => self.turns(text, &everything(SearchBy::MeaningAndWords, DEPTH)),
            Method::OursByDefault => self.turns(text, &RetrieveLimits::default()),
            Method::RankFusion => {
                let words = self.turns(text, &everything(SearchBy::Words, FUSED))?;
                let meaning = self.turns(text, &everything(SearchBy::Meaning, FUSED))?;
                Ok(fused(&[words, meaning]))
            }
        }
    }

    /// A fact and the turn that it was read from are one place of the ranking.
    fn turns(&self, text: &str, limits: &RetrieveLimits) -> Result<Vec<i64>> {
        let mut turns = Vec::new();
        for found in self.store.retrieve(text, limits)? {
            if !turns.contains(&found.turn) {
                turns.push(found.turn);
            }
        }
        Ok(turns)
    }
}

fn fused(rankings: &[Vec<i64>]) -> Vec<i64> {
    let mut scores: HashMap<i64, f64> = HashMap::new();
    for (place, turn) in rankings.iter().flat_map(|ranking| (1..).zip(ranking)) {
        *scores.entry(*turn).or_default() += 1.0 / (FUSION + f64::from(place));
    }
    let mut ranked: Vec<_> = scores.into_iter().collect();
    ranked.sort_by(|(a_turn, a), (b_turn, b)| b.total_cmp(a).then(a_turn.cmp(b_turn)));
    ranked.into_iter().map(|(turn, _)| turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(lines: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(lines.as_bytes()).expect("written");
        file
    }

    #[test]
    fn fusion_prefers_what_both_rankings_have() {
        assert_eq!(fused(&[vec![1, 2, 3], vec![4, 2]]), [2, 1, 4, 3]);
    }

    #[test]
    fn documents_and_questions_meet_in_their_store_in_either_form() {
        let lines = r#"
            {"id": 1, "text": "I keep bees.", "store": "a"}
            {"id": 1, "text": "I keep goats.", "store": "b"}
            {"query": "Which animals?", "gold": [1], "store": "b", "split": "test", "kind": "stated"}
            {"user": "c", "turns": [{"id": "t", "text": "I row."}], "questions": [{"text": "Sport?", "gold": ["t"]}]}
        "#
        .replace("            ", "");
        let owners = read_owners(file(&lines).path(), None).expect("read");
        assert_eq!(owners.iter().map(Owner::question_count).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(read_owners(file(&lines).path(), Some("test")).expect("read").len(), 1);
        let filled = OwnerStore::fill(owners.into_iter().next().expect("b"), None, false).expect("filled");
        assert_eq!(filled.measure(Method::Words).expect("asked"), [(Some("stated"), Ranked::default())]);
    }

    #[test]
    fn a_set_whose_gold_cannot_be_found_is_refused() {
        for bad in [r#"{"query": "Which?", "gold": [9]}"#, r#"{"query": "Which?", "gold": []}"#, "{}"] {
            assert!(read_owners(file(bad).path(), None).is_err(), "{bad}");
        }
    }
}
