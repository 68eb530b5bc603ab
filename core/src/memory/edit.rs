//! Correcting a memory: another text is recalled, the words that the user said stay as its provenance.
//!
//! An edit is no forgetting: the turn keeps its words in the transcript. What leaves the files is the text that stood in
//! the memory before, out of the full-text index and the write-ahead log as well.

use super::persona::Memory;
use super::{MemoryStore, expect_turn_text, forget, memories, vectors};
use crate::{Error, Result};

/// A memory after its edit.
#[derive(Debug)]
pub struct EditedMemory {
    /// The memory as it now is.
    pub memory: Memory,
    /// Why it has no vector yet, if the embedder failed. It is found by its words, and `reembed` gives it its vector.
    pub embedding_failure: Option<Error>,
}

impl MemoryStore {
    /// Changes what a memory says. It is recalled and searched by the new text; [`Memory::words`] stay what they were.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidInput`] for a text without anything in it or above
    /// [`MAX_TURN_BYTES`](super::MAX_TURN_BYTES), and those of storage: then nothing was changed.
    pub fn edit(&self, id: i64, text: &str) -> Result<EditedMemory> {
        expect_turn_text(text)?;
        let (vectors, embedding_failure) = self.embed(text);
        let vector = vectors.map(|vectors| vectors.document);
        let memory = self.inner.db.with(|held| {
            let memory = held.transaction(|tx| {
                memories::reword(tx, id, text)?;
                tx.execute("DELETE FROM vectors WHERE memory = ?1", [id])?;
                if let (Some(vector), Some(embedder)) = (&vector, &self.inner.embedder) {
                    vectors::store(tx, id, embedder.as_ref(), vector)?;
                }
                forget::note_pending_wipe(tx)?;
                memories::one_with_history(tx, id)
            })?;
            held.index.remove(id);
            // Edited in any case; an error here only delays the wiping of the text before.
            let _ = forget::wipe(held);
            Ok(memory)
        })?;
        let memory = memory.ok_or(Error::NotFound { what: "memory", id })?;
        Ok(EditedMemory { memory, embedding_failure })
    }
}
