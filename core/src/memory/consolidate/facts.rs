//! Facts in their tables: reading them with their history, adding, confirming, superseding.
//!
//! What a fact's row counts is always computed from the turns that state it, so that forgetting one of them leaves the
//! counts right.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::super::db::Fault;
use super::super::induce::Candidate;
use super::super::memories;
use super::super::persona::{Fact, MemoryKind, SupersededFact};

/// A second statement is not independent of the first: the same person said it, and the same inducer read it.
const CONFIRMATION: f32 = 0.5;
/// Nothing that was read by a program is certain.
const MOST_SURE: f32 = 0.99;

/// A fact in force, as much of it as consolidation compares.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) id: i64,
    pub(super) text: String,
    /// The newest turn that states it.
    pub(super) last_turn: i64,
}

/// The facts in force.
pub(super) fn in_force(connection: &Connection) -> Result<Vec<InForce>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT m.id, m.text, (SELECT max(s.turn) FROM fact_sources s WHERE s.fact = m.id)
         FROM facts f JOIN memories m ON m.id = f.memory WHERE f.superseded_by IS NULL ORDER BY m.id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(InForce { id: row.get(0)?, text: row.get(1)?, last_turn: row.get::<_, Option<i64>>(2)?.unwrap_or(0) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether these very words of the turn support a fact already, be it one that was replaced: a turn may be read again, by
/// another inducer or after an import.
pub(super) fn is_read(connection: &Connection, candidate: &Candidate) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM fact_sources WHERE turn = ?1 AND words = ?2")?;
    Ok(statement.exists((candidate.turn, &candidate.words))?)
}

/// Adds a fact that nothing states yet.
pub(super) fn add(connection: &Connection, candidate: &Candidate) -> Result<i64, Fault> {
    let id = memories::add(connection, candidate.turn, candidate.kind, &candidate.text)?;
    connection
        .prepare_cached(
            "INSERT INTO facts(memory, words, confidence, first_seen_ms, last_seen_ms)
             SELECT ?1, ?2, ?3, at_ms, at_ms FROM turns WHERE id = ?4",
        )?
        .execute((id, &candidate.words, candidate.confidence, candidate.turn))?;
    confirm(connection, id, candidate)?;
    Ok(id)
}

/// Notes that another turn states a fact; `false` when that turn is counted already.
pub(super) fn confirm(connection: &Connection, fact: i64, candidate: &Candidate) -> Result<bool, Fault> {
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO fact_sources(fact, turn, words, confidence) VALUES (?1, ?2, ?3, ?4)")?
        .execute((fact, candidate.turn, &candidate.words, candidate.confidence))?;
    recount(connection, fact)?;
    Ok(added > 0)
}

/// Lets `newer` take the place of `older`. A pin passes on: the user wished to keep what is known of the matter.
pub(super) fn supersede(connection: &Connection, older: i64, newer: i64) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE facts SET superseded_by = ?2 WHERE memory = ?1 AND ?1 <> ?2")?
        .execute((older, newer))?;
    connection
        .prepare_cached(
            "UPDATE memories SET pinned = 1 WHERE id = ?2 AND (SELECT pinned FROM memories WHERE id = ?1) = 1",
        )?
        .execute((older, newer))?;
    Ok(())
}

/// Computes a fact's counts from the turns that state it.
fn recount(connection: &Connection, fact: i64) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT s.confidence, t.at_ms FROM fact_sources s JOIN turns t ON t.id = s.turn WHERE s.fact = ?1 ORDER BY s.turn",
    )?;
    let stated: Vec<(f32, i64)> =
        statement.query_map([fact], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let times = stated.iter().map(|(_, at_ms)| *at_ms);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { return Ok(()) };
    let sure = stated.iter().map(|(sure, _)| *sure);
    connection
        .prepare_cached(
            "UPDATE facts SET confidence = ?2, first_seen_ms = ?3, last_seen_ms = ?4, times_confirmed = ?5
             WHERE memory = ?1",
        )?
        .execute((fact, together(sure), first, last, stated.len() as i64))?;
    Ok(())
}

/// Noisy-or (Pearl) over the statements, each after the first at a discount.
fn together(mut sure: impl Iterator<Item = f32>) -> f32 {
    let first = sure.next().unwrap_or(0.0);
    let doubt = sure.fold(1.0 - first, |doubt, sure| doubt * (1.0 - CONFIRMATION * sure));
    (1.0 - doubt).min(MOST_SURE.max(first))
}

