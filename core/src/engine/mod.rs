//! Runs the language model on its own thread: prompts in, streams of text out.
//!
//! Owns weights, contexts, KV caches, adapters and the chat template. Refuses to know about persons, memories or
//! conversations as records: it sees messages and answers them. Every handle is a channel to one worker thread, so no
//! lock is held while a model thinks, and any number of sessions can ask at once.

pub mod estimate;
pub mod gguf;
pub mod template;
pub mod threads;

mod generation;
mod governor;
mod native;
mod params;
mod quantize;
mod relay;
mod sampler;
mod scoring;
#[cfg(feature = "testing")]
mod scripted;
mod sequence;
mod slots;
mod snapshot;
mod stream;
mod text;
mod token_runs;
mod tokenizer;
mod tokens;
mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{JoinHandle, ThreadId};

use tokio::sync::oneshot;

pub use generation::GenerationObserver;
pub use params::{Constraint, EngineParams, FlashAttention, KvType, SamplingParams};
pub use quantize::{Quantization, quantize};
pub use scoring::Score;
pub(crate) use scoring::{ScoreParams, Scores};
#[cfg(feature = "testing")]
pub use scripted::{Script, ScriptedReply};
pub use sequence::Sequence;
pub use slots::AdapterId;
pub use stream::{CancelHandle, Generated, GenerationStats, StopReason, TokenStream};
pub use token_runs::TokenRun;

use crate::error::{Error, Result};
use crate::message::Message;
use estimate::{MemoryEstimate, MemoryRequest};
use governor::ThreadGovernor;
use native::{Context, ContextParams, LoadParams, Model};
use slots::SequenceId;
use template::{ChatTemplate, RenderOptions, Segment};
use tokenizer::Tokenizer;
use worker::{Command, Waker, Worker};

/// Rows of logits one decode may ask for; more would reserve vocabulary-sized buffers that chatting never uses
/// (Llama-3: 0.5 MB a row).
const N_OUTPUTS_MAX: u32 = 64;

/// A loaded model and the thread that runs it. Cloning shares it; the last clone dropped ends the thread.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waker: Waker,
    /// Raised before the thread is told to end, for what it may be in the middle of.
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: ThreadId,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    info: ModelInfo,
    n_ctx: usize,
    /// Whether layers are offloaded.
    uses_gpu: bool,
    backgrounded: AtomicBool,
    next_sequence: AtomicU64,
}

/// What is known of the loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name in the file, or the file's name.
    pub name: String,
    /// Architecture, such as `llama`.
    pub architecture: String,
    /// Number of parameters.
    pub n_params: u64,
    /// Tokens of context it was trained with.
    pub n_ctx_train: u32,
    /// Size of the vocabulary.
    pub n_vocab: usize,
    /// What was estimated before loading.
    pub memory: MemoryEstimate,
    /// BLAKE3 identity of the file, in hexadecimal.
    pub fingerprint: String,
}

/// What a reply is asked for with.
pub struct GenerateParams {
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// What form the reply must have.
    pub constraint: Constraint,
    /// Strings that end the reply; they are not part of it.
    pub stop: Vec<String>,
    /// Greatest length of the reply in tokens.
    pub max_tokens: usize,
    /// Adapters to apply, each with its scale.
    pub adapters: Vec<(AdapterId, f32)>,
    /// Whether an idle conversation may lose its KV cache to make room. Without it the reply ends with [`Error::Busy`]
    /// where there is no other room.
    pub may_evict: bool,
    /// Cancelling this ends the reply too: several replies may be generated for one that somebody waits for.
    pub ends_with: Option<CancelHandle>,
    /// Follows the reply on the engine's thread.
    pub observer: Option<Box<dyn GenerationObserver>>,
}

impl Default for GenerateParams {
    fn default() -> Self {
        Self {
            sampling: SamplingParams::default(),
            constraint: Constraint::None,
            stop: Vec::new(),
            max_tokens: 512,
            adapters: Vec::new(),
            may_evict: true,
            ends_with: None,
            observer: None,
        }
    }
}

