//! The facts that stand in a conversation's instructions.
//!
//! Chosen when a conversation begins and kept, so that the beginning of its prompts, and with it the KV cache, stays the
//! same. A fact whose place was taken gives way to its successor, a forgotten one leaves. Those that stood there once
//! are noted too: a reply given with them in view may repeat them.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::db::Fault;
use super::export::ExportedStanding;
use super::induce::opened_words;
use super::memories;
use super::persona::{MemoryKind, Recalled, decayed};
use super::turn::ConversationId;
use super::{MemoryStore, now_ms};
use crate::Result;

/// A fact less sure than this does not stand in every prompt; it can still be recalled.
const SURE: f32 = 0.5;
/// As many are ranked; instructions have room for fewer.
const MOST: usize = 32;
/// What holds for a day or a week is recalled when it matters and does not stand in every prompt.
const PASSING: [&str; 18] = [
    "today",
    "tonight",
    "tomorrow",
    "yesterday",
    "this morning",
    "this afternoon",
    "this evening",
    "this week",
    "this weekend",
    "this month",
    "next week",
    "next weekend",
    "next month",
    "last night",
    "last week",
    "right now",
    "at the moment",
    "just now",
];
/// Longer chains of facts that took each other's place are damage.
const MOST_SUCCESSORS: usize = 1_000;

impl MemoryStore {
    /// The facts that may stand in the instructions of any conversation, best first: pinned, or sure and not of the day
    /// only. The score is the confidence, decayed until now.
    ///
    /// # Errors
    /// Those of storage.
    pub fn stable_facts(&self) -> Result<Vec<Recalled>> {
        self.inner.db.with(|held| stable(&held.connection, now_ms()))
    }

    /// The facts that stand in the instructions of a conversation, in their order; where one was superseded, what took
    /// its place.
    ///
    /// # Errors
    /// Those of storage.
    pub fn standing_facts(&self, conversation: ConversationId) -> Result<Vec<Recalled>> {
        self.inner.db.with(|held| {
            let noted = standing(&held.connection, conversation)?;
            let now = successors(&held.connection, &noted)?;
            if now != noted {
                held.transaction(|tx| set(tx, conversation, &now))?;
            }
            let at_ms = now_ms();
            now.into_iter().filter_map(|id| read(&held.connection, id, at_ms).transpose()).collect()
        })
    }

    /// Sets which facts stand in the instructions of a conversation, in this order. What is no fact, or forgotten, is
    /// left out.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for the conversation, and those of storage.
    pub fn set_standing_facts(&self, conversation: ConversationId, ids: &[i64]) -> Result<()> {
        self.inner.db.write(|tx| {
            super::log::expect_conversation(tx, conversation)?;
            set(tx, conversation, ids)
        })
    }
}

fn stable(connection: &Connection, at_ms: i64) -> Result<Vec<Recalled>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT m.id, m.kind, m.text, f.confidence, f.last_seen_ms, m.pinned
         FROM facts f JOIN memories m ON m.id = f.memory WHERE f.superseded_by IS NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut ranked: Vec<(bool, f32, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (pinned, text): (bool, String) = (row.get(5)?, row.get(2)?);
        let kind = MemoryKind::parse(&row.get::<_, String>(1)?)?;
        let sure = decayed(kind, row.get(3)?, row.get(4)?, at_ms);
        if pinned || (sure >= SURE && !is_passing(&text)) {
            ranked.push((pinned, sure, row.get(0)?));
        }
    }
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(b.2.cmp(&a.2)));
    ranked.truncate(MOST);
    ranked.into_iter().filter_map(|(.., id)| read(connection, id, at_ms).transpose()).collect()
}

fn is_passing(text: &str) -> bool {
    let told = format!(" {} ", opened_words(text).join(" "));
    PASSING.iter().any(|phrase| told.contains(&format!(" {phrase} ")))
}

