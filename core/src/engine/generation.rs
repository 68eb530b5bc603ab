//! One reply in the making: from the request to the last piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::native::{Model, Token};
use super::params::{Constraint, SamplingParams};
use super::sampler::Sampler;
use super::slots::{AdapterSet, SequenceId};
use super::stream::{CancelHandle, Generated, GenerationStats, StopReason};
use super::template::Segment;
use super::text::TextAssembler;
use super::tokens::MovedRun;
use crate::error::{Error, Result};

/// Follows a reply on the engine's thread: must return quickly.
pub trait GenerationObserver: Send {
    /// More text has come; `text` is the whole reply so far.
    fn on_text(&mut self, text: &str) {
        let _ = text;
    }

    /// The reply has ended. Called exactly once, unless the process dies.
    fn on_end(&mut self, outcome: &Result<Generated>);
}

/// A reply that was asked for and has not begun.
pub(super) struct Request {
    pub(super) sequence: SequenceId,
    pub(super) segments: Vec<Segment>,
    pub(super) sampling: SamplingParams,
    pub(super) constraint: Constraint,
    pub(super) stop: Vec<String>,
    pub(super) max_tokens: usize,
    pub(super) adapters: AdapterSet,
    pub(super) may_evict: bool,
    pub(super) reply: ReplySink,
    pub(super) asked_at: Instant,
}

/// Where a reply goes.
pub(super) struct ReplySink {
    /// `None` where only the observer follows.
    pub(super) pieces: Option<mpsc::Sender<String>>,
    pub(super) outcome: Option<oneshot::Sender<Result<Generated>>>,
    pub(super) observer: Option<Box<dyn GenerationObserver>>,
    pub(super) cancelled: Arc<AtomicBool>,
    /// The reply that this one is generated for, if there is one.
    pub(super) ends_with: Option<CancelHandle>,
    pub(super) paused: Arc<AtomicBool>,
}

