//! Bytes from a file whose length is known: nothing is read, skipped or allocated beyond it.

use std::io::{BufReader, ErrorKind, Read, Seek};

use super::defect::{Checked, Defect, corrupt};

/// A reader that knows where it stands and where the file ends.
pub(super) struct Source<R> {
    reader: BufReader<R>,
    position: u64,
    length: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(reader: R, length: u64) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), position: 0, length }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Refuses a claim of `count` things of at least `size` bytes that the rest of the file cannot hold.
    pub(super) fn expect_room(&self, count: u64, size: u64, what: &str) -> Checked<()> {
        let rest = self.length - self.position;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= rest => Ok(()),
            _ => corrupt(format!("{what} {count} at byte {} does not fit in the {rest} bytes left", self.position)),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Checked<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Checked<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Checked<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Appends `count` bytes; the caller has bounded `count`.
    pub(super) fn append(&mut self, count: u64, to: &mut Vec<u8>) -> Checked<()> {
        self.expect_room(count, 1, "a length of")?;
        let start = to.len();
        to.resize(start + usize::try_from(count).map_err(|_| too_long(count))?, 0);
        self.fill(&mut to[start..])
    }

    pub(super) fn skip(&mut self, count: u64) -> Checked<()> {
        self.expect_room(count, 1, "a length of")?;
        let step = i64::try_from(count).map_err(|_| too_long(count))?;
        self.reader.seek_relative(step).map_err(Defect::Io)?;
        self.position += count;
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Checked<()> {
        let count = bytes.len() as u64;
        if count > self.length - self.position {
            return corrupt(format!("the file ends at byte {}, inside its header", self.length));
        }
        self.reader.read_exact(bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => Defect::Corrupt("the file became shorter while it was read".into()),
            _ => Defect::Io(e),
        })?;
        self.position += count;
        Ok(())
    }
}

fn too_long(count: u64) -> Defect {
    Defect::Corrupt(format!("a length of {count}"))
}
