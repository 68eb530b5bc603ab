//! Where downloaded files lie, and how it is known cheaply that they are still what was verified.
//!
//! Owns the folder layout (`models/<id>/<file>`), stamps, locks and the last step of every download: fsync,
//! rename, fsync of the folder. Knows nothing of where files come from.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Free space kept beyond the file itself, for stamps and the file system's own needs.
const SPACE_MARGIN: u64 = 16 << 20;

/// The place of one file: its folder, and what is kept beside it.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    folder: PathBuf,
    name: String,
}

/// What a file was when its hash was last computed.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Stamp {
    sha256: String,
    size: u64,
    mtime_ns: u64,
}

/// A file under way: appended to, hashed as it grows, and kept for another try when it breaks off.
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    len: u64,
}

impl Slot {
    /// The place of `name` of the model `id`; both were checked to be plain names when the manifest was read.
    pub(crate) fn new(cache: &Path, id: &str, name: &str) -> Self {
        Self { folder: cache.join("models").join(id), name: name.to_owned() }
    }

    /// Where the finished file lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The model's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes that belong to the part: where it comes from.
    pub(crate) fn part_notes(&self) -> PathBuf {
        self.beside(".part.toml")
    }

    /// The folder, made where it is missing and refused where it is a link.
    pub(crate) fn prepare(&self) -> Result<()> {
        let models = self.folder.parent().ok_or_else(|| Error::internal("a model's folder has no parent"))?;
        std::fs::create_dir_all(models).map_err(|error| Error::io(models, error))?;
        match std::fs::create_dir(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io(&self.folder, error));
            }
            _ => {}
        }
        for folder in [models, &self.folder] {
            let kind = std::fs::symlink_metadata(folder).map_err(|error| Error::io(folder, error))?;
            if !kind.is_dir() {
                return Err(Error::UnsafePath { path: folder.to_path_buf() });
            }
        }
        Ok(())
    }

    /// Holds this file against other processes until dropped; `waiting` is called once if it must wait.
    pub(crate) fn lock(&self, waiting: impl FnOnce()) -> Result<File> {
        let path = self.beside(".lock");
        refuse_link(&path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, error))?;
        if file.try_lock().is_err() {
            waiting();
            file.lock().map_err(|error| Error::io(&path, error))?;
        }
        Ok(file)
    }

    /// Whether the file is here and its stamp still fits; reads no more than the directory entry.
    pub(crate) fn stamped_hash(&self) -> Option<String> {
        let stamp: Stamp = toml::from_str(&std::fs::read_to_string(self.beside(".stamp")).ok()?).ok()?;
        let now = stamp_of(&self.path(), &stamp.sha256).ok()?;
        (now == stamp).then_some(stamp.sha256)
    }

    /// The hash that was stamped, whether or not the file changed since.
    pub(crate) fn last_stamped_hash(&self) -> Option<String> {
        let stamp: Stamp = toml::from_str(&std::fs::read_to_string(self.beside(".stamp")).ok()?).ok()?;
        Some(stamp.sha256)
    }

    /// The file's SHA-256, read from its first byte to its last; `progress` hears of each step.
    pub(crate) fn hash(&self, progress: impl FnMut(u64)) -> Result<String> {
        let path = self.path();
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::Missing { path }),
            Err(error) => return Err(Error::io(path, error)),
        };
        if !metadata.is_file() {
            return Err(Error::UnsafePath { path });
        }
        let mut file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        let mut hasher = Sha256::new();
        hash_rest(&mut file, &mut hasher, progress).map_err(|error| Error::io(&path, error))?;
        Ok(hex(hasher))
    }

    /// Notes that the file as it is now has this hash.
    pub(crate) fn stamp(&self, sha256: &str) -> Result<()> {
        let stamp = stamp_of(&self.path(), sha256).map_err(|error| Error::io(self.path(), error))?;
        let text = toml::to_string(&stamp).map_err(Error::internal)?;
        let path = self.beside(".stamp");
        refuse_link(&path)?;
        std::fs::write(&path, text).map_err(|error| Error::io(path, error))
    }

    /// Deletes the file and everything beside it; says whether there was a file.
    pub(crate) fn remove(&self) -> Result<bool> {
        let existed = remove_if_there(&self.path())?;
        for ending in [".stamp", ".part", ".part.toml"] {
            remove_if_there(&self.beside(ending))?;
        }
        Ok(existed)
    }

    /// `StorageFull` now rather than a full disk later, where it is known what is needed.
    pub(crate) fn check_space(&self, bytes: u64) -> Result<()> {
        let Ok(available) = fs4::available_space(&self.folder) else { return Ok(()) };
        let required = bytes.saturating_add(SPACE_MARGIN);
        if available >= required {
            return Ok(());
        }
        Err(Error::StorageFull { path: self.path(), required_mib: required >> 20, available_mib: available >> 20 })
    }

    /// The part as it was left, hashed again from its first byte.
    pub(crate) fn open_part(&self) -> Result<Part> {
        let path = self.beside(".part");
        refuse_link(&path)?;
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut part =
            Part { file: file.map_err(|error| Error::io(&path, error))?, path, hasher: Sha256::new(), len: 0 };
        part.len = hash_rest(&mut part.file, &mut part.hasher, |_| {}).map_err(|error| Error::io(&part.path, error))?;
        Ok(part)
    }

    /// Puts the finished part in its place. The order is what makes it safe: content, name, folder.
    pub(crate) fn commit(&self, part: Part) -> Result<()> {
        part.file.sync_all().map_err(|error| Error::io(&part.path, error))?;
        let sha256 = hex(part.hasher);
        drop(part.file);
        std::fs::rename(&part.path, self.path()).map_err(|error| Error::io(self.path(), error))?;
        sync_folder(&self.folder)?;
        remove_if_there(&self.part_notes())?;
        self.stamp(&sha256)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}{ending}", self.name))
    }
}

