//! What an app may set, as records with the core's defaults.

use std::sync::Arc;

use aloekit::engine::{self, Constraint};
use aloekit::memory::{self, ConversationId, Embedder};

#[cfg(not(feature = "ort"))]
use crate::AloeError;
use crate::{Durability, Induction, OnDamage, Result, StoreKey};

/// How a model is loaded and run.
#[derive(Debug, Clone, uniffi::Record)]
pub struct EngineParams {
    /// The GGUF file.
    pub model: String,
    /// Tokens of KV cache, shared by all sessions; 512 or more.
    #[uniffi(default = 4096)]
    pub n_ctx: u32,
    /// Tokens in one decode call, 32 to 4096.
    #[uniffi(default = 512)]
    pub n_batch: u32,
    /// Sessions whose KV cache is kept at once, 1 to 64.
    #[uniffi(default = 4)]
    pub n_sessions: u32,
    /// Layers on the GPU; 0 is CPU only.
    #[uniffi(default = 0)]
    pub n_gpu_layers: u32,
    /// Compute threads; without a number the performance cores.
    #[uniffi(default = None)]
    pub n_threads: Option<u32>,
    /// Type of keys and values in the cache.
    #[uniffi(default = None)]
    pub kv_type: Option<KvType>,
    /// Whether attention runs fused.
    #[uniffi(default = None)]
    pub flash_attention: Option<FlashAttention>,
    /// Repack weights for the CPU: faster prefill, a second copy of the weights in RAM.
    #[uniffi(default = true)]
    pub repack: bool,
    /// Chat template instead of the file's: Jinja, or a built-in's name.
    #[uniffi(default = None)]
    pub chat_template: Option<String>,
    /// MiB that loading may take; without a number the machine is asked.
    #[uniffi(default = None)]
    pub memory_budget_mib: Option<u64>,
}

/// Type of keys and values in the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum KvType {
    /// 16-bit floats.
    F16,
    /// 8-bit blocks: half the memory, slower prefill on CPUs.
    Q8,
}

/// Whether attention runs fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum FlashAttention {
    /// Where the backend supports it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What finds memories by meaning: a sentence-transformer in ONNX.
#[derive(Debug, Clone, uniffi::Record)]
pub struct EmbedderParams {
    /// ONNX Runtime's shared library; a bare name is looked up as the system does.
    pub runtime_library: String,
    /// The ONNX file.
    pub model: String,
    /// Its `tokenizer.json`.
    pub tokenizer: String,
    /// How token vectors become one.
    #[uniffi(default = None)]
    pub pooling: Option<Pooling>,
    /// What the model wants before a text that searches.
    #[uniffi(default = "")]
    pub query_prefix: String,
    /// What the model wants before a text that is to be found.
    #[uniffi(default = "")]
    pub document_prefix: String,
    /// Longer texts are cut to so many tokens.
    #[uniffi(default = 256)]
    pub max_tokens: u32,
}

/// How token vectors become one vector of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The graph pools by itself.
    InGraph,
}

/// What an assistant is made of.
#[derive(Debug, Clone, uniffi::Record)]
pub struct AssistantParams {
    /// The model and how it runs.
    pub engine: EngineParams,
    /// File of the memory; without one memory is gone when the assistant is closed.
    #[uniffi(default = None)]
    pub memory: Option<String>,
    /// What finds memories by meaning; without it they are found by words alone.
    #[uniffi(default = None)]
    pub embedder: Option<EmbedderParams>,
    /// Folder of KV snapshots, which spare the next launch its prefill; without it none are kept.
    #[uniffi(default = None)]
    pub snapshots: Option<String>,
    /// What opening does when the memory is damaged.
    #[uniffi(default = None)]
    pub on_damage: Option<OnDamage>,
    /// What an acknowledged write survives.
    #[uniffi(default = None)]
    pub durability: Option<Durability>,
    /// The key of memory and snapshots; without one they are not encrypted.
    #[uniffi(default = None)]
    pub key: Option<Arc<StoreKey>>,
    /// How what the user says becomes facts; without it `Automatic`.
    #[uniffi(default = None)]
    pub induction: Option<Induction>,
}