impl Engine {
    /// Checks the file and the memory, loads the model and starts its thread.
    ///
    /// # Errors
    /// [`Error::ModelMissing`], [`Error::ModelCorrupt`] or [`Error::ModelIncompatible`] for the file,
    /// [`Error::NotEnoughMemory`] before anything is loaded, [`Error::InvalidInput`] for the parameters.
    pub fn open(params: &EngineParams) -> Result<Self> {
        let (header, context, memory) = measure(params)?;
        let header = Arc::new(header);
        memory.check()?;
        let fingerprint = gguf::fingerprint(&params.model)?;
        let load = LoadParams { n_gpu_layers: params.n_gpu_layers, repack: params.repack };
        let model = Arc::new(Model::load(&params.model, load)?);
        let template = ChatTemplate::for_model(&header, params.chat_template.as_deref(), &params.model)?;
        let info = model_info(&model, &header, &params.model, memory, &fingerprint);

        let abort = Arc::new(AtomicBool::new(false));
        let n_ctx = context.n_ctx as usize;
        let governor = params.n_threads.is_none().then(|| ThreadGovernor::new(context.n_threads));
        let context = Context::new(&model, context, Arc::clone(&abort))?;
        let (commands, inbox) = mpsc::channel();
        let worker = Worker::new(context, inbox, header, fingerprint, governor);
        let parts =
            Parts { tokenizer: Tokenizer::Model(model), template, info, n_ctx, uses_gpu: params.n_gpu_layers > 0 };
        Self::start(parts, Waker { commands, abort }, move || worker.run())
    }

    /// What loading a model with these parameters would take, from its header alone.
    ///
    /// # Errors
    /// Those of [`Engine::open`] but [`Error::NotEnoughMemory`]: see [`MemoryEstimate::check`].
    pub fn estimate(params: &EngineParams) -> Result<MemoryEstimate> {
        measure(params).map(|(_, _, memory)| memory)
    }

    /// Starts the thread that does the work.
    fn start(parts: Parts, waker: Waker, work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let thread = std::thread::Builder::new()
            .name("aloekit-engine".into())
            .spawn(work)
            .map_err(|e| Error::internal(format_args!("cannot start the engine's thread: {e}")))?;
        let Parts { tokenizer, template, info, n_ctx, uses_gpu } = parts;
        let shared = Shared {
            waker,
            closing: Arc::new(AtomicBool::new(false)),
            thread_id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
            tokenizer,
            template,
            info,
            n_ctx,
            uses_gpu,
            backgrounded: AtomicBool::new(false),
            next_sequence: AtomicU64::new(1),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is known of the loaded model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    /// Tokens of context shared by all sequences.
    #[must_use]
    pub fn n_ctx(&self) -> usize {
        self.shared.n_ctx
    }

    /// A new sequence: a KV cache of its own, reused from prompt to prompt.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        let id = SequenceId(self.shared.next_sequence.fetch_add(1, Ordering::Relaxed));
        Sequence { id, engine: self.clone() }
    }

    /// Tokens that this text takes as a message's content.
    #[must_use]
    pub fn count_tokens(&self, text: &str) -> usize {
        self.shared.tokenizer.count_text(text)
    }

    /// Tokens that these messages take as a prompt, the template's own included.
    ///
    /// # Errors
    /// [`Error::ModelIncompatible`] when the template cannot express them.
    pub fn count_prompt_tokens(&self, messages: &[Message]) -> Result<usize> {
        Ok(self.shared.tokenizer.count_prompt(&self.render(messages)?))
    }

    /// Loads a LoRA adapter (GGUF) made for this model; it has no effect until a request names it.
    ///
    /// # Errors
    /// [`Error::AdapterMismatch`] when it does not fit, [`Error::ModelMissing`] or [`Error::ModelCorrupt`] for the file.
    pub async fn load_adapter(&self, path: &Path) -> Result<AdapterId> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::LoadAdapter { path: path.to_owned(), reply })?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// [`Engine::load_adapter`] for a thread that may block.
    ///
    /// # Errors
    /// As [`Engine::load_adapter`].
    pub fn blocking_load_adapter(&self, path: &Path) -> Result<AdapterId> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::LoadAdapter { path: path.to_owned(), reply })?;
        answer.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Frees an adapter.
    ///
    /// # Errors
    /// [`Error::Busy`] while a reply uses it.
    pub async fn unload_adapter(&self, id: AdapterId) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::UnloadAdapter { id, reply })?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Drops the KV state of every sequence that is not answering.
    pub fn clear_idle(&self) {
        let _ = self.send(Command::ReleaseIdle);
    }

    /// The app leaves the foreground: where a GPU is used, what runs ends with [`Error::Backgrounded`] before this
    /// returns, and nothing new begins. Systems end apps that go on using it. Blocks for a batch at most.
    pub fn enter_background(&self) {
        self.shared.backgrounded.store(true, Ordering::SeqCst);
        if self.shared.uses_gpu {
            let (reply, done) = oneshot::channel();
            let _ = self.send(Command::EndAll { reply });
            self.shared.waker.interrupt();
            let _ = done.blocking_recv();
        }
    }

    /// The app is in the foreground again.
    pub fn enter_foreground(&self) {
        self.shared.backgrounded.store(false, Ordering::SeqCst);
    }

    /// Whether work may begin now.
    ///
    /// # Errors
    /// [`Error::Backgrounded`] between [`Engine::enter_background`] and [`Engine::enter_foreground`] with a GPU.
    pub fn expect_foreground(&self) -> Result<()> {
        match self.shared.uses_gpu && self.shared.backgrounded.load(Ordering::SeqCst) {
            true => Err(Error::Backgrounded),
            false => Ok(()),
        }
    }

    /// Ends what runs, frees the model and waits for the thread. Later calls answer [`Error::Closed`].
    pub fn close(&self) {
        self.shared.close();
    }

    fn render(&self, messages: &[Message]) -> Result<Vec<Segment>> {
        self.shared.template.render(messages, RenderOptions { generation_prompt: true, ..RenderOptions::default() })
    }

    /// The plain form of a model without a template has no control token that ends a turn.
    fn with_template_stops(&self, mut stop: Vec<String>) -> Vec<String> {
        stop.extend(self.shared.template.stop_strings().iter().map(|text| (*text).to_owned()));
        stop
    }

    fn send(&self, command: Command) -> Result<()> {
        self.shared.waker.commands.send(command).map_err(|_| Error::Closed)
    }
}

