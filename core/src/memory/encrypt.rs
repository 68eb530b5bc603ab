//! Encrypting: a store anew under another key, and a plain store for the first time.

use std::fs::{self, File};
use std::path::Path;
use std::sync::PoisonError;

use rusqlite::Connection;
use zeroize::Zeroizing;

use super::cipher::{self, StoreKey, expect_cipher};
use super::db::{self, Fault};
use super::params::{MemoryParams, StorePath};
use super::{MemoryStore, damage, schema};
use crate::{Error, Result};

impl MemoryStore {
    /// Encrypts the store anew under another key, in one transaction: a process that dies in between leaves it under the
    /// old key or the new one, whole.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a store that has no key (see [`encrypt_store`]), and those of storage: then the old
    /// key holds.
    pub fn rekey(&self, key: &StoreKey) -> Result<()> {
        let mut present = self.inner.key.lock().unwrap_or_else(PoisonError::into_inner);
        if present.is_none() {
            let reason = "the store is not encrypted: `encrypt_store` does that while it is closed".into();
            return Err(Error::InvalidInput { what: "key", reason });
        }
        self.inner.db.with(|held| {
            held.connection.flush_prepared_statement_cache();
            cipher::rekey(&held.connection, key)?;
            // Pages under the old key would stay in the log.
            held.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        })?;
        *present = Some(key.clone());
        Ok(())
    }

    /// The key under which KV snapshots are sealed, where the store has one.
    pub(crate) fn snapshot_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        let present = self.inner.key.lock().unwrap_or_else(PoisonError::into_inner);
        present.as_ref().map(|key| key.derive("aloekit 2026 KV snapshots"))
    }
}

/// Encrypts a plain store that is closed. The encrypted one takes its place at once and whole, or not at all.
///
/// The plain bytes are deleted, not wiped: a flash drive may hold them until it uses the room again.
///
/// # Errors
/// [`Error::WrongKey`] for a store that is encrypted already, [`Error::StorageLocked`] while it is open,
/// [`Error::InvalidInput`] in a build without the feature `cipher`, and those of opening a store.
pub fn encrypt_store(path: &Path, key: &StoreKey) -> Result<()> {
    expect_cipher(Some(key))?;
    let unfinished = damage::with_suffix(path, ".encrypting");
    remove_if_there(&unfinished)?;
    let plain = MemoryParams { path: StorePath::File(path.into()), ..MemoryParams::in_memory() };
    drop(MemoryStore::open(plain, None)?); // upgraded, its log folded in; refused if it is not ours
    let copied = copy_under(path, &unfinished, key).map_err(|fault| db::error(path, fault));
    let placed = copied.and_then(|()| put_in_place(&unfinished, path));
    if placed.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    placed
}

/// Holds the plain store's lock from the copy's beginning to its end: nobody writes meanwhile.
fn copy_under(path: &Path, copy: &Path, key: &StoreKey) -> Result<(), Fault> {
    damage::create_private(copy)?;
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE;")?;
    let target = copy.to_str().ok_or(Error::InvalidInput { what: "path", reason: "it is not UTF-8".into() })?;
    let attach = Zeroizing::new(format!("ATTACH ?1 AS encrypted KEY {}", *key.literal()));
    connection.execute(&attach, [target])?;
    connection.query_row("SELECT sqlcipher_export('encrypted')", [], |_| Ok(()))?;
    connection.pragma_update(Some("encrypted"), "application_id", schema::APPLICATION_ID)?;
    connection.pragma_update(Some("encrypted"), "user_version", schema::NEWEST)?;
    connection.execute_batch("DETACH encrypted")?;
    Ok(())
}

fn put_in_place(copy: &Path, path: &Path) -> Result<()> {
    let io = |error| Error::io(path, error);
    File::open(copy).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(copy, path).map_err(io)?;
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&damage::with_suffix(path, suffix))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}