/// Which conversation a session continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ConversationChoice {
    /// The newest one, or a new one if there is none.
    Latest,
    /// A new one.
    New,
    /// This one.
    Id {
        /// Its id.
        id: i64,
    },
}

/// What happens when a conversation outgrows the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Overflow {
    /// Older turns are summarised in idle moments, then leave the prompt.
    Summarise,
    /// The oldest turns leave the prompt.
    DropOldest,
    /// An error.
    Error,
}

/// What form replies must have.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ReplyForm {
    /// Free text.
    Free,
    /// JSON that satisfies a schema.
    JsonSchema {
        /// The schema.
        schema: String,
    },
    /// Text of a GBNF grammar.
    Gbnf {
        /// The grammar, from the rule `root`.
        grammar: String,
    },
}

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct SamplingParams {
    /// Divides the logits; 0 always takes the likeliest token.
    #[uniffi(default = 0.7)]
    pub temperature: f32,
    /// Keeps this many likeliest tokens; 0 keeps all.
    #[uniffi(default = 40)]
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this total probability.
    #[uniffi(default = 0.95)]
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest.
    #[uniffi(default = 0.05)]
    pub min_p: f32,
    /// Divides the logits of recent reply tokens; 1 is off.
    #[uniffi(default = 1.1)]
    pub repetition_penalty: f32,
    /// Lowers a recent token's logit for each time it was used.
    #[uniffi(default = 0.0)]
    pub frequency_penalty: f32,
    /// Lowers a recent token's logit once.
    #[uniffi(default = 0.0)]
    pub presence_penalty: f32,
    /// Tokens of the reply that the penalties look back on.
    #[uniffi(default = 128)]
    pub penalty_window: u32,
    /// The same seed gives the same text; without one it is drawn.
    #[uniffi(default = None)]
    pub seed: Option<u32>,
}

/// A LoRA adapter and how strongly it works.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Adapter {
    /// The GGUF file.
    pub path: String,
    /// 1 is as trained.
    #[uniffi(default = 1.0)]
    pub scale: f32,
}

/// How a session talks.
#[derive(Debug, Clone, uniffi::Record)]
pub struct SessionParams {
    /// The conversation to continue.
    #[uniffi(default = None)]
    pub conversation: Option<ConversationChoice>,
    /// Instructions of the app; without them the core's own.
    #[uniffi(default = None)]
    pub system_prompt: Option<String>,
    /// How tokens are drawn; without it the defaults of [`SamplingParams`].
    #[uniffi(default = None)]
    pub sampling: Option<SamplingParams>,
    /// Greatest length of a reply in tokens.
    #[uniffi(default = 384)]
    pub max_reply_tokens: u32,
    /// Strings that end a reply.
    #[uniffi(default = [])]
    pub stop: Vec<String>,
    /// What form replies must have.
    #[uniffi(default = None)]
    pub form: Option<ReplyForm>,
    /// What happens when the conversation outgrows the context.
    #[uniffi(default = None)]
    pub overflow: Option<Overflow>,
    /// Whether what the user says is remembered beyond this conversation.
    #[uniffi(default = true)]
    pub remember: bool,
    /// Whether memories are recalled.
    #[uniffi(default = true)]
    pub recall: bool,
    /// Share of the context that recalled memories may take, 0 to 1.
    #[uniffi(default = 0.15)]
    pub memory_share: f32,
    /// Greatest number of memories recalled for a message.
    #[uniffi(default = 6)]
    pub max_recalled: u32,
    /// LoRA adapters.
    #[uniffi(default = [])]
    pub adapters: Vec<Adapter>,
    /// Whether `Turn.alignment` is measured for every reply that is not cancelled: two prefills of prompt and reply after
    /// it. Without adapters there is nothing to measure.
    #[uniffi(default = false)]
    pub measure_alignment: bool,
    /// Replies drawn to each message, 1 to 8, of which the one is given and kept that the adapters lean towards most per
    /// token. Above 1, nothing of a reply is shown before the choice: it comes as one piece. Needs adapters and a
    /// temperature above 0.
    #[uniffi(default = 1)]
    pub best_of: u32,
}

impl KvType {
    fn into_core(self) -> engine::KvType {
        match self {
            Self::F16 => engine::KvType::F16,
            Self::Q8 => engine::KvType::Q8_0,
        }
    }
}

