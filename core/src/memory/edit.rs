//! Correcting a memory: another text is recalled, the words that the user said stay as its provenance.
//!
//! An edit is no forgetting: the turn keeps its words in the transcript. What leaves the files is the text that stood in
//! the memory before, out of the full-text index and the write-ahead log as well. A turn and the facts drawn from it say
//! the same things, so what is corrected in one is corrected in the others: else the old words would be recalled beside
//! the new ones.

use rusqlite::Connection;

use super::db::{Fault, Held};
use super::embed::{EmbedPurpose, embed_checked};
use super::persona::{Memory, MemoryKind};
use super::{MemoryStore, consolidate, expect_turn_text, forget, memories, vectors, words};
use crate::{Error, Result};

/// A memory after its edit.
#[derive(Debug)]
pub struct EditedMemory {
    /// The memory as it now is.
    pub memory: Memory,
    /// Others of the same turn that said the old words: they were corrected too, or are gone.
    pub corrected: Vec<i64>,
    /// Why some have no vector yet, if the embedder failed. They are found by their words, and `reembed` gives them their
    /// vectors.
    pub embedding_failure: Option<Error>,
}

impl MemoryStore {
    /// Changes what a memory says. It is recalled and searched by the new text; [`Memory::words`] and
    /// [`Memory::origin`] stay what they were: what was pasted stays pasted. Facts of an edited turn that its new text no
    /// longer bears out go, unless another turn states them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidInput`] for a text without anything in it or above
    /// [`MAX_TURN_BYTES`](super::MAX_TURN_BYTES), and those of storage: then nothing was changed.
    pub fn edit(&self, id: i64, text: &str) -> Result<EditedMemory> {
        expect_turn_text(text)?;
        let (memory, corrected) = self.inner.db.with(|held| {
            let (memory, corrected) = held.transaction(|tx| {
                let before = memories::one_with_history(tx, id)?.ok_or(Error::NotFound { what: "memory", id })?;
                reword(tx, id, text)?;
                let corrected = correct_others(tx, &before, text)?;
                forget::note_pending_wipe(tx)?;
                Ok((memories::one_with_history(tx, id)?, corrected))
            })?;
            held.index.remove(id);
            corrected.iter().for_each(|other| held.index.remove(*other));
            // Edited in any case; an error here only delays the wiping of the text before.
            let _ = forget::wipe(held);
            Ok((memory, corrected))
        })?;
        let memory = memory.ok_or(Error::NotFound { what: "memory", id })?;
        let changed: Vec<i64> = corrected.iter().copied().chain([id]).collect();
        let embedding_failure = self.embed_again(&changed).err();
        Ok(EditedMemory { memory, corrected, embedding_failure })
    }

    /// Outside the transaction: a crash in between costs vectors, which `reembed` makes good.
    fn embed_again(&self, ids: &[i64]) -> Result<()> {
        let Some(embedder) = self.inner.embedder.as_deref() else { return Ok(()) };
        let read = |held: &mut Held| ids.iter().map(|id| memories::one_with_history(&held.connection, *id)).collect();
        let memories: Vec<Option<Memory>> = self.inner.db.with(read)?;
        let worth = memories.into_iter().flatten().filter(|memory| words::says_something(&memory.text));
        let batch: Vec<(i64, String)> = worth.map(|memory| (memory.id, memory.text)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let found = embed_checked(embedder, &texts, EmbedPurpose::Document)?;
        self.inner.db.with(|held| vectors::store_batch(held, embedder, &batch, &found))?;
        Ok(())
    }
}

fn reword(tx: &Connection, id: i64, text: &str) -> Result<(), Fault> {
    memories::reword(tx, id, text)?;
    tx.execute("DELETE FROM vectors WHERE memory = ?1", [id])?;
    Ok(())
}

fn correct_others(tx: &Connection, before: &Memory, text: &str) -> Result<Vec<i64>, Fault> {
    let mut corrected = Vec::new();
    let same_author = |other: &Memory| other.id != before.id && other.origin == before.origin;
    for other in memories::of_turn(tx, before.turn)?.into_iter().filter(same_author) {
        let is_corrected = match (before.kind, other.kind) {
            (MemoryKind::Episode, MemoryKind::Episode) => false,
            (MemoryKind::Episode, _) => correct_fact(tx, &other, before, text)?,
            (_, MemoryKind::Episode) => correct_turn(tx, &other, before, text)?,
            _ => false,
        };
        if is_corrected {
            corrected.push(other.id);
        }
    }
    Ok(corrected)
}

/// A fact that says all that its turn said says what the turn says now; one that the turn no longer says is gone.
fn correct_fact(tx: &Connection, fact: &Memory, before: &Memory, text: &str) -> Result<bool, Fault> {
    if text.contains(fact.text.trim()) {
        return Ok(false);
    }
    if fact.text.trim() == before.text.trim() {
        reword(tx, fact.id, text)?;
    } else {
        consolidate::withdraw(tx, fact.id, fact.turn)?;
    }
    Ok(true)
}

/// The words of the fact, where the turn's memory says them, give way to the new ones.
fn correct_turn(tx: &Connection, turn: &Memory, before: &Memory, text: &str) -> Result<bool, Fault> {
    let said = [before.text.trim(), before.words.trim()].into_iter().find(|words| turn.text.contains(words));
    let Some(said) = said.filter(|said| !said.is_empty()) else { return Ok(false) };
    reword(tx, turn.id, &turn.text.replacen(said, text.trim(), 1))?;
    Ok(true)
}
