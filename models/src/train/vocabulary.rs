//! Whether an adapter was trained with the base's vocabulary.
//!
//! The shapes of an adapter say nothing of it: two bases of the same size with other tokenizers take each other's
//! adapters, and what comes out is nonsense without an error. Training therefore leaves the vocabulary's identity beside
//! an adapter; one of other tools is compared by the `tokenizer.json` that they leave there.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::llama::Base;
use crate::error::{Error, Result};
use crate::run_dir::write_whole;

/// What training leaves beside an adapter.
const OURS: &str = "vocabulary.json";
/// What TRL and transformers leave.
const THEIRS: &str = "tokenizer.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    tokens: usize,
    /// BLAKE3 over the strings in the order of their ids, each with its length.
    blake3: String,
}

fn identity(base: &Base) -> Identity {
    let tokens = base.file.header().tokens();
    let mut hasher = blake3::Hasher::new();
    for token in tokens.iter() {
        hasher.update(&(token.len() as u64).to_le_bytes()).update(token.as_bytes());
    }
    Identity { tokens: tokens.len(), blake3: hasher.finalize().to_hex().to_string() }
}

/// Leaves the identity of the base's vocabulary in an adapter's folder.
pub(super) fn write(folder: &Path, base: &Base) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(&identity(base)).map_err(Error::internal)?;
    bytes.push(b'\n');
    write_whole(&folder.join(OURS), &bytes)
}

/// Refuses an adapter of another vocabulary; one that says nothing of it is taken.
///
/// # Errors
/// [`Error::AdapterUnfit`] where a token differs.
pub(super) fn check(folder: &Path, base: &Base) -> Result<()> {
    let unfit = |reason: String| Error::AdapterUnfit { path: folder.to_owned(), reason };
    if let Some(bytes) = read_if_there(&folder.join(OURS))? {
        let known: Identity = serde_json::from_slice(&bytes).map_err(|_| unfit(format!("{OURS} is damaged")))?;
        let here = identity(base);
        return match known == here {
            true => Ok(()),
            false => Err(unfit(format!(
                "it was trained with another vocabulary of {} tokens, and the base has {}",
                known.tokens, here.tokens
            ))),
        };
    }
    let Some(bytes) = read_if_there(&folder.join(THEIRS))? else { return Ok(()) };
    let tokenizer: Value = serde_json::from_slice(&bytes).map_err(|_| unfit(format!("{THEIRS} is not JSON")))?;
    let tokens = base.file.header().tokens();
    // A file may have more tokens than its tokenizer: converters fill up to a round number.
    let stranger = entries(&tokenizer).find(|(text, id)| tokens.get(*id) != Some(text));
    match stranger {
        Some((_, id)) => Err(unfit(format!("its {THEIRS} is not the base's vocabulary: token {id} differs"))),
        None => Ok(()),
    }
}

/// The strings of a tokenizer of Hugging Face with their ids: a map (BPE), a list (Unigram), and what was added.
fn entries(tokenizer: &Value) -> impl Iterator<Item = (&str, u32)> {
    let id = |value: &Value| value.as_u64().map_or(u32::MAX, |id| u32::try_from(id).unwrap_or(u32::MAX));
    let vocabulary = &tokenizer["model"]["vocab"];
    let mapped = vocabulary.as_object().into_iter().flatten().map(move |(text, value)| (text.as_str(), id(value)));
    let listed = vocabulary.as_array().into_iter().flatten();
    let listed = listed.zip(0_u32..).map(|(entry, id)| (entry[0].as_str().unwrap_or_default(), id));
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let added = added.map(move |entry| (entry["content"].as_str().unwrap_or_default(), id(&entry["id"])));
    mapped.chain(listed).chain(added)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}
