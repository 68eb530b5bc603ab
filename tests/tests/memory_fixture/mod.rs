//! A store in a folder of its own, opened with an embedder that needs no weights.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aloekit::memory::{BegunTurn, ConversationId, Embedder, HashingEmbedder, MemoryParams, MemoryStore, TurnOptions};

pub struct Scratch {
    pub folder: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a scratch folder") }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("memory.db")
    }

    pub fn params(&self) -> MemoryParams {
        MemoryParams { lock_wait_ms: 50, ..MemoryParams::file(self.path()) }
    }

    pub fn open(&self) -> MemoryStore {
        self.try_open().expect("the store opens")
    }

    pub fn try_open(&self) -> aloekit::Result<MemoryStore> {
        MemoryStore::open(self.params(), Some(embedder()))
    }

    /// Every byte of the store's folder, file by file.
    pub fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("it can be read"))).collect()
    }

    pub fn files_with(&self, needle: &str) -> Vec<String> {
        let needle = needle.to_lowercase();
        let holds =
            |bytes: &[u8]| bytes.to_ascii_lowercase().windows(needle.len()).any(|window| window == needle.as_bytes());
        self.bytes().into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.display().to_string()).collect()
    }
}

pub fn embedder() -> Arc<dyn Embedder> {
    Arc::new(HashingEmbedder::new(128))
}

pub fn say(store: &MemoryStore, conversation: ConversationId, text: &str) -> BegunTurn {
    store.begin_turn(conversation, text, &TurnOptions::default()).expect("the turn is stored")
}

pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Rows in turns, memories, vectors and the full-text index, read past the API.
pub fn counts(path: &Path) -> [i64; 4] {
    let store = rusqlite::Connection::open(path).expect("the file opens");
    ["turns", "memories", "vectors", "memory_text_docsize"].map(|table| {
        store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("it is counted")
    })
}
