//! Stores the weights of a model file another way: what a merged model needs before it goes to a phone.

use std::path::Path;

use super::{gguf, native, threads};
use crate::error::Result;

/// How the weights of a file are to be stored, by llama.cpp's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, non_camel_case_types, reason = "llama.cpp's own names")]
pub enum Quantization {
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K_M,
    Q5_K_M,
    Q6_K,
}

impl Quantization {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::F16, Self::Q4_0, Self::Q4_1, Self::Q5_0, Self::Q5_1, Self::Q8_0, Self::Q4_K_M, Self::Q5_K_M, Self::Q6_K];

    /// llama.cpp's name, as it stands in the names of files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K_M => "Q4_K_M",
            Self::Q5_K_M => "Q5_K_M",
            Self::Q6_K => "Q6_K",
        }
    }
}

/// Writes the model in `source` to `target` with its weights stored another way.
///
/// # Errors
/// [`Error::ModelMissing`](crate::Error::ModelMissing), [`Error::ModelCorrupt`](crate::Error::ModelCorrupt) or
/// [`Error::ModelIncompatible`](crate::Error::ModelIncompatible) for the source.
pub fn quantize(source: &Path, target: &Path, quantization: Quantization) -> Result<()> {
    gguf::Header::read(source)?;
    let n_threads = u32::try_from(threads::performance_core_count()).unwrap_or(1);
    native::quantize(source, target, quantization, n_threads)
}
