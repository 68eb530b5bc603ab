//! Forgetting: out of the tables, the full-text index, the vectors and the files, with what others say of it.
//!
//! Deleting rows is not enough. SQLite leaves deleted bytes in free pages (`secure_delete` zeroes them), FTS5 keeps
//! deleted terms (its own `secure-delete`), and the write-ahead log holds old pages until it is truncated. A forgotten
//! turn may also live on in replies, in recalled blocks of later prompts and in summaries.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use super::db::{Db, Fault, Held};
use super::turn::ConversationId;
use super::{consolidate, schema, words};
use crate::{Error, Result};

/// In `meta` from the deletion until its bytes are gone from the files, so that a crash in between is made good.
const WIPE_PENDING: &str = "wipe_pending";

/// What was forgotten, and what has to be done outside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetReport {
    /// The memories removed: the one asked for and all that came from the same turn.
    pub memories: Vec<i64>,
    /// The turn removed from its transcript, with its reply.
    pub turn: i64,
    /// Other turns removed: those that state the same fact.
    pub other_turns: Vec<i64>,
    /// Turns whose replies were removed because they repeat words that only the forgotten turn held.
    pub replies_of: Vec<i64>,
    /// Conversations whose transcript changed: snapshots made of them hold the forgotten words and must be deleted.
    pub conversations: Vec<ConversationId>,
    /// Whether the bytes are gone from the files. `false` while another process reads the store: they go at the next
    /// opening, forgetting or [`wipe`](super::MemoryStore::wipe).
    pub wiped: bool,
}

/// Forgets a memory with the turn that it comes from; a fact with every turn that states it.
pub(super) fn forget(db: &Db, id: i64) -> Result<ForgetReport> {
    db.with(|held| {
        let Forgotten { mut report, reworded } = held.transaction(|tx| forget_sources(tx, id))?;
        report.memories.iter().chain(&reworded).for_each(|memory| held.index.remove(*memory));
        report.wiped = wipe(held).unwrap_or(false); // forgotten in any case; an error here only delays the wiping
        Ok(report)
    })
}

struct Forgotten {
    report: ForgetReport,
    /// Facts that other turns state as well, and that speak in their words now.
    reworded: Vec<i64>,
}

fn forget_sources(tx: &Transaction<'_>, id: i64) -> Result<Forgotten, Fault> {
    let turn: Option<i64> =
        tx.query_row("SELECT turn FROM memories WHERE id = ?1", [id], |row| row.get(0)).optional()?;
    let turn = turn.ok_or(Error::NotFound { what: "memory", id })?;
    let others: Vec<i64> = consolidate::turns_of(tx, id)?.into_iter().filter(|other| *other != turn).collect();
    let mut forgotten = Forgotten { report: ForgetReport::of(turn), reworded: Vec::new() };
    for turn in others.iter().chain([&turn]) {
        forget_turn(tx, *turn, &mut forgotten)?;
    }
    let Forgotten { report, reworded } = &mut forgotten;
    report.other_turns = others;
    [&mut report.memories, &mut report.replies_of].into_iter().for_each(sort_once);
    report.replies_of.retain(|reply| *reply != turn && !report.other_turns.contains(reply));
    report.conversations.sort_unstable();
    report.conversations.dedup();
    reworded.retain(|fact| !report.memories.contains(fact));
    note_pending_wipe(tx)?;
    Ok(forgotten)
}

fn sort_once(ids: &mut Vec<i64>) {
    ids.sort_unstable();
    ids.dedup();
}

impl ForgetReport {
    fn of(turn: i64) -> Self {
        Self {
            memories: Vec::new(),
            turn,
            other_turns: Vec::new(),
            replies_of: Vec::new(),
            conversations: Vec::new(),
            wiped: false,
        }
    }
}

