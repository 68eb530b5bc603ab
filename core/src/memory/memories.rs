//! Reading memories and their provenance out of the tables, and changing single ones.

use rusqlite::{Connection, OptionalExtension, Row};

use super::MemoryStore;
use super::authorship::Passage;
use super::db::{Fault, unknown_word};
use super::persona::{Memory, MemoryKind, Origin};
use crate::{Error, Result};

impl MemoryStore {
    /// One memory, or nothing where none has this id. A fact that a later one replaced is found here too.
    ///
    /// # Errors
    /// Those of storage.
    pub fn memory(&self, id: i64) -> Result<Option<Memory>> {
        self.inner.db.with(|held| one_with_history(&held.connection, id))
    }
}

const SELECT: &str = "
    SELECT m.id, m.kind, m.text, coalesce(f.words, m.words, t.words), m.turn, t.conversation, m.origin, t.at_ms, m.pinned
    FROM memories m JOIN turns t ON t.id = m.turn LEFT JOIN facts f ON f.memory = m.id";

/// A fact that a later one replaced is history: not recalled and not listed, but still exported and forgotten.
const IN_FORCE: &str = "f.superseded_by IS NULL";

/// Every memory in force, oldest turn first.
pub(super) fn all(connection: &Connection) -> Result<Vec<Memory>, Fault> {
    list(connection, &format!("{SELECT} WHERE {IN_FORCE} ORDER BY m.turn, m.id"))
}

/// Every memory, those that were replaced too, oldest turn first.
pub(super) fn all_with_history(connection: &Connection) -> Result<Vec<Memory>, Fault> {
    list(connection, &format!("{SELECT} ORDER BY m.turn, m.id"))
}

/// The memories that come from a turn.
pub(super) fn of_turn(connection: &Connection, turn: i64) -> Result<Vec<Memory>, Fault> {
    let mut statement = connection.prepare_cached("SELECT id FROM memories WHERE turn = ?1 ORDER BY id")?;
    let ids = statement.query_map([turn], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    ids.into_iter().filter_map(|id| one_with_history(connection, id).transpose()).collect()
}

fn list(connection: &Connection, sql: &str) -> Result<Vec<Memory>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut memories = Vec::new();
    while let Some(row) = rows.next()? {
        memories.push(read(row)?);
    }
    Ok(memories)
}

/// One memory in force.
pub(super) fn one(connection: &Connection, id: i64) -> Result<Option<Memory>, Fault> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE m.id = ?1 AND {IN_FORCE}"))?;
    statement.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

/// One memory, in force or replaced.
pub(super) fn one_with_history(connection: &Connection, id: i64) -> Result<Option<Memory>, Fault> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE m.id = ?1"))?;
    statement.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

/// The memories that stood in the prompt of a turn, in their order there.
pub(super) fn recalled_in(connection: &Connection, turn: i64) -> Result<Vec<Memory>, Fault> {
    let mut statement = connection.prepare_cached("SELECT memory FROM recalls WHERE turn = ?1 ORDER BY place")?;
    let ids = statement.query_map([turn], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    ids.into_iter().filter_map(|id| one(connection, id).transpose()).collect()
}

/// Adds an episode: a passage of a turn, with its author's mark on it.
pub(super) fn add_episode(connection: &Connection, turn: i64, passage: &Passage) -> Result<i64, Fault> {
    let words = (!passage.is_whole).then_some(&passage.text);
    connection
        .prepare_cached("INSERT INTO memories(turn, kind, text, origin, words) VALUES (?1, 'episode', ?2, ?3, ?4)")?
        .execute((turn, &passage.text, passage.origin.as_str(), words))?;
    Ok(connection.last_insert_rowid())
}

/// Adds a memory of what the user said in a turn.
pub(super) fn add(connection: &Connection, turn: i64, kind: MemoryKind, text: &str) -> Result<i64, Fault> {
    connection.prepare_cached("INSERT INTO memories(turn, kind, text) VALUES (?1, ?2, ?3)")?.execute((
        turn,
        kind.as_str(),
        text,
    ))?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn set_pinned(connection: &Connection, id: i64, pinned: bool) -> Result<(), Fault> {
    let changed = connection.prepare_cached("UPDATE memories SET pinned = ?2 WHERE id = ?1")?.execute((id, pinned))?;
    if changed == 0 { Err(Error::NotFound { what: "memory", id }.into()) } else { Ok(()) }
}

/// Changes what is recalled; the user's words behind it stay as they are.
pub(super) fn reword(connection: &Connection, id: i64, text: &str) -> Result<(), Fault> {
    let changed = connection.prepare_cached("UPDATE memories SET text = ?2 WHERE id = ?1")?.execute((id, text))?;
    if changed == 0 { Err(Error::NotFound { what: "memory", id }.into()) } else { Ok(()) }
}

fn read(row: &Row<'_>) -> Result<Memory, Fault> {
    Ok(Memory {
        id: row.get(0)?,
        kind: MemoryKind::parse(row.get_ref(1)?.as_str().map_err(|_| unknown_word("kind"))?)?,
        text: row.get(2)?,
        words: row.get(3)?,
        turn: row.get(4)?,
        conversation: row.get(5)?,
        origin: Origin::parse(row.get_ref(6)?.as_str().map_err(|_| unknown_word("origin"))?)?,
        at_ms: row.get(7)?,
        pinned: row.get(8)?,
    })
}