impl Part {
    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::io(&self.path, error))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| Error::io(&self.path, error))?;
        self.hasher = Sha256::new();
        self.len = 0;
        Ok(())
    }

    /// Deletes it: what is there is of no use to anyone.
    pub(crate) fn discard(self) -> Result<()> {
        drop(self.file);
        remove_if_there(&self.path).map(|_| ())
    }

    /// The hash of what is there.
    pub(crate) fn sha256(&self) -> String {
        hex(self.hasher.clone())
    }
}

/// Deletes a file that may not be there; says whether it was.
pub(crate) fn remove_if_there(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// The SHA-256 of a file, in lower-case hex.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let hashed = File::open(path).and_then(|mut file| hash_rest(&mut file, &mut hasher, |_| {}));
    hashed.map_err(|error| Error::io(path, error))?;
    Ok(hex(hasher))
}

fn hash_rest(file: &mut File, hasher: &mut Sha256, mut progress: impl FnMut(u64)) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(total);
        }
        hasher.update(&buffer[..read]);
        total += read as u64;
        progress(total);
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stamp_of(path: &Path, sha256: &str) -> std::io::Result<Stamp> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a plain file"));
    }
    let age = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?;
    let mtime_ns = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
    Ok(Stamp { sha256: sha256.to_owned(), size: metadata.len(), mtime_ns })
}

/// A link here would lead a write out of the cache.
fn refuse_link(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(Error::UnsafePath { path: path.to_path_buf() }),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|handle| handle.sync_all());
        synced.map_err(|error| Error::io(folder, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(cache: &Path) -> Slot {
        let slot = Slot::new(cache, "tiny", "tiny.gguf");
        slot.prepare().expect("prepared");
        slot
    }

    fn stored(cache: &Path) -> Slot {
        let slot = slot(cache);
        let mut part = slot.open_part().expect("opened");
        part.write(b"GGUF").expect("written");
        slot.commit(part).expect("committed");
        slot
    }

    #[test]
    fn a_part_goes_on_where_it_stopped_with_the_hash_of_the_whole() {
        let cache = tempfile::tempdir().expect("temporary folder");
        let slot = slot(cache.path());
        slot.open_part().expect("opened").write(b"GG").expect("written");
        let mut part = slot.open_part().expect("opened again");
        assert_eq!(part.len(), 2);
        part.write(b"UF").expect("written");
        let hash = part.sha256();
        slot.commit(part).expect("committed");
        assert_eq!(slot.hash(|_| {}).expect("hashed"), hash);
        assert_eq!(slot.stamped_hash(), Some(hash));
    }

    #[test]
    fn a_changed_file_loses_its_stamp() {
        let cache = tempfile::tempdir().expect("temporary folder");
        let slot = stored(cache.path());
        std::fs::write(slot.path(), b"GGUX!").expect("changed");
        assert_eq!(slot.stamped_hash(), None);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_the_cache_are_not_followed() {
        let (cache, outside) = (tempfile::tempdir().expect("cache"), tempfile::tempdir().expect("outside"));
        let slot = slot(cache.path());
        let victim = outside.path().join("victim");
        std::fs::write(&victim, b"keep").expect("written");
        std::os::unix::fs::symlink(&victim, slot.beside(".part")).expect("linked");
        assert!(matches!(slot.open_part(), Err(Error::UnsafePath { .. })));
        std::os::unix::fs::symlink(&victim, slot.path()).expect("linked");
        assert!(matches!(slot.hash(|_| {}), Err(Error::UnsafePath { .. })));
        let other = Slot::new(cache.path(), "linked", "x.gguf");
        std::os::unix::fs::symlink(outside.path(), other.folder()).expect("linked");
        assert!(matches!(other.prepare(), Err(Error::UnsafePath { .. })));
        assert_eq!(std::fs::read(&victim).expect("there"), b"keep");
    }

    #[test]
    fn too_little_room_is_said_before_anything_is_written() {
        let cache = tempfile::tempdir().expect("temporary folder");
        assert!(matches!(slot(cache.path()).check_space(1 << 60), Err(Error::StorageFull { .. })));
    }
}
