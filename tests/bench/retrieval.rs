//! Recall in a store of 1,000, 10,000 and 100,000 memories, against plain FTS5 and sqlite-vec on the same sentences.
//!
//! Every question goes to each side in turn. The peers answer one half each of what `retrieve` answers: which
//! sentences share words, or which vectors are near; neither joins them, weighs questions or leaves repeats out.

mod corpus;
mod footprint;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
mod plain_sqlite;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod quiet;

use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{
    ConversationId, MemoryParams, MemoryStore, OrtEmbedder, OrtEmbedderParams, RetrieveLimits, SearchBy, TurnOptions,
};
use aloekit_tests::fixtures::{embedder_file, ort_library};
use corpus::{CorpusEmbedder, Random};
use measure::{Samples, Table, announce, resident_mib, rounds, timed};
use plain_sqlite::PlainSqlite;
use quiet::Quiet;

const QUESTIONS: usize = 100;
const TURNS: usize = 100;

fn main() {
    if let Some(store) = footprint::store_of_child() {
        return footprint::report(&store);
    }
    let rounds = rounds(3);
    announce("retrieval: recall in a store of many memories");
    let real = OrtEmbedder::open(OrtEmbedderParams {
        model: embedder_file("model.onnx"),
        tokenizer: embedder_file("tokenizer.json"),
        ..OrtEmbedderParams::minilm(ort_library(), "")
    });
    let embedder = Arc::new(CorpusEmbedder::new(Some(real.expect("the default embedder opens"))));
    for memories in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir().expect("a folder");
        measure(memories, rounds, &embedder, folder.path());
    }
}

fn measure(memories: usize, rounds: usize, embedder: &Arc<CorpusEmbedder>, folder: &Path) {
    let mut random = Random(5);
    let sentences: Vec<String> = (0..memories).map(|_| corpus::sentence(&mut random)).collect();
    let mut upkeep = Table::new(format!("{memories} memories: the store"), &["", ""]);
    let store_file = folder.join("store.db");
    let built_ms = build(&store_file, &sentences, embedder);
    upkeep.row(["adding a turn without recall, mean ms".into(), format!("{:.3}", built_ms / memories as f64)]);
    let mut peer = PlainSqlite::new(&folder.join("peer.db"));
    peer.fill(sentences.iter().map(|text| (text.as_str(), embedder.vector(text))));

    Quiet::default().wait();
    footprint::print(memories, rounds, &store_file);
    let (store, opened_ms) = timed(|| open(&store_file, embedder));
    upkeep.row(["opening, ms".into(), format!("{opened_ms:.2}")]);
    let before = resident_mib();
    let question = corpus::question(&mut random).0;
    let (_, first_ms) = timed(|| store.retrieve(&question, &limits(SearchBy::MeaningAndWords)));
    upkeep.row(["first retrieval, which reads the vectors, ms".into(), format!("{first_ms:.1}")]);
    let grown = before.zip(resident_mib()).map(|(before, after)| format!("{:.1}", after - before));
    upkeep.row(["RAM that it took, MiB".into(), grown.unwrap_or_else(|| "unknown here".into())]);
    let megabytes = std::fs::metadata(&store_file).map_or(f64::NAN, |found| found.len() as f64 / 1e6);
    upkeep.row(["file, MB".into(), format!("{megabytes:.1}")]);
    upkeep.print();

    let questions: Vec<_> = (0..QUESTIONS).map(|_| corpus::question(&mut random)).collect();
    print_searches(memories, rounds, &questions, &store, embedder, &peer);
    print_turns(memories, &mut random, &store, embedder);
    print_forgetting(memories, &store);
}

fn open(file: &Path, embedder: &Arc<CorpusEmbedder>) -> MemoryStore {
    let embedder = Arc::clone(embedder);
    MemoryStore::open(MemoryParams::file(file), Some(embedder)).expect("the folder is writable")
}

/// Milliseconds to say everything, turn by turn.
fn build(file: &Path, sentences: &[String], embedder: &Arc<CorpusEmbedder>) -> f64 {
    let store = open(file, embedder);
    let conversation = store.create_conversation().expect("a conversation");
    let silent =
        TurnOptions { recall: RetrieveLimits { max_count: 0, ..limits(SearchBy::Words) }, ..Default::default() };
    let ((), took) = timed(|| {
        for sentence in sentences {
            store.begin_turn(conversation, sentence, &silent).expect("the turn is stored");
        }
    });
    took
}

