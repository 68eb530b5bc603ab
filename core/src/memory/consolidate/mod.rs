//! Consolidation: what the inducers found, merged with what is known, in one transaction.
//!
//! The same fact again confirms the one that is known; one that contradicts it takes its place, and the old one is kept
//! as history; what is new is added. Nothing here raises trust: a fact rests on turns that the user said, and an origin
//! is never written, only read.

mod compare;
mod facts;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::db::{Fault, Held};
use super::embed::{EmbedPurpose, Embedder, embed_checked};
use super::index::dot;
use super::induce::{Candidate, Inducer, UserTurn, verify};
use super::persona::{Fact, Origin};
use super::{MemoryStore, vectors};
use crate::{Error, Result};
use compare::{Relation, Statement};
pub(super) use facts::{rest_on_other_turns, turns_of, withdraw};

/// Turns read in one go: a crash costs the work of one.
const BATCH: usize = 32;
/// In `meta`, before the inducer's name: the last turn that it has read.
const MARK: &str = "induced_through:";

/// What an induction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InductionReport {
    /// Turns read.
    pub turns: u64,
    /// Facts added, those that took another's place among them.
    pub added: u64,
    /// Known facts that were stated again.
    pub confirmed: u64,
    /// Known facts whose place was taken.
    pub superseded: u64,
    /// What the inducer proposed that the user's own words do not support.
    pub refused: u64,
    /// Whether turns are left to be read.
    pub more: bool,
}

/// Facts.
impl MemoryStore {
    /// Reads up to `max_turns` of the turns that the inducer has not read yet, and merges what it finds into what is
    /// known. For idle moments: it may take as long as the inducer does, while other calls go on. Interrupted, it goes
    /// on where it was. Turns that are not to be remembered, or were pasted, are not read.
    ///
    /// # Errors
    /// The inducer's own, [`Error::CallbackFailed`] if it panics, the embedder's, and those of storage: what was
    /// merged until then stays.
    pub fn induce(&self, inducer: &dyn Inducer, max_turns: usize) -> Result<InductionReport> {
        let mark = format!("{MARK}{}", inducer.name());
        let mut report = InductionReport { more: true, ..InductionReport::default() };
        while report.more && (report.turns as usize) < max_turns {
            let room = max_turns - report.turns as usize;
            let unread = self.inner.db.with(|held| unread(&held.connection, &mark, room.min(BATCH)))?;
            let turns: Vec<UserTurn<'_>> = unread.turns.iter().map(Turn::as_user_turn).collect();
            let (candidates, refused) = propose(inducer, &turns)?;
            let found = self.with_vectors(candidates)?;
            self.inner.db.with(|held| merge(held, found, &mark, unread.through, self.embedder(), &mut report))?;
            report.turns += turns.len() as u64;
            report.refused += refused;
            report.more = unread.more;
        }
        Ok(report)
    }

    /// Every fact in force, with the words that support it and what it superseded, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub fn facts(&self) -> Result<Vec<Fact>> {
        // A fact and its turns must be of one moment.
        self.inner.db.with(|held| held.snapshot(|tx| facts::all(tx)))
    }

    /// The embedder given to `open`.
    pub(crate) fn embedder_handle(&self) -> Option<Arc<dyn Embedder>> {
        self.inner.embedder.clone()
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        self.inner.embedder.as_deref()
    }

    fn with_vectors(&self, candidates: Vec<Candidate>) -> Result<Vec<Found>> {
        let texts: Vec<&str> = candidates.iter().map(|candidate| candidate.text.as_str()).collect();
        let vectors = match self.embedder().filter(|_| !texts.is_empty()) {
            Some(embedder) => embed_checked(embedder, &texts, EmbedPurpose::Document)?.into_iter().map(Some).collect(),
            None => vec![None; candidates.len()],
        };
        Ok(candidates.into_iter().zip(vectors).map(|(candidate, vector)| Found { candidate, vector }).collect())
    }
}

/// A candidate with the vector of its text.
struct Found {
    candidate: Candidate,
    vector: Option<Vec<f32>>,
}

struct Turn {
    id: i64,
    text: String,
    origin: Origin,
}

impl Turn {
    fn as_user_turn(&self) -> UserTurn<'_> {
        UserTurn { turn: self.id, text: &self.text, origin: self.origin }
    }
}

struct Unread {
    turns: Vec<Turn>,
    /// The last turn that need not be looked at again.
    through: i64,
    more: bool,
}

/// Turns after the mark that may be remembered, as much of each as the user said: those that became an episode.
fn unread(connection: &Connection, mark: &str, limit: usize) -> Result<Unread, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT t.id, coalesce(m.words, t.words), m.origin FROM turns t JOIN memories m ON m.turn = t.id
         WHERE t.id > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1), 0) AND t.origin = 'said'
           AND m.kind = 'episode' AND m.origin = 'said'
         ORDER BY t.id LIMIT ?2",
    )?;
    let mut rows = statement.query((mark, limit as i64 + 1))?;
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        turns.push(Turn { id: row.get(0)?, text: row.get(1)?, origin: Origin::parse(&row.get::<_, String>(2)?)? });
    }
    let more = turns.len() > limit;
    turns.truncate(limit);
    Ok(Unread { through: turns.last().map_or(0, |turn| turn.id), turns, more })
}

