//! Clearing what SQLite leaves behind inside the pages of its file.
//!
//! `secure_delete` overwrites a row where it lies. But when SQLite balances a b-tree it moves rows to another page and
//! builds the page anew over its old bytes (`rebuildPage`): a copy of a row may stay in the space between the page's
//! cell pointers and its cells, and is not found again when the row is deleted from where it went (SQLite 3.54.1; met
//! within some hundred random operations, where rows had grown with their replies). `VACUUM` would help, at the price
//! of writing the whole store twice and holding it in RAM.
//!
//! That space means nothing to SQLite, so zeros may be written there beneath it. Only while the caller holds the write
//! lock and the log is empty: then nobody writes to the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// SQLite's file format, section 1.3: of the whole file, before the b-tree header of page 1.
const HEADER_BYTES: usize = 100;
/// Read in one go; a multiple of every page size.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes zeros over the unallocated space of every b-tree page, and waits until they are on the disk if there were any.
pub(super) fn clear(mut file: &File) -> std::io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let (mut at, mut layout, mut cleared) = (0_u64, None, false);
    loop {
        chunk.clear();
        file.seek(SeekFrom::Start(at))?;
        file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        let Some(found) = layout.or_else(|| Layout::of(&chunk)) else { return Ok(()) };
        layout = Some(found);
        for (number, page) in chunk.chunks_exact(found.page_bytes).enumerate() {
            let start = at + (number * found.page_bytes) as u64;
            let header = if start == 0 { HEADER_BYTES } else { 0 };
            let Some(space) = found.unallocated(page, header) else { continue };
            if page[space.clone()].iter().any(|byte| *byte != 0) {
                file.seek(SeekFrom::Start(start + space.start as u64))?;
                file.write_all(&vec![0; space.len()])?;
                cleared = true;
            }
        }
        if chunk.len() < CHUNK_BYTES {
            break;
        }
        at += CHUNK_BYTES as u64;
    }
    if cleared { file.sync_data() } else { Ok(()) }
}

/// What the header of the file says of its pages.
#[derive(Clone, Copy)]
struct Layout {
    page_bytes: usize,
    /// Without what extensions keep for themselves at a page's end.
    usable_bytes: usize,
}

impl Layout {
    fn of(file: &[u8]) -> Option<Self> {
        let page_bytes = match number(file, 16)? {
            1 => 65_536,
            bytes if bytes.is_power_of_two() && bytes >= 512 => bytes,
            _ => return None,
        };
        Some(Self { page_bytes, usable_bytes: page_bytes - usize::from(*file.get(20)?) })
    }

    /// Between the cell pointers and the first cell of a b-tree page (section 1.6 of the file format). `None` for a page
    /// of another kind: it begins with a page number, whose first byte is 0 in any file below 64 GiB. And for a damaged
    /// one, which is left as it is.
    fn unallocated(self, page: &[u8], header: usize) -> Option<Range<usize>> {
        let header_bytes = match page.get(header)? {
            2 | 5 => 12,
            10 | 13 => 8,
            _ => return None,
        };
        let cells = number(page, header + 3)?;
        let first_cell = match number(page, header + 5)? {
            0 => 65_536,
            at => at,
        };
        let pointers = header + header_bytes;
        let end_of_pointers = pointers + 2 * cells;
        let mut starts = (0..cells).map(|cell| number(page, pointers + 2 * cell));
        let is_sound = end_of_pointers <= first_cell
            && first_cell <= self.usable_bytes
            && starts.all(|start| start.is_some_and(|start| start >= first_cell));
        is_sound.then_some(end_of_pointers..first_cell)
    }
}

/// Big-endian, of two bytes.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf of a table with one cell, and stale bytes where nothing should be.
    fn page() -> Vec<u8> {
        let mut page = vec![7; 512];
        page[..10].copy_from_slice(&[13, 0, 0, 0, 1, 1, 244, 0, 1, 244]);
        page
    }

    #[test]
    fn only_the_space_between_pointers_and_cells_is_taken() {
        let layout = Layout { page_bytes: 512, usable_bytes: 512 };
        assert_eq!(layout.unallocated(&page(), 0), Some(10..500));
    }

    #[test]
    fn a_page_of_another_kind_or_out_of_order_is_left_alone() {
        let layout = Layout { page_bytes: 512, usable_bytes: 512 };
        let with = |changes: &[(usize, u8)]| {
            let mut page = page();
            changes.iter().for_each(|(at, byte)| page[*at] = *byte);
            layout.unallocated(&page, 0)
        };
        assert_eq!(with(&[(0, 0)]), None, "an overflow page");
        assert_eq!(with(&[(5, 2), (6, 200)]), None, "cells beyond the page");
        assert_eq!(with(&[(3, 255)]), None, "more cells than fit");
        assert_eq!(with(&[(9, 12)]), None, "a cell outside the cells");
    }

    #[test]
    fn a_file_that_is_cleared_still_is_the_database_that_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("any.db");
        let store = rusqlite::Connection::open(&path).expect("it opens");
        store.execute_batch("CREATE TABLE t(x TEXT); CREATE INDEX i ON t(x);").expect("a table");
        store.execute_batch("BEGIN").expect("one flush for all");
        for n in 0..3_000 {
            store.execute("INSERT INTO t VALUES (?1)", [format!("{n} {}", "tide ".repeat(n * 7 % 40))]).expect("a row");
        }
        store.execute_batch("COMMIT").expect("it is written");
        let all = |store: &rusqlite::Connection| -> String {
            store
                .query_row("SELECT group_concat(x) FROM (SELECT x FROM t ORDER BY x)", [], |row| row.get(0))
                .expect("rows")
        };
        let before = all(&store);
        drop(store);
        let file = File::options().read(true).write(true).open(&path).expect("the file");
        clear(&file).expect("cleared");
        let bytes = std::fs::read(&path).expect("the file");
        let layout = Layout::of(&bytes).expect("a layout");
        for page in bytes.chunks(layout.page_bytes).skip(1) {
            assert!(layout.unallocated(page, 0).is_none_or(|space| page[space].iter().all(|byte| *byte == 0)));
        }
        let store = rusqlite::Connection::open(&path).expect("it opens");
        assert_eq!(all(&store), before);
        let verdict: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
        assert_eq!(verdict, "ok");
    }
}
