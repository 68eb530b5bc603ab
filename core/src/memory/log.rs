//! The conversation log: user turns verbatim, what was recalled for them, replies and summaries.
//!
//! Below the store's own calls: plain reads and writes on a connection; the caller opens the transaction.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, Row};

use super::authorship::Authorship;
use super::db::Fault;
use super::persona::{Memory, Origin};
use super::turn::{ConversationId, ConversationInfo, ReplyState, StoredReply, StoredTurn, Summary};
use super::{MemoryStore, memories, now_ms};
use crate::{Error, Result};

impl MemoryStore {
    /// Begins a conversation.
    ///
    /// # Errors
    /// Those of storage.
    pub fn create_conversation(&self) -> Result<ConversationId> {
        self.inner.db.write(|tx| create_conversation(tx, now_ms()))
    }

    /// The conversation in which something was said last.
    ///
    /// # Errors
    /// Those of storage.
    pub fn latest_conversation(&self) -> Result<Option<ConversationId>> {
        self.inner.db.with(|held| latest_conversation(&held.connection))
    }

    /// All conversations, newest first.
    ///
    /// # Errors
    /// Those of storage.
    pub fn conversations(&self) -> Result<Vec<ConversationInfo>> {
        self.inner.db.with(|held| conversations(&held.connection))
    }

    /// Whether what is said in a conversation is remembered beyond it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the conversation, and those of storage.
    pub fn remembers(&self, conversation: ConversationId) -> Result<bool> {
        self.inner.db.with(|held| remembers(&held.connection, conversation))
    }

    /// Switches memory off for a conversation, or on again: what is said in it from now on stands in its transcript
    /// and becomes no memory and no fact. What was remembered before stays. Kept across launches.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the conversation, and those of storage.
    pub fn set_remembers(&self, conversation: ConversationId, remembers: bool) -> Result<()> {
        self.inner.db.write(|tx| set_remembers(tx, conversation, remembers))
    }

    /// Notes the memory text that stood in the prompt of a turn, and the memories in it. It is part of the transcript
    /// from then on.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the turn, and those of storage.
    pub fn attach_recalled(&self, turn: i64, block: &str, ids: &[i64]) -> Result<()> {
        self.inner.db.write(|tx| attach_recalled(tx, turn, block, ids))
    }

    /// The memories that stood in the prompt of a turn and are not forgotten.
    ///
    /// # Errors
    /// Those of storage.
    pub fn recalled_in(&self, turn: i64) -> Result<Vec<Memory>> {
        self.inner.db.with(|held| memories::recalled_in(&held.connection, turn))
    }

    /// Stores the reply to a turn, replacing what was stored of it before.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the turn, and those of storage.
    pub fn save_reply(&self, turn: i64, text: &str, state: ReplyState) -> Result<()> {
        self.inner.db.write(|tx| save_reply(tx, turn, text, state))
    }

    /// The turns of a conversation in the order in which they were said.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the conversation, and those of storage.
    pub fn transcript(&self, conversation: ConversationId) -> Result<Vec<StoredTurn>> {
        self.inner.db.with(|held| transcript(&held.connection, conversation))
    }

    /// What replaces the older turns of a conversation in its prompt.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the conversation, and those of storage.
    pub fn summary(&self, conversation: ConversationId) -> Result<Option<Summary>> {
        self.inner.db.with(|held| summary(&held.connection, conversation))
    }

    /// Sets what replaces the older turns of a conversation in its prompt.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the conversation, and those of storage.
    pub fn set_summary(&self, conversation: ConversationId, summary: &Summary) -> Result<()> {
        self.inner.db.write(|tx| set_summary(tx, conversation, summary))
    }
}

pub(super) fn create_conversation(connection: &Connection, started_ms: i64) -> Result<ConversationId, Fault> {
    connection.execute("INSERT INTO conversations(started_ms) VALUES (?1)", [started_ms])?;
    Ok(ConversationId(connection.last_insert_rowid()))
}

