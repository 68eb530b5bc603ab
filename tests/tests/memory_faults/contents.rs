//! All that a store holds, row by row and past the API, so that two stores can be compared to the last row.
//!
//! Left out are only the moments at which conversations were begun, which are the device's own, and marks that say what
//! is still to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aloekit::memory::EmbedPurpose;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::operation::{CANARY_DIGITS, CANARY_END, embedder};

const TABLES: [(&str, &str); 10] = [
    ("conversations", "SELECT id, summary, summary_through_turn FROM conversations ORDER BY 1"),
    ("turns", "SELECT * FROM turns ORDER BY 1"),
    ("memories", "SELECT * FROM memories ORDER BY 1"),
    ("recalls", "SELECT * FROM recalls ORDER BY 1, 2"),
    ("facts", "SELECT * FROM facts ORDER BY 1"),
    ("fact_sources", "SELECT * FROM fact_sources ORDER BY 1, 2"),
    ("imported", "SELECT * FROM imported ORDER BY 1"),
    ("induced", "SELECT * FROM meta WHERE key LIKE 'induced%' ORDER BY 1"),
    ("ids given", "SELECT * FROM sqlite_sequence ORDER BY 1"),
    ("indexed", "SELECT id FROM memory_text_docsize ORDER BY 1"),
];

const VECTORS: &str =
    "SELECT v.memory, e.fingerprint, e.dimension, v.vector FROM vectors v JOIN embedders e ON e.id = v.embedder";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contents {
    tables: BTreeMap<&'static str, Vec<Vec<Value>>>,
    vectors: BTreeMap<i64, Vector>,
}

#[derive(Debug, Clone, PartialEq)]
struct Vector {
    fingerprint: String,
    dimension: usize,
    numbers: Vec<u8>,
}

impl Contents {
    pub(crate) fn read(path: &Path) -> Self {
        let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens");
        let vectors = rows(&store, VECTORS).into_iter().map(|row| match row.as_slice() {
            [Value::Integer(memory), Value::Text(by), Value::Integer(dimension), Value::Blob(numbers)] => {
                let dimension = usize::try_from(*dimension).expect("a dimension");
                (*memory, Vector { fingerprint: by.clone(), dimension, numbers: numbers.clone() })
            }
            other => panic!("no vector: {other:?}"),
        });
        let vectors = vectors.collect();
        Self { tables: TABLES.map(|(name, sql)| (name, rows(&store, sql))).into(), vectors }
    }

    /// The first thing in which the other one differs.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        self.difference_of_rows(other)
            .or_else(|| (self.vectors != other.vectors).then(|| self.difference_of_vectors(other)))
    }

    fn difference_of_rows(&self, other: &Self) -> Option<String> {
        self.tables.iter().find_map(|(name, mine)| {
            let theirs = &other.tables[name];
            let first = (0..mine.len().max(theirs.len())).find(|row| mine.get(*row) != theirs.get(*row))?;
            Some(format!("{name}, row {first}: {:?} and {:?}", mine.get(first), theirs.get(first)))
        })
    }

    fn difference_of_vectors(&self, other: &Self) -> String {
        let differs = |id: &&i64| self.vectors.get(id) != other.vectors.get(id);
        let ids: BTreeSet<i64> = self.vectors.keys().chain(other.vectors.keys()).filter(differs).copied().collect();
        format!("the vectors of memories {ids:?}")
    }

    /// Whether all rows are those of `after`, and every vector is that of one or the other.
    pub(crate) fn is_on_its_way(&self, before: &Self, after: &Self) -> bool {
        let from_either = |id: &i64| {
            let mine = self.vectors.get(id);
            mine == before.vectors.get(id) || mine == after.vectors.get(id)
        };
        self.difference_of_rows(after).is_none() && self.vectors.keys().chain(after.vectors.keys()).all(from_either)
    }

    pub(crate) fn count(&self, table: &str) -> usize {
        self.tables[table].len()
    }

    /// The turns with what the user said.
    pub(crate) fn turns(&self) -> BTreeMap<i64, &str> {
        let turn = |row: &'_ Vec<Value>| matches!(row[0], Value::Integer(_));
        let turns = self.tables["turns"].iter().filter(|row| turn(row));
        turns
            .filter_map(|row| match (&row[0], &row[4]) {
                (Value::Integer(turn), Value::Text(words)) => Some((*turn, words.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The canaries that stand in any row.
    pub(crate) fn canaries(&self) -> BTreeSet<String> {
        let texts = self.tables.values().flatten().flatten().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        });
        texts.flat_map(canaries_in).collect()
    }
}

fn rows(store: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = store.prepare(sql).expect("the tables are there");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.and_then(Iterator::collect).expect("it can be read")
}

/// The ends of the canaries in some bytes: of a term in the full-text index the first letters may be left out.
pub(crate) fn canaries_in(bytes: &[u8]) -> impl Iterator<Item = String> {
    let ends = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(CANARY_END.as_bytes()));
    ends.filter_map(|end| {
        let start = end.checked_sub(END_DIGITS)?;
        let digits = std::str::from_utf8(&bytes[start..end]).ok()?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| digits.to_owned())
    })
}

