//! `aloe memory search`: ranked memories for one text or for thousands, so that retrieval can be evaluated on any set.
//!
//! Nothing is held back: no minimum score, and as many hits as were asked for.

use std::collections::HashSet;
use std::path::Path;

use aloekit::memory::{ExternalId, MemoryStore, Recalled, RetrieveLimits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Stores, kind_and_pin};
use crate::cli::SearchArgs;
use crate::error::{Error, Result};
use crate::output::{Output, visible};

/// Texts whose hits are printed together.
const CHUNK: usize = 256;

pub(super) fn run(args: &SearchArgs, stores: &Stores<'_>) -> Result<()> {
    let queries = match (&args.queries, &args.text) {
        (Some(file), _) => read_queries(file)?,
        (None, Some(text)) => vec![Query { id: Value::from(1), text: text.clone() }],
        (None, None) => Vec::new(),
    };
    let store = stores.existing_with_embedder(&args.store)?;
    stores.warn_of_missing_vectors(&store, &args.store)?;
    let mut bar = stores.output.counter("searching", queries.len() as u64);
    for (chunk, done) in queries.chunks(CHUNK).zip((CHUNK..).step_by(CHUNK)) {
        let answers = answer(&store, chunk, args.k)?;
        for (query, hits) in chunk.iter().zip(answers) {
            print(query, &hits, args, stores.output)?;
        }
        bar.set(done.min(queries.len()) as u64);
    }
    Ok(())
}

/// A text to search for, with the id that its answer carries.
#[derive(Debug, PartialEq)]
struct Query {
    id: Value,
    text: String,
}

/// Other keys are left alone.
#[derive(Deserialize)]
struct QueryLine {
    id: Option<Value>,
    text: Option<String>,
    query: Option<String>,
}

/// One bad line refuses the file: an evaluation must not lose a question unseen.
fn read_queries(path: &Path) -> Result<Vec<Query>> {
    let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let lines = text.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    lines.map(|(line, number)| query(line).ok_or_else(|| bad_query(path, number))).collect()
}

fn query(line: &[u8]) -> Option<Query> {
    let line: QueryLine = serde_json::from_slice(line).ok()?;
    let id = line.id.filter(|id| id.is_string() || id.is_number())?;
    Some(Query { id, text: line.text.or(line.query)? })
}

fn bad_query(path: &Path, number: usize) -> Error {
    let reason = format!("line {number} of {} is no query", path.display());
    Error::usage(reason, "each line is a JSON object with id and text (or query)")
}

/// One hit as `--json` shows it. Other programs rely on these names: none is ever renamed or left out.
#[derive(Serialize)]
struct Hit<'a> {
    id: HitId,
    score: f32,
    why: &'a str,
}

/// The id of the imported line, or else of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
enum HitId {
    External(ExternalId),
    Memory(i64),
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    hits: Vec<Hit<'a>>,
}

fn answer(store: &MemoryStore, queries: &[Query], k: usize) -> Result<Vec<Vec<(HitId, Recalled)>>> {
    let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    // Twice as many: a fact and the turn it was drawn from carry one external id and are one hit.
    let limits = RetrieveLimits { max_count: k.saturating_mul(2), min_score: 0.0, ..RetrieveLimits::default() };
    let found = store.retrieve_many(&texts, &limits)?;
    found.into_iter().map(|found| one_each(store, found, k)).collect()
}

fn one_each(store: &MemoryStore, found: Vec<Recalled>, k: usize) -> Result<Vec<(HitId, Recalled)>> {
    let turns: Vec<i64> = found.iter().map(|hit| hit.turn).collect();
    let external = store.external_ids(&turns)?;
    let id = |hit: &Recalled| external.get(&hit.turn).map_or(HitId::Memory(hit.id), |id| HitId::External(id.clone()));
    let mut seen = HashSet::new();
    let hits = found.into_iter().map(|hit| (id(&hit), hit)).filter(|(id, _)| seen.insert(id.clone()));
    Ok(hits.take(k).collect())
}

fn print(query: &Query, hits: &[(HitId, Recalled)], args: &SearchArgs, output: Output) -> Result<()> {
    if args.json {
        let hits = hits.iter().map(|(id, hit)| Hit { id: id.clone(), score: hit.score, why: &hit.why }).collect();
        return output.json(&Answer { id: &query.id, hits });
    }
    if args.queries.is_some() {
        output.data(&visible(&format!("{}: {}", query.id, query.text)));
    }
    for (_, Recalled { id, text, score, kind, turn, why, .. }) in hits {
        let kind = kind_and_pin(*kind, false);
        output.data(&visible(&format!("{score:.2}  [{id}] {text} ({kind}, turn {turn})\n      {why}")));
    }
    if hits.is_empty() {
        output.note("nothing found");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_an_id_and_a_text_under_either_name() {
        let of = |text: &str| query(text.as_bytes());
        let sea = |id: Value| Some(Query { id, text: "the sea".to_owned() });
        assert_eq!(of(r#"{"id": "q", "text": "the sea", "gold": [1]}"#), sea("q".into()));
        assert_eq!(of(r#"{"id": 7, "query": "the sea"}"#), sea(7.into()));
        for bad in [r#"{"text": "the sea"}"#, r#"{"id": 7}"#, r#"{"id": [], "text": "x"}"#, "the sea", "[]"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
