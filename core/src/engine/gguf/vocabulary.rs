//! Whether the tokenizer is whole: llama.cpp aborts on some broken ones and misreads others in silence.

use super::defect::{Checked, corrupt, incompatible, quoted};
use super::tokens::Tokens;
use super::value::{Metadata, ValueType};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const OTHER_IDS: [&str; 6] = [
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.mask_token_id",
];

/// The special tokens that the engine itself uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) bos: Option<u32>,
    pub(super) eos: u32,
}

pub(super) fn check_vocabulary(metadata: &Metadata, tokens: &Tokens) -> Checked<Special> {
    let count = tokens.len() as u64;
    expect_array(metadata, TOKENS, &[ValueType::Text], 1)?;
    tokens.check_unique()?;
    if metadata.get(SCORES).is_some() {
        expect_array(metadata, SCORES, &[ValueType::F32, ValueType::I32], count)?;
    }
    if metadata.get(TOKEN_TYPES).is_some() {
        expect_array(metadata, TOKEN_TYPES, &[ValueType::I32], count)?;
    }
    let by_pieces = match metadata.required(MODEL, metadata.text(MODEL))? {
        "llama" => {
            check_byte_tokens(tokens)?;
            true
        }
        "gpt2" => {
            expect_array(metadata, MERGES, &[ValueType::Text], 1)?;
            metadata.optional(PRE, metadata.text(PRE))?;
            false
        }
        other => return incompatible(format!("its tokenizer {} is not supported", quoted(other))),
    };
    special(metadata, count, by_pieces)
}

fn expect_array(metadata: &Metadata, key: &str, elements: &[ValueType], least: u64) -> Checked<()> {
    let array = metadata.required(key, metadata.array(key))?;
    if !elements.contains(&array.element) {
        return corrupt(format!("the metadata key {} is an array of {:?}", quoted(key), array.element));
    }
    if array.count < least {
        return corrupt(format!("the metadata key {} has {} elements, not {least}", quoted(key), array.count));
    }
    Ok(())
}

/// A sentence-piece tokenizer spells what it does not know in bytes; without their tokens llama.cpp throws
/// through its C interface, which ends the process.
fn check_byte_tokens(tokens: &Tokens) -> Checked<()> {
    let mut known = [false; 256];
    for token in tokens.iter() {
        let byte = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
        // Capitals only: so llama.cpp spells the name it looks for.
        let byte = byte.filter(|hex| hex.len() == 2 && !hex.bytes().any(|b| b.is_ascii_lowercase()));
        if let Some(byte) = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            known[usize::from(byte)] = true;
        }
    }
    match known.iter().position(|known| !known) {
        Some(byte) => corrupt(format!("the token of byte {byte:#04X} is missing from the vocabulary")),
        None => Ok(()),
    }
}

fn special(metadata: &Metadata, count: u64, adds_bos: bool) -> Checked<Special> {
    let id = |key: &str| match metadata.optional(key, metadata.u32(key))? {
        Some(id) if u64::from(id) >= count => {
            corrupt(format!("the metadata key {} is {id}, and the vocabulary has {count} tokens", quoted(key)))
        }
        id => Ok(id),
    };
    OTHER_IDS.iter().try_for_each(|key| id(key).map(drop))?;
    let bos = id(BOS)?;
    let adds_bos = metadata.optional(ADD_BOS, metadata.bool(ADD_BOS))?.unwrap_or(adds_bos);
    if adds_bos && bos.is_none() {
        return corrupt(format!("the metadata key {} is missing", quoted(BOS)));
    }
    match id(EOS)? {
        Some(eos) => Ok(Special { bos, eos }),
        None => corrupt(format!("the metadata key {} is missing", quoted(EOS))),
    }
}
