//! `aloe memory facts`: what is known of the user, by kind, with the words that support it and what held before.

use aloekit::memory::{ExtractiveInducer, Fact, MemoryKind, MemoryStore};

use super::{Stores, kind_and_pin};
use crate::cli::FactsArgs;
use crate::commands::store_key;
use crate::error::Result;
use crate::output::{Output, visible};

/// In the order in which they are shown.
const KINDS: [MemoryKind; 3] = [MemoryKind::Profile, MemoryKind::Personality, MemoryKind::Preference];
/// Turns read between two steps of the progress bar.
const STEP: usize = 128;

pub(super) fn run(args: &FactsArgs, stores: &Stores<'_>) -> Result<()> {
    let path = stores.existing_path(&args.store.store)?;
    let embedder = stores.embedder(&args.store)?;
    let params = store_key::params(path, args.store.store.key_file.as_deref())?;
    let store = MemoryStore::open(params, embedder.clone())?;
    read_turns(&store, &ExtractiveInducer::new(embedder)?, stores.output)?;
    let facts = store.facts()?;
    if facts.is_empty() {
        stores.output.note("nothing is known yet");
    }
    for fact in KINDS.iter().flat_map(|kind| facts.iter().filter(move |fact| fact.kind == *kind)) {
        if args.json { stores.output.json(fact)? } else { stores.output.data(&paragraph(fact)) }
    }
    let memories = if args.episodes { store.memories()? } else { Vec::new() };
    let mut episodes = memories.iter().filter(|memory| memory.kind == MemoryKind::Episode);
    episodes.try_for_each(|episode| stores.show(episode, args.json))
}

/// The one place where facts are induced here; what was read before is not read again.
fn read_turns(store: &MemoryStore, inducer: &ExtractiveInducer, output: Output) -> Result<()> {
    let turns = store.conversations()?.iter().map(|conversation| conversation.turns).sum();
    let mut bar = output.counter("reading", turns);
    let mut read = 0;
    loop {
        let report = store.induce(inducer, STEP)?;
        read += report.turns;
        bar.set(read);
        if !report.more {
            return Ok(());
        }
    }
}

fn paragraph(fact: &Fact) -> String {
    let Fact { id, text, words, turn, confidence, times_confirmed, .. } = fact;
    let kind = kind_and_pin(fact.kind, fact.pinned);
    let words = if words == text { String::new() } else { format!("\n    you said: \"{words}\"") };
    let before: String =
        fact.superseded.iter().map(|before| format!("\n    before: {} (turn {})", before.text, before.turn)).collect();
    let times = if *times_confirmed > 1 { format!(", said {times_confirmed} times") } else { String::new() };
    visible(&format!("[{id}] {text} ({kind}, turn {turn}, {confidence:.2} sure{times}){words}{before}"))
}