/// So many of the last digits tell one canary from every other.
const END_DIGITS: usize = CANARY_DIGITS - 6;

pub(crate) fn canary_end(canary: &str) -> String {
    canary[CANARY_DIGITS - END_DIGITS..CANARY_DIGITS].to_owned()
}

/// The canaries in every file of the store in a folder, with the file; what was set aside is its own store.
pub(crate) fn canaries_in_files(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let files = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file());
    let files = files.filter(|path| !path.to_string_lossy().contains(".damaged-"));
    let mut found = BTreeMap::new();
    for path in files {
        let bytes = std::fs::read(&path).expect("it can be read");
        found.extend(canaries_in(&bytes).map(|canary| (canary, path.display().to_string())));
    }
    found
}

/// What must hold in any store, however it came about.
pub(crate) fn expect_whole(path: &Path) {
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens");
    let nothing = |what: &str, sql: &str| {
        let wrong = rows(&store, sql);
        assert!(wrong.is_empty(), "{what}: {wrong:?}");
    };
    nothing("a row points at none", "PRAGMA foreign_key_check");
    nothing(
        "a memory is in one of rows and full text only",
        "SELECT id FROM memories EXCEPT SELECT id FROM memory_text_docsize
         UNION ALL SELECT * FROM (SELECT id FROM memory_text_docsize EXCEPT SELECT id FROM memories)",
    );
    nothing("a fact has no turn", "SELECT memory FROM facts WHERE memory NOT IN (SELECT fact FROM fact_sources)");
    nothing(
        "a fact stands on words that its turn does not say",
        "SELECT s.fact, s.turn FROM fact_sources s JOIN turns t ON t.id = s.turn WHERE instr(t.words, s.words) = 0",
    );
    nothing(
        "a memory of a kind that is a fact is none",
        "SELECT id FROM memories WHERE kind <> 'episode' AND id NOT IN (SELECT memory FROM facts)",
    );
    let texts = rows(&store, "SELECT m.id, m.text FROM memories m JOIN vectors v ON v.memory = m.id");
    let contents = Contents::read(path);
    for row in texts {
        let [Value::Integer(id), Value::Text(text)] = row.as_slice() else { panic!("no memory: {row:?}") };
        let vector = &contents.vectors[id];
        let made = embedder(vector.dimension).embed(&[text], EmbedPurpose::Document).expect("it is embedded").remove(0);
        let made: Vec<u8> = made.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(vector.fingerprint, embedder(vector.dimension).fingerprint());
        let near = |a: &[u8], b: &[u8]| (f32_of(a) - f32_of(b)).abs() < 1e-6;
        let same = made.len() == vector.numbers.len()
            && made.as_chunks::<4>().0.iter().zip(vector.numbers.as_chunks::<4>().0).all(|(a, b)| near(a, b));
        assert!(same, "the vector of memory {id} is not that of its text");
    }
}

fn f32_of(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes.try_into().expect("four bytes"))
}
