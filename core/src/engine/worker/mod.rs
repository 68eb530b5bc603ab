//! The one thread that owns the contexts: takes requests, batches sequences together, samples.
//!
//! Every step decodes one batch: the next token of each running reply, and as much prompt as still fits. So several
//! sessions share one pass over the weights, and a long prompt never stops another session's stream.
//!
//! Drop order: requests are ended, adapters leave the context, the context goes, then adapters and model.

mod admission;
mod batch;
mod keeping;
mod scores;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::generation::{Generation, Request};
use super::gguf;
use super::governor::ThreadGovernor;
use super::native::{Adapter, Context, SequenceNumber};
use super::scoring::ScoreRequest;
use super::slots::{AdapterId, AdapterSet, SequenceId, Slots};
use super::stream::{Generated, StopReason};
use crate::error::{Error, Result};

/// What the engine's handles ask of the worker.
pub(super) enum Command {
    Generate(Box<Request>),
    Score(Box<ScoreRequest>),
    LoadAdapter {
        path: PathBuf,
        reply: oneshot::Sender<Result<AdapterId>>,
    },
    UnloadAdapter {
        id: AdapterId,
        reply: oneshot::Sender<Result<()>>,
    },
    Snapshot {
        sequence: SequenceId,
        reply: oneshot::Sender<Option<Vec<u8>>>,
    },
    Restore {
        sequence: SequenceId,
        adapters: AdapterSet,
        bytes: Vec<u8>,
        reply: oneshot::Sender<usize>,
    },
    Release(SequenceId),
    ReleaseIdle,
    /// Ends everything with [`Error::Backgrounded`].
    EndAll {
        reply: oneshot::Sender<()>,
    },
    Wake,
    Close,
}

/// Gets the worker's attention from another thread.
#[derive(Debug, Clone)]
pub(super) struct Waker {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) abort: Arc<AtomicBool>,
}

impl Waker {
    /// Lets the worker look at paused replies again.
    pub(super) fn wake(&self) {
        let _ = self.commands.send(Command::Wake);
    }

    /// Ends the decode under way, so that a cancelled flag is seen now. What it had computed is done again.
    pub(super) fn interrupt(&self) {
        self.abort.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// State of the engine's thread.
pub(super) struct Worker {
    commands: mpsc::Receiver<Command>,
    queue: VecDeque<Request>,
    scores: VecDeque<ScoreRequest>,
    running: Vec<Generation>,
    slots: Slots,
    /// The sequence where the tail of a shifted conversation waits; `None` while it is taken.
    spare: Option<SequenceNumber>,
    governor: Option<ThreadGovernor>,
    current_adapters: AdapterSet,
    /// Turns that sets of adapters have had.
    turns: u64,
    // Fields drop in this order: the context before the adapters it may have in its set.
    context: Context,
    adapters: HashMap<AdapterId, (Adapter, [u8; 32])>,
    next_adapter: u64,
    base: Arc<gguf::Header>,
    fingerprint: [u8; 32],
    closing: bool,
}

impl Worker {
    /// `governor` is given where the number of threads is the engine's to choose.
    pub(super) fn new(
        context: Context,
        commands: mpsc::Receiver<Command>,
        base: Arc<gguf::Header>,
        fingerprint: [u8; 32],
        governor: Option<ThreadGovernor>,
    ) -> Self {
        let n_seq_max = context.params().n_seq_max;
        Self {
            commands,
            queue: VecDeque::new(),
            scores: VecDeque::new(),
            running: Vec::new(),
            slots: Slots::new(n_seq_max - 1),
            spare: i32::try_from(n_seq_max - 1).ok(),
            governor,
            current_adapters: AdapterSet::default(),
            turns: 0,
            context,
            adapters: HashMap::new(),
            next_adapter: 1,
            base,
            fingerprint,
            closing: false,
        }
    }

    /// Works until the engine is closed or all its handles are gone.
    pub(super) fn run(mut self) {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.handle(command);
            }
            if self.closing {
                break;
            }
            self.end_cancelled();
            self.admit();
            self.score_waiting();
            if self.is_ready() {
                self.step();
            } else if let Ok(command) = self.commands.recv() {
                self.handle(command);
            } else {
                break;
            }
        }
        let _ = self.context.set_adapters(&[]);
    }

    /// Whether some reply can be continued now.
    fn is_ready(&self) -> bool {
        self.running.iter().any(Generation::is_ready)
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Generate(request) => self.queue.push_back(*request),
            Command::Score(request) => self.scores.push_back(*request),
            Command::LoadAdapter { path, reply } => {
                let _ = reply.send(self.load_adapter(path));
            }
            Command::UnloadAdapter { id, reply } => {
                let _ = reply.send(self.unload_adapter(id));
            }
            Command::Snapshot { sequence, reply } => {
                let _ = reply.send(self.snapshot(sequence));
            }
            Command::Restore { sequence, adapters, bytes, reply } => {
                let _ = reply.send(self.restore(sequence, adapters, &bytes));
            }
            Command::Release(sequence) => self.release(sequence),
            Command::ReleaseIdle => {
                while let Some(idle) = self.slots.oldest_idle(None) {
                    self.evict(idle);
                }
            }
            Command::EndAll { reply } => {
                self.end_all();
                let _ = reply.send(());
            }
            Command::Wake => self.running.iter_mut().for_each(Generation::flush),
            Command::Close => self.closing = true,
        }
    }

    /// Ends cancelled replies, and reports those whose reader has everything.
    fn end_cancelled(&mut self) {
        // Lowered before the flags are read: a cancel from now on raises it again and is seen by the decode.
        self.context.abort_flag().store(false, Ordering::SeqCst);
        self.queue.retain_mut(|request| {
            let is_cancelled = request.reply.is_cancelled();
            if is_cancelled {
                request.reply.end(Ok(Generated::cancelled()));
            }
            !is_cancelled
        });
        for generation in &mut self.running {
            if generation.sink.is_cancelled() && !generation.is_stopped() {
                generation.stop(StopReason::Cancelled);
            }
        }
        self.report_ended();
    }

    /// The app went to the background: no decode follows this.
    fn end_all(&mut self) {
        self.queue.drain(..).for_each(|mut request| request.reply.end(Err(Error::Backgrounded)));
        self.scores.drain(..).for_each(|request| drop(request.reply.send(Err(Error::Backgrounded))));
        for generation in self.running.iter_mut().filter(|generation| !generation.is_stopped()) {
            generation.fail_with(Error::Backgrounded);
        }
        self.report_ended();
    }

    fn report_ended(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            if self.running[index].is_over() {
                let generation = self.running.swap_remove(index);
                self.vacate(&generation);
                generation.report();
            } else {
                index += 1;
            }
        }
    }

    /// Gives back what a reply held; its KV cells stay for the conversation's next turn.
    fn vacate(&mut self, generation: &Generation) {
        self.slots.get_mut(generation.slot).reserved = 0;
        if generation.parked.is_some() {
            self.unpark_for_good();
        }
    }
}
