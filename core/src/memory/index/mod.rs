//! All that is needed of the memories to rank them, in RAM: vectors, terms, and what each turn is like.
//!
//! SQLite is the truth; this is a copy for speed. It is filled on first use, catches up with new memories before every
//! search, and is filled anew when another process changed the store or something was forgotten. Ranking reads nothing
//! from the disk; only what is recalled is read.

mod matrix;
mod postings;

use rusqlite::{Connection, OptionalExtension, Row};

pub(super) use matrix::Matrix;
pub(super) use postings::Postings;

use super::embed::Embedder;
use super::persona::{MemoryKind, Origin};
use super::terms::hash_ignoring_case;
use super::words::{Manner, Reader};

/// What ranking knows of a memory besides its meaning and words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trait {
    pub(super) id: i64,
    pub(super) turn: i64,
    pub(super) conversation: i64,
    pub(super) at_ms: i64,
    pub(super) kind: MemoryKind,
    pub(super) origin: Origin,
    pub(super) manner: Manner,
    /// Of the text in small letters.
    pub(super) text: u64,
    pub(super) pinned: bool,
    /// Not replaced by a later fact, as far as was known when it was read.
    pub(super) in_force: bool,
    /// How sure a fact is, 0 to 1; 1 for the user's own words.
    pub(super) confidence: f32,
}

#[derive(Default)]
pub(super) struct MemoryIndex {
    /// What the copy was made of; `None` before the first filling.
    filled_from: Option<Source>,
    newest: i64,
    reader: Reader,
    pub(super) traits: Vec<Trait>,
    pub(super) vectors: Matrix,
    pub(super) terms: Postings,
}

/// The state of the store that a copy stands for.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Source {
    /// SQLite's count of other connections' writes.
    data_version: i64,
    /// The embedder's row, `None` when none of its vectors is stored.
    embedder: Option<i64>,
    dimension: usize,
}

const SELECT: &str = "
    SELECT m.id, m.turn, t.conversation, t.at_ms, m.kind, m.origin, m.text, f.confidence, v.vector, m.pinned,
        f.superseded_by IS NULL
    FROM memories m JOIN turns t ON t.id = m.turn LEFT JOIN facts f ON f.memory = m.id
        LEFT JOIN vectors v ON v.memory = m.id AND v.embedder = ?1
    WHERE m.id > ?2 ORDER BY m.id";

impl MemoryIndex {
    /// Brings the copy up to date.
    pub(super) fn refresh(&mut self, connection: &Connection, embedder: Option<&dyn Embedder>) -> rusqlite::Result<()> {
        let source = Source {
            data_version: connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?,
            embedder: embedder.map(|embedder| embedder_row(connection, embedder)).transpose()?.flatten(),
            dimension: embedder.map_or(0, Embedder::dimension),
        };
        if self.filled_from != Some(source) {
            self.clear();
            self.vectors = Matrix::new(source.dimension);
        }
        self.filled_from = None; // a fault below may leave half a row, and then all is read anew
        self.catch_up(connection, source.embedder)?;
        self.filled_from = Some(source);
        Ok(())
    }

    fn catch_up(&mut self, connection: &Connection, embedder: Option<i64>) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query((embedder, self.newest))?;
        while let Some(row) = rows.next()? {
            self.push(row)?;
        }
        Ok(())
    }

    fn push(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let id = row.get(0)?;
        let text = row.get_ref(6)?.as_str()?;
        let manner = self.reader.read(text);
        let number = u32::try_from(self.traits.len()).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))?;
        self.terms.push(number, self.reader.terms());
        let blob = row.get_ref(8)?.as_blob_or_null()?.map(|blob| blob.as_chunks::<4>().0);
        let fits = blob.filter(|numbers| numbers.len() == self.vectors.dimension());
        self.vectors.push(fits.map(|numbers| numbers.iter().map(|four| f32::from_le_bytes(*four))));
        self.traits.push(Trait {
            id,
            turn: row.get(1)?,
            conversation: row.get(2)?,
            at_ms: row.get(3)?,
            kind: MemoryKind::parse(row.get_ref(4)?.as_str()?)?,
            origin: Origin::parse(row.get_ref(5)?.as_str()?)?,
            manner,
            text: hash_ignoring_case(text),
            pinned: row.get(9)?,
            in_force: row.get(10)?,
            confidence: row.get::<_, Option<f32>>(7)?.unwrap_or(1.0),
        });
        self.newest = id;
        Ok(())
    }

    /// The vector of a memory, as far as 8 bits tell.
    pub(super) fn vector(&self, id: i64) -> Option<Vec<f32>> {
        let row = self.traits.binary_search_by_key(&id, |known| known.id).ok()?;
        self.vectors.has(row).then(|| self.vectors.vector(row))
    }

    /// Follows a change of this one mark, for which nothing need be read anew.
    pub(super) fn set_pinned(&mut self, id: i64, pinned: bool) {
        if let Ok(row) = self.traits.binary_search_by_key(&id, |known| known.id) {
            self.traits[row].pinned = pinned;
        }
    }

    /// A memory is gone or reads otherwise now: nothing of it stays here, and the next search reads the store anew.
    pub(super) fn remove(&mut self, _id: i64) {
        self.clear();
    }

    /// The next search reads the store anew.
    pub(super) fn invalidate(&mut self) {
        self.filled_from = None;
    }

    pub(super) fn clear(&mut self) {
        self.filled_from = None;
        self.newest = 0;
        self.traits.clear();
        self.vectors.clear();
        self.terms.clear();
        self.reader = Reader::default();
    }
}

/// The store's row of this embedder, if it has made a vector here.
pub(super) fn embedder_row(connection: &Connection, embedder: &dyn Embedder) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM embedders WHERE fingerprint = ?1 AND dimension = ?2")?
        .query_row((embedder.fingerprint(), embedder.dimension() as i64), |row| row.get(0))
        .optional()
}

pub(super) fn to_blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Dot product with 16 running sums, which the compiler turns into vector instructions; one sum would wait for itself.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_product_counts_what_is_left_over_after_whole_blocks() {
        let ones = vec![1.0; 35];
        assert!((dot(&ones, &ones) - 35.0).abs() < 1e-6);
    }
}
