//! The tables, and the ladder by which an older store becomes a newer one.
//!
//! A new store climbs the same ladder as an old one, so an upgraded schema cannot differ from a new one. The climb is
//! one transaction: a store is at one rung or another, never between. Steps that have shipped are never edited.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::db::Fault;
use crate::Error;

/// Marks the file as ours, so that another program's database is refused and left as it is.
pub(super) const APPLICATION_ID: i64 = 0x416C_6F65; // "Aloe"

/// The newest rung.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// Step n leads from version n to n + 1.
const STEPS: [&str; 8] =
    [LOG_AND_EPISODES, FACTS, IMPORTED, FACT_SOURCES, STANDING_FACTS, AUTHORSHIP, REMEMBERS, RATINGS];

/// `memories` repeats the words of `turns`: one turn may become several memories (passages of a long text, facts), and
/// a memory's text may be edited while the log stays verbatim. AUTOINCREMENT: an id is never given twice, or a
/// forgotten memory's id in an old export would point at another.
const LOG_AND_EPISODES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE conversations(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started_ms INTEGER NOT NULL,
    summary TEXT,
    summary_through_turn INTEGER,
    CHECK ((summary IS NULL) = (summary_through_turn IS NULL))
) STRICT;

CREATE TABLE turns(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('said', 'pasted')),
    words TEXT NOT NULL,
    recalled_block TEXT,
    reply TEXT,
    reply_state TEXT CHECK (reply_state IN ('partial', 'complete', 'cancelled', 'failed')),
    CHECK ((reply IS NULL) = (reply_state IS NULL))
) STRICT;
CREATE INDEX turns_of_conversation ON turns(conversation, id);

CREATE TABLE memories(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('episode', 'profile', 'personality', 'preference')),
    text TEXT NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1))
) STRICT;
CREATE INDEX memories_of_turn ON memories(turn);

CREATE TABLE recalls(
    turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
    memory INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    PRIMARY KEY (turn, memory)
) STRICT, WITHOUT ROWID;
CREATE INDEX recalls_of_memory ON recalls(memory);

CREATE TABLE embedders(
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    dimension INTEGER NOT NULL CHECK (dimension > 0),
    UNIQUE (fingerprint, dimension)
) STRICT;

CREATE TABLE vectors(
    memory INTEGER PRIMARY KEY REFERENCES memories(id) ON DELETE CASCADE,
    embedder INTEGER NOT NULL REFERENCES embedders(id),
    vector BLOB NOT NULL
) STRICT;

