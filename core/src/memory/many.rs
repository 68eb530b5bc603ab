//! Many searches in one call: their texts are embedded together, as an evaluation asks thousands.

use super::embed::{EmbedPurpose, embed_checked};
use super::persona::Recalled;
use super::retrieve::{RetrieveLimits, SearchBy, retrieve};
use super::{MemoryStore, vectors, words};
use crate::Result;

/// Texts embedded in one call; more does not make one text cheaper (measured), fewer loses batching.
pub(super) const EMBED_BATCH: usize = 32;

impl MemoryStore {
    /// As [`retrieve`](MemoryStore::retrieve) for each of the queries, with their texts embedded in batches.
    ///
    /// # Errors
    /// As those of [`retrieve`](MemoryStore::retrieve), and the embedder's own: a batch is not quietly searched by
    /// words alone.
    pub fn retrieve_many(&self, queries: &[&str], limits: &RetrieveLimits) -> Result<Vec<Vec<Recalled>>> {
        let mut found = Vec::with_capacity(queries.len());
        for batch in queries.chunks(EMBED_BATCH) {
            let query_vectors = self.embed_queries(batch, limits.by)?;
            for (query, vector) in batch.iter().zip(&query_vectors) {
                let query = self.query(query, vector.as_deref(), limits);
                let embedder = self.inner.embedder.as_deref();
                found.push(self.inner.db.with(|held| retrieve(held, query, embedder, limits))?);
            }
        }
        Ok(found)
    }

    /// A vector for each query that says something, where vectors are asked for and can be had.
    fn embed_queries(&self, queries: &[&str], by: SearchBy) -> Result<Vec<Option<Vec<f32>>>> {
        let mut found = vec![None; queries.len()];
        let embedder = match by {
            SearchBy::Words => return Ok(found),
            SearchBy::Meaning => self.expect_embedder()?,
            SearchBy::MeaningAndWords => match self.inner.embedder.as_deref() {
                Some(embedder) => embedder,
                None => return Ok(found),
            },
        };
        if by == SearchBy::Meaning {
            self.inner.db.with(|held| vectors::expect_same_embedder(held, embedder))?;
        }
        let telling: Vec<usize> = (0..queries.len()).filter(|at| words::says_something(queries[*at])).collect();
        let texts: Vec<&str> = telling.iter().map(|at| queries[*at]).collect();
        if !texts.is_empty() {
            let embedded = embed_checked(embedder, &texts, EmbedPurpose::Query)?;
            telling.into_iter().zip(embedded).for_each(|(at, vector)| found[at] = Some(vector));
        }
        Ok(found)
    }
}