impl ReplySink {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst) || self.ends_with.as_ref().is_some_and(CancelHandle::is_given_up)
    }

    fn has_no_reader(&self) -> bool {
        self.pieces.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Ends the reply: observer first, so that what it records is on its way when the reader hears of the end.
    pub(super) fn end(&mut self, outcome: Result<Generated>) {
        if let Some(mut observer) = self.observer.take() {
            observer.on_end(&outcome);
        }
        self.cancelled.store(true, Ordering::SeqCst); // there is nothing left to cancel
        if let Some(sender) = self.outcome.take() {
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for ReplySink {
    fn drop(&mut self) {
        self.end(Err(Error::Closed));
    }
}

/// A reply being generated in a slot.
pub(super) struct Generation {
    pub(super) slot: usize,
    pub(super) prompt: Vec<Token>,
    /// Tail of an earlier prompt, parked in the spare sequence until the prefill reaches its place.
    pub(super) parked: Option<MovedRun>,
    /// Token to be decoded next; `None` while the prompt is prefilled.
    pub(super) next_token: Option<Token>,
    pub(super) adapters: AdapterSet,
    /// When its adapters last had their turn; 0 before the first.
    pub(super) last_turn: u64,
    sampler: Sampler,
    assembler: TextAssembler,
    text: String,
    /// A piece that the reader has no room for yet.
    waiting: Option<String>,
    max_tokens: usize,
    /// Why the length ends where it does.
    at_limit: StopReason,
    pub(super) sink: ReplySink,
    cached_tokens: usize,
    reply_tokens: usize,
    asked_at: Instant,
    started_at: Instant,
    first_token_at: Option<Instant>,
    /// Why and when the last token was drawn; the reply is over once its reader has taken the last piece.
    ended: Option<(StopReason, Instant)>,
    failure: Option<Error>,
}

/// What a slot had for a prompt when its generation began.
pub(super) struct Placement {
    pub(super) slot: usize,
    pub(super) prompt: Vec<Token>,
    pub(super) cached_tokens: usize,
    pub(super) parked: Option<MovedRun>,
    /// Tokens that fit after the prompt.
    pub(super) room: usize,
}

impl Generation {
    /// Begins a reply; a request that cannot begin is answered with its error.
    pub(super) fn begin(model: &Model, mut request: Request, placement: Placement) -> Option<Self> {
        let sampler = match Sampler::new(model, &request.sampling, &request.constraint) {
            Ok(sampler) => sampler,
            Err(error) => {
                request.reply.end(Err(error));
                return None;
            }
        };
        let fits = request.max_tokens <= placement.room;
        Some(Self {
            slot: placement.slot,
            prompt: placement.prompt,
            parked: placement.parked,
            next_token: None,
            adapters: request.adapters,
            last_turn: 0,
            sampler,
            assembler: TextAssembler::new(request.stop),
            text: String::new(),
            waiting: None,
            max_tokens: request.max_tokens.min(placement.room),
            at_limit: if fits { StopReason::MaxTokens } else { StopReason::ContextFull },
            sink: request.reply,
            cached_tokens: placement.cached_tokens,
            reply_tokens: 0,
            asked_at: request.asked_at,
            started_at: Instant::now(),
            first_token_at: None,
            ended: None,
            failure: None,
        })
    }

    /// Whether it can be continued: neither at its end nor waiting for its reader.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.is_none() && self.ended.is_none()
    }

    /// Draws the next token from `logits`; answers with why the reply ends, if it does.
    pub(super) fn advance(&mut self, model: &Model, logits: &[f32]) -> Result<Option<StopReason>> {
        let token = self.sampler.sample(logits)?;
        self.first_token_at.get_or_insert_with(Instant::now);
        let vocab = model.safe().vocab();
        if vocab.is_eog(token) {
            return Ok(Some(StopReason::EndOfTurn));
        }
        self.reply_tokens += 1;
        let assembled = self.assembler.push(&vocab.token_to_piece(token, false, None));
        self.emit(assembled.text);
        if assembled.stopped {
            return Ok(Some(StopReason::StopString));
        }
        if self.reply_tokens >= self.max_tokens {
            return Ok(Some(self.at_limit));
        }
        self.next_token = Some(token);
        Ok(None)
    }

    /// Hands a piece to the reader, or keeps it until there is room.
    fn emit(&mut self, piece: String) {
        if piece.is_empty() {
            return;
        }
        self.text.push_str(&piece);
        if let Some(observer) = &mut self.sink.observer {
            observer.on_text(&self.text);
        }
        self.waiting.get_or_insert_default().push_str(&piece);
        self.flush();
    }

    /// Tries again to hand over what waits.
    pub(super) fn flush(&mut self) {
        // The flag goes up before the last try: a reader that makes room in between then still wakes us.
        for pausing in [false, true] {
            let Some(piece) = self.waiting.take() else { return };
            let Some(pieces) = &self.sink.pieces else { return };
            self.sink.paused.store(pausing, Ordering::SeqCst);
            match pieces.try_send(piece) {
                Ok(()) => self.sink.paused.store(false, Ordering::SeqCst),
                Err(mpsc::error::TrySendError::Full(piece)) => self.waiting = Some(piece),
                Err(mpsc::error::TrySendError::Closed(_)) => self.sink.cancelled.store(true, Ordering::SeqCst),
            }
        }
    }

    /// Draws no more tokens: what was held back is text now, or a stop string's beginning that is cut.
    pub(super) fn stop(&mut self, reason: StopReason) {
        let rest = self.assembler.finish();
        if reason != StopReason::StopString {
            self.emit(rest);
        }
        self.next_token = None;
        self.ended = Some((reason, Instant::now()));
    }

    /// Whether no token will be drawn any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether nothing is left to be done or handed over.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some() && (self.waiting.is_none() || self.sink.has_no_reader())
    }

    /// Reports the end of a reply that is over.
    pub(super) fn report(mut self) {
        let (stop, at) = self.ended.unwrap_or((StopReason::Cancelled, Instant::now()));
        let generated = Generated { text: std::mem::take(&mut self.text), stop, stats: self.stats(at) };
        let outcome = self.failure.take().map_or(Ok(generated), Err);
        self.sink.end(outcome);
    }

    /// Draws no more tokens because something broke.
    pub(super) fn fail_with(&mut self, error: Error) {
        self.stop(StopReason::Cancelled);
        self.failure = Some(error);
    }

    fn stats(&self, ended_at: Instant) -> GenerationStats {
        let first = self.first_token_at.unwrap_or(ended_at);
        let prefill_s = first.duration_since(self.started_at).as_secs_f64();
        let decode_s = ended_at.duration_since(first).as_secs_f64();
        let rate = |tokens: usize, seconds: f64| if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
        GenerationStats {
            prompt_tokens: self.prompt.len(),
            cached_tokens: self.cached_tokens,
            ttft_ms: first.duration_since(self.asked_at).as_secs_f64() * 1e3,
            prefill_tokens_per_s: rate(self.prompt.len() - self.cached_tokens, prefill_s),
            reply_tokens: self.reply_tokens,
            decode_tokens_per_s: rate(self.reply_tokens.saturating_sub(1), decode_s),
        }
    }
}
