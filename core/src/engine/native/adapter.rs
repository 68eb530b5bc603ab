//! LoRA adapters as llama.cpp holds them.

use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::Model;
use crate::error::{Error, Result};

/// A loaded LoRA adapter; keeps its base model alive.
pub(in crate::engine) struct Adapter {
    pub(super) raw: NonNull<sys::llama_adapter_lora>,
    model: Arc<Model>,
}

// SAFETY: the adapter is immutable after loading, and only the engine's worker thread uses and frees it.
unsafe impl Send for Adapter {}

impl Adapter {
    /// Loads the adapter's tensors. Its header must have been checked against the base before.
    ///
    /// Must be called from the thread that owns the contexts: loading registers the adapter in the model.
    pub(in crate::engine) fn load(model: &Arc<Model>, path: &Path) -> Result<Self> {
        let mismatch = |reason: &str| Error::AdapterMismatch { path: path.to_owned(), reason: reason.to_owned() };
        let text = path.to_str().ok_or_else(|| mismatch("its path is not UTF-8"))?;
        let c_path = CString::new(text).map_err(|_| mismatch("its path holds a NUL byte"))?;
        // SAFETY: the model is alive (held by the Arc), the path NUL-terminated; C++ exceptions are caught inside.
        let raw = unsafe { sys::llama_adapter_lora_init(model.raw(), c_path.as_ptr()) };
        let raw = NonNull::new(raw).ok_or_else(|| mismatch("llama.cpp refused it (its log says why)"))?;
        Ok(Self { raw, model: Arc::clone(model) })
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // SAFETY: freed once, before the model (the Arc is released after this body); the worker has taken it out of
        // the context's set before it drops it.
        unsafe { sys::llama_adapter_lora_free(self.raw.as_ptr()) };
        debug_assert!(Arc::strong_count(&self.model) > 0);
    }
}
