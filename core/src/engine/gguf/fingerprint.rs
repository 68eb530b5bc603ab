//! A quick identity of a GGUF file: not its integrity, which only a hash of every byte shows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::layout::{Layout, open};
use crate::error::{Error, Result};

const SAMPLES: u64 = 16;
const SAMPLE_BYTES: u64 = 4096;

/// 32 bytes that tell models apart: BLAKE3 of the header, the file's length and 16 samples of the tensor data.
///
/// Two files with other vocabularies, templates, shapes or quantizations differ in it; so do a model and its
/// fine-tune, unless every one of the 64 KiB sampled is equal. A flipped bit elsewhere in the data is not seen.
///
/// # Errors
/// As [`Header::read`](super::Header::read) where the file cannot be read or its structure is damaged.
pub fn fingerprint(path: impl AsRef<Path>) -> Result<[u8; 32]> {
    let path = path.as_ref();
    let (file, length) = open(path, "model")?;
    let layout = Layout::read(&file, length).map_err(|defect| defect.at(path))?;
    hash(&file, &layout).map_err(|e| Error::io(path, e))
}

pub(super) fn hash(mut file: &File, layout: &Layout) -> std::io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"aloekit gguf identity 1");
    hasher.update(&layout.length.to_le_bytes());
    file.rewind()?;
    std::io::copy(&mut file.take(layout.data_offset), &mut hasher)?;
    let span = (layout.length - layout.data_offset).saturating_sub(SAMPLE_BYTES);
    for sample in 0..SAMPLES {
        // The last sample is the file's end: there an unfinished copy differs.
        let offset = u128::from(span) * u128::from(sample) / u128::from(SAMPLES - 1);
        file.seek(SeekFrom::Start(layout.data_offset + offset as u64))?;
        std::io::copy(&mut file.take(SAMPLE_BYTES), &mut hasher)?;
    }
    Ok(*hasher.finalize().as_bytes())
}