fn forget_turn(tx: &Transaction<'_>, turn: i64, forgotten: &mut Forgotten) -> Result<(), Fault> {
    let (conversation, said): (i64, String) =
        tx.query_row("SELECT conversation, words FROM turns WHERE id = ?1", [turn], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let recalled_in =
        ids(tx, "SELECT DISTINCT r.turn FROM recalls r JOIN memories m ON m.id = r.memory WHERE m.turn = ?1", turn)?;
    forgotten.reworded.extend(consolidate::rest_on_other_turns(tx, turn)?);
    forgotten.report.memories.extend(ids(tx, "SELECT id FROM memories WHERE turn = ?1", turn)?);
    tx.execute("DELETE FROM turns WHERE id = ?1", [turn])?; // takes memories, facts, vectors and full text with it
    let later = ids(tx, "SELECT id FROM turns WHERE conversation = ?1", conversation)?;
    let exposed: HashSet<i64> = later.into_iter().filter(|t| *t > turn).chain(recalled_in.iter().copied()).collect();
    forgotten.report.replies_of.extend(drop_repeating_replies(tx, &said, exposed)?);
    forgotten.report.conversations.extend(drop_blocks_and_summaries(tx, conversation, &recalled_in)?);
    Ok(())
}

fn ids(connection: &Connection, sql: &str, of: i64) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([of], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A reply that was given with the forgotten words in view goes when it repeats one that no remaining memory holds.
fn drop_repeating_replies(tx: &Transaction<'_>, said: &str, exposed: HashSet<i64>) -> Result<Vec<i64>, Fault> {
    let said: HashSet<String> = words::content_words(said).into_iter().collect();
    let mut dropped = Vec::new();
    for turn in exposed {
        let reply: Option<String> = tx.query_row("SELECT reply FROM turns WHERE id = ?1", [turn], |row| row.get(0))?;
        let Some(reply) = reply else { continue };
        if repeats(tx, &reply, &said)? {
            tx.execute("UPDATE turns SET reply = NULL, reply_state = NULL WHERE id = ?1", [turn])?;
            dropped.push(turn);
        }
    }
    dropped.sort_unstable();
    Ok(dropped)
}

fn repeats(tx: &Transaction<'_>, reply: &str, said: &HashSet<String>) -> Result<bool, Fault> {
    let mut held_elsewhere = tx.prepare_cached("SELECT 1 FROM memory_text WHERE memory_text MATCH ?1 LIMIT 1")?;
    for word in words::content_words(reply).iter().filter(|word| said.contains(*word)) {
        if !held_elsewhere.exists([format!("\"{word}\"")])? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn drop_blocks_and_summaries(
    tx: &Transaction<'_>,
    conversation: i64,
    recalled_in: &[i64],
) -> Result<Vec<ConversationId>, Fault> {
    let mut touched = vec![conversation];
    for turn in recalled_in {
        tx.execute("UPDATE turns SET recalled_block = NULL WHERE id = ?1", [turn])?;
        touched.push(tx.query_row("SELECT conversation FROM turns WHERE id = ?1", [turn], |row| row.get(0))?);
    }
    touched.sort_unstable();
    touched.dedup();
    for conversation in &touched {
        tx.execute(
            "UPDATE conversations SET summary = NULL, summary_through_turn = NULL WHERE id = ?1",
            [conversation],
        )?;
    }
    Ok(touched.into_iter().map(ConversationId).collect())
}

/// Empties the store and its files.
pub(super) fn erase_all(db: &Db) -> Result<()> {
    db.with(|held| {
        held.transaction(|tx| {
            schema::start_over(tx)?;
            note_pending_wipe(tx)
        })?;
        held.index.clear();
        held.connection.flush_prepared_statement_cache();
        if wipe(held)? { Ok(()) } else { Err(Error::StorageLocked { path: db.path().into() }.into()) }
    })
}

fn note_pending_wipe(tx: &Transaction<'_>) -> Result<(), Fault> {
    tx.execute("INSERT OR REPLACE INTO meta(key, value) VALUES (?1, '')", [WIPE_PENDING])?;
    Ok(())
}

/// Removes deleted bytes from the files, if any are left; `false` while another process reads the store.
pub(super) fn wipe(held: &mut Held) -> Result<bool, Fault> {
    let pending = held.connection.prepare_cached("SELECT 1 FROM meta WHERE key = ?1")?.exists([WIPE_PENDING])?;
    if !pending {
        return Ok(true);
    }
    let emptied = !held.connection.prepare_cached("SELECT 1 FROM turns")?.exists([])?;
    if emptied {
        held.connection.execute_batch("VACUUM")?; // costs nothing on an empty store, and gives its room back
    }
    if !truncate_log(&held.connection)? {
        return Ok(false);
    }
    held.connection.execute("DELETE FROM meta WHERE key = ?1", [WIPE_PENDING])?;
    Ok(true)
}

/// Folds the write-ahead log into the database and cuts it to nothing.
fn truncate_log(connection: &Connection) -> Result<bool, Fault> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
