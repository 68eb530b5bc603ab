//! A GGUF file opened for its numbers: rows of any tensor as `f32`.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aloekit::engine::gguf::Header;
pub(crate) use aloekit::engine::gguf::{GgmlType, Tensor};
use rayon::prelude::*;

use super::block_formats::{dequantize, is_readable};
use crate::error::{Error, Result};

/// Bytes that one thread reads and dequantizes at a time: they stay in its cache.
const PIECE_BYTES: usize = 256 << 10;

/// A model file whose header was found sound.
#[derive(Debug)]
pub(crate) struct GgufFile {
    path: PathBuf,
    file: File,
    header: Header,
    places: HashMap<String, usize>,
}

impl GgufFile {
    /// Opens a model; every matrix must be of a type that can be dequantized here.
    ///
    /// # Errors
    /// Those of the core for a missing, damaged or unknown file; [`Error::BaseUnfit`] for a type that is not read here.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let header = Header::read(path)?;
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        if let Some(tensor) = header.tensors().iter().find(|tensor| !is_readable(tensor.ggml_type)) {
            let reason = format!("its weights are {:?}, which cannot be trained on", tensor.ggml_type);
            return Err(Error::BaseUnfit { path: path.to_owned(), reason });
        }
        let places = header.tensors().iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at)).collect();
        Ok(Self { path: path.to_owned(), file, header, places })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What its header says.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.places.get(name).map(|at| &self.header.tensors()[*at])
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`Error::BaseUnfit`] where there is none.
    pub(crate) fn expect(&self, name: &str) -> Result<&Tensor> {
        let missing = || Error::BaseUnfit { path: self.path.clone(), reason: format!("it has no tensor {name}") };
        self.tensor(name).ok_or_else(missing)
    }

    /// Rows of a matrix, `[rows, row length]`; a vector is one row.
    pub(crate) fn rows(&self, tensor: &Tensor, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (row, row_bytes) = row_of(tensor);
        debug_assert_eq!(out.len(), rows.len() * row);
        let piece_rows = (PIECE_BYTES / row_bytes).max(1);
        let start = self.header.data_offset() + tensor.offset + (rows.start * row_bytes) as u64;
        out.par_chunks_mut(piece_rows * row).enumerate().try_for_each(|(piece, out)| {
            let mut bytes = vec![0; out.len() / row * row_bytes];
            self.read_at(start + (piece * piece_rows * row_bytes) as u64, &mut bytes)?;
            dequantize(tensor.ggml_type, &bytes, out);
            Ok(())
        })
    }

    /// All of a tensor.
    pub(crate) fn whole(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let mut out = vec![0.0; elements(tensor)];
        self.rows(tensor, 0..elements(tensor) / row_of(tensor).0, &mut out)?;
        Ok(out)
    }

    /// The stored bytes of a tensor.
    pub(crate) fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(tensor.bytes).map_err(Error::internal)?];
        self.read_at(self.header.data_offset() + tensor.offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The metadata as it is stored, with the number of its keys.
    pub(crate) fn metadata_bytes(&self) -> Result<(Vec<u8>, u64)> {
        let mut bytes = vec![0; usize::try_from(self.header.data_offset()).map_err(Error::internal)?];
        self.read_at(0, &mut bytes)?;
        let damaged = || Error::BaseUnfit { path: self.path.clone(), reason: "its metadata cannot be copied".into() };
        let (start, end, n_keys) = metadata_extent(&bytes).ok_or_else(damaged)?;
        Ok((bytes[start..end].to_vec(), n_keys))
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, offset, bytes).map_err(|error| Error::io(&self.path, error))
    }
}

/// Where the metadata begins and ends in a file's first bytes, and the number of its keys.
fn metadata_extent(bytes: &[u8]) -> Option<(usize, usize, u64)> {
    const START: usize = 24; // magic, version, number of tensors, number of keys
    let n_keys = u64_at(bytes, 16)?;
    let mut at = START;
    for _ in 0..n_keys {
        at = after_text(bytes, at)?;
        let number = u32_at(bytes, at)?;
        at = after_value(bytes, at + 4, number)?;
    }
    Some((START, at, n_keys))
}

fn after_value(bytes: &[u8], at: usize, number: u32) -> Option<usize> {
    let width = |number| match number {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    };
    match number {
        8 => after_text(bytes, at),
        9 => {
            let (element, count) = (u32_at(bytes, at)?, usize::try_from(u64_at(bytes, at + 4)?).ok()?);
            match width(element) {
                Some(width) => (at + 12).checked_add(count.checked_mul(width)?),
                None => (0..count).try_fold(at + 12, |at, _| after_value(bytes, at, element)),
            }
        }
        _ => Some(at + width(number)?),
    }
}

fn after_text(bytes: &[u8], at: usize) -> Option<usize> {
    (at + 8).checked_add(usize::try_from(u64_at(bytes, at)?).ok()?)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Numbers in a tensor.
pub(super) fn elements(tensor: &Tensor) -> usize {
    tensor.shape.iter().product::<u64>() as usize
}

fn row_of(tensor: &Tensor) -> (usize, usize) {
    let bytes = tensor.ggml_type.row_bytes(tensor.shape[0]).expect("the header's check counted whole blocks");
    (tensor.shape[0] as usize, bytes as usize)
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut bytes: &mut [u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        bytes = &mut bytes[read..];
    }
    Ok(())
}
