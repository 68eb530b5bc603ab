//! What a damaged file can make the reader take: alone in its process, so that memory can be measured.

use std::io::Cursor;
use std::path::Path;

use aloekit::engine::gguf::Header;
use aloekit::{Error, Result};
use aloekit_tests::gguf_writer::{GgufWriter, MetaValue};
use aloekit_tests::tiny_model::TinyModel;

fn read(bytes: &[u8]) -> Result<Header> {
    Header::from_reader(Cursor::new(bytes), bytes.len() as u64, Path::new("model.gguf"))
}

fn corrupt(bytes: &[u8]) {
    assert!(matches!(read(bytes), Err(Error::ModelCorrupt { .. })));
}

fn tiny() -> GgufWriter {
    TinyModel::default().build()
}

fn with_key(key: &str, value: impl Into<MetaValue>) -> Vec<u8> {
    let mut file = tiny();
    file.set(key, value);
    file.to_bytes()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// As many tokens and as much metadata as are kept of any file, put together in one allocation.
fn greatest_file() -> Vec<u8> {
    let (tokens, texts) = (1_u64 << 20, 60_000_u64);
    let mut file = Vec::with_capacity(32 << 20);
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    put(b"GGUF\x03\0\0\0");
    [0, texts + 1, 21].iter().for_each(|n: &u64| put(&n.to_le_bytes()));
    put(b"tokenizer.ggml.tokens");
    [9_u32, 8].iter().for_each(|n| put(&n.to_le_bytes()));
    put(&tokens.to_le_bytes());
    for id in 0..tokens {
        put(&7_u64.to_le_bytes());
        put(&id.to_be_bytes().map(|byte| byte & 0x7F)[1..]);
    }
    for n in 0..texts {
        put(&8_u64.to_le_bytes());
        put(format!("{n:08}").as_bytes());
        put(&8_u32.to_le_bytes());
        put(&120_u64.to_le_bytes());
        put(&[b'x'; 120]);
    }
    file
}

#[test]
fn no_damage_makes_the_reader_take_50_mb() {
    // Built before the measuring begins: it is 25 MB itself.
    let greatest = greatest_file();
    let before = resident_kib();
    let _ = read(&greatest);
    a_flipped_byte_of_the_header_neither_panics_nor_is_trusted_with_memory();
    counts_and_lengths_beyond_the_file_are_refused();
    a_large_file_of_lengths_that_fit_is_not_kept();
    let after = resident_kib();
    println!("{before} KiB before, {after} KiB after");
    assert!(after < before + 50 * 1024, "{before} KiB before, {after} KiB after");
}

fn a_flipped_byte_of_the_header_neither_panics_nor_is_trusted_with_memory() {
    let file = tiny();
    let (mut bytes, header) = (file.to_bytes(), file.header_bytes().len());
    for at in 0..header {
        for mask in [0x01, 0x80, 0xFF] {
            bytes[at] ^= mask;
            let _ = read(&bytes);
            bytes[at] ^= mask;
        }
    }
}

fn counts_and_lengths_beyond_the_file_are_refused() {
    let header = tiny().to_bytes();
    for claim in [1_u64 << 60, u64::MAX, i64::MAX as u64, 900_000_000, 1 << 32] {
        for at in [8, 16, 24] {
            let mut bytes = header.clone();
            bytes[at..at + 8].copy_from_slice(&claim.to_le_bytes());
            corrupt(&bytes);
        }
        for element in 0..=13_u32 {
            let array = [element.to_le_bytes().as_slice(), &claim.to_le_bytes()].concat();
            corrupt(&with_key("a", MetaValue::Raw(9, array.clone())));
            corrupt(&with_key("tokenizer.ggml.tokens", MetaValue::Raw(9, array)));
        }
        corrupt(&with_key("a", MetaValue::Raw(8, claim.to_le_bytes().to_vec())));
    }
}

fn a_large_file_of_lengths_that_fit_is_not_kept() {
    // 300 MB that are there as a reader sees them, and nowhere in memory.
    let start = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &0_u64.to_le_bytes(), &1_u64.to_le_bytes()].concat();
    let key = [&21_u64.to_le_bytes()[..], b"tokenizer.ggml.tokens"].concat();
    let array = [9_u32.to_le_bytes().as_slice(), &8_u32.to_le_bytes(), &30_000_000_u64.to_le_bytes()].concat();
    let head = [start.clone(), key, array].concat();
    let zeros = std::io::repeat(0);
    assert!(Header::from_reader(Endless { head, rest: zeros, at: 0 }, 300_000_000, Path::new("m")).is_err());
    let key = [&1_u64.to_le_bytes()[..], b"a", &8_u32.to_le_bytes(), &290_000_000_u64.to_le_bytes()].concat();
    let head = [start, key].concat();
    let zeros = std::io::repeat(0);
    assert!(Header::from_reader(Endless { head, rest: zeros, at: 0 }, 300_000_000, Path::new("m")).is_err());
}

/// A beginning and then zeros without end.
struct Endless {
    head: Vec<u8>,
    rest: std::io::Repeat,
    at: u64,
}

impl std::io::Read for Endless {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let left = self.head.get(self.at as usize..).unwrap_or_default();
        let count = if left.is_empty() { self.rest.read(to)? } else { std::io::Read::read(&mut &*left, to)? };
        self.at += count as u64;
        Ok(count)
    }
}

impl std::io::Seek for Endless {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        match to {
            std::io::SeekFrom::Start(at) => self.at = at,
            std::io::SeekFrom::Current(by) => self.at = self.at.wrapping_add_signed(by),
            std::io::SeekFrom::End(_) => return Err(std::io::ErrorKind::Unsupported.into()),
        }
        Ok(self.at)
    }
}
