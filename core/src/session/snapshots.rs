//! KV snapshots on disk: one file a conversation, the newest few kept, all gone when something is forgotten.
//!
//! A snapshot holds the conversation as the model read it, so it is as private as the store. It is never needed: what
//! is missing or damaged is computed again from text.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::seal::Seal;
use crate::error::{Error, Result};

/// Files kept; each is tens to hundreds of megabytes.
const KEPT: usize = 4;

/// The folder of snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    folder: PathBuf,
    seal: Mutex<Option<Seal>>,
}

impl Snapshots {
    /// Under a key where the store has one.
    pub(super) fn new(folder: PathBuf, key: Option<Zeroizing<[u8; 32]>>) -> Self {
        Self { folder, seal: Mutex::new(key.map(Seal::new)) }
    }

    /// Seals what is saved from now on with another key. What was sealed before is no longer read.
    pub(super) fn set_key(&self, key: Option<Zeroizing<[u8; 32]>>) {
        *self.seal() = key.map(Seal::new);
    }

    fn seal(&self) -> MutexGuard<'_, Option<Seal>> {
        self.seal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, conversation: i64) -> PathBuf {
        self.folder.join(format!("conversation-{conversation}.kv"))
    }

    /// Writes a snapshot whole or not at all.
    pub(super) fn save(&self, conversation: i64, mut bytes: Vec<u8>) -> Result<()> {
        let head = self.seal().as_ref().map(|seal| seal.seal(conversation, &mut bytes)).transpose()?;
        let head = head.as_ref().map_or(&[][..], |head| head.as_slice());
        fs::create_dir_all(&self.folder).map_err(|e| Error::io(&self.folder, e))?;
        let (path, unfinished) =
            (self.path(conversation), self.folder.join(format!("conversation-{conversation}.part")));
        let written = write_private(&unfinished, head, &bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(Error::io(path, error));
        }
        self.drop_oldest();
        Ok(())
    }

    /// The snapshot of a conversation, if there is one that can be read. One that the key does not open goes: it may be
    /// from before the store was encrypted.
    pub(super) fn load(&self, conversation: i64) -> Option<Vec<u8>> {
        let path = self.path(conversation);
        let bytes = fs::read(&path).ok()?;
        let guard = self.seal();
        let Some(seal) = guard.as_ref() else { return Some(bytes) };
        let opened = seal.open(conversation, bytes);
        if opened.is_none() {
            let _ = fs::remove_file(path);
        }
        opened
    }

    /// Deletes every snapshot.
    pub(super) fn erase(&self) -> Result<()> {
        for file in self.files() {
            fs::remove_file(&file).map_err(|e| Error::io(file, e))?;
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "kv" || e == "part")).collect()
    }

    fn drop_oldest(&self) {
        let age = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
        let mut files = self.files();
        files.sort_by_key(|path| std::cmp::Reverse(age(path)));
        for old in files.iter().skip(KEPT) {
            let _ = fs::remove_file(old);
        }
    }
}

/// Deletes the snapshots in a folder, where something is forgotten in a store while no assistant has it open.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be deleted.
pub fn erase_snapshots(folder: &Path) -> Result<()> {
    Snapshots::new(folder.to_owned(), None).erase()
}

fn write_private(path: &Path, head: &[u8], body: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(head)?;
    file.write_all(body)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_few_are_kept_and_erasing_leaves_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let snapshots = Snapshots::new(folder.path().join("kv"), None);
        for conversation in 1..=6 {
            snapshots.save(conversation, vec![7; 10]).expect("saved");
            std::thread::sleep(std::time::Duration::from_millis(12));
        }
        assert!(snapshots.load(1).is_none() && snapshots.load(2).is_none());
        assert_eq!(snapshots.load(6).as_deref(), Some([7_u8; 10].as_slice()));
        snapshots.erase().expect("erased");
        assert!(snapshots.files().is_empty());
    }
}
