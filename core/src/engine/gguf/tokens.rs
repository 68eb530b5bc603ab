//! The strings of a vocabulary, in one block.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{Read, Seek};

use super::defect::{Checked, corrupt, quoted};
use super::source::Source;

/// Four times the largest vocabulary known (262,144); with `MAX_BYTES` it bounds the memory a file can claim.
const MAX_TOKENS: u64 = 1 << 20;
const MAX_BYTES: usize = 8 << 20;

/// The vocabulary's strings by token id.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    text: String,
    ends: Vec<u32>,
}

impl Tokens {
    /// The number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the file has no vocabulary.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string of a token id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&str> {
        let index = id as usize;
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    /// The id of a string.
    #[must_use]
    pub fn id_of(&self, text: &str) -> Option<u32> {
        (0_u32..).zip(self.iter()).find(|(_, token)| *token == text).map(|(id, _)| id)
    }

    /// All strings in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start as usize..*end as usize])
    }

    pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Checked<Self> {
        if count > MAX_TOKENS {
            return corrupt(format!("a vocabulary of {count} tokens"));
        }
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..count {
            let length = source.u64()?;
            if length > (MAX_BYTES - bytes.len()) as u64 {
                return corrupt("the vocabulary holds more text than any model's");
            }
            source.append(length, &mut bytes)?;
            ends.push(bytes.len() as u32);
        }
        match String::from_utf8(bytes) {
            Ok(text) if ends.iter().all(|&end| text.is_char_boundary(end as usize)) => Ok(Self { text, ends }),
            _ => corrupt("a token of the vocabulary is not UTF-8"),
        }
    }

    /// Refuses a vocabulary in which llama.cpp would meet the same string twice: it aborts the process on one.
    ///
    /// It sees each string up to its first NUL and gives empty ones the name `[EMPTY_<id>]`.
    pub(super) fn check_unique(&self) -> Checked<()> {
        let state = RandomState::new();
        let seen = |(id, token): (usize, &str)| match token.split('\0').next() {
            Some("") | None => state.hash_one(format!("[EMPTY_{id}]").as_str()),
            Some(name) => state.hash_one(name),
        };
        let mut hashes: Vec<u64> = self.iter().enumerate().map(seen).collect();
        hashes.sort_unstable();
        let Some(twice) = hashes.windows(2).find(|pair| pair[0] == pair[1]) else { return Ok(()) };
        // 64 keyed bits: among a million tokens, two different ones meet once in 37 million files.
        let name = self.iter().enumerate().find(|token| seen(*token) == twice[0]).map_or("", |(_, name)| name);
        corrupt(format!("the token {} is in the vocabulary twice", quoted(name)))
    }
}
