//! Correcting a memory: another text is recalled, the words that the user said stay as its provenance.
//!
//! An edit is no forgetting: the turn keeps its words in the transcript. What leaves the files is the text that stood in
//! the memory before, out of the full-text index and the write-ahead log as well. A turn and the facts drawn from it say
//! the same things, so what is corrected in one is corrected in the others: else the old words would be recalled beside
//! the new ones.

use rusqlite::Connection;

use super::db::Fault;
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
        let plan = self.inner.db.with(|held| plan(&held.connection, id, text))?;
        let (vectors, embedding_failure) = self.vectors_of(&plan);
        let (memory, corrected) = self.inner.db.with(|held| {
            let (memory, corrected) = held.transaction(|tx| {
                // Planned again: the store may have changed while the texts were embedded.
                for change in self::plan(tx, id, text)? {
                    change.make(tx)?;
                    let known = vectors.iter().find(|(made, _)| *made == change);
                    if let (Some((_, vector)), Some(embedder)) = (known, &self.inner.embedder) {
                        vectors::store(tx, change.id, embedder.as_ref(), vector)?;
                    }
                }
                forget::note_pending_wipe(tx)?;
                let corrected = plan.iter().map(|change| change.id).filter(|other| *other != id).collect::<Vec<_>>();
                Ok((memories::one_with_history(tx, id)?, corrected))
            })?;
            held.index.remove(id);
            corrected.iter().for_each(|other| held.index.remove(*other));
            // Edited in any case; an error here only delays the wiping of the text before.
            let _ = forget::wipe(held);
            Ok((memory, corrected))
        })?;
        let memory = memory.ok_or(Error::NotFound { what: "memory", id })?;
        Ok(EditedMemory { memory, corrected, embedding_failure })
    }

    fn vectors_of(&self, plan: &[Change]) -> (Vec<(Change, Vec<f32>)>, Option<Error>) {
        let Some(embedder) = self.inner.embedder.as_deref() else { return (Vec::new(), None) };
        let text = |change: &Change| change.text.clone().filter(|text| words::says_something(text));
        let worth: Vec<(Change, String)> = plan.iter().filter_map(|c| text(c).map(|text| (c.clone(), text))).collect();
        if worth.is_empty() {
            return (Vec::new(), None);
        }
        let texts: Vec<&str> = worth.iter().map(|(_, text)| text.as_str()).collect();
        match embed_checked(embedder, &texts, EmbedPurpose::Document) {
            Ok(found) => (worth.into_iter().map(|(change, _)| change).zip(found).collect(), None),
            Err(error) => (Vec::new(), Some(error)),
        }
    }
}

/// What an edit does to one memory: another text, or, without one, the turn no longer states it.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    id: i64,
    turn: i64,
    text: Option<String>,
}

impl Change {
    fn make(&self, tx: &Connection) -> Result<(), Fault> {
        match &self.text {
            Some(text) => {
                memories::reword(tx, self.id, text)?;
                tx.execute("DELETE FROM vectors WHERE memory = ?1", [self.id])?;
                Ok(())
            }
            None => consolidate::withdraw(tx, self.id, self.turn),
        }
    }
}

fn plan(connection: &Connection, id: i64, text: &str) -> Result<Vec<Change>, Fault> {
    let before = memories::one_with_history(connection, id)?.ok_or(Error::NotFound { what: "memory", id })?;
    let mut changes = vec![Change { id, turn: before.turn, text: Some(text.to_owned()) }];
    let same_author = |other: &Memory| other.id != before.id && other.origin == before.origin;
    for other in memories::of_turn(connection, before.turn)?.into_iter().filter(same_author) {
        let corrected = match (before.kind, other.kind) {
            (MemoryKind::Episode, MemoryKind::Episode) => None,
            (MemoryKind::Episode, _) => corrected_fact(&other, &before, text),
            (_, MemoryKind::Episode) => corrected_turn(&other, &before, text).map(Some),
            _ => None,
        };
        changes.extend(corrected.map(|text| Change { id: other.id, turn: other.turn, text }));
    }
    Ok(changes)
}

/// A fact that says all that its turn said says what the turn says now; one that the turn no longer says is gone.
fn corrected_fact(fact: &Memory, before: &Memory, text: &str) -> Option<Option<String>> {
    if text.contains(fact.text.trim()) {
        return None;
    }
    Some((fact.text.trim() == before.text.trim()).then(|| text.to_owned()))
}

/// The words of the fact, where the turn's memory says them, give way to the new ones.
fn corrected_turn(turn: &Memory, before: &Memory, text: &str) -> Option<String> {
    let said = [before.text.trim(), before.words.trim()].into_iter().find(|words| turn.text.contains(words));
    said.filter(|said| !said.is_empty()).map(|said| turn.text.replacen(said, text.trim(), 1))
}
