//! Model files as numbers: tensors of a GGUF read and dequantized piece by piece, and GGUF files written.
//!
//! Owns formats and nothing else: what a tensor is for is the business of training and export. Reads at positions
//! instead of mapping the file, because a mapping is `unsafe` (the file may change under it) and the page cache makes
//! both equally fast for weights that are read once a pass.

mod block_formats;
mod gguf_file;
mod k_quants;
mod writer;

pub(crate) use gguf_file::{GgmlType, GgufFile, Tensor};
pub(crate) use writer::{GgufWriter, TensorPlan, WriteValue};