/// Lets the facts of a turn that is about to be forgotten rest on other turns that state them, in those turns' words,
/// and takes the turn out of the counts of the others; returns to those whose words changed.
pub(in super::super) fn rest_on_other_turns(connection: &Connection, turn: i64) -> Result<Vec<i64>, Fault> {
    let stated: Vec<(i64, i64)> = connection
        .prepare_cached("SELECT s.fact, m.turn FROM fact_sources s JOIN memories m ON m.id = s.fact WHERE s.turn = ?1")?
        .query_map([turn], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    connection.prepare_cached("DELETE FROM fact_sources WHERE turn = ?1")?.execute([turn])?;
    let mut reworded = Vec::new();
    for (fact, rests_on) in stated {
        if rests_on == turn && rest_on_newest(connection, fact)? {
            reworded.push(fact);
        }
        recount(connection, fact)?;
    }
    Ok(reworded)
}

/// Takes a turn from what a fact rests on; without another turn that states it, the fact is gone.
pub(in super::super) fn withdraw(connection: &Connection, fact: i64, turn: i64) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM fact_sources WHERE fact = ?1 AND turn = ?2")?.execute((fact, turn))?;
    if rest_on_newest(connection, fact)? {
        return recount(connection, fact);
    }
    connection.execute("DELETE FROM memories WHERE id = ?1", [fact])?;
    Ok(())
}

/// The text goes with the words, even an edited one: it may repeat what is to be forgotten.
fn rest_on_newest(connection: &Connection, fact: i64) -> Result<bool, Fault> {
    let newest: Option<(i64, String)> = connection
        .prepare_cached("SELECT turn, words FROM fact_sources WHERE fact = ?1 ORDER BY turn DESC LIMIT 1")?
        .query_row([fact], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((turn, words)) = newest else { return Ok(false) };
    connection.execute("UPDATE memories SET turn = ?2, text = ?3 WHERE id = ?1", (fact, turn, &words))?;
    connection.execute("UPDATE facts SET words = ?2 WHERE memory = ?1", (fact, &words))?;
    connection.execute("DELETE FROM vectors WHERE memory = ?1", [fact])?;
    Ok(true)
}

/// The turns that state a fact, oldest first; none for a memory that is no fact.
pub(in super::super) fn turns_of(connection: &Connection, fact: i64) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT turn FROM fact_sources WHERE fact = ?1 ORDER BY turn")?;
    Ok(statement.query_map([fact], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Every fact in force with what it superseded, oldest turn first.
pub(super) fn all(connection: &Connection) -> Result<Vec<Fact>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT m.id, m.kind, m.text, f.words, m.turn, f.confidence, f.first_seen_ms, f.last_seen_ms,
                f.times_confirmed, m.pinned, f.superseded_by
         FROM facts f JOIN memories m ON m.id = f.memory ORDER BY m.turn, m.id",
    )?;
    let mut rows = statement.query([])?;
    let (mut facts, mut successors) = (Vec::new(), HashMap::new());
    while let Some(row) = rows.next()? {
        let fact = read(connection, row)?;
        if let Some(successor) = row.get::<_, Option<i64>>(10)? {
            successors.insert(fact.id, successor);
        }
        facts.push(fact);
    }
    Ok(with_history(facts, &successors))
}

fn with_history(facts: Vec<Fact>, successors: &HashMap<i64, i64>) -> Vec<Fact> {
    let (earlier, mut present): (Vec<Fact>, Vec<Fact>) =
        facts.into_iter().partition(|fact| successors.contains_key(&fact.id));
    for old in earlier.into_iter().rev() {
        let heir = heir(old.id, successors);
        if let Some(fact) = present.iter_mut().find(|fact| fact.id == heir) {
            let Fact { id, text, words, turn, last_seen_ms, .. } = old;
            fact.superseded.push(SupersededFact { id, text, words, turn, last_seen_ms });
        }
    }
    present
}

/// The last of those that took each other's place. Ends even if damage has made a circle.
fn heir(of: i64, successors: &HashMap<i64, i64>) -> i64 {
    let mut heir = of;
    for _ in 0..=successors.len() {
        match successors.get(&heir) {
            Some(next) => heir = *next,
            None => break,
        }
    }
    heir
}

fn read(connection: &Connection, row: &Row<'_>) -> Result<Fact, Fault> {
    let id = row.get(0)?;
    Ok(Fact {
        id,
        kind: MemoryKind::parse(&row.get::<_, String>(1)?)?,
        text: row.get(2)?,
        words: row.get(3)?,
        turn: row.get(4)?,
        turns: turns_of(connection, id)?,
        confidence: row.get(5)?,
        first_seen_ms: row.get(6)?,
        last_seen_ms: row.get(7)?,
        times_confirmed: row.get(8)?,
        pinned: row.get(9)?,
        superseded: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_confirmation_makes_surer_and_none_makes_certain() {
        let mut before = 0.0;
        for times in 1..50 {
            let sure = together(std::iter::repeat_n(0.8, times));
            assert!(sure > before || sure >= MOST_SURE, "{times}");
            before = sure;
        }
        assert!(before <= MOST_SURE);
    }
}
