//! Files of one JSON record a line, read as a stream: a file larger than the memory is no larger in it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A longer line is no record of ours and would take the memory.
const MOST_LINE_BYTES: u64 = 64 << 20;

/// The records of a file, one after the other.
pub(crate) struct Lines<T> {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
    /// Where the newest line begins, and the next one.
    start: u64,
    next: u64,
    record: PhantomData<T>,
}

impl<T> Lines<T> {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            line: 0,
            start: 0,
            next: 0,
            record: PhantomData,
        })
    }

    /// The next line as it stands, with its number from 1; blank ones are passed over.
    pub(crate) fn next_line(&mut self) -> Option<Result<(u64, Vec<u8>)>> {
        loop {
            let mut bytes = Vec::new();
            self.line += 1;
            let read = self.reader.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut bytes);
            self.start = self.next;
            self.next += bytes.len() as u64;
            match read {
                Ok(0) => return None,
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) if bytes.len() as u64 == MOST_LINE_BYTES => return Some(Err(self.bad("it is too long"))),
                Ok(_) => {
                    self.start += (bytes.len() - bytes.trim_ascii_start().len()) as u64;
                    return Some(Ok((self.line, bytes.trim_ascii().to_vec())));
                }
                Err(error) => return Some(Err(Error::io(&self.path, error))),
            }
        }
    }

    /// Where the newest line begins in the file.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    fn bad(&self, reason: &str) -> Error {
        Error::RecordInvalid { path: self.path.clone(), line: self.line, reason: reason.to_owned() }
    }
}

impl<T: DeserializeOwned> Iterator for Lines<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let line = self.next_line()?;
        Some(line.and_then(|(_, bytes)| {
            // The parser's own words quote what stands there, which may be what a person said.
            serde_json::from_slice(&bytes).map_err(|error| self.bad(&format!("column {}", error.column())))
        }))
    }
}

/// All records of a file; none where there is no file.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    Lines::open(path)?.collect()
}

/// BLAKE3 of a file's content, in hexadecimal.
pub(crate) fn hash_of_file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    hasher.update_reader(file).map_err(|error| Error::io(path, error))?;
    Ok(hasher.finalize().to_hex().to_string())
}