pub(super) fn remembers(connection: &Connection, id: ConversationId) -> Result<bool, Fault> {
    let found = connection
        .prepare_cached("SELECT remembers FROM conversations WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| Error::NotFound { what: "conversation", id: id.0 }.into())
}

pub(super) fn set_remembers(connection: &Connection, id: ConversationId, remembers: bool) -> Result<(), Fault> {
    expect_conversation(connection, id)?;
    connection.prepare_cached("UPDATE conversations SET remembers = ?2 WHERE id = ?1")?.execute((id.0, remembers))?;
    Ok(())
}

/// The conversation with the newest turn, or else the newest one without any.
pub(super) fn latest_conversation(connection: &Connection) -> Result<Option<ConversationId>, Fault> {
    let newest = connection
        .query_row(
            "SELECT c.id FROM conversations c
             ORDER BY (SELECT max(t.id) FROM turns t WHERE t.conversation = c.id) DESC NULLS LAST, c.id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(newest.map(ConversationId))
}

/// All conversations, newest first.
pub(super) fn conversations(connection: &Connection) -> Result<Vec<ConversationInfo>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT c.id, c.started_ms, coalesce(said.turns, 0), newest.at_ms
         FROM conversations c
         LEFT JOIN (SELECT conversation, count(*) AS turns, max(id) AS newest FROM turns GROUP BY conversation) said
             ON said.conversation = c.id
         LEFT JOIN turns newest ON newest.id = said.newest
         ORDER BY c.id DESC",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ConversationInfo {
            id: ConversationId(row.get(0)?),
            started_ms: row.get(1)?,
            turns: row.get::<_, i64>(2)?.unsigned_abs(),
            last_turn_ms: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn expect_conversation(connection: &Connection, id: ConversationId) -> Result<(), Fault> {
    let there = connection.prepare_cached("SELECT 1 FROM conversations WHERE id = ?1")?.exists([id.0])?;
    if there { Ok(()) } else { Err(Error::NotFound { what: "conversation", id: id.0 }.into()) }
}

pub(super) fn add_turn(
    connection: &Connection,
    conversation: ConversationId,
    message: &Authorship<'_>,
    at_ms: i64,
) -> Result<i64, Fault> {
    expect_conversation(connection, conversation)?;
    connection
        .prepare_cached("INSERT INTO turns(conversation, at_ms, origin, words) VALUES (?1, ?2, ?3, ?4)")?
        .execute((conversation.0, at_ms, message.origin().as_str(), message.text))?;
    let turn = connection.last_insert_rowid();
    let mut mark = connection.prepare_cached("INSERT INTO pasted(turn, from_byte, to_byte) VALUES (?1, ?2, ?3)")?;
    for range in &message.pasted {
        mark.execute((turn, range.start as i64, range.end as i64))?;
    }
    Ok(turn)
}

pub(super) fn attach_recalled(connection: &Connection, turn: i64, block: &str, ids: &[i64]) -> Result<(), Fault> {
    let changed =
        connection.prepare_cached("UPDATE turns SET recalled_block = ?2 WHERE id = ?1")?.execute((turn, block))?;
    expect_changed(changed, turn)?;
    connection.prepare_cached("DELETE FROM recalls WHERE turn = ?1")?.execute([turn])?;
    // A memory forgotten between its recall and now is left out.
    let mut link = connection.prepare_cached(
        "INSERT OR IGNORE INTO recalls(turn, memory, place) SELECT ?1, id, ?3 FROM memories WHERE id = ?2",
    )?;
    for (place, id) in ids.iter().enumerate() {
        link.execute((turn, id, place as i64))?;
    }
    Ok(())
}

pub(super) fn save_reply(connection: &Connection, turn: i64, text: &str, state: ReplyState) -> Result<(), Fault> {
    let changed = connection
        .prepare_cached("UPDATE turns SET reply = ?2, reply_state = ?3 WHERE id = ?1")?
        .execute((turn, text, state.as_str()))?;
    expect_changed(changed, turn)
}

fn expect_changed(rows: usize, turn: i64) -> Result<(), Fault> {
    if rows == 0 { Err(Error::NotFound { what: "turn", id: turn }.into()) } else { Ok(()) }
}

/// The turns of a conversation in the order in which they were said.
pub(super) fn transcript(connection: &Connection, conversation: ConversationId) -> Result<Vec<StoredTurn>, Fault> {
    expect_conversation(connection, conversation)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, words, origin, at_ms, recalled_block, reply, reply_state
         FROM turns WHERE conversation = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([conversation.0])?;
    let mut turns = Vec::new();
    while let Some(row) = rows.next()? {
        let turn = read_turn(row)?;
        turns.push(StoredTurn { pasted: pasted_in(connection, turn.turn)?, ..turn });
    }
    Ok(turns)
}

fn pasted_in(connection: &Connection, turn: i64) -> Result<Vec<Range<usize>>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT from_byte, to_byte FROM pasted WHERE turn = ?1 ORDER BY from_byte")?;
    // A byte of a text in memory: damage could make it negative, and then it is no byte of it.
    let byte = |byte: i64| usize::try_from(byte).unwrap_or(0);
    let rows = statement.query_map([turn], |row| Ok(byte(row.get(0)?)..byte(row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read_turn(row: &Row<'_>) -> Result<StoredTurn, Fault> {
    let reply: Option<String> = row.get(5)?;
    let state: Option<String> = row.get(6)?;
    let state = state.map(|word| ReplyState::parse(&word)).transpose()?;
    Ok(StoredTurn {
        turn: row.get(0)?,
        user: row.get(1)?,
        origin: Origin::parse(&row.get::<_, String>(2)?)?,
        pasted: Vec::new(),
        at_ms: row.get(3)?,
        recalled_block: row.get(4)?,
        reply: reply.zip(state).map(|(text, state)| StoredReply { text, state }),
    })
}

pub(super) fn summary(connection: &Connection, conversation: ConversationId) -> Result<Option<Summary>, Fault> {
    expect_conversation(connection, conversation)?;
    let found = connection
        .prepare_cached(
            "SELECT summary, summary_through_turn FROM conversations WHERE id = ?1 AND summary IS NOT NULL",
        )?
        .query_row([conversation.0], |row| Ok(Summary { text: row.get(0)?, through_turn: row.get(1)? }))
        .optional()?;
    Ok(found)
}

pub(super) fn set_summary(
    connection: &Connection,
    conversation: ConversationId,
    summary: &Summary,
) -> Result<(), Fault> {
    expect_conversation(connection, conversation)?;
    connection
        .prepare_cached("UPDATE conversations SET summary = ?2, summary_through_turn = ?3 WHERE id = ?1")?
        .execute((conversation.0, &summary.text, summary.through_turn))?;
    Ok(())
}
