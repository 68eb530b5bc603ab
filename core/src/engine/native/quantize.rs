//! Quantizing a model file into another one.

use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::backend;
use crate::engine::quantize::Quantization;
use crate::error::{Error, Result};

/// Writes `target`. The header of `source` must have been checked before.
pub(in crate::engine) fn quantize(
    source: &Path,
    target: &Path,
    quantization: Quantization,
    n_threads: u32,
) -> Result<()> {
    backend()?;
    let refused =
        |path: &Path, reason: &str| Error::ModelIncompatible { path: path.to_owned(), reason: reason.to_owned() };
    let c_path = |path: &Path| {
        let text = path.to_str().ok_or_else(|| refused(path, "its path is not UTF-8"))?;
        CString::new(text).map_err(|_| refused(path, "its path holds a NUL byte"))
    };
    let (from, to) = (c_path(source)?, c_path(target)?);
    // SAFETY: returns a plain struct by value.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.nthread = i32::try_from(n_threads).unwrap_or(1);
    params.ftype = match quantization {
        Quantization::F16 => sys::LLAMA_FTYPE_MOSTLY_F16,
        Quantization::Q4_0 => sys::LLAMA_FTYPE_MOSTLY_Q4_0,
        Quantization::Q4_1 => sys::LLAMA_FTYPE_MOSTLY_Q4_1,
        Quantization::Q5_0 => sys::LLAMA_FTYPE_MOSTLY_Q5_0,
        Quantization::Q5_1 => sys::LLAMA_FTYPE_MOSTLY_Q5_1,
        Quantization::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
        Quantization::Q4_K_M => sys::LLAMA_FTYPE_MOSTLY_Q4_K_M,
        Quantization::Q5_K_M => sys::LLAMA_FTYPE_MOSTLY_Q5_K_M,
        Quantization::Q6_K => sys::LLAMA_FTYPE_MOSTLY_Q6_K,
    };
    params.allow_requantize = true; // what an adapter did not change is quantized in the base already
    // SAFETY: both paths are NUL-terminated and outlive the call; exceptions are caught inside and answered with 1.
    match unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) } {
        0 => Ok(()),
        _ => Err(refused(source, "llama.cpp did not quantize it (its log says why; the disk may be full)")),
    }
}
