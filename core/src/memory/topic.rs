//! Finding every memory that matters to a topic, to be shown before it is forgotten.
//!
//! Not a search: nothing is ranked, capped or left out as a repetition, and facts that a later one replaced are in it,
//! because what is meant to go must all be found. What is found too much the user sees and can keep.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::db::{Fault, Held};
use super::embed::{EmbedPurpose, Embedder, embed_one};
use super::persona::Memory;
use super::{MemoryStore, memories, words};
use crate::Result;

/// From this cosine on, a memory belongs to the topic though it may share no word with it.
///
/// Low, because what is missed stays and what is found too much is only shown: with MiniLM, of what eight topics found
/// among 330 turns of invented users, about four in five belonged at 0.30, and next to nothing that belonged lay below
/// 0.25.
pub const TOPIC_MIN_COSINE: f32 = 0.30;

impl MemoryStore {
    /// Every memory that matters to a text, oldest turn first: those in which all its telling words occur, in any
    /// inflection, and those whose meaning is nearer than [`TOPIC_MIN_COSINE`]. Nothing is forgotten yet:
    /// [`forget_all`](MemoryStore::forget_all) takes the ids.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a text without anything in it, the embedder's own, and
    /// those of storage.
    pub fn find_topic(&self, text: &str) -> Result<Vec<Memory>> {
        super::expect_turn_text(text)?;
        let embedder = self.inner.embedder.as_deref();
        let vector = embedder.map(|embedder| embed_one(embedder, text, EmbedPurpose::Query)).transpose()?;
        self.inner.db.with(|held| {
            let mut found = by_words(&held.connection, text)?;
            if let Some((embedder, vector)) = embedder.zip(vector.as_deref()) {
                found.extend(by_meaning(held, embedder, vector)?);
            }
            let mut memories = Vec::with_capacity(found.len());
            for id in found {
                memories.extend(memories::one_with_history(&held.connection, id)?);
            }
            memories.sort_by_key(|memory| (memory.turn, memory.id));
            Ok(memories)
        })
    }
}

fn by_words(connection: &Connection, text: &str) -> Result<BTreeSet<i64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT rowid FROM memory_text WHERE memory_text MATCH ?1")?;
    let rows = statement.query_map([all_words(text)], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The full-text query for all telling words together; for the text as it stands where none is telling.
fn all_words(text: &str) -> String {
    let words = words::content_words(text);
    if words.is_empty() {
        return format!("\"{}\"", text.replace(['"', '\0'], " "));
    }
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}

fn by_meaning(held: &mut Held, embedder: &dyn Embedder, vector: &[f32]) -> Result<Vec<i64>, Fault> {
    held.index.refresh(&held.connection, Some(embedder))?;
    let cosines = held.index.vectors.products(vector);
    let near = held.index.traits.iter().zip(cosines).filter(|(_, cosine)| *cosine >= TOPIC_MIN_COSINE);
    Ok(near.map(|(known, _)| known.id).collect())
}
