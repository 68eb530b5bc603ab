//! The peers of retrieval: FTS5 and sqlite-vec in one SQLite file, used as their manuals show.
//!
//! sqlite-vec is built as its crate builds it, without the AVX code that its `configure` would switch on.

use std::path::Path;

use rusqlite::Connection;

use crate::corpus::DIMENSION;

/// Full text and vectors side by side.
pub(crate) struct PlainSqlite {
    connection: Connection,
}

impl PlainSqlite {
    pub(crate) fn new(path: &Path) -> Self {
        let connection = open_with_vectors(path);
        let tables = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE VIRTUAL TABLE sentences USING fts5(text, tokenize = 'porter unicode61');
             CREATE VIRTUAL TABLE vectors USING vec0(embedding float[{DIMENSION}]);"
        );
        connection.execute_batch(&tables).expect("the tables are made");
        Self { connection }
    }

    pub(crate) fn fill<'a>(&mut self, rows: impl Iterator<Item = (&'a str, Vec<f32>)>) {
        let transaction = self.connection.transaction().expect("nobody else writes");
        for (id, (text, vector)) in (1_i64..).zip(rows) {
            let mut sentence = transaction.prepare_cached("INSERT INTO sentences(rowid, text) VALUES (?1, ?2)");
            sentence.as_mut().expect("it fits the table").execute((id, text)).expect("a sentence is added");
            let mut row = transaction.prepare_cached("INSERT INTO vectors(rowid, embedding) VALUES (?1, ?2)");
            row.as_mut().expect("it fits the table").execute((id, blob(&vector))).expect("a vector is added");
        }
        transaction.commit().expect("the disk has room");
    }

    /// The best sentences that hold any of the words.
    pub(crate) fn by_words(&self, words: &[String], count: usize) -> Vec<String> {
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let mut statement = self
            .connection
            .prepare_cached("SELECT text FROM sentences WHERE sentences MATCH ?1 ORDER BY rank LIMIT ?2")
            .expect("it fits the table");
        let rows = statement.query_map((quoted.join(" OR "), count as i64), |row| row.get(0)).expect("it runs");
        rows.collect::<rusqlite::Result<_>>().expect("rows are texts")
    }

    /// The nearest vectors.
    pub(crate) fn by_vector(&self, vector: &[f32], count: usize) -> Vec<i64> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT rowid FROM vectors WHERE embedding MATCH ?1 AND k = ?2")
            .expect("it fits the table");
        let rows = statement.query_map((blob(vector), count as i64), |row| row.get(0)).expect("it runs");
        rows.collect::<rusqlite::Result<_>>().expect("rows are numbers")
    }
}

fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A connection that has sqlite-vec; those opened later do not.
fn open_with_vectors(path: &Path) -> Connection {
    type Init = unsafe extern "C" fn(
        *mut rusqlite::ffi::sqlite3,
        *mut *mut std::ffi::c_char,
        *const rusqlite::ffi::sqlite3_api_routines,
    ) -> std::ffi::c_int;
    // SAFETY: sqlite-vec declares its entry point without arguments; in C it has exactly those of an extension.
    let init = unsafe { std::mem::transmute::<*const (), Init>(sqlite_vec::sqlite3_vec_init as *const ()) };
    // SAFETY: the entry point lives as long as the program; it is taken off the list again right after.
    unsafe { rusqlite::ffi::sqlite3_auto_extension(Some(init)) };
    let connection = Connection::open(path).expect("the folder is writable");
    // SAFETY: the same function as above.
    unsafe { rusqlite::ffi::sqlite3_cancel_auto_extension(Some(init)) };
    connection
}