/// What the inducer proposes and the turns support, and how much they do not.
fn propose(inducer: &dyn Inducer, turns: &[UserTurn<'_>]) -> Result<(Vec<Candidate>, u64)> {
    if turns.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let proposed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inducer.induce(turns)))
        .map_err(|_| Error::CallbackFailed { reason: "inducer: it panicked".into() })??;
    let all = proposed.len();
    let supported: Vec<Candidate> = proposed.into_iter().filter_map(|candidate| verify(candidate, turns)).collect();
    let refused = (all - supported.len()) as u64;
    Ok((supported, refused))
}

fn merge(
    held: &mut Held,
    found: Vec<Found>,
    mark: &str,
    through: i64,
    embedder: Option<&dyn Embedder>,
    report: &mut InductionReport,
) -> Result<(), Fault> {
    if let Some(embedder) = embedder.filter(|_| !found.is_empty()) {
        held.index.refresh(&held.connection, Some(embedder))?;
    }
    let mut known = Known::default();
    for fact in facts::in_force(&held.connection)? {
        known.vectors.extend(held.index.vector(fact.id).map(|vector| (fact.id, vector)));
    }
    *report = held.transaction(|tx| {
        known.read(tx)?;
        let mut merged = *report;
        for found in found {
            known.take(tx, found, embedder, &mut merged)?;
        }
        if through > 0 {
            let raised = "INSERT INTO meta(key, value) VALUES (?1, ?2)
                ON CONFLICT(key) DO UPDATE SET value = max(CAST(value AS INTEGER), excluded.value)";
            tx.prepare_cached(raised)?.execute((mark, through.to_string()))?;
        }
        Ok(merged)
    })?;
    Ok(())
}

/// The facts in force, as they are compared.
#[derive(Default)]
struct Known {
    facts: Vec<(i64, i64, Statement)>,
    vectors: HashMap<i64, Vec<f32>>,
}

impl Known {
    fn read(&mut self, connection: &Connection) -> Result<(), Fault> {
        let facts = facts::in_force(connection)?.into_iter();
        self.facts = facts.map(|fact| (fact.id, fact.last_turn, Statement::of(&fact.text))).collect();
        Ok(())
    }

    /// Merges one candidate.
    fn take(
        &mut self,
        connection: &Connection,
        found: Found,
        embedder: Option<&dyn Embedder>,
        report: &mut InductionReport,
    ) -> Result<(), Fault> {
        let Found { candidate, vector } = found;
        if !may_support(connection, &candidate)? || facts::is_read(connection, &candidate)? {
            return Ok(());
        }
        let statement = Statement::of(&candidate.text);
        let relations = self.relations(&statement, vector.as_deref());
        if let Some((place, _)) = relations.iter().find(|(_, relation)| *relation == Relation::Same) {
            let (id, last_turn, _) = &mut self.facts[*place];
            *last_turn = (*last_turn).max(candidate.turn);
            report.confirmed += u64::from(facts::confirm(connection, *id, &candidate)?);
            return Ok(());
        }
        let id = facts::add(connection, &candidate)?;
        report.added += 1;
        store_vector(connection, id, embedder, vector.as_deref())?;
        let contradicted = relations.iter().map(|(place, _)| *place).collect();
        if self.settle(connection, id, candidate.turn, contradicted, report)? {
            self.facts.push((id, candidate.turn, statement));
            self.vectors.extend(vector.map(|vector| (id, vector)));
        }
        Ok(())
    }

    /// Places in the list, and how the new statement stands to what is there; those that are merely other left out.
    fn relations(&self, statement: &Statement, vector: Option<&[f32]>) -> Vec<(usize, Relation)> {
        let relation = |(place, (id, _, older)): (usize, &(i64, i64, Statement))| {
            let cosine = vector.zip(self.vectors.get(id)).map(|(a, b)| dot(a, b));
            (place, statement.relation(older, cosine))
        };
        self.facts.iter().enumerate().map(relation).filter(|(_, relation)| *relation != Relation::Other).collect()
    }

    /// What was said later holds, whichever was read first; `false` when that is not the new fact. Within one turn
    /// nothing takes the other's place.
    fn settle(
        &mut self,
        connection: &Connection,
        id: i64,
        turn: i64,
        contradicted: Vec<usize>,
        report: &mut InductionReport,
    ) -> Result<bool, Fault> {
        if let Some(place) = contradicted.iter().find(|place| self.facts[**place].1 > turn) {
            facts::supersede(connection, id, self.facts[*place].0)?;
            return Ok(false);
        }
        for place in contradicted.into_iter().rev().filter(|place| self.facts[*place].1 < turn).collect::<Vec<_>>() {
            facts::supersede(connection, self.facts[place].0, id)?;
            self.facts.remove(place);
            report.superseded += 1;
        }
        Ok(true)
    }
}

/// Whether a turn is still there and says these words: it may have been forgotten while the inducer read it, and words
/// from both sides of a text that the user pasted are no statement.
fn may_support(connection: &Connection, candidate: &Candidate) -> Result<bool, Fault> {
    let mut find =
        connection.prepare_cached("SELECT 1 FROM turns WHERE id = ?1 AND origin = 'said' AND instr(words, ?2) > 0")?;
    Ok(find.exists((candidate.turn, &candidate.words))?)
}

fn store_vector(
    connection: &Connection,
    memory: i64,
    embedder: Option<&dyn Embedder>,
    vector: Option<&[f32]>,
) -> Result<(), Fault> {
    match embedder.zip(vector) {
        Some((embedder, vector)) => vectors::store(connection, memory, embedder, vector),
        None => Ok(()),
    }
}