fn read(connection: &Connection, id: i64, at_ms: i64) -> Result<Option<Recalled>, Fault> {
    let Some(memory) = memories::one(connection, id)? else { return Ok(None) };
    let (confidence, last_seen_ms, times): (f32, i64, i64) = connection
        .prepare_cached("SELECT confidence, last_seen_ms, times_confirmed FROM facts WHERE memory = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let score = if memory.pinned { confidence } else { decayed(memory.kind, confidence, last_seen_ms, at_ms) };
    let pinned = if memory.pinned { ", pinned" } else { "" };
    let stated = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    let why = format!("stands in the instructions: stated {stated}, confidence {score:.2}{pinned}");
    Ok(Some(Recalled {
        id: memory.id,
        text: memory.text,
        words: memory.words,
        turn: memory.turn,
        conversation: memory.conversation,
        score,
        kind: memory.kind,
        origin: memory.origin,
        why,
        at_ms: memory.at_ms,
    }))
}

fn standing(connection: &Connection, conversation: ConversationId) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT fact FROM standing_facts WHERE conversation = ?1 AND place IS NOT NULL ORDER BY place",
    )?;
    Ok(statement.query_map([conversation.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Each fact's last successor, once, at the place of the first that leads to it.
fn successors(connection: &Connection, facts: &[i64]) -> Result<Vec<i64>, Fault> {
    let mut next = connection.prepare_cached("SELECT superseded_by FROM facts WHERE memory = ?1")?;
    let mut now = Vec::with_capacity(facts.len());
    for fact in facts {
        let mut at = *fact;
        for _ in 0..MOST_SUCCESSORS {
            match next.query_row([at], |row| row.get::<_, Option<i64>>(0)).optional()?.flatten() {
                Some(later) => at = later,
                None => break,
            }
        }
        if !now.contains(&at) {
            now.push(at);
        }
    }
    Ok(now)
}

fn set(tx: &Transaction<'_>, conversation: ConversationId, facts: &[i64]) -> Result<(), Fault> {
    tx.execute("UPDATE standing_facts SET place = NULL WHERE conversation = ?1", [conversation.0])?;
    for (place, fact) in facts.iter().enumerate() {
        put(tx, conversation, *fact, Some(place))?;
    }
    Ok(())
}

/// Notes a fact at its place, or as one that stood there once.
pub(super) fn put(
    connection: &Connection,
    conversation: ConversationId,
    fact: i64,
    place: Option<usize>,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO standing_facts(conversation, fact, place) SELECT ?1, memory, ?3 FROM facts WHERE memory = ?2
             ON CONFLICT(conversation, fact) DO UPDATE SET place = excluded.place",
        )?
        .execute((conversation.0, fact, place.map(|place| place as i64)))?;
    Ok(())
}

/// The conversations in whose instructions a fact of a turn stands or stood.
pub(super) fn stood_in(connection: &Connection, turn: i64) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT s.conversation FROM standing_facts s JOIN memories m ON m.id = s.fact WHERE m.turn = ?1",
    )?;
    Ok(statement.query_map([turn], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Of every conversation the facts that stand in its instructions, and those that stood there.
pub(super) fn all(connection: &Connection) -> Result<Vec<ExportedStanding>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT conversation, fact, place FROM standing_facts ORDER BY conversation, place, fact")?;
    let mut rows = statement.query([])?;
    let mut all: Vec<ExportedStanding> = Vec::new();
    while let Some(row) = rows.next()? {
        let (conversation, fact, stands) = (ConversationId(row.get(0)?), row.get(1)?, row.get::<_, Option<i64>>(2)?);
        if all.last().is_none_or(|last| last.conversation != conversation) {
            all.push(ExportedStanding { conversation, memories: Vec::new(), earlier: Vec::new() });
        }
        let of_it = all.last_mut().expect("one was pushed if there was none");
        if stands.is_some() { of_it.memories.push(fact) } else { of_it.earlier.push(fact) }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_a_day_is_told_from_what_holds_for_long() {
        for passing in ["I'm tired today.", "I have a dentist's appointment next week!", "I am at the moment in Rome."]
        {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in ["I now live in Porto.", "I have choir on Tuesdays.", "My weeknights are for painting."] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
