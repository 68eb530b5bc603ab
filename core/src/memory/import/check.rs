//! Whether an export holds together, before any of it is stored.
//!
//! A file may have been edited, or made up to plant memories: what no store would have written is refused. Provenance
//! above all: the words behind a fact must stand in the user turn that it names.

use std::collections::{HashMap, HashSet};

use super::instant::{EARLIEST_MS, LATEST_MS};
use crate::memory::authorship::Authorship;
use crate::memory::export::expect_known;
use crate::memory::{Export, ExportedFact, ExportedSource, Memory, MemoryKind, Origin, StoredTurn, expect_turn_text};
use crate::{Error, Result};

/// Refuses an export that holds a row which could not be stored or does not belong to the others.
pub(super) fn check(export: &Export) -> Result<()> {
    expect_known(export.format)?;
    let turns = check_turns(export)?;
    let memories = check_memories(export, &turns)?;
    check_facts(export, &turns, &memories)?;
    let told_apart = |memory: &&Memory| memory.kind != MemoryKind::Episode;
    let facts: HashSet<i64> = export.facts.iter().map(|fact| fact.memory).collect();
    expect(export.memories.iter().filter(told_apart).all(|memory| facts.contains(&memory.id)), "a fact has no words")?;
    let known = |recall: &crate::memory::ExportedRecall| turns.contains_key(&recall.turn);
    expect(export.recalls.iter().all(known), "a recall names a turn that is not there")?;
    expect(all_differ(export.recalls.iter().map(|recall| recall.turn)), "two recalls name one turn")?;
    expect(export.imported.iter().all(|line| turns.contains_key(&line.turn)), "a line names a turn that is not there")?;
    check_ratings(export, &turns)
}

fn check_ratings(export: &Export, turns: &HashMap<i64, &StoredTurn>) -> Result<()> {
    for rated in &export.ratings {
        let reply = turns.get(&rated.turn).and_then(|turn| turn.reply.as_ref()).map(|reply| reply.text.as_str());
        expect(rated.rating.check(reply).is_ok(), "a rating is of no reply, or says nothing of it")?;
    }
    expect(all_differ(export.ratings.iter().map(|rated| rated.turn)), "two ratings name one turn")
}

fn check_turns(export: &Export) -> Result<HashMap<i64, &StoredTurn>> {
    expect(all_differ(export.conversations.iter().map(|c| c.id)), "two conversations have one id")?;
    let mut turns = HashMap::new();
    for conversation in &export.conversations {
        expect(is_a_time(conversation.started_ms), "a conversation has no possible time")?;
        for turn in &conversation.turns {
            expect(expect_turn_text(&turn.user).is_ok(), "a turn is empty or longer than 4 MiB")?;
            expect(is_a_time(turn.at_ms), "a turn has no possible time")?;
            expect(turn.pasted.iter().all(|range| turn.user.get(range.clone()).is_some()), "a turn has no such part")?;
            expect(turns.insert(turn.turn, turn).is_none(), "two turns have one number")?;
        }
    }
    Ok(turns)
}

fn check_memories<'a>(export: &'a Export, turns: &HashMap<i64, &StoredTurn>) -> Result<HashMap<i64, &'a Memory>> {
    let mut memories = HashMap::new();
    for memory in &export.memories {
        expect(expect_turn_text(&memory.text).is_ok(), "a memory is empty or longer than 4 MiB")?;
        let Some(turn) = turns.get(&memory.turn) else {
            return Err(invalid("a memory names a turn that is not there"));
        };
        let mut words = memory.words.lines().map(str::trim);
        let is_of_turn = memory.kind != MemoryKind::Episode || words.all(|line| turn.user.contains(line));
        expect(is_of_turn, "a memory's words are not the user's")?;
        expect(memories.insert(memory.id, memory).is_none(), "two memories have one id")?;
    }
    Ok(memories)
}

fn check_facts(export: &Export, turns: &HashMap<i64, &StoredTurn>, memories: &HashMap<i64, &Memory>) -> Result<()> {
    expect(all_differ(export.facts.iter().map(|fact| fact.memory)), "a memory is a fact twice")?;
    for fact in &export.facts {
        let Some(turn) = memories.get(&fact.memory).and_then(|memory| turns.get(&memory.turn)) else {
            return expect(false, "a fact names a memory that is not there");
        };
        expect(!fact.words.is_empty() && says(&turn.user, &fact.words), "a fact's words are not the user's")?;
        expect(is_said(turn, &fact.words), "a fact's words were pasted")?;
        expect((0.0..=1.0).contains(&fact.confidence), "a fact's confidence is not from 0 to 1")?;
        expect(fact.times_confirmed > 0, "a fact was never said")?;
        expect(is_a_time(fact.first_seen_ms) && is_a_time(fact.last_seen_ms), "a fact has no possible time")?;
        let replaced_by_known = fact.superseded_by.is_none_or(|other| memories.contains_key(&other));
        expect(replaced_by_known, "a fact is replaced by one that is not there")?;
        fact.sources.iter().try_for_each(|source| check_source(source, turns))?;
        expect(all_differ(fact.sources.iter().map(|source| source.turn)), "a turn states a fact twice")?;
    }
    expect(!in_circles(&export.facts), "facts replace each other in a circle")
}

/// Only what the user said may state a fact, whatever the file says.
fn check_source(source: &ExportedSource, turns: &HashMap<i64, &StoredTurn>) -> Result<()> {
    let turn = turns.get(&source.turn).filter(|turn| turn.origin == Origin::Said);
    let states = turn.filter(|turn| !source.words.is_empty() && says(&turn.user, &source.words));
    let Some(turn) = states else { return expect(false, "a turn that states a fact does not say so") };
    expect(is_said(turn, &source.words), "a fact's words were pasted")?;
    expect((0.0..=1.0).contains(&source.confidence), "a fact's confidence is not from 0 to 1")
}

/// Whether the words stand in the text, however they are spaced.
fn says(text: &str, words: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.contains(words) || plain(text).contains(&plain(words))
}

/// Whether the words stand outside of what the file itself says was pasted. What is pasted by its form alone does not
/// make a file invalid: see `Restore`.
fn is_said(turn: &StoredTurn, words: &str) -> bool {
    let pasted: Vec<&str> = turn.pasted.iter().filter_map(|range| turn.user.get(range.clone())).collect();
    let own = Authorship { text: &turn.user, pasted: turn.pasted.clone() };
    turn.origin == Origin::Said && (!pasted.iter().any(|part| says(part, words)) || own.says(words))
}

fn in_circles(facts: &[ExportedFact]) -> bool {
    let next: HashMap<i64, i64> = facts.iter().filter_map(|fact| Some((fact.memory, fact.superseded_by?))).collect();
    let mut ends = HashSet::new();
    for start in next.keys() {
        let (mut at, mut way) = (*start, HashSet::new());
        while let Some(after) = next.get(&at).filter(|_| !ends.contains(&at)) {
            if !way.insert(at) {
                return true;
            }
            at = *after;
        }
        ends.extend(way);
    }
    false
}

fn is_a_time(ms: i64) -> bool {
    (EARLIEST_MS..=LATEST_MS).contains(&ms)
}

fn all_differ<T: Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    let mut items = items;
    items.all(|item| seen.insert(item))
}

fn expect(holds: bool, what_is_wrong: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(invalid(what_is_wrong)) }
}

fn invalid(what_is_wrong: &str) -> Error {
    Error::ImportInvalid { line: None, reason: what_is_wrong.into() }
}
