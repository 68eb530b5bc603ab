//! Our own engine on a GGUF file: no key, no network, and many conversations in one batch.
//!
//! Each thread of the stage keeps a sequence for each role, so what a role's prompt shares with its last one is not
//! computed again; the engine decodes all sequences that are answering in one pass over the weights.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use aloekit::engine::{Constraint, Engine, EngineParams, GenerateParams, SamplingParams, Sequence};
use aloekit::{Message, Role as Speaks, StopReason};

use super::task::Role;
use super::{Answer, Call, Provider};
use crate::error::Result;
use crate::record::{ChatMessage, Speaker};

/// The most that the engine takes.
const MOST_SEQUENCES: u32 = 64;

/// Which model, and how much of it at once.
pub(super) struct LocalParams {
    pub(super) file: PathBuf,
    pub(super) ctx: u32,
    pub(super) sequences: u32,
    pub(super) threads: Option<u32>,
}

/// A model in this process.
pub(super) struct Local {
    engine: Engine,
    /// The file's name and identity: the same name with other weights is another model.
    name: String,
    lanes: usize,
    idle: Mutex<HashMap<(ThreadId, Role), Sequence>>,
}

impl Local {
    /// Loads the model.
    pub(super) fn open(params: &LocalParams) -> Result<Self> {
        let engine = Engine::open(&EngineParams {
            n_ctx: params.ctx,
            // One conversation keeps what its roles share of their prompts. Many keep no more than they are: attention
            // runs over idle cells too, and eight conversations with five sequences each were slower than with one.
            n_sessions: params.sequences.clamp(Role::DIALOGUE.len() as u32, MOST_SEQUENCES),
            n_threads: params.threads,
            ..EngineParams::new(&params.file)
        })?;
        let file = params.file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = format!("{file}-{}", &engine.info().fingerprint[..12]);
        Ok(Self { engine, name, lanes: params.sequences.clamp(1, MOST_SEQUENCES) as usize, idle: Mutex::default() })
    }

    fn sequence(&self, role: Role) -> Sequence {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.remove(&(std::thread::current().id(), role)).unwrap_or_else(|| self.engine.sequence())
    }

    fn put_back(&self, role: Role, sequence: Sequence) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.insert((std::thread::current().id(), role), sequence);
    }
}

impl Provider for Local {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn model(&self) -> &str {
        &self.name
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn complete(&self, call: &Call<'_>) -> Result<Answer> {
        let messages: Vec<_> = call.messages.iter().map(message).collect();
        let params = GenerateParams {
            sampling: SamplingParams {
                temperature: call.drawing.temperature,
                seed: Some(call.seed),
                ..SamplingParams::default()
            },
            constraint: call.schema.map_or(Constraint::None, |schema| Constraint::JsonSchema(schema.json.to_owned())),
            max_tokens: call.drawing.max_tokens as usize,
            ..GenerateParams::default()
        };
        let sequence = self.sequence(call.role);
        let generated = sequence.generate(&messages, params)?.blocking_finish()?;
        self.put_back(call.role, sequence);
        Ok(Answer {
            text: generated.text,
            model: self.name.clone(),
            prompt_tokens: generated.stats.prompt_tokens as u64,
            completion_tokens: generated.stats.reply_tokens as u64,
            cut: matches!(generated.stop, StopReason::MaxTokens | StopReason::ContextFull),
        })
    }
}

/// A message as the core takes it.
pub(crate) fn message(message: &ChatMessage) -> Message {
    let role = match message.role {
        Speaker::System => Speaks::System,
        Speaker::User => Speaks::User,
        Speaker::Assistant => Speaks::Assistant,
    };
    Message { role, content: message.content.clone() }
}
