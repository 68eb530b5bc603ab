//! An engine without weights, for the tests of apps: replies come from a script, in order, in pieces, with delays.
//!
//! It stands behind the same handles as a model, so sessions, memory, budget and cancelling are the real ones. It has no
//! logits and no KV cache: how likely a reply is the script says, and there is nothing to save in a snapshot. A word is a
//! token.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;

use super::estimate::MemoryEstimate;
use super::generation::Request;
use super::scoring::Score;
use super::slots::{AdapterId, AdapterSet};
use super::stream::{Generated, GenerationStats, StopReason};
use super::template::{BuiltIn, ChatTemplate, Segment, TemplateSource};
use super::tokenizer::Tokenizer;
use super::worker::{Command, Waker};
use super::{Engine, ModelInfo, Parts};
use crate::error::{Error, Result};

/// How often a reply looks whether its slow reader has made room.
const READER_CHECK: Duration = Duration::from_millis(5);

/// What a scripted engine answers.
#[derive(Clone)]
pub struct Script {
    /// Given in this order; after the last, the last again.
    pub replies: Vec<ScriptedReply>,
    /// Context window in words.
    pub n_ctx: usize,
    /// Whether it behaves as if on a GPU, which may not be used in the background.
    pub uses_gpu: bool,
}

/// One answer.
#[derive(Clone, Default)]
pub struct ScriptedReply {
    /// What the stream gives, piece by piece.
    pub pieces: Vec<String>,
    /// Waited before each piece.
    pub piece_delay: Duration,
    /// Makes the error that ends the reply after its pieces.
    pub fails_with: Option<Arc<dyn Fn() -> Error + Send + Sync>>,
    /// How much likelier adapters make this reply, in nats: what the alignment meter reads.
    pub alignment_nats: f64,
}

impl Engine {
    /// An engine that answers from a script.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a script without replies or a context under 64 words.
    pub fn scripted(script: Script) -> Result<Self> {
        if script.replies.is_empty() {
            return Err(Error::InvalidInput { what: "script", reason: "it has no replies".into() });
        }
        if script.n_ctx < 64 {
            return Err(Error::InvalidInput { what: "n_ctx", reason: "a script needs 64 words or more".into() });
        }
        let template = ChatTemplate::new(&TemplateSource::Named(BuiltIn::ChatMl), "", "", Path::new("script"))?;
        let (commands, inbox) = mpsc::channel();
        let (n_ctx, uses_gpu) = (script.n_ctx, script.uses_gpu);
        let parts = Parts { tokenizer: Tokenizer::Words, template, info: info(n_ctx), n_ctx, uses_gpu };
        let worker = ScriptedWorker { inbox, script, given: 0, adapters: 0, queue: VecDeque::new() };
        let waker = Waker { commands, abort: Arc::new(AtomicBool::new(false)) };
        Self::start(parts, waker, move || worker.run())
    }
}

fn info(n_ctx: usize) -> ModelInfo {
    let memory = MemoryEstimate { weights_mib: 0, kv_mib: 0, compute_mib: 0, required_mib: 0, available_mib: u64::MAX };
    ModelInfo {
        name: "script".into(),
        architecture: "scripted".into(),
        n_params: 0,
        n_ctx_train: u32::try_from(n_ctx).unwrap_or(u32::MAX),
        n_vocab: 0,
        memory,
        fingerprint: "scripted".into(),
    }
}

/// Stands where the worker of a model stands. One reply at a time.
struct ScriptedWorker {
    inbox: mpsc::Receiver<Command>,
    script: Script,
    given: usize,
    adapters: u64,
    queue: VecDeque<Request>,
}

/// Why the worker ends.
struct Closed;

/// How a reply went on after a wait.
enum Waited {
    Over,
    Ended(Result<StopReason>),
}

impl ScriptedWorker {
    fn run(mut self) {
        loop {
            let next = match self.queue.pop_front() {
                Some(request) => self.answer(request),
                None => match self.inbox.recv() {
                    Ok(command) => self.handle(command, None),
                    Err(_) => return,
                },
            };
            if next.is_break() {
                return;
            }
        }
    }

    /// `running` is told when everything is to end.
    fn handle(&mut self, command: Command, running: Option<&mut Option<Error>>) -> ControlFlow<Closed> {
        match command {
            Command::Generate(request) => self.queue.push_back(*request),
            Command::Score(request) => {
                let scores = request.continuations.iter().map(|text| self.score(text, &request.adapters)).collect();
                let answer = request.expect_wanted().map(|()| scores);
                let _ = request.reply.send(answer);
            }
            Command::LoadAdapter { path, reply } => {
                let _ = reply.send(self.load_adapter(&path));
            }
            Command::UnloadAdapter { reply, .. } => drop(reply.send(Ok(()))),
            Command::Snapshot { reply, .. } => drop(reply.send(None)),
            Command::Restore { reply, .. } => drop(reply.send(0)),
            Command::EndAll { reply } => {
                self.queue.drain(..).for_each(|mut request| request.reply.end(Err(Error::Backgrounded)));
                if let Some(running) = running {
                    *running = Some(Error::Backgrounded);
                }
                let _ = reply.send(());
            }
            Command::Release(_) | Command::ReleaseIdle | Command::Wake => {}
            Command::Close => return ControlFlow::Break(Closed),
        }
        ControlFlow::Continue(())
    }

