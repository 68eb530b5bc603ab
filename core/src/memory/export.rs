//! Everything a store holds, as one record that can be written as JSON.
//!
//! Left out are the vectors and the full-text index, which can be made again.

use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::db::{Fault, Held};
use super::external::{self, ImportedLine};
use super::persona::Memory;
use super::ratings::{self, ExportedRating};
use super::turn::{ConversationId, StoredTurn, Summary};
use super::{log, memories, private_file, standing};
use crate::{Error, Result};

/// The shape of [`Export`]; grows when the shape changes.
pub const EXPORT_FORMAT: u32 = 1;

/// Everything a store holds but the vectors, which can be made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The shape of this record, [`EXPORT_FORMAT`].
    pub format: u32,
    /// All conversations, oldest first.
    pub conversations: Vec<ExportedConversation>,
    /// All memories, those that a later one replaced too, oldest turn first.
    pub memories: Vec<Memory>,
    /// What is known of memories that are facts.
    #[serde(default)]
    pub facts: Vec<ExportedFact>,
    /// Which memories stood in the prompts of which turns.
    #[serde(default)]
    pub recalls: Vec<ExportedRecall>,
    /// Which facts stand in the instructions of which conversations.
    #[serde(default)]
    pub standing: Vec<ExportedStanding>,
    /// Which turns were imported, and from which lines.
    #[serde(default)]
    pub imported: Vec<ImportedLine>,
    /// What the user thinks of replies.
    #[serde(default)]
    pub ratings: Vec<ExportedRating>,
}

/// One conversation with its turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedConversation {
    /// Which conversation.
    pub id: ConversationId,
    /// When it was begun, in milliseconds since 1970.
    pub started_ms: i64,
    /// What replaces its older turns in the prompt.
    pub summary: Option<Summary>,
    /// Whether what is said in it is remembered beyond it.
    #[serde(default = "yes")]
    pub remembers: bool,
    /// Its turns in the order in which they were said.
    pub turns: Vec<StoredTurn>,
}

fn yes() -> bool {
    true
}

/// The provenance of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedFact {
    /// The memory that is the fact.
    pub memory: i64,
    /// The user's exact words that support it.
    pub words: String,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
    /// When it was first said, in milliseconds since 1970.
    pub first_seen_ms: i64,
    /// When it was last said, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// How often it was said.
    pub times_confirmed: i64,
    /// The memory that replaced it.
    pub superseded_by: Option<i64>,
    /// The turns that state it, oldest first; the memory's own turn if there is none.
    #[serde(default)]
    pub sources: Vec<ExportedSource>,
}

/// A turn that states a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedSource {
    /// Number of the user turn.
    pub turn: i64,
    /// The exact words of that turn.
    pub words: String,
    /// How sure the inducer was, from 0 to 1.
    pub confidence: f32,
}

/// The memories that stood in the prompt of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedRecall {
    /// Number of the user turn.
    pub turn: i64,
    /// Their ids, in their order there.
    pub memories: Vec<i64>,
}

/// The facts in the instructions of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedStanding {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Ids of those that stand there, in their order.
    pub memories: Vec<i64>,
    /// Ids of those that stood there once.
    pub earlier: Vec<i64>,
}

/// What every format has: enough to tell a newer one from a damaged file.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Export {
    /// Reads an export that was written as JSON.
    ///
    /// # Errors
    /// [`Error::ExportTooNew`], and [`Error::ImportInvalid`] for what is no export.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let Format { format } = serde_json::from_slice(json).map_err(|error| no_export(&error))?;
        expect_known(format)?;
        serde_json::from_slice(json).map_err(|error| no_export(&error))
    }

    /// Writes it as JSON into a file that its owner alone may read; whole or not at all.
    ///
    /// # Errors
    /// [`Error::StorageFull`] or [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        private_file::write_json(path, self)
    }
}

pub(super) fn expect_known(format: u32) -> Result<()> {
    match format {
        1..=EXPORT_FORMAT => Ok(()),
        0 => Err(Error::ImportInvalid { line: None, reason: "there is no export format 0".into() }),
        found => Err(Error::ExportTooNew { found, supported: EXPORT_FORMAT }),
    }
}

/// Only where it went wrong: the parser's own words may quote the file.
fn no_export(error: &serde_json::Error) -> Error {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it has not the shape of an export",
        _ => "it is not JSON",
    };
    let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
    Error::ImportInvalid { line, reason: what.into() }
}

pub(super) fn export(held: &mut Held) -> Result<Export, Fault> {
    // One moment, so that another process cannot change the store between two reads.
    held.snapshot(|tx| {
        let mut conversations = Vec::new();
        for info in log::conversations(tx)?.into_iter().rev() {
            conversations.push(ExportedConversation {
                id: info.id,
                started_ms: info.started_ms,
                summary: log::summary(tx, info.id)?,
                remembers: log::remembers(tx, info.id)?,
                turns: log::transcript(tx, info.id)?,
            });
        }
        Ok(Export {
            format: EXPORT_FORMAT,
            conversations,
            memories: memories::all_with_history(tx)?,
            facts: facts(tx)?,
            recalls: recalls(tx)?,
            standing: standing::all(tx)?,
            imported: external::all(tx)?,
            ratings: ratings::all(tx)?,
        })
    })
}

fn facts(connection: &Connection) -> Result<Vec<ExportedFact>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT memory, words, confidence, first_seen_ms, last_seen_ms, times_confirmed, superseded_by
         FROM facts ORDER BY memory",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ExportedFact {
            memory: row.get(0)?,
            words: row.get(1)?,
            confidence: row.get(2)?,
            first_seen_ms: row.get(3)?,
            last_seen_ms: row.get(4)?,
            times_confirmed: row.get(5)?,
            superseded_by: row.get(6)?,
            sources: Vec::new(),
        })
    })?;
    let mut facts = rows.collect::<rusqlite::Result<Vec<ExportedFact>>>()?;
    facts.iter_mut().try_for_each(|fact| sources(connection, fact.memory).map(|sources| fact.sources = sources))?;
    Ok(facts)
}

fn sources(connection: &Connection, fact: i64) -> Result<Vec<ExportedSource>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT turn, words, confidence FROM fact_sources WHERE fact = ?1 ORDER BY turn")?;
    let rows = statement.query_map([fact], |row| {
        Ok(ExportedSource { turn: row.get(0)?, words: row.get(1)?, confidence: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn recalls(connection: &Connection) -> Result<Vec<ExportedRecall>, Fault> {
    let mut statement = connection.prepare_cached("SELECT turn, memory FROM recalls ORDER BY turn, place")?;
    let mut rows = statement.query([])?;
    let mut recalls: Vec<ExportedRecall> = Vec::new();
    while let Some(row) = rows.next()? {
        let (turn, memory) = (row.get(0)?, row.get(1)?);
        match recalls.last_mut() {
            Some(last) if last.turn == turn => last.memories.push(memory),
            _ => recalls.push(ExportedRecall { turn, memories: vec![memory] }),
        }
    }
    Ok(recalls)
}
