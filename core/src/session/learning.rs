//! Learning from what was said: after each reply without a language model, and with one while nobody talks.
//!
//! The first runs on the background thread between jobs, in some milliseconds a turn. The second takes seconds, so it
//! has a thread of its own that waits for a pause, and is stopped when the next message comes.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::{AdapterId, CancelHandle, Constraint, Engine, GenerateParams, SamplingParams, StopReason};
use crate::error::{Error, Result};
use crate::memory::{ExtractiveInducer, Inducer, InductionPrompt, InductionReport, MemoryStore, PromptedInducer};

/// Turns read in one go, so that a message does not wait for many.
const TURNS_AT_ONCE: usize = 8;
/// How often that is done after one reply at most; an import of thousands of turns is read little by little.
pub(super) const READS_AFTER_REPLY: usize = 8;
/// Fewer parameters were tried, and what they found was nonsense.
const LEAST_PARAMS: u64 = 1_000_000_000;
/// How long nobody has to talk before the language model reads.
const IDLE: Duration = Duration::from_secs(5);
/// Greatest length of what the language model finds, in tokens.
const MOST_TOKENS: usize = 512;

/// How what the user says becomes facts.
#[derive(Clone, Default)]
pub enum Induction {
    /// Nothing is learnt; what was said is still remembered word for word.
    Off,
    /// By grammar and meaning, after each reply, in some milliseconds: for every device.
    Extractive,
    /// As [`Induction::Extractive`], and where the model has a billion parameters or more, it reads too while nobody
    /// talks and its context has room beside the conversations.
    #[default]
    Automatic,
    /// As [`Induction::Extractive`], and the model reads too, of whatever size, when nobody has talked for so long.
    Prompted {
        /// How long nobody has to talk.
        idle_after: Duration,
    },
    /// As [`Induction::Prompted`], with an adapter that was trained for induction alone (`aloe train sft --task induce`) on
    /// the model while it reads. Conversations keep their own adapters.
    Adapted {
        /// The LoRA adapter, a GGUF file.
        adapter: PathBuf,
        /// How long nobody has to talk.
        idle_after: Duration,
    },
    /// By the app's own inducer, after each reply.
    Own(Arc<dyn Inducer>),
}

impl std::fmt::Debug for Induction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Extractive => f.write_str("Extractive"),
            Self::Automatic => f.write_str("Automatic"),
            Self::Prompted { idle_after } => f.debug_struct("Prompted").field("idle_after", idle_after).finish(),
            Self::Adapted { adapter, idle_after } => {
                f.debug_struct("Adapted").field("adapter", adapter).field("idle_after", idle_after).finish()
            }
            Self::Own(inducer) => f.debug_tuple("Own").field(&inducer.name()).finish(),
        }
    }
}

/// What reads the turns of one assistant.
#[derive(Debug)]
pub(super) struct Learning {
    memory: MemoryStore,
    induction: Induction,
    extractive: OnceLock<ExtractiveInducer>,
    idle: Option<IdleReader>,
}

impl Learning {
    pub(super) fn start(engine: &Engine, memory: &MemoryStore, induction: Induction) -> Result<Self> {
        let (idle_after, adapter) = match &induction {
            Induction::Automatic if engine.info().n_params >= LEAST_PARAMS => (Some(IDLE), None),
            Induction::Prompted { idle_after } => (Some(*idle_after), None),
            Induction::Adapted { idle_after, adapter } => (Some(*idle_after), Some(adapter)),
            _ => (None, None),
        };
        let reading = |after| IdleReader::start(ReadingModel::open(engine, adapter)?, memory.clone(), after);
        let idle = idle_after.map(reading).transpose()?;
        Ok(Self { memory: memory.clone(), induction, extractive: OnceLock::new(), idle })
    }

    /// A message has come: the language model is needed for the reply.
    pub(super) fn pause(&self) {
        if let Some(idle) = &self.idle {
            idle.pause();
        }
    }

    /// A reply is recorded: the language model may read when nobody talks for long enough.
    pub(super) fn resume(&self) {
        if let Some(idle) = &self.idle {
            idle.resume();
        }
    }

    /// Reads some of what is unread, without a language model; whether more is left.
    pub(super) fn read(&self) -> bool {
        let read = self.inducer().and_then(|inducer| match inducer {
            Some(inducer) => self.memory.induce(inducer, TURNS_AT_ONCE),
            None => Ok(InductionReport::default()),
        });
        match read {
            Ok(report) => report.more,
            Err(error) => {
                // An embedder or inducer of the app may quote the text in its error.
                tracing::warn!("nothing was learnt; it is tried again after the next reply");
                tracing::debug!(%error, "why nothing was learnt");
                false
            }
        }
    }

    fn inducer(&self) -> Result<Option<&dyn Inducer>> {
        match &self.induction {
            Induction::Off => Ok(None),
            Induction::Own(inducer) => Ok(Some(inducer.as_ref())),
            Induction::Extractive | Induction::Automatic | Induction::Prompted { .. } | Induction::Adapted { .. } => {
                if self.extractive.get().is_none() {
                    let _ = self.extractive.set(ExtractiveInducer::new(self.memory.embedder_handle())?);
                }
                Ok(self.extractive.get().map(|extractive| extractive as &dyn Inducer))
            }
        }
    }

    pub(super) fn close(&self) {
        if let Some(idle) = &self.idle {
            idle.close();
        }
    }
}