CREATE VIRTUAL TABLE memory_text USING fts5(
    text, content = 'memories', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2');
INSERT INTO memory_text(memory_text, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER memory_added AFTER INSERT ON memories BEGIN
    INSERT INTO memory_text(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER memory_removed AFTER DELETE ON memories BEGIN
    INSERT INTO memory_text(memory_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER memory_reworded AFTER UPDATE OF text ON memories BEGIN
    INSERT INTO memory_text(memory_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO memory_text(rowid, text) VALUES (new.id, new.text);
END;
";

/// A fact is a memory with provenance; an episode needs none, it is the words themselves.
const FACTS: &str = "
CREATE TABLE facts(
    memory INTEGER PRIMARY KEY REFERENCES memories(id) ON DELETE CASCADE,
    words TEXT NOT NULL CHECK (length(words) > 0),
    confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    times_confirmed INTEGER NOT NULL DEFAULT 1 CHECK (times_confirmed > 0),
    superseded_by INTEGER REFERENCES memories(id) ON DELETE SET NULL
) STRICT;
CREATE INDEX facts_superseded_by ON facts(superseded_by);
";

/// Which line of an imported file became which turn. ANY keeps the number 7 and the text '7' apart.
const IMPORTED: &str = "
CREATE TABLE imported(
    external_id ANY PRIMARY KEY CHECK (typeof(external_id) IN ('integer', 'text')),
    turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
    speaker TEXT NOT NULL CHECK (speaker IN ('user', 'assistant'))
) STRICT, WITHOUT ROWID;
CREATE INDEX imported_of_turn ON imported(turn, speaker);
";

/// Every turn that states a fact. A fact may outlive a forgotten turn if it was said in another; what `facts` counts
/// and how sure it is can be computed anew from the turns that are left.
const FACT_SOURCES: &str = "
CREATE TABLE fact_sources(
    fact INTEGER NOT NULL REFERENCES facts(memory) ON DELETE CASCADE,
    turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
    words TEXT NOT NULL CHECK (length(words) > 0),
    confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (fact, turn)
) STRICT, WITHOUT ROWID;
CREATE INDEX fact_sources_of_turn ON fact_sources(turn);
INSERT INTO fact_sources(fact, turn, words, confidence)
    SELECT f.memory, m.turn, f.words, f.confidence FROM facts f JOIN memories m ON m.id = f.memory;
";

/// The facts that stand in the instructions of a conversation, by their place; without one, those that stood there
/// once: a reply given with them in view may repeat them.
const STANDING_FACTS: &str = "
CREATE TABLE standing_facts(
    conversation INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    fact INTEGER NOT NULL REFERENCES facts(memory) ON DELETE CASCADE,
    place INTEGER,
    PRIMARY KEY (conversation, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_facts_of_fact ON standing_facts(fact);
";

/// Which bytes of a turn were pasted, and whose words a memory is made of: of a message in which the user speaks of a
/// text that they pasted, the two become a memory each. `words` is NULL where a memory is made of the whole turn.
const AUTHORSHIP: &str = "
CREATE TABLE pasted(
    turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
    from_byte INTEGER NOT NULL CHECK (from_byte >= 0),
    to_byte INTEGER NOT NULL CHECK (to_byte > from_byte),
    PRIMARY KEY (turn, from_byte)
) STRICT, WITHOUT ROWID;
ALTER TABLE memories ADD COLUMN origin TEXT NOT NULL DEFAULT 'said' CHECK (origin IN ('said', 'pasted'));
ALTER TABLE memories ADD COLUMN words TEXT CHECK (length(words) > 0);
UPDATE memories SET origin = (SELECT t.origin FROM turns t WHERE t.id = memories.turn);
";

/// Whether what is said in a conversation is remembered beyond it: a switch of the user's, kept across launches.
const REMEMBERS: &str = "
ALTER TABLE conversations ADD COLUMN remembers INTEGER NOT NULL DEFAULT 1 CHECK (remembers IN (0, 1));
";

/// What the user thinks of replies. A rating is of one reply: when that is replaced or forgotten, it goes.
const RATINGS: &str = "
CREATE TABLE ratings(
    turn INTEGER PRIMARY KEY REFERENCES turns(id) ON DELETE CASCADE,
    verdict TEXT NOT NULL CHECK (verdict IN ('up', 'down', 'edited')),
    edited TEXT CHECK (length(edited) > 0),
    CHECK ((verdict = 'edited') = (edited IS NOT NULL))
) STRICT;
CREATE TRIGGER rated_reply_replaced AFTER UPDATE OF reply ON turns WHEN old.reply IS NOT new.reply BEGIN
    DELETE FROM ratings WHERE turn = new.id;
END;
";

/// Brings the store to the newest schema, or leaves it as it was.
pub(super) fn climb(connection: &mut Connection) -> Result<(), Fault> {
    if version(connection)? == NEWEST {
        return Ok(());
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let found = version(&transaction)?; // again: another process may have climbed while this one waited for the lock
    for step in STEPS.iter().skip(usize::try_from(found).map_err(Error::internal)?) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()?;
    Ok(())
}

/// Drops everything and climbs anew. With `secure_delete` on, the dropped pages are zeroed.
pub(super) fn start_over(transaction: &Transaction<'_>) -> Result<(), Fault> {
    let newest_first = [
        "ratings",
        "standing_facts",
        "pasted",
        "fact_sources",
        "imported",
        "facts",
        "vectors",
        "embedders",
        "recalls",
        "memory_text",
        "memories",
        "turns",
        "conversations",
        "meta",
    ];
    for table in newest_first {
        transaction.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    for step in STEPS {
        transaction.execute_batch(step)?;
    }
    Ok(())
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(connection: &Connection) -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name")
            .expect("sqlite_master is always there");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it can be read");
        rows.collect::<Result<_, _>>().expect("its columns are texts")
    }

    fn at_rung(rung: usize) -> Connection {
        let connection = Connection::open_in_memory().expect("memory is there");
        for step in &STEPS[..rung] {
            connection.execute_batch(step).expect("a step runs");
        }
        connection.pragma_update(None, "user_version", rung as i64).expect("the version is set");
        connection
    }

    #[test]
    fn every_older_schema_climbs_to_the_same_schema_as_a_new_store() {
        let mut new = at_rung(0);
        climb(&mut new).expect("a new store is made");
        for rung in 1..STEPS.len() {
            let mut older = at_rung(rung);
            climb(&mut older).expect("an older store is upgraded");
            assert_eq!(shape(&older), shape(&new), "from rung {rung}");
            assert_eq!(version(&older).expect("it has a version"), NEWEST);
        }
    }

    #[test]
    fn a_climb_that_is_never_committed_leaves_the_older_store() {
        let folder = tempfile::tempdir().expect("a folder");
        for rung in 0..STEPS.len() {
            let path = folder.path().join(format!("from-{rung}.db"));
            let mut store = Connection::open(&path).expect("a file");
            store.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).expect("WAL");
            for step in &STEPS[..rung] {
                store.execute_batch(step).expect("a step runs");
            }
            store.pragma_update(None, "user_version", rung as i64).expect("the version is set");
            // A tiny cache spills uncommitted pages into the WAL, as a long climb would.
            store.pragma_update(None, "cache_size", 1).expect("a tiny cache");
            let climbing = Transaction::new(&mut store, TransactionBehavior::Immediate).expect("the lock");
            for (done, step) in STEPS.iter().enumerate().skip(rung) {
                climbing.execute_batch(step).expect("a step runs");
                let cut = folder.path().join(format!("cut-{rung}-{done}.db"));
                std::fs::copy(&path, &cut).expect("a copy of the store as a crash would leave it");
                let wal = |p: &std::path::Path| std::path::PathBuf::from(format!("{}-wal", p.display()));
                if wal(&path).exists() {
                    std::fs::copy(wal(&path), wal(&cut)).expect("and of its log");
                }
                let mut cut = Connection::open(&cut).expect("the copy opens");
                assert_eq!(version(&cut).expect("it has a version"), rung as i64);
                climb(&mut cut).expect("and climbs");
                assert_eq!(version(&cut).expect("it has a version"), NEWEST);
            }
        }
    }
}
