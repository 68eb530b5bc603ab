//! Plain full-text search, to hold the memory's own search by words against: SQLite's FTS5 as it comes, over the text as
//! it was said, ranked by its bm25.

use rusqlite::{Connection, params};

use crate::error::{Error, Result};

/// Documents in an FTS5 table of their own.
pub(super) struct PlainWords(Connection);

impl PlainWords {
    pub(super) fn new() -> Result<Self> {
        let connection = Connection::open_in_memory().map_err(Error::internal)?;
        connection.execute_batch("CREATE VIRTUAL TABLE said USING fts5(text)").map_err(Error::internal)?;
        Ok(Self(connection))
    }

    pub(super) fn add(&self, id: i64, text: &str) -> Result<()> {
        self.0.execute("INSERT INTO said(rowid, text) VALUES (?1, ?2)", params![id, text]).map_err(Error::internal)?;
        Ok(())
    }

    /// The best documents that have any of the words, best first.
    pub(super) fn search(&self, words: &str, count: usize) -> Result<Vec<i64>> {
        // Quoted, so that no word is an operator.
        let words: Vec<String> =
            words.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(|w| format!("\"{w}\"")).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let query = "SELECT rowid FROM said WHERE said MATCH ?1 ORDER BY bm25(said), rowid LIMIT ?2";
        let mut statement = self.0.prepare_cached(query).map_err(Error::internal)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows =
            statement.query_map(params![words.join(" OR "), count], |row| row.get(0)).map_err(Error::internal)?;
        rows.collect::<std::result::Result<_, _>>().map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_words_as_they_stand_and_nothing_else() {
        let plain = PlainWords::new().expect("made");
        for (id, text) in [(1, "I keep bees."), (2, "Bees, bees and more bees."), (3, "A bee stung me.")] {
            plain.add(id, text).expect("added");
        }
        assert_eq!(plain.search("Who has bees?", 10).expect("searched"), [2, 1]);
        assert_eq!(plain.search("Who has bees?", 1).expect("searched"), [2]);
        for nothing in ["", "?!", "honey", "NEAR(\" NOT *"] {
            assert_eq!(plain.search(nothing, 10).expect("searched"), [0; 0], "{nothing}");
        }
    }
}
