//! A llama.cpp context: decoding, KV cache, state bytes, adapter set, abort.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

use super::{Adapter, Model, SequenceNumber, Token, backend};
use crate::engine::params::{FlashAttention, KvType};
use crate::error::{Error, Result};

/// Size and shape of a context.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct ContextParams {
    /// KV cells shared by all sequences, in tokens.
    pub(in crate::engine) n_ctx: u32,
    /// Tokens in one decode call.
    pub(in crate::engine) n_batch: u32,
    /// Tokens in one compute graph.
    pub(in crate::engine) n_ubatch: u32,
    /// Sequences that can be resident.
    pub(in crate::engine) n_seq_max: u32,
    /// Rows of logits that one decode call may ask for.
    pub(in crate::engine) n_outputs_max: u32,
    pub(in crate::engine) n_threads: u32,
    pub(in crate::engine) kv_type: KvType,
    pub(in crate::engine) flash_attention: FlashAttention,
    pub(in crate::engine) offload: bool,
}

/// One token of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct BatchRow {
    pub(in crate::engine) token: Token,
    pub(in crate::engine) position: usize,
    pub(in crate::engine) sequence: SequenceNumber,
    /// Whether logits after this token are wanted.
    pub(in crate::engine) logits: bool,
}

/// How a decode call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Decoded {
    /// All rows are in the KV cache.
    Done,
    /// No free KV cells; nothing was added.
    NoRoom,
    /// The abort flag was raised; some rows may be in the KV cache, the caller rolls back.
    Aborted,
    /// The backend failed with this code; the caller rolls back.
    Failed(i32),
}

/// An inference context. Freed before its model.
pub(in crate::engine) struct Context {
    raw: NonNull<sys::llama_context>,
    batch: sys::llama_batch,
    params: ContextParams,
    n_vocab: usize,
    /// Read by llama.cpp's compute threads through the pointer handed over in `new`: must outlive `raw`.
    abort: Arc<AtomicBool>,
    /// Whether cells were moved and their keys are not yet rotated.
    shift_pending: bool,
    model: Arc<Model>,
}

// SAFETY: a context is not bound to a thread; `&mut self` on everything that touches it keeps use exclusive.
unsafe impl Send for Context {}

unsafe extern "C" fn abort_requested(flag: *mut c_void) -> bool {
    // SAFETY: `flag` is the AtomicBool held by the Context that registered it, alive as long as the context.
    unsafe { (*flag.cast::<AtomicBool>()).load(Ordering::Relaxed) }
}

impl Context {
    /// Makes a context; `abort` ends a running decode early when it is set (CPU backends).
    pub(in crate::engine) fn new(model: &Arc<Model>, params: ContextParams, abort: Arc<AtomicBool>) -> Result<Self> {
        backend()?;
        // SAFETY: returns a plain struct by value.
        let mut raw = unsafe { sys::llama_context_default_params() };
        raw.n_ctx = params.n_ctx;
        raw.n_batch = params.n_batch;
        raw.n_ubatch = params.n_ubatch;
        raw.n_seq_max = params.n_seq_max;
        raw.n_outputs_max = params.n_outputs_max;
        raw.n_outputs_max_per_seq = params.n_outputs_max;
        raw.n_threads = i32::try_from(params.n_threads).unwrap_or(1);
        raw.n_threads_batch = raw.n_threads;
        raw.kv_unified = true; // sequences share one pool of cells and may share prefixes
        raw.offload_kqv = params.offload;
        raw.op_offload = params.offload;
        raw.flash_attn_type = params.flash_attention.to_raw();
        raw.type_k = params.kv_type.to_raw();
        raw.type_v = params.kv_type.to_raw();
        raw.abort_callback = Some(abort_requested);
        raw.abort_callback_data = Arc::as_ptr(&abort).cast_mut().cast();

        // Making contexts of one model in parallel is unsound: llama.cpp writes to the model meanwhile.
        static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the model is alive; the abort flag is kept by the returned value and outlives the context.
        let pointer = unsafe { sys::llama_init_from_model(model.raw(), raw) };
        drop(making);
        let pointer = NonNull::new(pointer).ok_or_else(|| Error::InvalidInput {
            what: "engine parameters",
            reason: "llama.cpp refused to make a context; a quantized KV cache needs flash attention, and the model \
                     must support both"
                .into(),
        })?;
        let n_batch = i32::try_from(params.n_batch).unwrap_or(i32::MAX);
        // SAFETY: allocates the batch's arrays for n_batch rows of one sequence each; freed in `Drop`.
        let batch = unsafe { sys::llama_batch_init(n_batch, 0, 1) };
        let n_vocab = usize::try_from(model.safe().n_vocab()).unwrap_or(0);
        Ok(Self { raw: pointer, batch, params, n_vocab, abort, shift_pending: false, model: Arc::clone(model) })
    }

