//! Conversations as the token sequences that the SDK would decode, with what of them is to be learned.
//!
//! Template and tokenizer are the engine's own, so a model is trained on exactly the tokens that it will see.

use std::path::Path;

use aloekit::engine::gguf::Header;
use aloekit::engine::{Engine, EngineParams};

use crate::error::Result;
use crate::provider::core_message;
use crate::record::ChatMessage;
use crate::train::Sequence;

/// An engine that is asked for tokens alone.
pub(super) struct ConversationTokens {
    engine: Engine,
}

impl ConversationTokens {
    /// Opens the model; its context is kept as small as it goes.
    pub(super) fn open(model: &Path) -> Result<Self> {
        let params =
            EngineParams { n_ctx: 512, n_batch: 64, n_sessions: 1, n_threads: Some(1), ..EngineParams::new(model) };
        Ok(Self { engine: Engine::open(&params)? })
    }

    /// The identity of the model's file.
    pub(super) fn fingerprint(&self) -> &str {
        &self.engine.info().fingerprint
    }

    /// Memory that the machine can give, in MiB.
    pub(super) fn available_mib(&self) -> u64 {
        self.engine.info().memory.available_mib
    }

    /// Tokens of context that the model was trained with.
    pub(super) fn n_ctx_train(&self) -> usize {
        self.engine.info().n_ctx_train as usize
    }

    /// The chat template in the model's file.
    pub(super) fn chat_template(&self, model: &Path) -> Result<Option<String>> {
        Ok(Header::read(model)?.chat_template().map(str::to_owned))
    }

    /// The tokens of a conversation; those of messages with `learned` are learned, each with the token that ends its turn.
    pub(super) fn sequence(&self, messages: &[ChatMessage], learned: &[bool]) -> Result<Sequence> {
        self.tokenize(messages, learned, true)
    }

    /// As [`ConversationTokens::sequence`], without the tokens that end turns.
    pub(super) fn words(&self, messages: &[ChatMessage], learned: &[bool]) -> Result<Sequence> {
        self.tokenize(messages, learned, false)
    }

    fn tokenize(&self, messages: &[ChatMessage], learned: &[bool], with_turn_ends: bool) -> Result<Sequence> {
        let messages: Vec<_> = messages.iter().map(core_message).collect();
        let mut sequence = Sequence::default();
        let mut ends = 0;
        let mut was_learned = false;
        for run in self.engine.token_runs(&messages)? {
            let learns = run.message.is_some_and(|message| learned.get(message).copied().unwrap_or(false));
            let with_loss = match run.message {
                Some(_) if learns => run.tokens.len(),
                Some(_) => 0,
                None if was_learned && with_turn_ends => run.turn_end.unwrap_or(0),
                None => 0,
            };
            sequence.learned.extend((0..run.tokens.len()).map(|at| at < with_loss));
            sequence.tokens.extend(&run.tokens);
            if with_loss > 0 {
                ends = sequence.tokens.len() - run.tokens.len() + with_loss;
            }
            was_learned = learns;
        }
        // What the template writes after the last token that is learned would be computed for nothing.
        sequence.tokens.truncate(ends);
        sequence.learned.truncate(ends);
        Ok(sequence)
    }
}
