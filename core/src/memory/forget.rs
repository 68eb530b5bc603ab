//! Forgetting: out of the tables, the full-text index, the vectors and the files, with what others say of it.
//!
//! Deleting rows is not enough. SQLite leaves deleted bytes in free pages (`secure_delete` zeroes them), FTS5 keeps
//! deleted terms (its own `secure-delete`), the write-ahead log holds old pages until it is truncated, and pages keep
//! copies of rows that were moved (`unallocated`). A forgotten turn may also live on in replies, in recalled blocks of later prompts and in summaries.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::db::{Db, Fault, Held};
use super::ratings::Rating;
use super::turn::ConversationId;
use super::{MemoryStore, consolidate, damage, ratings, schema, standing, unallocated, words};
use crate::{Error, Result};

/// In `meta` from the deletion until its bytes are gone from the files, so that a crash in between is made good.
const WIPE_PENDING: &str = "wipe_pending";

/// A forgotten word of so many letters is also found at the start of a longer one in a reply: cello, cellos.
pub(super) const LEAST_STEM: usize = 4;

/// What was forgotten, and what has to be done outside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetReport {
    /// The memories removed: those asked for and all that came from the same turns and from no other.
    pub memories: Vec<i64>,
    /// The turns removed from their transcripts, with their replies.
    pub turns: Vec<i64>,
    /// Turns whose replies were removed because they repeat words that only the forgotten turns held.
    pub replies_of: Vec<i64>,
    /// Conversations whose transcript changed: snapshots made of them hold the forgotten words and must be deleted.
    pub conversations: Vec<ConversationId>,
    /// Whether the bytes are gone from the files. `false` while another process reads the store: they go at the next
    /// opening, forgetting or [`wipe`](super::MemoryStore::wipe).
    pub wiped: bool,
}

impl MemoryStore {
    /// Forgets several memories as one, with the turns they come from: all or none. Ids of memories that are gone
    /// already are no error.
    ///
    /// More than forgetting them one after the other: a reply that repeats what two of them say goes as well.
    ///
    /// # Errors
    /// Those of storage: then nothing was forgotten.
    pub fn forget_all(&self, ids: &[i64]) -> Result<ForgetReport> {
        forget_with(&self.inner.db, |tx| sources(tx, ids))
    }
}

/// Forgets a memory with the turn that it comes from.
pub(super) fn forget(db: &Db, id: i64) -> Result<ForgetReport> {
    forget_with(db, |tx| {
        let turns = sources(tx, &[id])?;
        if turns.is_empty() { Err(Error::NotFound { what: "memory", id }.into()) } else { Ok(turns) }
    })
}