    /// Runs the rows through the model. At most `n_batch` rows, of which at most `n_outputs_max` ask for logits.
    pub(in crate::engine) fn decode(&mut self, rows: &[BatchRow]) -> Result<Decoded> {
        self.check(rows)?;
        for (i, row) in rows.iter().enumerate() {
            // SAFETY: i < n_batch (checked), the arrays hold n_batch entries and each seq_id array one.
            unsafe {
                *self.batch.token.add(i) = row.token.0;
                *self.batch.pos.add(i) = i32::try_from(row.position).unwrap_or(i32::MAX);
                *self.batch.n_seq_id.add(i) = 1;
                **self.batch.seq_id.add(i) = row.sequence;
                *self.batch.logits.add(i) = i8::from(row.logits);
            }
        }
        self.batch.n_tokens = i32::try_from(rows.len()).unwrap_or(0);
        let code = if self.shift_pending { self.decode_after_shift() } else { self.decode_batch() };
        Ok(match code {
            0 => Decoded::Done,
            1 => Decoded::NoRoom,
            2 => Decoded::Aborted,
            code => Decoded::Failed(code),
        })
    }

    fn decode_batch(&mut self) -> i32 {
        // SAFETY: context and batch are alive and consistent; token ids, sequence numbers and sizes were checked.
        unsafe { sys::llama_decode(self.raw.as_ptr(), self.batch) }
    }

    /// The keys of moved cells are rotated at the beginning of a decode, layer by layer in the cache itself. Ended
    /// early it would be done again from the first layer on, and the layers already done be rotated twice: so this
    /// one decode does not heed the abort flag.
    fn decode_after_shift(&mut self) -> i32 {
        self.set_abort_callback(None);
        let code = self.decode_batch();
        self.set_abort_callback(Some(abort_requested));
        self.shift_pending = false;
        code
    }

    fn set_abort_callback(&mut self, callback: sys::ggml_abort_callback) {
        let flag = Arc::as_ptr(&self.abort).cast_mut().cast();
        // SAFETY: a setter on a live context, between decodes (`&mut self`); the flag outlives the context.
        unsafe { sys::llama_set_abort_callback(self.raw.as_ptr(), callback, flag) };
    }

    /// What llama.cpp would answer with an abort of the process or a code that explains nothing.
    fn check(&self, rows: &[BatchRow]) -> Result<()> {
        let outputs = rows.iter().filter(|row| row.logits).count();
        let sound = !rows.is_empty()
            && rows.len() <= self.params.n_batch as usize
            && outputs <= self.params.n_outputs_max as usize
            && rows.iter().all(|row| {
                usize::try_from(row.token.0).is_ok_and(|id| id < self.n_vocab)
                    && u32::try_from(row.sequence).is_ok_and(|n| n < self.params.n_seq_max)
            });
        if sound { Ok(()) } else { Err(Error::internal(format_args!("unsound batch of {} rows", rows.len()))) }
    }

    /// Logits after row `row` of the last decode call, `[n_vocab]`; `None` if that row did not ask for them.
    pub(in crate::engine) fn logits(&mut self, row: usize) -> Option<&[f32]> {
        let row = i32::try_from(row).ok()?;
        // SAFETY: llama.cpp checks the index and answers NULL for a row without logits; the buffer holds n_vocab
        // values and lives until the next decode, which needs `&mut self`.
        unsafe {
            let pointer = sys::llama_get_logits_ith(self.raw.as_ptr(), row);
            (!pointer.is_null()).then(|| std::slice::from_raw_parts(pointer, self.n_vocab))
        }
    }

