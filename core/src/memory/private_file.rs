//! Files that a user takes away: whole or not at all, and readable by their owner alone.
//!
//! Written beside their place first and then renamed, so that a full disk or a killed process leaves what was there.

use std::fs::{self, File};
use std::io::{BufWriter, Error as IoError, ErrorKind, Result as IoResult, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result};

/// Writes a value as JSON, indented: people read what is kept of them.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    replace(path, |writer| Ok(serde_json::to_writer_pretty(writer, value)?))
}

/// Writes each value as a line of JSON.
pub(super) fn write_lines(path: &Path, values: &[impl Serialize]) -> Result<()> {
    replace(path, |writer| {
        values.iter().try_for_each(|value| {
            serde_json::to_writer(&mut *writer, value)?;
            writer.write_all(b"\n")
        })
    })
}

fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> IoResult<()>) -> Result<()> {
    // A pipe or a terminal is no file that could be replaced.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let written = File::options().write(true).open(path).and_then(|file| fill(file, write));
        return written.map(drop).map_err(|source| failure(path, source));
    }
    let unfinished = unfinished(path);
    let written = create(&unfinished).and_then(|file| {
        fill(file, write)?.sync_all()?;
        fs::rename(&unfinished, path)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&unfinished);
        failure(path, source)
    })
}

fn fill(file: File, write: impl FnOnce(&mut BufWriter<File>) -> IoResult<()>) -> IoResult<File> {
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.into_inner().map_err(std::io::IntoInnerError::into_error)
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Made anew: what is left of a killed export may be readable by others, and a link may lead elsewhere.
fn create(path: &Path) -> IoResult<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn failure(path: &Path, source: IoError) -> Error {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::StorageFull { path: path.to_owned() },
        _ => Error::Io { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_what_cannot_be_written_leaves_it_and_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rated.jsonl");
        write_lines(&path, &[1, 2]).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "1\n2\n");
        let refused = replace(&path, |writer| {
            writer.write_all(b"half")?;
            Err(IoError::from(ErrorKind::StorageFull))
        });
        assert!(matches!(refused, Err(Error::StorageFull { .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "1\n2\n");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        write_lines(&path, &[] as &[u8]).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).expect("there"));
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