fn forget_with(db: &Db, which: impl FnOnce(&Transaction<'_>) -> Result<BTreeSet<i64>, Fault>) -> Result<ForgetReport> {
    db.with(|held| {
        let (mut report, reworded) = held.transaction(|tx| {
            let turns = which(tx)?;
            forget_turns(tx, &turns)
        })?;
        report.memories.iter().chain(&reworded).for_each(|memory| held.index.remove(*memory));
        report.wiped = wipe(held).unwrap_or(false); // forgotten in any case; an error here only delays the wiping
        Ok(report)
    })
}

/// The turns that memories come from; of a fact, all that state it.
fn sources(tx: &Transaction<'_>, memories: &[i64]) -> Result<BTreeSet<i64>, Fault> {
    let mut find = tx.prepare_cached("SELECT turn FROM memories WHERE id = ?1")?;
    let mut turns = BTreeSet::new();
    for id in memories {
        turns.extend(find.query_row([id], |row| row.get::<_, i64>(0)).optional()?);
        turns.extend(consolidate::turns_of(tx, *id)?);
    }
    Ok(turns)
}

/// What the forgotten turns touched, read before they go.
#[derive(Default)]
struct Reach {
    memories: Vec<i64>,
    /// Of each conversation the first forgotten turn, or 0 where a forgotten fact stood in the instructions: replies
    /// after it were given with its words in view.
    first_in: BTreeMap<i64, i64>,
    /// Turns in whose prompt a forgotten memory stood.
    recalled_in: BTreeSet<i64>,
    /// The telling words of the forgotten turns.
    said: HashSet<String>,
}

/// Answers with the facts too that other turns state as well, and that speak in their words now.
fn forget_turns(tx: &Transaction<'_>, turns: &BTreeSet<i64>) -> Result<(ForgetReport, Vec<i64>), Fault> {
    let mut reach = reach_of(tx, turns)?;
    let mut reworded = Vec::new();
    for turn in turns {
        reworded.extend(consolidate::rest_on_other_turns(tx, *turn)?);
    }
    for turn in turns {
        reach.memories.extend(ids(tx, "SELECT id FROM memories WHERE turn = ?1", *turn)?);
        // Takes memories, facts, vectors, full text, imported ids and the rating with it.
        tx.prepare_cached("DELETE FROM turns WHERE id = ?1")?.execute([turn])?;
    }
    let replies_of = drop_repeating_replies(tx, &reach)?;
    let conversations = drop_blocks_and_summaries(tx, &reach)?;
    note_pending_wipe(tx)?;
    let turns = turns.iter().copied().collect();
    Ok((ForgetReport { memories: reach.memories, turns, replies_of, conversations, wiped: false }, reworded))
}

fn reach_of(tx: &Transaction<'_>, turns: &BTreeSet<i64>) -> Result<Reach, Fault> {
    let mut reach = Reach::default();
    for turn in turns {
        let (conversation, said): (i64, String) = tx
            .prepare_cached("SELECT conversation, words FROM turns WHERE id = ?1")?
            .query_row([turn], |row| Ok((row.get(0)?, row.get(1)?)))?;
        reach.first_in.entry(conversation).or_insert(*turn); // turns come in order
        for conversation in standing::stood_in(tx, *turn)? {
            reach.first_in.insert(conversation, 0); // in view from the first turn
        }
        reach.said.extend(words::content_words(&said));
        reach.recalled_in.extend(ids(
            tx,
            "SELECT DISTINCT r.turn FROM recalls r JOIN memories m ON m.id = r.memory WHERE m.turn = ?1",
            *turn,
        )?);
    }
    reach.recalled_in.retain(|turn| !turns.contains(turn));
    Ok(reach)
}

fn ids(connection: &Connection, sql: &str, of: i64) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([of], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A reply that was given with the forgotten words in view goes when it repeats one that no remaining memory holds.
fn drop_repeating_replies(tx: &Transaction<'_>, reach: &Reach) -> Result<Vec<i64>, Fault> {
    let mut exposed = reach.recalled_in.clone();
    for (conversation, first) in &reach.first_in {
        let later = ids(tx, "SELECT id FROM turns WHERE conversation = ?1", *conversation)?;
        exposed.extend(later.into_iter().filter(|turn| turn > first));
    }
    let mut kept = HashMap::new();
    let mut dropped = Vec::new();
    for turn in exposed {
        let reply: Option<String> =
            tx.prepare_cached("SELECT reply FROM turns WHERE id = ?1")?.query_row([turn], |row| row.get(0))?;
        let Some(reply) = reply else { continue };
        if repeats(tx, &reply, &reach.said, &mut kept)? {
            tx.execute("UPDATE turns SET reply = NULL, reply_state = NULL WHERE id = ?1", [turn])?;
            dropped.push(turn);
        }
    }
    drop_repeating_edits(tx, reach, &mut kept)?;
    Ok(dropped)
}

/// An edit is of the user's own words and needs nothing in view to repeat what they want forgotten.
fn drop_repeating_edits(tx: &Transaction<'_>, reach: &Reach, kept: &mut HashMap<String, bool>) -> Result<(), Fault> {
    for rated in ratings::all(tx)? {
        if let Rating::Edited(text) = &rated.rating
            && repeats(tx, text, &reach.said, kept)?
        {
            ratings::remove(tx, rated.turn)?;
        }
    }
    Ok(())
}

/// `kept` remembers of each word whether a remaining memory holds it.
fn repeats(
    tx: &Transaction<'_>,
    reply: &str,
    said: &HashSet<String>,
    kept: &mut HashMap<String, bool>,
) -> Result<bool, Fault> {
    let mut held_elsewhere = tx.prepare_cached("SELECT 1 FROM memory_text WHERE memory_text MATCH ?1 LIMIT 1")?;
    for word in words::content_words(reply).iter().filter_map(|word| said_as(word, said)) {
        let is_kept = match kept.get(word) {
            Some(known) => *known,
            None => held_elsewhere.exists([format!("\"{word}\"")])?,
        };
        kept.insert(word.to_owned(), is_kept);
        if !is_kept {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The said word that a word of a reply is, or begins with.
fn said_as<'a>(word: &'a str, said: &HashSet<String>) -> Option<&'a str> {
    if said.contains(word) {
        return Some(word);
    }
    let mut starts = word.char_indices().skip(LEAST_STEM).map(|(end, _)| &word[..end]);
    starts.find(|start| said.contains(*start))
}

fn drop_blocks_and_summaries(tx: &Transaction<'_>, reach: &Reach) -> Result<Vec<ConversationId>, Fault> {
    let mut touched: BTreeSet<i64> = reach.first_in.keys().copied().collect();
    for turn in &reach.recalled_in {
        tx.execute("UPDATE turns SET recalled_block = NULL WHERE id = ?1", [turn])?;
        touched.insert(tx.query_row("SELECT conversation FROM turns WHERE id = ?1", [turn], |row| row.get(0))?);
    }
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

pub(super) fn note_pending_wipe(tx: &Transaction<'_>) -> Result<(), Fault> {
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
    clear_pages(held)
}

/// Takes out of the pages what SQLite left there; `false` if another process wrote in between.
fn clear_pages(held: &mut Held) -> Result<bool, Fault> {
    // Not `Held::transaction`: the file beneath is of the same struct.
    let lock = Transaction::new_unchecked(&held.connection, TransactionBehavior::Immediate)?;
    if let (Some(file), Some(path)) = (held.file(), lock.path()) {
        let log = damage::with_suffix(Path::new(path), "-wal");
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            return Ok(false);
        }
        unallocated::clear(file).map_err(|source| Error::io(path, source))?;
        // Or a page in SQLite's cache would bring back what was cleared, when it is written next.
        lock.execute_batch("PRAGMA shrink_memory")?;
    }
    lock.execute("DELETE FROM meta WHERE key = ?1", [WIPE_PENDING])?;
    lock.commit()?;
    Ok(true)
}

/// Folds the write-ahead log into the database and cuts it to nothing.
fn truncate_log(connection: &Connection) -> Result<bool, Fault> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
