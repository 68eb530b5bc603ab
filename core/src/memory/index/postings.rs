//! Which memories hold which term: an inverted index in RAM.
//!
//! Beside the vectors and not in FTS5, whose common words cost milliseconds at ten thousand memories (measured: 3.8 for
//! three of them, where all of a search here takes 0.3). Terms are kept as hashes, so no word of the user stays
//! readable in it.

use crate::memory::terms::{TermHash, TermMap};

#[derive(Default)]
pub(in crate::memory) struct Postings {
    rows: TermMap<Vec<u32>>,
}

impl Postings {
    /// Notes the terms of the newest row. Terms may repeat.
    pub(super) fn push(&mut self, row: u32, terms: &[TermHash]) {
        for term in terms {
            let rows = self.rows.entry(*term).or_default();
            if rows.last() != Some(&row) {
                rows.push(row);
            }
        }
    }

    /// The rows with the term, in order.
    pub(in crate::memory) fn rows(&self, term: TermHash) -> &[u32] {
        self.rows.get(&term).map_or(&[], Vec::as_slice)
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}
