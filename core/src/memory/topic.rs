//! Finding every memory that matters to a topic, to be shown before it is forgotten.
//!
//! Not a search: nothing is ranked, capped or left out as a repetition, and facts that a later one replaced are in it,
//! because what is meant to go must all be found. What is found too much the user sees and can keep.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::db::{Fault, Held};
use super::embed::{EmbedPurpose, Embedder, embed_one};
use super::forget::LEAST_STEM;
use super::persona::Memory;
use super::{MemoryStore, memories, words};
use crate::Result;

/// From this cosine on, a memory belongs to the topic though it may share no word with it.
///
/// Low, because what is missed stays and what is found too much is only shown: with MiniLM, of the 45 turns that eight
/// topics found by meaning among 330 turns of invented users, 37 belonged. At 0.30 a sister's allergy and a dog were
/// missed; below 0.25 next to nothing belonged.
pub const TOPIC_MIN_COSINE: f32 = 0.28;

impl MemoryStore {
    /// Every memory that matters to a text, oldest turn first: those in which all its telling words occur, in any
    /// inflection, those that said so before they were edited, and those whose meaning is nearer than [`TOPIC_MIN_COSINE`]. Nothing is forgotten yet:
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
            found.extend(by_words_behind(&held.connection, text)?);
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

/// An edited memory is indexed by its new text, and its turn still holds the words it was made of.
fn by_words_behind(connection: &Connection, text: &str) -> Result<Vec<i64>, Fault> {
    let wanted = words::content_words(text);
    let mut statement = connection.prepare_cached(
        "SELECT m.id, t.words FROM memories m JOIN turns t ON t.id = m.turn
         WHERE m.kind = 'episode' AND m.text <> t.words",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let said = words::content_words(&row.get::<_, String>(1)?);
        let is_said = |word: &String| said.iter().any(|said| inflects(said, word) || inflects(word, said));
        if !wanted.is_empty() && wanted.iter().all(is_said) {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// Whether a word is another or begins with it, as "cellos" with "cello".
fn inflects(word: &str, stem: &str) -> bool {
    word == stem || (stem.chars().count() >= LEAST_STEM && word.starts_with(stem))
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
