-- The store's first schema, frozen: never edited, so that a change of the shipped step is noticed.
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

INSERT INTO conversations(started_ms) VALUES (1000);
INSERT INTO turns(conversation, at_ms, origin, words) VALUES (1, 1001, 'said', 'I play the cello.');
INSERT INTO memories(turn, kind, text) VALUES (1, 'episode', 'I play the cello.');
PRAGMA application_id = 1097625445;
PRAGMA user_version = 1;
