//! The run directory: what stages leave for each other, whole or not at all, and safe against a kill at any point.
//!
//! Owns the folder's layout, its lock, the stage's configuration with the hashes of its inputs, and the two ways to
//! write: lines appended whole, files replaced whole. Knows nothing of what the lines say.

mod append;
mod configuration;
mod lines;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use append::AppendLog;
pub(crate) use configuration::Configuration;
pub(crate) use lines::{Lines, hash_of_file, read_lines};

use crate::error::{Error, Result};

/// The layout of the folder; raised when a newer one could not be read by this version.
const FORMAT: u32 = 1;

/// A run, held against other processes until dropped.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    _lock: File,
}

/// A stage's own folder in the run.
#[derive(Debug, Clone)]
pub(crate) struct StageDir {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    format: u32,
    made_by: String,
}

impl RunDir {
    /// The run in this folder, made where there is none.
    ///
    /// # Errors
    /// [`Error::RunBusy`] while another process holds it, [`Error::RunUnknown`] for a folder of another kind.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
        let lock = lock(path)?;
        check_mark(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder of one stage, made where it is missing.
    pub(crate) fn stage(&self, name: &str) -> Result<StageDir> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?;
        Ok(StageDir { path })
    }

    /// A file of the run itself.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl StageDir {
    /// Where the file of this name lies, or will lie.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Deletes a file that may not be there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        remove_if_there(&self.file(name))
    }

    /// Replaces a file, whole or not at all.
    pub(crate) fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.file(name), bytes)
    }

    /// Replaces a file with one JSON record a line.
    pub(crate) fn write_records<T: Serialize>(&self, name: &str, records: impl IntoIterator<Item = T>) -> Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            serde_json::to_writer(&mut bytes, &record).map_err(Error::internal)?;
            bytes.push(b'\n');
        }
        self.write_whole(name, &bytes)
    }

    /// Replaces a file with a JSON document that people may read.
    pub(crate) fn write_document<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(Error::internal)?;
        bytes.push(b'\n');
        self.write_whole(name, &bytes)
    }
}

/// Deletes a file that may not be there.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// Replaces a file: content, then name, then folder, each on the disk before the next.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

/// Replaces a file by what `write` puts into it; nothing is seen of it before it is whole.
pub(crate) fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().ok_or_else(|| Error::internal("a file without a folder"))?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let failed = |error| Error::io(path, error);
    let mut part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(failed)?;
    write(part.as_file_mut()).and_then(|()| part.as_file().sync_all()).map_err(failed)?;
    readable_by_others(part.as_file()).map_err(failed)?;
    part.persist(path).map_err(|error| Error::io(path, error.error))?;
    sync_folder(folder)
}

/// A temporary file is its owner's alone; what it becomes is an ordinary file.
fn readable_by_others(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|handle| handle.sync_all());
        synced.map_err(|error| Error::io(folder, error))?;
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Error::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::RunBusy { path: folder.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io(path, error)),
    }
}

/// A folder that holds something else is not written into.
fn check_mark(folder: &Path) -> Result<()> {
    let path = folder.join("run.json");
    let unknown = |reason: &str| Error::RunUnknown { path: folder.to_owned(), reason: reason.to_owned() };
    match std::fs::read(&path) {
        Ok(bytes) => {
            let mark: Mark = serde_json::from_slice(&bytes).map_err(|_| unknown("its run.json is damaged"))?;
            if mark.format == FORMAT { Ok(()) } else { Err(unknown("it was written by another version of aloe")) }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut others = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
            // A kill between making the folder and writing the mark leaves the lock and a part alone.
            let foreign = others.any(|entry| entry.is_ok_and(|entry| !is_ours(&entry.file_name().to_string_lossy())));
            if foreign {
                return Err(unknown("it holds files and is no run"));
            }
            let mark = Mark { format: FORMAT, made_by: concat!("aloe ", env!("CARGO_PKG_VERSION")).to_owned() };
            write_whole(&path, &serde_json::to_vec(&mark).map_err(Error::internal)?)
        }
        Err(error) => Err(Error::io(path, error)),
    }
}

fn is_ours(name: &str) -> bool {
    name == "lock" || name.starts_with(".part-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_do_not_share_a_run() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("run");
        let held = RunDir::open(&path).expect("opened");
        assert!(matches!(RunDir::open(&path), Err(Error::RunBusy { .. })));
        drop(held);
        assert!(RunDir::open(&path).is_ok());
    }

    #[test]
    fn a_folder_of_another_kind_is_not_written_into() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("thesis.tex"), "x").expect("written");
        assert!(matches!(RunDir::open(folder.path()), Err(Error::RunUnknown { .. })));
    }
}
