//! What a key costs: remembering, retrieving and opening, with and without one, turn about in one run.
//!
//! Both sides are the same SQLCipher; without a key it is plain SQLite. Vectors are given, so no model's time is in it.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod corpus;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;

use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{MemoryParams, MemoryStore, RetrieveLimits, StoreKey, TurnOptions};
use corpus::{CorpusEmbedder, Random};
use measure::{Samples, Table, announce, load, rounds, timed};

const TURNS: usize = 2000;
const QUESTIONS: usize = 100;

/// Milliseconds of each step, a number a round.
#[derive(Default)]
struct Steps {
    remember: Samples,
    open: Samples,
    first: Samples,
    retrieve: Samples,
}

fn main() {
    let rounds = rounds(5);
    announce("cipher: a store with a key against the same without one");
    let embedder = Arc::new(CorpusEmbedder::new(None));
    let (mut plain, mut keyed) = (Steps::default(), Steps::default());
    for round in 0..=rounds {
        // The first warms up caches and allocator, and counts for neither.
        let mut unused = (Steps::default(), Steps::default());
        let (plain, keyed) = if round == 0 { (&mut unused.0, &mut unused.1) } else { (&mut plain, &mut keyed) };
        run(None, &embedder, plain);
        run(Some(StoreKey::new([7; 32])), &embedder, keyed);
    }
    let mut table = Table::new(
        format!("{TURNS} turns, {QUESTIONS} questions, {rounds} rounds; median (least-greatest); {}", load()),
        &["", "plain, ms", "with a key, ms", "ratio"],
    );
    for (name, of) in [
        ("remember a turn", (|steps| &steps.remember) as fn(&Steps) -> &Samples),
        ("open", |steps| &steps.open),
        ("first retrieval after opening", |steps| &steps.first),
        ("retrieve", |steps| &steps.retrieve),
    ] {
        let (plain, keyed) = (of(&plain), of(&keyed));
        table.row([name.into(), plain.spread(3), keyed.spread(3), keyed.over(plain).spread(2)]);
    }
    table.print();
}

fn run(key: Option<StoreKey>, embedder: &Arc<CorpusEmbedder>, steps: &mut Steps) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("memory.db");
    let mut random = Random(5);
    let store = open(&file, key.clone(), embedder);
    let conversation = store.create_conversation().expect("a conversation");
    let silent = TurnOptions { recall: RetrieveLimits { max_count: 0, ..Default::default() }, ..Default::default() };
    let ((), remembered_ms) = timed(|| {
        for _ in 0..TURNS {
            store.begin_turn(conversation, &corpus::sentence(&mut random), &silent).expect("the turn is stored");
        }
    });
    drop(store);
    let (store, opened_ms) = timed(|| open(&file, key, embedder));
    let retrieve = |question: &str| store.retrieve(question, &RetrieveLimits::default()).expect("the store answers");
    let questions: Vec<_> = (0..=QUESTIONS).map(|_| corpus::question(&mut random).0).collect();
    let (_, first_ms) = timed(|| retrieve(&questions[0]));
    let (found, retrieved_ms) = timed(|| questions[1..].iter().map(|question| retrieve(question).len()).sum::<usize>());
    assert!(found > 0, "the questions are about what was said");
    steps.remember.push(remembered_ms / TURNS as f64);
    steps.open.push(opened_ms);
    steps.first.push(first_ms);
    steps.retrieve.push(retrieved_ms / QUESTIONS as f64);
}

fn open(file: &Path, key: Option<StoreKey>, embedder: &Arc<CorpusEmbedder>) -> MemoryStore {
    let params = MemoryParams { key, ..MemoryParams::file(file) };
    MemoryStore::open(params, Some(Arc::<CorpusEmbedder>::clone(embedder))).expect("the folder is writable")
}
