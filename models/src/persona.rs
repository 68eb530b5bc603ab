//! Stage one: a pool of profiles and personalities that grows from its own members, and the personas combined of it.
//!
//! Reads and writes files of its folder in the run; what a text is like is judged by rules and by an embedder that is
//! handed in, and who writes new ones is the gateway's business.

mod answer;
mod combine;
mod estimate;
mod generate;
mod map;
mod neighbours;
mod pool_file;
mod prompt;
mod pronouns;
mod rules;
mod seeds;
mod shingles;
mod split;

use serde::Serialize;

pub(crate) use combine::{CombinePlan, combine};
pub(crate) use estimate::estimate;
pub(crate) use generate::{Growth, StopCause, grow};
pub(crate) use map::{PoolMap, pool_map};
pub(crate) use pool_file::{BadLine, read_pool_file};
pub(crate) use seeds::{evaluation_texts, seeds};
pub(crate) use split::split;

use crate::error::Result;
use crate::record::{Origin, PoolKind};

/// Turns texts into vectors of length 1, in order.
pub(crate) type Embed<'a> = dyn Fn(&[String]) -> Result<Vec<Vec<f32>>> + Sync + 'a;

/// A text with where it comes from, before it has an id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) origin: Origin,
    pub(crate) scripted: bool,
}

/// The files of this stage in the run directory.
pub(crate) const FOLDER: &str = "personas";
pub(crate) const PERSONAS: &str = "personas.jsonl";
pub(crate) const POOL: &str = "pool.jsonl";

/// The log of iterations of one kind.
pub(crate) fn iterations_file(kind: PoolKind) -> String {
    format!("{}.iterations.jsonl", kind.as_str())
}

/// What became of a pool, for summary and curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PoolReport {
    pub(crate) kind: PoolKind,
    pub(crate) members: usize,
    pub(crate) iterations: usize,
    pub(crate) candidates: usize,
    pub(crate) accepted: usize,
    /// Texts that were embedded; the paper's way embeds the whole pool again for each candidate.
    pub(crate) embedded: usize,
    pub(crate) stopped: StopCause,
    /// For each iteration: candidates, accepted, size of the pool.
    pub(crate) curve: Vec<[usize; 3]>,
}