/// The thread on which the language model reads.
#[derive(Debug)]
struct IdleReader {
    turn_taking: Arc<TurnTaking>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct TurnTaking {
    state: Mutex<Taking>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Taking {
    /// Whether something may be unread.
    wanted: bool,
    closed: bool,
    /// Grows with every message and reply: a pause has lasted while it stays the same.
    count: u64,
    running: Option<CancelHandle>,
}

impl IdleReader {
    fn start(model: ReadingModel, memory: MemoryStore, idle_after: Duration) -> Result<Self> {
        let turn_taking = Arc::new(TurnTaking::default());
        let shared = Arc::clone(&turn_taking);
        let thread = std::thread::Builder::new()
            .name("aloekit-idle".into())
            .spawn(move || read_while_idle(&model, &memory, &shared, idle_after))
            .map_err(|e| Error::internal(format_args!("cannot start the idle thread: {e}")))?;
        Ok(Self { turn_taking, thread: Mutex::new(Some(thread)) })
    }

    fn pause(&self) {
        self.turn_taking.change(|taking| taking.wanted = false);
    }

    fn resume(&self) {
        self.turn_taking.change(|taking| taking.wanted = true);
    }

    fn close(&self) {
        self.turn_taking.change(|taking| taking.closed = true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Drop for IdleReader {
    fn drop(&mut self) {
        self.close();
    }
}

impl TurnTaking {
    fn change(&self, change: impl FnOnce(&mut Taking)) {
        let mut taking = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut taking);
        taking.count += 1;
        if let Some(running) = taking.running.take() {
            running.cancel();
        }
        self.changed.notify_all();
    }

    /// Waits until something is wanted and nobody has talked for so long; `None` when closed.
    fn wait_for_pause(&self, idle_after: Duration) -> Option<u64> {
        let mut taking = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if taking.closed {
                return None;
            }
            let count = taking.count;
            if !taking.wanted {
                taking = self.changed.wait(taking).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (still, waited) = self.changed.wait_timeout(taking, idle_after).unwrap_or_else(PoisonError::into_inner);
            taking = still;
            if waited.timed_out() && taking.count == count && !taking.closed {
                return Some(count);
            }
        }
    }

    /// Notes what runs, unless the pause is over.
    fn run(&self, pause: u64, handle: CancelHandle) -> bool {
        let mut taking = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = taking.count == pause;
        if lasts {
            taking.running = Some(handle);
        }
        lasts
    }

    fn is_read(&self, pause: u64) {
        let mut taking = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if taking.count == pause {
            taking.wanted = false;
            taking.running = None;
        }
    }
}

/// The model as it reads: with an adapter of its own, or bare.
#[derive(Debug)]
struct ReadingModel {
    engine: Engine,
    adapters: Vec<(AdapterId, f32)>,
    /// Tells models and adapters apart: another one reads the turns anew.
    name: String,
}

impl ReadingModel {
    fn open(engine: &Engine, adapter: Option<&PathBuf>) -> Result<Self> {
        let mut reading =
            Self { engine: engine.clone(), adapters: Vec::new(), name: engine.info().fingerprint.clone() };
        if let Some(path) = adapter {
            reading.adapters.push((engine.blocking_load_adapter(path)?, 1.0));
            let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
            reading.name = format!("{}+{}", reading.name, blake3::hash(&bytes).to_hex());
        }
        Ok(reading)
    }
}

fn read_while_idle(model: &ReadingModel, memory: &MemoryStore, turn_taking: &TurnTaking, idle_after: Duration) {
    while let Some(pause) = turn_taking.wait_for_pause(idle_after) {
        let inducer = PromptedInducer::new(&model.name, |prompt| complete(model, prompt, turn_taking, pause));
        loop {
            match memory.induce(&inducer, TURNS_AT_ONCE) {
                Ok(report) if report.more => {}
                Ok(_) => break turn_taking.is_read(pause),
                Err(Error::Cancelled | Error::Closed) => break,
                Err(Error::Busy) => break turn_taking.is_read(pause), // perhaps there is room after the next reply
                Err(error) => {
                    tracing::warn!("the model learnt nothing; it tries again after the next reply");
                    tracing::debug!(%error, "why it learnt nothing");
                    break turn_taking.is_read(pause);
                }
            }
        }
    }
}

fn complete(model: &ReadingModel, prompt: &InductionPrompt, turn_taking: &TurnTaking, pause: u64) -> Result<String> {
    let params = GenerateParams {
        sampling: SamplingParams::greedy(),
        constraint: Constraint::JsonSchema(prompt.schema.to_owned()),
        max_tokens: MOST_TOKENS,
        // Reading is never worth a prefill of the whole conversation at the next message.
        may_evict: false,
        adapters: model.adapters.clone(),
        ..GenerateParams::default()
    };
    let sequence = model.engine.sequence();
    let stream = match sequence.generate(&prompt.messages, params) {
        // Turns too long for the context would only fail again: they are left to the other inducer.
        Err(Error::ContextExceeded { .. }) => return Ok(String::new()),
        started => started?,
    };
    if !turn_taking.run(pause, stream.cancel_handle()) {
        return Err(Error::Cancelled);
    }
    let generated = stream.blocking_finish()?;
    match generated.stop {
        StopReason::Cancelled => Err(Error::Cancelled),
        _ => Ok(generated.text),
    }
}
