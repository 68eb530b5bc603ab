//! Words as terms: folded to plain lower-case letters, cut to their stem, and hashed.
//!
//! Two forms of a word become one term ("sailing", "sails"). The stemming is English and slight, because it is done to
//! every word of the store when the index is filled.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a (Fowler, Noll, Vo) of a term.
pub(super) type TermHash = u64;
pub(super) type TermMap<T> = HashMap<TermHash, T, BuildHasherDefault<AsItIs>>;

/// Terms are hashes already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = (self.0 << 8) | u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

pub(super) fn hash(word: &[u8]) -> TermHash {
    word.iter().fold(BASIS, |hash, byte| next(hash, *byte))
}

/// The same for texts that differ in the case of ASCII letters only.
pub(super) fn hash_ignoring_case(text: &str) -> u64 {
    text.bytes().fold(BASIS, |hash, byte| next(hash, byte.to_ascii_lowercase()))
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn next(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(PRIME)
}

/// Lower-case, and without the accents of Latin letters.
pub(super) fn push_folded(word: &mut String, letter: char) {
    if letter.is_ascii() {
        word.push(letter.to_ascii_lowercase());
        return;
    }
    for lower in letter.to_lowercase() {
        match PLAIN.iter().find(|(_, accented)| accented.contains(lower)) {
            Some((plain, _)) => word.push_str(plain),
            None => word.push(lower),
        }
    }
}

const PLAIN: [(&str, &str); 18] = [
    ("a", "àáâãäåāăą"),
    ("c", "çćĉċč"),
    ("d", "ďđð"),
    ("e", "èéêëēĕėęě"),
    ("g", "ĝğġģ"),
    ("h", "ĥħ"),
    ("i", "ìíîïĩīĭįı"),
    ("k", "ķ"),
    ("l", "ĺļľŀł"),
    ("n", "ñńņň"),
    ("o", "òóôõöøōŏő"),
    ("r", "ŕŗř"),
    ("s", "śŝşšș"),
    ("t", "ţťŧț"),
    ("u", "ùúûüũūŭůűų"),
    ("y", "ýÿŷ"),
    ("z", "źżž"),
    ("ss", "ß"),
];

const SUFFIXES: [&str; 7] = ["ings", "ing", "edly", "ed", "ly", "es", "s"];
const NO_PLURALS: [&str; 3] = ["ss", "us", "is"];
/// So much stays of a word.
const LEAST_STEM: usize = 3;

/// Cuts the endings that inflect an English word.
pub(super) fn stem(word: &mut String) {
    if word.len() > 4 && word.ends_with("ies") {
        word.truncate(word.len() - 2);
        return;
    }
    cut_suffix(word);
    if word.len() > LEAST_STEM && word.ends_with('e') {
        word.pop();
    }
    if word.len() > LEAST_STEM && word.ends_with('y') {
        word.pop();
        word.push('i');
    }
}

fn cut_suffix(word: &mut String) {
    let fits = |suffix: &&&str| {
        let plural = **suffix != "s" || !NO_PLURALS.iter().any(|end| word.ends_with(end));
        word.ends_with(**suffix) && word.len() - suffix.len() >= LEAST_STEM && plural
    };
    let Some(suffix) = SUFFIXES.iter().find(fits) else { return };
    word.truncate(word.len() - suffix.len());
    // "running" is of "run", but "calling" of "call".
    if let [.., before, last] = *word.as_bytes()
        && word.len() > LEAST_STEM
        && before == last
        && last.is_ascii_alphabetic()
        && !b"lsz".contains(&last)
    {
        word.pop();
    }
}

/// Signs of scripts that put no space between words; they are searched by pairs.
pub(super) fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter),
        0x0E00..=0x0E7F // Thai
        | 0x3040..=0x30FF // kana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF) // Han
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stemmed(word: &str) -> String {
        let mut folded = String::new();
        word.chars().for_each(|letter| push_folded(&mut folded, letter));
        stem(&mut folded);
        folded
    }

    #[test]
    fn forms_of_one_word_become_one_term() {
        for forms in [
            &["sail", "sails", "sailing", "sailed"][..],
            &["run", "running", "runs"],
            &["call", "calling", "called"],
            &["baby", "babies"],
            &["tomato", "tomatoes"],
            &["bake", "baking", "bakes", "baked"],
            &["Łódź", "lodz"],
            &["straße", "STRASSE"],
        ] {
            assert!(forms.iter().all(|form| stemmed(form) == stemmed(forms[0])), "{forms:?}");
        }
        for (one, other) in [("bus", "bu"), ("sing", "s"), ("news", "new york"), ("cat", "car")] {
            assert_ne!(stemmed(one), stemmed(other));
        }
    }
}
