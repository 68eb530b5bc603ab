//! The structure of a GGUF file, whatever it holds: magic, version, metadata, tensors, extents.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;

use super::defect::{Checked, Defect, corrupt, incompatible};
use super::source::Source;
use super::tensor::{Tensor, check_extents, read_tensors};
use super::tokens::Tokens;
use super::value::Metadata;
use crate::error::{Error, Result};

/// What the header says, its structure checked and its meaning not.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) metadata: Metadata,
    pub(super) tokens: Tokens,
    pub(super) tensors: Vec<Tensor>,
    /// Where the tensors' bytes begin.
    pub(super) data_offset: u64,
    /// Bytes of the whole file.
    pub(super) length: u64,
}

impl Layout {
    pub(super) fn read<R: Read + Seek>(reader: R, length: u64) -> Checked<Self> {
        let mut source = Source::new(reader, length);
        check_magic(&mut source)?;
        check_version(source.u32()?)?;
        let n_tensors = source.u64()?;
        let n_keys = source.u64()?;
        let (metadata, tokens) = Metadata::read(&mut source, n_keys)?;
        let alignment = alignment(&metadata)?;
        let tensors = read_tensors(&mut source, n_tensors)?;
        let data_offset = source.position().next_multiple_of(alignment);
        check_extents(&tensors, data_offset, alignment, length)?;
        Ok(Self { metadata, tokens, tensors, data_offset: data_offset.min(length), length })
    }
}

/// Opens a file for reading; `what` names it in the error when it is missing.
pub(super) fn open(path: &Path, what: &'static str) -> Result<(File, u64)> {
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => Error::ModelMissing { what, path: path.to_path_buf() },
        _ => Error::io(path, e),
    };
    let file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Defect::Corrupt("it is a folder or a device, not a file".into()).at(path));
    }
    Ok((file, facts.len()))
}

fn check_magic<R: Read + Seek>(source: &mut Source<R>) -> Checked<()> {
    let length = source.length();
    if length == 0 {
        return corrupt("the file is empty");
    }
    let mut start = Vec::new();
    source.append(length.min(4), &mut start)?;
    match start.as_slice() {
        b"GGUF" => return Ok(()),
        b"FUGG" => return incompatible("it is a big-endian file"),
        b"ggml" | b"lmgg" | b"ggjt" | b"tjgg" | b"ggla" | b"algg" => {
            return incompatible("it is of the format before GGUF; convert it");
        }
        _ => {}
    }
    source.append((length - start.len() as u64).min(252), &mut start)?;
    corrupt(guess(&start))
}

/// What a file without the magic most likely is: the two accidents that downloads have.
fn guess(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    if text.starts_with("version https://git-lfs") {
        "it is a Git LFS pointer, not the file that it points to".into()
    } else if ["<!doctype", "<html", "<?xml", "<head"].iter().any(|tag| text.starts_with(tag)) {
        "it is an HTML page, probably an error message saved in place of the model".into()
    } else {
        "it does not begin with the GGUF magic".into()
    }
}

fn check_version(version: u32) -> Checked<()> {
    match version {
        2 | 3 => Ok(()),
        0 => corrupt("its GGUF version is 0"),
        1 => incompatible("its GGUF version is 1, which is no longer read; convert it again"),
        swapped if swapped & 0xFFFF == 0 => incompatible("it is a big-endian file"),
        newer => incompatible(format!("its GGUF version is {newer}; 2 and 3 are read here")),
    }
}

fn alignment(metadata: &Metadata) -> Checked<u64> {
    const KEY: &str = "general.alignment";
    match metadata.optional(KEY, metadata.u32(KEY))? {
        None => Ok(32),
        Some(bytes) if bytes.is_power_of_two() && (8..=65_536).contains(&bytes) => Ok(u64::from(bytes)),
        Some(bytes) => corrupt(format!("an alignment of {bytes} bytes")),
    }
}
