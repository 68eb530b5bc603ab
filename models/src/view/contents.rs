//! Everything of a run that a page shows, but for the conversations themselves.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::conversations::{Conversations, Summary};
use super::overview::Overview;
use super::ratings::Rating;
use super::training::{TrainingRun, training_runs};
use crate::error::Result;
use crate::evaluation::{FOLDER as EVAL_FOLDER, REPORT, SideBySide, System};
use crate::persona::{FOLDER as PERSONA_FOLDER, POOL, PoolMap};
use crate::provider::{CALLS, Prices, Spent, spent};
use crate::record::{PoolKind, PoolMember};
use crate::run_dir::read_lines;

/// Conversations that a page lists; with more it says so, and search still finds them.
const MOST_LISTED: usize = 20_000;

/// What the page is made of.
#[derive(Debug, Serialize)]
pub(crate) struct Contents<'a> {
    /// The folder's name.
    run: String,
    version: &'static str,
    /// What each stage was begun with, by the stage's folder.
    stages: BTreeMap<String, Value>,
    pool: Vec<PoolMember>,
    /// One for each kind; its points stand in the order of the pool's members of this kind.
    maps: BTreeMap<&'static str, PoolMap>,
    /// Candidates, accepted ones and size of the pool at each iteration.
    saturation: Value,
    spent: Vec<Spent>,
    overview: &'a Overview,
    conversations: &'a [Summary],
    ratings: Vec<Rating>,
    training: Vec<TrainingRun>,
    /// What `aloe eval aloe` left in this run.
    benchmark: Option<SideBySide>,
}

/// What is shown of a run besides its files.
pub(crate) struct Looked<'a> {
    pub(crate) run: &'a Path,
    pub(crate) prices: &'a Prices,
    pub(crate) maps: BTreeMap<PoolKind, PoolMap>,
}

impl<'a> Contents<'a> {
    /// Reads what stands in the run now.
    pub(crate) fn read(
        looked: &Looked<'_>,
        conversations: &'a Conversations,
        ratings: Vec<Rating>,
    ) -> Result<Contents<'a>> {
        let saturation = std::fs::read(looked.run.join(PERSONA_FOLDER).join("saturation.json"));
        let listed = conversations.summaries();
        Ok(Contents {
            run: name_of(looked.run),
            version: env!("CARGO_PKG_VERSION"),
            stages: stages(looked.run),
            pool: pool_of(looked.run)?,
            maps: looked.maps.iter().map(|(kind, map)| (kind.as_str(), map.clone())).collect(),
            saturation: saturation.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null),
            spent: spent(&looked.run.join(CALLS), looked.prices)?,
            overview: conversations.overview(),
            conversations: &listed[..listed.len().min(MOST_LISTED)],
            ratings,
            training: training_runs(looked.run)?,
            benchmark: benchmark_of(looked)?,
        })
    }
}

fn benchmark_of(looked: &Looked<'_>) -> Result<Option<SideBySide>> {
    if !looked.run.join(EVAL_FOLDER).join(REPORT).is_file() {
        return Ok(None);
    }
    Ok(Some(SideBySide::of(vec![System::read(looked.run, None, looked.prices, 0)?], 0)))
}

/// The members of the run's pool; none where it has none.
pub(crate) fn pool_of(run: &Path) -> Result<Vec<PoolMember>> {
    read_lines(&run.join(PERSONA_FOLDER).join(POOL))
}

pub(super) fn name_of(run: &Path) -> String {
    let whole = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    whole.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The configuration of every stage that has begun, whatever it is called.
fn stages(run: &Path) -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let stage = |entry: std::fs::DirEntry| {
        let bytes = std::fs::read(entry.path().join("config.json")).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), serde_json::from_slice(&bytes).ok()?))
    };
    entries.filter_map(stage).collect()
}