    /// Drops the KV cells of a sequence from `from` on.
    pub(in crate::engine) fn truncate(&mut self, sequence: SequenceNumber, from: usize) {
        let from = i32::try_from(from).unwrap_or(i32::MAX);
        // SAFETY: the memory belongs to this live context; a whole tail can always be removed from a full cache.
        unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, from, -1) };
    }

    /// Lets `to` share the cells of `from` at positions `range`.
    pub(in crate::engine) fn share(&mut self, from: SequenceNumber, to: SequenceNumber, range: std::ops::Range<usize>) {
        let (start, end) = (i32::try_from(range.start).unwrap_or(0), i32::try_from(range.end).unwrap_or(i32::MAX));
        // SAFETY: both numbers are below n_seq_max by construction of the slots; the cache is unified.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, start, end) };
    }

    /// Moves every cell of a sequence by `delta` positions; keys are re-rotated at the next decode.
    pub(in crate::engine) fn shift(&mut self, sequence: SequenceNumber, delta: i64) {
        let delta = i32::try_from(delta).unwrap_or(0);
        // SAFETY: guarded by `can_shift`; without that support llama.cpp would abort at the next decode.
        unsafe {
            if sys::llama_memory_can_shift(self.memory()) {
                sys::llama_memory_seq_add(self.memory(), sequence, 0, -1, delta);
                self.shift_pending = true;
            }
        }
    }

    /// Whether the next decode rotates moved keys first, and cannot be ended early.
    pub(in crate::engine) fn is_shift_pending(&self) -> bool {
        self.shift_pending
    }

    /// Whether positions of cached keys can be moved.
    pub(in crate::engine) fn can_shift(&self) -> bool {
        // SAFETY: a query on a live context.
        unsafe { sys::llama_memory_can_shift(self.memory()) }
    }

    /// The KV state of a sequence as bytes, for this version of llama.cpp and this shape of context only.
    pub(in crate::engine) fn state(&mut self, sequence: SequenceNumber) -> Option<Vec<u8>> {
        // SAFETY: the buffer is as large as llama.cpp says the state is.
        unsafe {
            let size = sys::llama_state_seq_get_size(self.raw.as_ptr(), sequence);
            let mut bytes = vec![0_u8; size];
            let written = sys::llama_state_seq_get_data(self.raw.as_ptr(), bytes.as_mut_ptr(), size, sequence);
            bytes.truncate(written);
            (written > 0).then_some(bytes)
        }
    }

    /// Puts saved bytes back as the KV state of a sequence; false leaves the sequence empty.
    pub(in crate::engine) fn set_state(&mut self, sequence: SequenceNumber, bytes: &[u8]) -> bool {
        // SAFETY: llama.cpp reads within the given size and answers 0 for bytes it cannot use. The caller has verified
        // a checksum, so these are bytes that `state` wrote.
        let read = unsafe { sys::llama_state_seq_set_data(self.raw.as_ptr(), bytes.as_ptr(), bytes.len(), sequence) };
        if read == 0 {
            self.truncate(sequence, 0);
        }
        read > 0
    }

    /// Applies exactly these adapters, each with its scale, to what is decoded from now on.
    pub(in crate::engine) fn set_adapters(&mut self, adapters: &[(&Adapter, f32)]) -> Result<()> {
        let mut pointers: Vec<_> = adapters.iter().map(|(adapter, _)| adapter.raw.as_ptr()).collect();
        let mut scales: Vec<f32> = adapters.iter().map(|(_, scale)| *scale).collect();
        // SAFETY: both arrays hold `len` entries; the worker keeps the adapters alive while they are in the set.
        let code = unsafe {
            sys::llama_set_adapters_lora(self.raw.as_ptr(), pointers.as_mut_ptr(), pointers.len(), scales.as_mut_ptr())
        };
        if code == 0 { Ok(()) } else { Err(Error::internal(format_args!("llama_set_adapters_lora answered {code}"))) }
    }

    /// Sets the number of compute threads.
    pub(in crate::engine) fn set_threads(&mut self, n_threads: u32) {
        let n = i32::try_from(n_threads).unwrap_or(1).max(1);
        // SAFETY: a setter on a live context, between decodes (`&mut self`).
        unsafe { sys::llama_set_n_threads(self.raw.as_ptr(), n, n) };
    }

    /// The parameters it was made with.
    pub(in crate::engine) fn params(&self) -> &ContextParams {
        &self.params
    }

    /// The model it runs.
    pub(in crate::engine) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The flag that ends a running decode early.
    pub(in crate::engine) fn abort_flag(&self) -> &AtomicBool {
        &self.abort
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: a getter on a live context; every context made here has a KV cache.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: each is freed once; the context goes before the fields (abort flag, model) that it points to.
        unsafe {
            sys::llama_batch_free(self.batch);
            sys::llama_free(self.raw.as_ptr());
        }
    }
}