    /// A nat less a word, and more or less of that with adapters, as the script says; 0 more for what is not in it.
    fn score(&self, text: &str, adapters: &AdapterSet) -> Score {
        let scripted = self.script.replies.iter().find(|reply| reply.pieces.concat() == text);
        let nats = scripted.filter(|_| !adapters.0.is_empty()).map_or(0.0, |reply| reply.alignment_nats);
        let words = text.split_whitespace().count();
        Score { token_log_probs: vec![(nats / words.max(1) as f64 - 1.0) as f32; words] }
    }

    /// Every file that is there counts as an adapter that fits.
    fn load_adapter(&mut self, path: &Path) -> Result<AdapterId> {
        if !path.is_file() {
            return Err(Error::ModelMissing { what: "adapter", path: path.to_owned() });
        }
        self.adapters += 1;
        Ok(AdapterId(self.adapters))
    }

    /// Gives the next reply of the script. A request that is dropped unanswered hears that the engine is closed.
    fn answer(&mut self, mut request: Request) -> ControlFlow<Closed> {
        let reply = self.script.replies[self.given.min(self.script.replies.len() - 1)].clone();
        self.given += 1;
        let started_at = Instant::now();
        let (mut text, mut first_at, mut n_pieces) = (String::new(), None, 0);
        let mut ending = Ok(StopReason::EndOfTurn);
        for piece in &reply.pieces {
            if n_pieces == request.max_tokens {
                ending = Ok(StopReason::MaxTokens);
                break;
            }
            if let Waited::Ended(outcome) = self.wait(reply.piece_delay, &request)? {
                ending = outcome;
                break;
            }
            first_at.get_or_insert_with(Instant::now);
            n_pieces += 1;
            text.push_str(piece);
            if let Some(observer) = &mut request.reply.observer {
                observer.on_text(&text);
            }
            if let Waited::Ended(outcome) = self.deliver(piece, &request)? {
                ending = outcome;
                break;
            }
        }
        if let (Ok(StopReason::EndOfTurn), Some(fails_with)) = (&ending, &reply.fails_with) {
            ending = Err(fails_with());
        }
        let stats = stats(&request, started_at, first_at.unwrap_or(started_at), n_pieces);
        request.reply.end(ending.map(|stop| Generated { text, stop, stats }));
        ControlFlow::Continue(())
    }

    /// Waits, and hears meanwhile what is asked.
    fn wait(&mut self, delay: Duration, request: &Request) -> ControlFlow<Closed, Waited> {
        let until = Instant::now() + delay;
        loop {
            if request.reply.is_cancelled() {
                return ControlFlow::Continue(Waited::Ended(Ok(StopReason::Cancelled)));
            }
            let mut ended = None;
            match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(command) => self.handle(command, Some(&mut ended))?,
                Err(RecvTimeoutError::Timeout) => return ControlFlow::Continue(Waited::Over),
                Err(RecvTimeoutError::Disconnected) => return ControlFlow::Break(Closed),
            }
            if let Some(error) = ended {
                return ControlFlow::Continue(Waited::Ended(Err(error)));
            }
        }
    }

    /// Hands a piece over, or waits for the reader to make room.
    fn deliver(&mut self, piece: &str, request: &Request) -> ControlFlow<Closed, Waited> {
        let Some(pieces) = request.reply.pieces.as_ref() else { return ControlFlow::Continue(Waited::Over) };
        let mut piece = piece.to_owned();
        loop {
            match pieces.try_send(piece) {
                Ok(()) => return ControlFlow::Continue(Waited::Over),
                Err(TrySendError::Closed(_)) => {
                    request.reply.cancelled.store(true, Ordering::SeqCst);
                    return ControlFlow::Continue(Waited::Ended(Ok(StopReason::Cancelled)));
                }
                Err(TrySendError::Full(back)) => piece = back,
            }
            if let ended @ Waited::Ended(_) = self.wait(READER_CHECK, request)? {
                return ControlFlow::Continue(ended);
            }
        }
    }
}

fn stats(request: &Request, started_at: Instant, first_at: Instant, reply_tokens: usize) -> GenerationStats {
    let words = |segment: &Segment| match segment {
        Segment::Control(text) | Segment::Content { text, .. } => text.split_whitespace().count(),
    };
    let (prefill_s, decode_s) = ((first_at - started_at).as_secs_f64(), first_at.elapsed().as_secs_f64());
    let rate = |tokens: usize, seconds: f64| if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
    let prompt_tokens = request.segments.iter().map(words).sum();
    GenerationStats {
        prompt_tokens,
        cached_tokens: 0,
        ttft_ms: (first_at - request.asked_at).as_secs_f64() * 1e3,
        prefill_tokens_per_s: rate(prompt_tokens, prefill_s),
        reply_tokens,
        decode_tokens_per_s: rate(reply_tokens.saturating_sub(1), decode_s),
    }
}