impl Shared {
    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = self.waker.commands.send(Command::Close);
        self.waker.interrupt();
        // The last handle may be dropped by an observer, on the engine's own thread.
        if self.thread_id == std::thread::current().id() {
            return;
        }
        // Joined under the lock: whoever closes it as well waits too, and nobody tears down what the thread still uses.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

/// What an engine is made of, beside its thread.
struct Parts {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    info: ModelInfo,
    n_ctx: usize,
    uses_gpu: bool,
}

/// What is known before anything is loaded.
fn measure(params: &EngineParams) -> Result<(gguf::Header, ContextParams, MemoryEstimate)> {
    params.check()?;
    let header = gguf::Header::read(&params.model)?;
    let context = context_params(params, &header);
    let memory = MemoryEstimate::new(&header, &memory_request(params, &context));
    Ok((header, context, memory))
}

/// The context's shape: never more tokens than the model was trained with, whatever is asked.
fn context_params(params: &EngineParams, header: &gguf::Header) -> ContextParams {
    let fast_cores = || u32::try_from(threads::performance_core_count()).unwrap_or(1);
    ContextParams {
        n_ctx: params.n_ctx.min(header.hyperparameters().n_ctx_train),
        n_batch: params.n_batch,
        n_ubatch: params.n_batch.min(512),
        n_seq_max: params.n_sessions + 1, // one spare: where the tail of a shifted conversation waits
        // llama.cpp reserves a row for every sequence, the spare one too, and aborts when fewer may be asked for.
        n_outputs_max: N_OUTPUTS_MAX.max(params.n_sessions + 1),
        n_threads: params.n_threads.unwrap_or_else(fast_cores),
        kv_type: params.kv_type,
        flash_attention: params.flash_attention,
        offload: params.n_gpu_layers > 0,
    }
}

fn memory_request(params: &EngineParams, context: &ContextParams) -> MemoryRequest {
    MemoryRequest {
        n_ctx: context.n_ctx,
        n_ubatch: context.n_ubatch,
        n_outputs: context.n_outputs_max,
        kv_type: match params.kv_type {
            KvType::F16 => gguf::GgmlType::F16,
            KvType::Q8_0 => gguf::GgmlType::Q8_0,
        },
        flash_attention: params.flash_attention != FlashAttention::Off,
        repack: params.repack,
        budget_mib: params.memory_budget_mib,
    }
}

fn model_info(
    model: &Model,
    header: &gguf::Header,
    path: &Path,
    memory: MemoryEstimate,
    fingerprint: &[u8; 32],
) -> ModelInfo {
    let file_name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    ModelInfo {
        name: header.metadata().text("general.name").map_or(file_name, str::to_owned),
        architecture: header.architecture().to_owned(),
        n_params: model.safe().n_params(),
        n_ctx_train: model.safe().n_ctx_train(),
        n_vocab: usize::try_from(model.safe().n_vocab()).unwrap_or(0),
        memory,
        fingerprint: blake3::Hash::from_bytes(*fingerprint).to_hex().to_string(),
    }
}
