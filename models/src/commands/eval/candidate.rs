//! Who is measured: our engine through the SDK itself, or whatever a provider answers.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use aloekit::engine::{Engine, EngineParams, SamplingParams};
use aloekit::memory::{Embedder, MemoryParams, MemoryStore};
use aloekit::{Assistant, Conversation, Induction, Session, SessionParams};

use crate::error::{Error, Result};
use crate::evaluation::{Candidate, Said, Talker};
use crate::preset::BenchmarkNumbers;
use crate::provider::{Asked, Gateway, Role, Task};
use crate::record::ChatMessage;
use crate::roleplay;

/// Whatever a provider answers; it sees the conversation and nothing else.
pub(super) struct Provided<'a> {
    pub(super) gateway: &'a Gateway,
}

impl Candidate for Provided<'_> {
    fn meet(&self) -> Result<Box<dyn Talker + '_>> {
        Ok(Box::new(Self { gateway: self.gateway }))
    }
}

impl Talker for Provided<'_> {
    fn reply(&mut self, history: &[ChatMessage], seed: u32) -> Result<Said> {
        let task = Task::Reply { history, hint: None };
        let messages = roleplay::reply(history, None);
        let asked = Asked { role: Role::Candidate, task, messages, schema: None, seed };
        // As it comes, like that of our engine: what an app's user would see is what is scored.
        let told = self.gateway.ask(&asked, |answer| Some(answer.text.trim().to_owned()))?;
        Ok(Said { text: told.value, remembered: Vec::new() })
    }
}

/// Our engine, as an app has it: with or without adapter and memory, which are then all that differs.
pub(super) struct Device {
    pub(super) engine: Engine,
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    pub(super) adapter: Option<PathBuf>,
    pub(super) memory: bool,
    pub(super) restart_every: Option<NonZero<usize>>,
    pub(super) numbers: BenchmarkNumbers,
}

impl Device {
    /// Loads the model.
    pub(super) fn engine(file: PathBuf, ctx: u32, threads: u32) -> Result<Engine> {
        let n_threads = (threads > 0).then_some(threads);
        Ok(Engine::open(&EngineParams { n_ctx: ctx, n_threads, ..EngineParams::new(file) })?)
    }

    /// What of it decides the replies, beyond what the command line names.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let mut described = vec![("model".to_owned(), self.engine.info().fingerprint.clone())];
        if self.memory {
            let embedder = self.embedder.as_ref().map_or("none", |embedder| embedder.fingerprint());
            described.push(("embedder".to_owned(), embedder.to_owned()));
        }
        described
    }

    fn session_params(&self) -> SessionParams {
        SessionParams {
            conversation: Conversation::New,
            system_prompt: roleplay::RESPONDER.to_owned(),
            max_reply_tokens: self.numbers.reply_max_tokens as usize,
            remember: self.memory,
            recall: self.memory,
            adapters: self.adapter.iter().map(|path| (path.clone(), 1.0)).collect(),
            ..SessionParams::default()
        }
    }
}

impl Candidate for Device {
    /// Each person has a store of their own, which lasts as long as the case.
    fn meet(&self) -> Result<Box<dyn Talker + '_>> {
        let embedder = self.embedder.clone().filter(|_| self.memory);
        let store = MemoryStore::open(MemoryParams::in_memory(), embedder)?;
        let induction = if self.memory { Induction::Extractive } else { Induction::Off };
        let assistant = Assistant::from_parts(self.engine.clone(), store, None, induction)?;
        let session = assistant.session(self.session_params())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Error::internal)?;
        Ok(Box::new(Meeting { device: self, session, assistant, runtime }))
    }
}

struct Meeting<'a> {
    device: &'a Device,
    session: Session,
    assistant: Assistant,
    runtime: tokio::runtime::Runtime,
}

impl Talker for Meeting<'_> {
    fn reply(&mut self, history: &[ChatMessage], seed: u32) -> Result<Said> {
        let Some(message) = history.last() else { return Err(Error::internal("a reply to nothing")) };
        let turn = history.len() / 2;
        if turn > 0 && self.device.restart_every.is_some_and(|turns| turn % turns == 0) {
            self.assistant.settle()?;
            self.session = self.assistant.session(self.device.session_params())?;
        }
        let temperature = self.device.numbers.temperature;
        self.session.set_sampling(SamplingParams { temperature, seed: Some(seed), ..SamplingParams::default() })?;
        let session = &mut self.session;
        let turn = self.runtime.block_on(async { session.send(message.content.as_str()).await?.finish().await })?;
        let remembered = turn.persona.iter().chain(&turn.facts).map(|fact| fact.words.clone()).collect();
        Ok(Said { text: turn.reply, remembered })
    }
}
