//! How a store is opened.

use std::path::PathBuf;

use super::cipher::StoreKey;

/// Where a store lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePath {
    /// In a file of its own; its folder is made when missing. SQLite keeps `-wal` and `-shm` beside it while open.
    File(PathBuf),
    /// Nowhere: gone when the last handle is dropped.
    InMemory,
}

/// What opening does with a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDamage {
    /// Fails with [`StorageCorrupt`](crate::Error::StorageCorrupt) and changes nothing.
    #[default]
    Fail,
    /// Renames the damaged files aside, never deleting them, and opens a new store.
    Quarantine,
}

/// What an acknowledged write survives. Either way a store is never left half-written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process, at any point. After a power cut the newest writes may be missing.
    #[default]
    ProcessCrash,
    /// A power cut as well, at the price of waiting for the disk on every write.
    PowerLoss,
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryParams {
    /// Where it lives.
    pub path: StorePath,
    /// What opening does when it is damaged.
    pub on_damage: OnDamage,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// The key of an encrypted store; `None` for one that is not. Needs the cargo feature `cipher`.
    pub key: Option<StoreKey>,
    /// How long a call waits for another process that is writing, in milliseconds.
    pub lock_wait_ms: u64,
}

impl MemoryParams {
    /// A store in a file, with the defaults for everything else.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: StorePath::File(path.into()), ..Self::in_memory() }
    }

    /// A store that is gone when the last handle is dropped.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            path: StorePath::InMemory,
            on_damage: OnDamage::default(),
            durability: Durability::default(),
            key: None,
            lock_wait_ms: 1_000,
        }
    }
}
