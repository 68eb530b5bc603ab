//! A log of whole lines: what was acknowledged is on the disk, and a line cut short by a kill is taken off again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// How much of the end is read at a time while looking for the last whole line.
const STEP: u64 = 64 * 1024;

/// A file that only grows, by whole lines.
#[derive(Debug)]
pub(crate) struct AppendLog {
    path: PathBuf,
    file: File,
    len: u64,
}

impl AppendLog {
    /// The log in this file, made where it is missing; half a line at its end is cut off.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = file.map_err(|error| Error::io(path, error))?;
        let len = cut_half_line(&mut file).map_err(|error| Error::io(path, error))?;
        Ok(Self { path: path.to_owned(), file, len })
    }

    /// Appends one record as one line and waits until it is on the disk; answers with where it begins.
    pub(crate) fn append<T: Serialize>(&mut self, record: &T) -> Result<u64> {
        let start = self.append_soon(record)?;
        self.file.sync_data().map_err(|error| Error::io(&self.path, error))?;
        Ok(start)
    }

    /// Appends without waiting for the disk: for what can be read again from where it came.
    pub(crate) fn append_soon<T: Serialize>(&mut self, record: &T) -> Result<u64> {
        let mut line = serde_json::to_vec(record).map_err(Error::internal)?;
        line.push(b'\n');
        let start = self.len;
        if let Err(error) = self.file.write_all(&line) {
            // A full disk may have taken half of it.
            let _ = self.file.set_len(start).and_then(|()| self.file.seek(SeekFrom::Start(start)));
            return Err(Error::io(&self.path, error));
        }
        self.len += line.len() as u64;
        Ok(start)
    }

    /// The line that begins at `start`, without its end.
    pub(crate) fn line_at(&mut self, start: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut bytes));
        let back = self.file.seek(SeekFrom::Start(self.len));
        read.and(back).map_err(|error| Error::io(&self.path, error))?;
        Ok(bytes)
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

/// Leaves the file at its end, behind a line break.
fn cut_half_line(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    let whole = file.metadata()?.len();
    loop {
        let step = STEP.min(end);
        let mut tail = vec![0; usize::try_from(step).unwrap_or_default()];
        file.seek(SeekFrom::Start(end - step))?;
        file.read_exact(&mut tail)?;
        if let Some(at) = tail.iter().rposition(|byte| *byte == b'\n') {
            end = end - step + at as u64 + 1;
            break;
        }
        end -= step;
        if end == 0 {
            break;
        }
    }
    if end < whole {
        file.set_len(end)?;
        file.sync_all()?;
    }
    file.seek(SeekFrom::Start(end))?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_cut_off_and_the_whole_ones_stay() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        for (there, kept) in [("1\n2\n{\"hal", "1\n2\n"), ("half", ""), ("", ""), ("1\n", "1\n")] {
            std::fs::write(&path, there).expect("written");
            let mut log = AppendLog::open(&path).expect("opened");
            assert_eq!(log.append(&"new").expect("appended"), kept.len() as u64);
            assert_eq!(std::fs::read_to_string(&path).expect("read"), format!("{kept}\"new\"\n"));
        }
    }

    #[test]
    fn a_half_line_longer_than_a_step_is_found() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, format!("1\n{}", "x".repeat(200_000))).expect("written");
        assert_eq!(AppendLog::open(&path).expect("opened").len(), 2);
    }

    #[test]
    fn a_line_is_read_back_and_the_log_goes_on_at_its_end() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut log = AppendLog::open(&folder.path().join("log.jsonl")).expect("opened");
        let (first, second) = (log.append(&"a").expect("appended"), log.append(&"b").expect("appended"));
        assert_eq!(log.line_at(first, 3).expect("read"), b"\"a\"");
        log.append(&"c").expect("appended");
        assert_eq!(log.line_at(second, 3).expect("read"), b"\"b\"");
    }
}
