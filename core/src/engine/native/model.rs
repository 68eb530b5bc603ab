//! Loading of weights with the switches that the safe crate does not offer.

use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::backend;
use crate::error::{Error, Result};

/// How weights are loaded.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct LoadParams {
    /// Layers on the GPU; 0 keeps everything, prompts too, on the CPU.
    pub(in crate::engine) n_gpu_layers: u32,
    /// Repack weights for the CPU's matrix kernels: faster prefill, an anonymous copy of the weights in RAM.
    pub(in crate::engine) repack: bool,
}

/// Weights and vocabulary: immutable once loaded, shared by every thread.
pub(in crate::engine) struct Model {
    safe: LlamaModel,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("n_params", &self.safe.n_params()).finish()
    }
}

// `LlamaModel` is `repr(transparent)` over the pointer; `load` and `raw` rest on it.
const _: () = assert!(size_of::<LlamaModel>() == size_of::<NonNull<sys::llama_model>>());

impl Model {
    /// Maps the file and sets the weights up. The header must have been checked before.
    pub(in crate::engine) fn load(path: &Path, params: LoadParams) -> Result<Self> {
        backend()?;
        let incompatible = |reason: &str| Error::ModelIncompatible { path: path.to_owned(), reason: reason.to_owned() };
        let text = path.to_str().ok_or_else(|| incompatible("its path is not UTF-8"))?;
        let c_path = CString::new(text).map_err(|_| incompatible("its path holds a NUL byte"))?;

        // SAFETY: returns a plain struct by value.
        let mut raw = unsafe { sys::llama_model_default_params() };
        raw.load_mode = sys::LLAMA_LOAD_MODE_MMAP;
        raw.use_extra_bufts = params.repack;
        raw.n_gpu_layers = i32::try_from(params.n_gpu_layers).unwrap_or(i32::MAX);
        // With no layer offloaded llama.cpp still sends long prompts to a GPU; an empty device list forbids it.
        let mut no_devices = [std::ptr::null_mut()];
        if params.n_gpu_layers == 0 {
            raw.devices = no_devices.as_mut_ptr();
        }

        // SAFETY: the path is NUL-terminated and, with `no_devices`, outlives the call.
        let pointer = unsafe { sys::llama_model_load_from_file(c_path.as_ptr(), raw) };
        let pointer = NonNull::new(pointer).ok_or_else(|| incompatible("llama.cpp refused it (its log says why)"))?;
        // SAFETY: `LlamaModel` is `repr(transparent)` over a `NonNull` of this type in the pinned version (size
        // asserted above) and its `Drop` calls `llama_free_model` once; ownership moves into it here.
        let safe = unsafe { std::mem::transmute::<NonNull<sys::llama_model>, LlamaModel>(pointer) };
        Ok(Self { safe })
    }

    /// The safe crate's view: vocabulary, metadata, grammar samplers.
    pub(in crate::engine) fn safe(&self) -> &LlamaModel {
        &self.safe
    }

    /// The pointer that contexts and adapters are made from.
    pub(super) fn raw(&self) -> *mut sys::llama_model {
        // SAFETY: the same layout as in `load`; the pointer is copied out, not moved.
        unsafe { std::mem::transmute_copy::<LlamaModel, *mut sys::llama_model>(&self.safe) }
    }
}
