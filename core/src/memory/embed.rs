//! The border to whatever turns text into vectors, and the checks on what comes back over it.
//!
//! An embedder may be the app's own, so nothing that it returns is trusted: count, dimension and numbers are checked
//! here, once, for every implementation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, Result};

/// What a text is embedded for; some models put another prefix before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedPurpose {
    /// To search with it.
    Query,
    /// To be found.
    Document,
}

/// Turns texts into vectors whose dot product says how near their meanings are.
pub trait Embedder: Send + Sync {
    /// Names weights and settings: two embedders with one fingerprint give the same vectors.
    fn fingerprint(&self) -> &str;

    /// How many numbers a vector has.
    fn dimension(&self) -> usize;

    /// One L2-normalised vector per text, in order: `[texts, dimension]`.
    ///
    /// # Errors
    /// Whatever hinders the embedder; memory then goes on without vectors.
    fn embed(&self, texts: &[&str], purpose: EmbedPurpose) -> Result<Vec<Vec<f32>>>;

    /// Whether the purpose changes the vector. If not, a turn is embedded once instead of twice.
    fn distinguishes_purpose(&self) -> bool {
        false
    }
}

/// A turn's vector for searching, and those of its passages for being found.
pub(super) struct TurnVectors {
    pub(super) query: Vec<f32>,
    /// One for each passage: `[passages, dimension]`.
    pub(super) documents: Vec<Vec<f32>>,
}

pub(super) fn embed_turn(embedder: &dyn Embedder, text: &str, passages: &[&str]) -> Result<TurnVectors> {
    let query = embed_one(embedder, text, EmbedPurpose::Query)?;
    let documents = match passages {
        [] => Vec::new(),
        [whole] if *whole == text && !embedder.distinguishes_purpose() => vec![query.clone()],
        _ => embed_checked(embedder, passages, EmbedPurpose::Document)?,
    };
    Ok(TurnVectors { query, documents })
}

pub(super) fn embed_one(embedder: &dyn Embedder, text: &str, purpose: EmbedPurpose) -> Result<Vec<f32>> {
    let mut vectors = embed_checked(embedder, &[text], purpose)?;
    Ok(vectors.pop().expect("embed_checked returns as many vectors as texts"))
}

pub(super) fn embed_checked(embedder: &dyn Embedder, texts: &[&str], purpose: EmbedPurpose) -> Result<Vec<Vec<f32>>> {
    let embedded = catch_unwind(AssertUnwindSafe(|| embedder.embed(texts, purpose)));
    let mut vectors = embedded.map_err(|_| failed("it panicked".into()))??;
    if vectors.len() != texts.len() {
        return Err(failed(format!("{} vectors for {} texts", vectors.len(), texts.len())));
    }
    for vector in &mut vectors {
        if vector.len() != embedder.dimension() {
            return Err(failed(format!("a vector of {} numbers instead of {}", vector.len(), embedder.dimension())));
        }
        normalise(vector).ok_or_else(|| failed("a vector without a direction".into()))?;
    }
    Ok(vectors)
}

fn failed(what: String) -> Error {
    Error::CallbackFailed { reason: format!("embedder: {what}") }
}

/// Scales to length 1; `None` when there is no length to scale by.
pub(super) fn normalise(vector: &mut [f32]) -> Option<()> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length <= f32::MIN_POSITIVE {
        return None;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Some(())
}