fn limits(by: SearchBy) -> RetrieveLimits {
    RetrieveLimits { by, ..RetrieveLimits::default() }
}

/// The searches in the order of the table's rows.
const SEARCHES: [&str; 6] = [
    "retrieve, the message's vector given",
    "retrieve, the message embedded (MiniLM)",
    "retrieve by words alone",
    "retrieve by meaning alone, vector given",
    "FTS5: any of the words, by rank",
    "sqlite-vec: nearest vectors",
];

fn print_searches(
    memories: usize,
    rounds: usize,
    questions: &[(String, Vec<String>)],
    store: &MemoryStore,
    embedder: &CorpusEmbedder,
    peer: &PlainSqlite,
) {
    let count = RetrieveLimits::default().max_count;
    let mut took: [Samples; SEARCHES.len()] = Default::default();
    let mut found = [0; SEARCHES.len()];
    let mut quiet = Quiet::default();
    for round in 0..=rounds {
        quiet.wait();
        for (question, words) in questions {
            let vector = embedder.vector(question);
            let ours = |by: SearchBy| store.retrieve(question, &limits(by)).expect("the store answers").len();
            let embedded = || {
                embedder.take_time(true);
                let found = ours(SearchBy::MeaningAndWords);
                embedder.take_time(false);
                found
            };
            let answers = [
                timed(|| ours(SearchBy::MeaningAndWords)),
                timed(embedded),
                timed(|| ours(SearchBy::Words)),
                timed(|| ours(SearchBy::Meaning)),
                timed(|| peer.by_words(words, count).len()),
                timed(|| peer.by_vector(&vector, count).len()),
            ];
            for (search, (hits, ms)) in answers.into_iter().enumerate().filter(|_| round > 0) {
                took[search].push(ms);
                found[search] += hits;
            }
        }
    }
    let calls = rounds * questions.len();
    let caption = format!("{memories} memories: {calls} searches a side in turn; ms, p50 / p99");
    let mut table = Table::new(caption, &["", "ms", "answers"]);
    for ((name, took), found) in SEARCHES.into_iter().zip(&took).zip(found) {
        table.row([name.into(), took.tail(3), format!("{:.1}", f64::from(found as u32) / calls as f64)]);
    }
    table.print();
    let ratio = |ours: usize, peer: usize| took[peer].median() / took[ours].median();
    println!(
        "  p50 ratios: FTS5 / retrieve by words {:.2}, sqlite-vec / retrieve by meaning {:.2}, \
         (FTS5 + sqlite-vec) / retrieve {:.2}",
        ratio(2, 4),
        ratio(3, 5),
        (took[4].median() + took[5].median()) / took[0].median(),
    );
}

/// What a turn of the user costs: recall, then the words durable with their vector.
fn print_turns(memories: usize, random: &mut Random, store: &MemoryStore, embedder: &CorpusEmbedder) {
    let conversation = store.create_conversation().expect("a conversation");
    let caption = format!("{memories} memories: {TURNS} turns each; ms, p50 / p99");
    let mut table = Table::new(caption, &["", "ms"]);
    for (name, takes_time) in [("begin_turn, vector given", false), ("begin_turn, embedded (MiniLM)", true)] {
        Quiet::default().wait();
        embedder.take_time(takes_time);
        let took: Samples = (0..TURNS).map(|_| turn(store, conversation, &corpus::sentence(random))).collect();
        table.row([name.into(), took.tail(3)]);
    }
    embedder.take_time(false);
    table.print();
}

/// What it costs to forget a memory, with every byte of it gone from the file.
fn print_forgetting(memories: usize, store: &MemoryStore) {
    let ids: Vec<i64> = store.memories().expect("a list").iter().map(|memory| memory.id).step_by(97).take(10).collect();
    let mut table = Table::new(format!("{memories} memories: {} forgotten one by one", ids.len()), &["", "ms"]);
    Quiet::default().wait();
    let took: Samples = ids.iter().map(|id| timed(|| store.forget(*id).expect("it is there")).1).collect();
    table.row(["forget, the file wiped".into(), took.spread(1)]);
    table.print();
}

fn turn(store: &MemoryStore, conversation: ConversationId, text: &str) -> f64 {
    let (begun, took) = timed(|| store.begin_turn(conversation, text, &TurnOptions::default()));
    begun.expect("the turn is stored");
    took
}
