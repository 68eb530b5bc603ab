//! The peer: llama.cpp driven by hand, one sequence, greedy, as its own simple example does.
//!
//! The shortest loop that answers a prompt with text. No prefix reuse, no stream, no cancel, no statistics.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaChatMessage, LlamaModel};
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

/// Tokens of one decode call; the engine's default too.
const N_BATCH: u32 = 512;

/// The engine has initialised the backend already, which llama.cpp allows once a process. Leaked, because dropping it
/// would free the backend under the engine.
fn backend() -> &'static LlamaBackend {
    Box::leak(Box::new(LlamaBackend {}))
}

/// Loads the model as llama.cpp does by default. An [`Engine`](aloekit::engine::Engine) must have been opened before.
pub(crate) fn load(path: &Path) -> LlamaModel {
    LlamaModel::load_from_file(backend(), path, &LlamaModelParams::default()).expect("the model loads")
}

/// The model's own chat template around one exchange.
pub(crate) fn chat_prompt(model: &LlamaModel, system: &str, user: &str) -> String {
    let message = |role: &str, text: &str| {
        LlamaChatMessage::new(role.to_owned(), text.to_owned()).expect("the texts of a benchmark hold no NUL")
    };
    let template = model.chat_template(None).expect("the default model has a template");
    let messages = [message("system", system), message("user", user)];
    model.apply_chat_template(&template, &messages, true).expect("ChatML is known to llama.cpp")
}

/// One answered prompt.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) prompt_tokens: usize,
    pub(crate) reply_tokens: usize,
    pub(crate) first_token: Duration,
    pub(crate) whole: Duration,
}

/// A context of one sequence.
pub(crate) struct Direct<'m> {
    model: &'m LlamaModel,
    context: LlamaContext<'m>,
    batch: LlamaBatch<'m>,
}

impl<'m> Direct<'m> {
    pub(crate) fn new(model: &'m LlamaModel, n_ctx: u32, n_threads: u32, kv_type: KvCacheType) -> Self {
        let n_threads = i32::try_from(n_threads).expect("few threads");
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(n_ctx))
            .with_n_batch(N_BATCH)
            .with_n_ubatch(N_BATCH)
            .with_n_threads(n_threads)
            .with_n_threads_batch(n_threads)
            .with_type_k(kv_type)
            .with_type_v(kv_type);
        let context = model.new_context(backend(), params).expect("a context of usual size");
        Self { model, context, batch: LlamaBatch::new(N_BATCH as usize, 1) }
    }

    /// Answers from an empty cache.
    pub(crate) fn answer(&mut self, prompt: &str, max_tokens: usize) -> Answer {
        let started = Instant::now();
        self.context.clear_kv_cache();
        let vocab = self.model.vocab();
        let tokens = vocab.tokenize(prompt.as_bytes(), true, true);
        self.prefill(&tokens);
        let mut sampler = LlamaSampler::greedy();
        let (mut bytes, mut reply_tokens, mut first_token) = (Vec::new(), 0, None);
        loop {
            let token = sampler.sample(&self.context, -1);
            if vocab.is_eog(token) {
                break;
            }
            bytes.extend(vocab.token_to_piece(token, false, None));
            first_token.get_or_insert_with(|| started.elapsed());
            reply_tokens += 1;
            if reply_tokens == max_tokens {
                break;
            }
            self.batch.clear();
            self.add(token, tokens.len() + reply_tokens - 1, true);
            self.decode();
        }
        Answer {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            prompt_tokens: tokens.len(),
            reply_tokens,
            first_token: first_token.unwrap_or_default(),
            whole: started.elapsed(),
        }
    }

    /// Computes the prompt; the last token's logits are kept.
    fn prefill(&mut self, tokens: &[LlamaToken]) {
        for (chunk, start) in tokens.chunks(N_BATCH as usize).zip((0..).step_by(N_BATCH as usize)) {
            self.batch.clear();
            for (&token, position) in chunk.iter().zip(start..) {
                self.add(token, position, position + 1 == tokens.len());
            }
            self.decode();
        }
    }

    fn add(&mut self, token: LlamaToken, position: usize, logits: bool) {
        let position = i32::try_from(position).expect("positions are small");
        self.batch.add(token, position, &[0], logits).expect("a batch holds N_BATCH tokens");
    }

    fn decode(&mut self) {
        self.context.decode(&mut self.batch).expect("the context has room");
    }

    /// Writes the cache of `prompt`, which must have been answered last, with llama.cpp's own function.
    pub(crate) fn save(&self, prompt: &str, file: &Path) {
        let tokens = self.model.vocab().tokenize(prompt.as_bytes(), true, true);
        self.context.state_seq_save_file(file, 0, &tokens).expect("the folder is writable");
    }

    /// Reads a saved cache back.
    pub(crate) fn restore(&mut self, file: &Path) {
        self.context.clear_kv_cache();
        let n_ctx = self.context.n_ctx() as usize;
        self.context.state_seq_load_file(file, 0, n_ctx).expect("llama.cpp wrote it");
    }
}
