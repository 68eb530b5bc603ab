//! The ids that imported lines had where they came from, so that a search can answer with them and an import that was
//! cut short, or is run again, adds nothing twice.

use std::collections::HashMap;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};
use serde::{Deserialize, Serialize};

use super::MemoryStore;
use super::db::{Fault, unknown_word};
use crate::Result;

/// An id as the file had it; the number 7 and the text "7" are two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExternalId {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for ExternalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl ToSql for ExternalId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl FromSql for ExternalId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self::Number(number)),
            ValueRef::Text(_) => value.as_str().map(|text| Self::Text(text.to_owned())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// Who said an imported line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The user: the line is a turn.
    User,
    /// The assistant: the line is a reply, and never becomes a memory of the user.
    Assistant,
}

impl Speaker {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    fn parse(word: &str) -> rusqlite::Result<Self> {
        match word {
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            _ => Err(unknown_word("speaker")),
        }
    }
}

/// Which line of a file became which turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedLine {
    /// The id that the line had in its file.
    pub id: ExternalId,
    /// The turn that it became, or to which it is the reply.
    pub turn: i64,
    /// Who said it.
    pub speaker: Speaker,
}

impl MemoryStore {
    /// The ids that turns had in the file they were imported from; turns that were not imported are left out.
    ///
    /// # Errors
    /// Those of storage.
    pub fn external_ids(&self, turns: &[i64]) -> Result<HashMap<i64, ExternalId>> {
        self.inner.db.with(|held| {
            let mut find = held
                .connection
                .prepare_cached("SELECT external_id FROM imported WHERE turn = ?1 AND speaker = 'user'")?;
            let mut found = HashMap::new();
            for turn in turns {
                if let Some(id) = find.query_row([turn], |row| row.get(0)).optional()? {
                    found.insert(*turn, id);
                }
            }
            Ok(found)
        })
    }
}

/// The turn that a line became, if it was imported before.
pub(super) fn turn_of(connection: &Connection, id: &ExternalId) -> Result<Option<i64>, Fault> {
    let mut find = connection.prepare_cached("SELECT turn FROM imported WHERE external_id = ?1")?;
    Ok(find.query_row([id], |row| row.get(0)).optional()?)
}

/// Notes what a line became. An id that is there already stays with the turn that has it.
pub(super) fn note(connection: &Connection, line: &ImportedLine) -> Result<(), Fault> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO imported(external_id, turn, speaker) VALUES (?1, ?2, ?3)")?
        .execute((&line.id, line.turn, line.speaker.as_str()))?;
    Ok(())
}

/// Every imported line, in the order of turns.
pub(super) fn all(connection: &Connection) -> Result<Vec<ImportedLine>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT external_id, turn, speaker FROM imported ORDER BY turn, speaker DESC, external_id")?;
    let rows = statement.query_map([], |row| {
        let speaker = Speaker::parse(&row.get::<_, String>(2)?)?;
        Ok(ImportedLine { id: row.get(0)?, turn: row.get(1)?, speaker })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
