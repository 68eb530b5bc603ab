//! Every answer that cost something, in one file of the run: the cache of a resumed run, and what `replay` reads.
//!
//! An answer is found by its request (messages, form, drawing, seed) and the model that gave it. Texts stay on the disk;
//! in memory there are 32 bytes of key and a place for each.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::ledger::Prices;
use super::{Answer, Call};
use crate::error::{Error, Result};
use crate::run_dir::{AppendLog, Lines};

/// The journal's name in the run.
pub(crate) const CALLS: &str = "calls.jsonl";

/// One finished call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// BLAKE3 of the request, in hexadecimal.
    pub(super) request: String,
    pub(super) role: String,
    pub(super) model: String,
    pub(super) seed: u32,
    pub(super) answer: String,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    #[serde(default)]
    pub(super) cut: bool,
}

impl Entry {
    fn into_answer(self) -> Answer {
        let Self { answer: text, model, prompt_tokens, completion_tokens, cut, .. } = self;
        Answer { text, model, prompt_tokens, completion_tokens, cut }
    }
}

/// The finished calls of a run.
pub(super) struct Journal {
    state: Mutex<State>,
}

struct State {
    log: AppendLog,
    /// Key of request and model → where the line begins, and its length.
    places: HashMap<[u8; 32], (u64, usize)>,
}

/// What makes two requests the same.
pub(super) fn request_hash(call: &Call<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    for message in call.messages {
        part(message.role.as_str().as_bytes());
        part(message.content.as_bytes());
    }
    part(call.schema.map_or("", |schema| schema.json).as_bytes());
    part(&call.drawing.temperature.to_le_bytes());
    part(&call.drawing.max_tokens.to_le_bytes());
    part(&call.seed.to_le_bytes());
    hasher.finalize().to_hex().to_string()
}

fn key(request: &str, model: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request.as_bytes()).update(&[0]).update(model.as_bytes());
    *hasher.finalize().as_bytes()
}

impl Journal {
    /// The journal in this file, made where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let log = AppendLog::open(path)?;
        let mut places = HashMap::new();
        let mut lines: Lines<Entry> = Lines::open(path)?;
        while let Some(line) = lines.next_line() {
            let (number, bytes) = line?;
            let entry = parse(path, number, &bytes)?;
            places.insert(key(&entry.request, &entry.model), (lines.start(), bytes.len()));
        }
        Ok(Self { state: Mutex::new(State { log, places }) })
    }

    /// The kept answer of this model to this request.
    pub(super) fn find(&self, request: &str, model: &str) -> Result<Option<Answer>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((start, len)) = state.places.get(&key(request, model)).copied() else { return Ok(None) };
        let bytes = state.log.line_at(start, len)?;
        let entry: Entry = serde_json::from_slice(&bytes).map_err(Error::internal)?;
        Ok(Some(entry.into_answer()))
    }

    /// Keeps an answer; it is on the disk when this returns.
    pub(super) fn keep(&self, request: &str, asked_model: &str, call: &Call<'_>, answer: &Answer) -> Result<()> {
        let entry = Entry {
            request: request.to_owned(),
            role: call.role.as_str().to_owned(),
            model: asked_model.to_owned(),
            seed: call.seed,
            answer: answer.text.clone(),
            prompt_tokens: answer.prompt_tokens,
            completion_tokens: answer.completion_tokens,
            cut: answer.cut,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let start = state.log.append(&entry)?;
        let len = usize::try_from(state.log.len() - start - 1).map_err(Error::internal)?;
        state.places.insert(key(request, asked_model), (start, len));
        Ok(())
    }
}

/// Reads a recording of another run whole: request → answer.
pub(super) fn recording(path: &Path) -> Result<HashMap<String, Answer>> {
    let entries = Lines::<Entry>::open(path)?;
    entries.map(|entry| entry.map(|entry| (entry.request.clone(), entry.into_answer()))).collect()
}

/// What a run's calls of one role to one model came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Spent {
    role: String,
    model: String,
    calls: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Dollars; nothing where the price is not known.
    pub(crate) cost: Option<f64>,
}

/// What stands in a journal, summed, also while it grows; nothing where there is none.
pub(crate) fn spent(path: &Path, prices: &Prices) -> Result<Vec<Spent>> {
    #[derive(Deserialize)]
    struct Counts {
        role: String,
        model: String,
        prompt_tokens: u64,
        completion_tokens: u64,
    }
    let mut sums: BTreeMap<(String, String), [u64; 3]> = BTreeMap::new();
    if path.exists() {
        let mut lines: Lines<Counts> = Lines::open(path)?;
        while let Some(line) = lines.next_line() {
            // The newest line may be half there.
            let Ok(counts) = serde_json::from_slice::<Counts>(&line?.1) else { continue };
            let sum = sums.entry((counts.role, counts.model)).or_default();
            *sum = [sum[0] + 1, sum[1] + counts.prompt_tokens, sum[2] + counts.completion_tokens];
        }
    }
    let spent = |((role, model), [calls, prompt_tokens, completion_tokens]): ((String, String), [u64; 3])| {
        let cost = prices.cost(&model, prompt_tokens, completion_tokens);
        Spent { role, model, calls, prompt_tokens, completion_tokens, cost }
    };
    Ok(sums.into_iter().map(spent).collect())
}

fn parse(path: &Path, line: u64, bytes: &[u8]) -> Result<Entry> {
    serde_json::from_slice(bytes).map_err(|error| Error::RecordInvalid {
        path: path.to_owned(),
        line,
        reason: format!("column {}", error.column()),
    })
}
