//! The store's files outside SQLite: making them private, telling damage from a foreign file, setting them aside.
//!
//! A damaged store is renamed, never deleted: what is still in it may be saved one day. Another program's sound
//! database is not even renamed: there, a wrong path is the likelier reason.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::schema;
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// SQLite's file format, section 1.3.
const HEADER_BYTES: usize = 100;
/// SQLCipher's page, and SQLite's by default.
const PAGE_BYTES: usize = 4096;
const USER_VERSION_AT: usize = 60;

/// Refuses a file that SQLite would not know, that a newer version wrote, or that the key (or its absence) does not fit,
/// before SQLite touches it.
pub(super) fn refuse_foreign_file(path: &Path, with_key: bool) -> Result<()> {
    let mut page = Vec::with_capacity(PAGE_BYTES);
    match File::open(path) {
        Ok(file) => file.take(PAGE_BYTES as u64).read_to_end(&mut page).map_err(|e| denied(path, e))?,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        Err(other) => return Err(denied(path, other)),
    };
    match page.get(..HEADER_BYTES) {
        _ if page.is_empty() => Ok(()),
        Some(header) if header.starts_with(MAGIC) && with_key => Err(Error::WrongKey { path: path.into() }),
        Some(header) if header.starts_with(MAGIC) => refuse_newer_header(path, header),
        _ if page.len() == PAGE_BYTES && looks_encrypted(&page) => match with_key {
            true => Ok(()),
            false => Err(Error::WrongKey { path: path.into() }),
        },
        _ => Err(damaged(path, "it is not a database")),
    }
}

/// Ciphertext has every byte about equally often. A page of it has over 7.9 bits of entropy a byte; text, zeros and the
/// inside of a database have far less.
fn looks_encrypted(page: &[u8]) -> bool {
    const LEAST_BITS: f64 = 7.5;
    let mut counts = [0_u32; 256];
    page.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / page.len() as f64);
    shares.map(|share| -share * share.log2()).sum::<f64>() > LEAST_BITS
}

/// A version never falls, so a header that is too new decides even if the log holds a later one. Found here, SQLite
/// need not open the store, which would leave its `-wal` and `-shm` beside it.
fn refuse_newer_header(path: &Path, header: &[u8]) -> Result<()> {
    let field = header[USER_VERSION_AT..].first_chunk::<4>().expect("the header is longer than that");
    let found = i64::from(i32::from_be_bytes(*field));
    if found > schema::NEWEST {
        return Err(Error::SchemaTooNew { path: path.into(), found, supported: schema::NEWEST });
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, reason: &str) -> Error {
    Error::StorageCorrupt { path: path.into(), reason: reason.into() }
}

/// Another program's database: refused like damage, but never set aside.
pub(super) fn foreign(path: &Path, reason: &str) -> Error {
    Error::StorageDenied { path: path.into(), reason: reason.into() }
}

/// Makes the file, readable by its owner only, if it is not there; SQLite gives `-wal` and `-shm` the same rights.
pub(super) fn create_private(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|e| denied(folder, e))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(there) if there.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(other) => Err(denied(path, other)),
    }
}

/// The store's file, for reading and writing past SQLite.
pub(super) fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).map_err(|e| denied(path, e))
}

/// Denied, where the path or its permissions can be the reason: told to check them, nobody finds a failing disk.
fn denied(path: &Path, source: std::io::Error) -> Error {
    let may_be_put_right = matches!(
        source.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    );
    match may_be_put_right {
        true => Error::StorageDenied { path: path.into(), reason: source.kind().to_string() },
        false => Error::io(path, source),
    }
}

/// Renames the store's files aside, the database last: a crash in between leaves something that is found damaged
/// again, never a new store beside an old log.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let free = (0..).map(|n| with_suffix(path, &format!(".damaged-{}", stamp + n)));
    let aside = free.into_iter().find(|name| !name.exists()).expect("a folder does not hold every name there is");
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        match fs::rename(&from, with_suffix(&aside, suffix)) {
            Ok(()) => {}
            Err(missing) if missing.kind() == ErrorKind::NotFound => {}
            Err(other) => return Err(denied(&from, other)),
        }
    }
    Ok(aside)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether the disk under `path` has less room than any write of ours needs.
#[cfg(unix)]
pub(super) fn disk_is_full(path: &Path) -> bool {
    const LEAST_BYTES: u64 = 256 * 1024;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_BYTES)
}

/// Elsewhere SQLite's own code has to do.
#[cfg(not(unix))]
pub(super) fn disk_is_full(_path: &Path) -> bool {
    false
}
