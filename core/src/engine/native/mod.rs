//! The only unsafe room: the C API of llama.cpp where the safe crate stops.
//!
//! Owns raw pointers of model, context and adapters, and the order in which they are freed. Refuses policy: no
//! template, no sampling, no scheduling. Everything is checked here before C++ sees it, because a failed C++
//! assertion ends the whole process and no `catch_unwind` helps.
//!
//! Both crates are pinned exactly (`Cargo.toml`): the layouts relied upon are those of that version.

mod adapter;
mod context;
mod model;
mod quantize;

pub(super) use adapter::Adapter;
pub(super) use context::{BatchRow, Context, ContextParams, Decoded};
pub(super) use model::{LoadParams, Model};
pub(super) use quantize::quantize;

use llama_cpp_2::llama_backend::LlamaBackend;
use once_cell::sync::OnceCell;

use crate::error::{Error, Result};

/// A token of the model's vocabulary.
pub(super) type Token = llama_cpp_2::token::LlamaToken;

/// The number of a sequence in the context, from 0 to `n_seq_max` - 1.
pub(super) type SequenceNumber = i32;

/// The version of llama.cpp, which its KV state is only valid with.
pub(super) fn engine_version() -> &'static [u8] {
    // SAFETY: llama.cpp answers with a string literal.
    unsafe { std::ffi::CStr::from_ptr(llama_cpp_sys_2::llama_version()) }.to_bytes()
}

/// The process-wide backend; llama.cpp allows one.
pub(super) fn backend() -> Result<&'static LlamaBackend> {
    static BACKEND: OnceCell<LlamaBackend> = OnceCell::new();
    BACKEND.get_or_try_init(|| {
        llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
        LlamaBackend::init().map_err(|e| Error::internal(format_args!("llama.cpp backend: {e}")))
    })
}