impl FlashAttention {
    fn into_core(self) -> engine::FlashAttention {
        match self {
            Self::Auto => engine::FlashAttention::Auto,
            Self::On => engine::FlashAttention::On,
            Self::Off => engine::FlashAttention::Off,
        }
    }
}

impl EngineParams {
    pub(crate) fn into_core(self) -> engine::EngineParams {
        engine::EngineParams {
            model: self.model.into(),
            n_ctx: self.n_ctx,
            n_batch: self.n_batch,
            n_sessions: self.n_sessions,
            n_gpu_layers: self.n_gpu_layers,
            n_threads: self.n_threads,
            kv_type: self.kv_type.map_or_else(Default::default, KvType::into_core),
            flash_attention: self.flash_attention.map_or_else(Default::default, FlashAttention::into_core),
            repack: self.repack,
            chat_template: self.chat_template,
            memory_budget_mib: self.memory_budget_mib,
        }
    }
}

impl EmbedderParams {
    #[cfg(feature = "ort")]
    pub(crate) fn open(self) -> Result<Arc<dyn Embedder>> {
        let params = memory::OrtEmbedderParams {
            runtime_library: self.runtime_library.into(),
            model: self.model.into(),
            tokenizer: self.tokenizer.into(),
            pooling: match self.pooling.unwrap_or(Pooling::Mean) {
                Pooling::Mean => memory::Pooling::Mean,
                Pooling::Cls => memory::Pooling::Cls,
                Pooling::InGraph => memory::Pooling::InGraph,
            },
            query_prefix: self.query_prefix,
            document_prefix: self.document_prefix,
            max_tokens: self.max_tokens as usize,
            threads: 1,
        };
        Ok(Arc::new(memory::OrtEmbedder::open(params)?))
    }

    #[cfg(not(feature = "ort"))]
    pub(crate) fn open(self) -> Result<Arc<dyn Embedder>> {
        let reason = "this library was built without ONNX Runtime".to_owned();
        Err(AloeError::InvalidInput { what: "embedder".into(), reason })
    }
}

impl SamplingParams {
    pub(crate) fn into_core(self) -> engine::SamplingParams {
        engine::SamplingParams {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            penalty_window: self.penalty_window,
            seed: self.seed,
        }
    }
}

impl ConversationChoice {
    fn into_core(self) -> aloekit::Conversation {
        match self {
            Self::Latest => aloekit::Conversation::Latest,
            Self::New => aloekit::Conversation::New,
            Self::Id { id } => aloekit::Conversation::Id(ConversationId(id)),
        }
    }
}

impl SessionParams {
    pub(crate) fn into_core(self) -> aloekit::SessionParams {
        let defaults = aloekit::SessionParams::default();
        aloekit::SessionParams {
            conversation: self.conversation.map_or(defaults.conversation, ConversationChoice::into_core),
            system_prompt: self.system_prompt.unwrap_or(defaults.system_prompt),
            sampling: self.sampling.map_or(defaults.sampling, SamplingParams::into_core),
            max_reply_tokens: self.max_reply_tokens as usize,
            stop: self.stop,
            constraint: match self.form.unwrap_or(ReplyForm::Free) {
                ReplyForm::Free => Constraint::None,
                ReplyForm::JsonSchema { schema } => Constraint::JsonSchema(schema),
                ReplyForm::Gbnf { grammar } => Constraint::Gbnf(grammar),
            },
            overflow: match self.overflow.unwrap_or(Overflow::Summarise) {
                Overflow::Summarise => aloekit::Overflow::Summarise,
                Overflow::DropOldest => aloekit::Overflow::DropOldest,
                Overflow::Error => aloekit::Overflow::Error,
            },
            remember: self.remember,
            recall: self.recall,
            memory_share: self.memory_share,
            max_recalled: self.max_recalled as usize,
            adapters: adapters(self.adapters),
            measure_alignment: self.measure_alignment,
            best_of: self.best_of as usize,
        }
    }
}

pub(crate) fn adapters(adapters: Vec<Adapter>) -> Vec<(std::path::PathBuf, f32)> {
    adapters.into_iter().map(|adapter| (adapter.path.into(), adapter.scale)).collect()
}
