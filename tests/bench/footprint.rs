//! What an open store takes in RAM and in time, measured in processes that do nothing else.
//!
//! A process of its own, because one that has just filled a store gives its freed memory to the next use, and the
//! growth seen is too small.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aloekit::memory::{MemoryParams, MemoryStore, RetrieveLimits};

use crate::corpus::{self, CorpusEmbedder, Random};
use crate::measure::{Samples, Table, resident_mib, timed};
use crate::quiet::Quiet;

/// Set for the child: the store that it opens.
const STORE: &str = "ALOE_BENCH_STORE";
const COLUMNS: [&str; 6] = [
    "opening, ms",
    "warm_up, ms",
    "first search after it, ms",
    "RAM after opening, MiB more",
    "after warm_up",
    "after a search",
];

/// The store that this process is to open and report on, if it is such a child.
pub(crate) fn store_of_child() -> Option<PathBuf> {
    std::env::var_os(STORE).map(PathBuf::from)
}

/// Prints what opening, warming up and searching took, in the order of the table.
pub(crate) fn report(store: &Path) {
    let embedder = Arc::new(CorpusEmbedder::new(None));
    let question = corpus::question(&mut Random(17)).0;
    let resident = || resident_mib().unwrap_or(f64::NAN);
    let before = resident();
    let (store, opening) = timed(|| MemoryStore::open(MemoryParams::file(store), Some(embedder)).expect("it opens"));
    let opened = resident() - before;
    let ((), warming) = timed(|| store.warm_up().expect("it warms up"));
    let warm = resident() - before;
    let (_, searching) = timed(|| store.retrieve(&question, &RetrieveLimits::default()).expect("it answers"));
    println!("{opening} {warming} {searching} {opened} {warm} {}", resident() - before);
}

/// The table of a store that is closed; one process a round, after one that fills the system's cache.
pub(crate) fn print(memories: usize, rounds: usize, store: &Path) {
    let mut took: [Samples; COLUMNS.len()] = Default::default();
    let mut quiet = Quiet::default();
    for round in 0..=rounds {
        quiet.wait();
        let program = std::env::current_exe().expect("this benchmark");
        let child = Command::new(program).env(STORE, store).output().expect("the child runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        let said = String::from_utf8_lossy(&child.stdout);
        let numbers = said.split_whitespace().map(|number| number.parse().expect("a number"));
        took.iter_mut().zip(numbers).filter(|_| round > 0).for_each(|(samples, number)| samples.push(number));
    }
    let mut table = Table::new(format!("{memories} memories: opened by a fresh process, {rounds} times"), &["", ""]);
    for (name, samples) in COLUMNS.iter().zip(&took) {
        table.row([(*name).into(), samples.spread(1)]);
    }
    table.print();
}
