//! A reply as it comes: bounded, whole characters, cancelled when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::worker::Waker;
use crate::error::{Error, Result};

/// Pieces that may wait for a slow reader before its sequence pauses; other sequences go on.
pub(super) const STREAM_CAPACITY: usize = 64;

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string was met.
    StopString,
    /// The greatest reply length was reached.
    MaxTokens,
    /// The caller cancelled, or dropped the stream.
    Cancelled,
    /// The context has no room for another token.
    ContextFull,
}

impl StopReason {
    /// Whether the reply ended by itself or at its greatest length, not by a caller's cancelling.
    #[must_use]
    pub fn is_natural(self) -> bool {
        self != Self::Cancelled
    }
}

/// What a reply cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GenerationStats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, tokens that were in the KV cache already.
    pub cached_tokens: usize,
    /// Milliseconds from the request to the first token.
    pub ttft_ms: f64,
    /// New prompt tokens per second of prefill.
    pub prefill_tokens_per_s: f64,
    /// Tokens generated.
    pub reply_tokens: usize,
    /// Generated tokens per second, after the first.
    pub decode_tokens_per_s: f64,
}

/// A finished reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// All its pieces joined.
    pub text: String,
    /// Why it ended.
    pub stop: StopReason,
    /// What it cost.
    pub stats: GenerationStats,
}

impl Generated {
    /// A reply that was cancelled before it began.
    pub(crate) fn cancelled() -> Self {
        Self { text: String::new(), stop: StopReason::Cancelled, stats: GenerationStats::default() }
    }
}

/// Ends a generation from any thread. Cloning is cheap; cancelling twice is once.
#[derive(Debug, Clone)]
pub struct CancelHandle {
    /// Raised by a caller, and by the end: then there is nothing left to interrupt.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Raised by callers alone: what goes on after the end, or in its name, heeds this one.
    pub(super) given_up: Arc<AtomicBool>,
    pub(super) waker: Waker,
}

impl CancelHandle {
    pub(super) fn new(waker: Waker) -> Self {
        Self { cancelled: Arc::default(), given_up: Arc::default(), waker }
    }

    /// Asks for the end: takes effect inside prefill (on the CPU) and between tokens.
    pub fn cancel(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        // Interrupting costs all sessions the decode under way: once is enough, and never for a reply that has ended.
        if !self.cancelled.swap(true, Ordering::SeqCst) {
            self.waker.interrupt();
        }
    }

    /// Whether the end was asked for, by a handle or by dropping the stream.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Whether a caller asked for the end, be it after it.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }
}

/// A reply being generated. Dropping it cancels.
#[derive(Debug)]
pub struct TokenStream {
    pub(super) pieces: mpsc::Receiver<String>,
    pub(super) outcome: oneshot::Receiver<Result<Generated>>,
    pub(super) cancel: CancelHandle,
    /// Set by the worker when it paused because `pieces` was full.
    pub(super) paused: Arc<AtomicBool>,
}

impl TokenStream {
    pub(super) fn new(
        pieces: mpsc::Receiver<String>,
        outcome: oneshot::Receiver<Result<Generated>>,
        cancel: CancelHandle,
    ) -> Self {
        Self { pieces, outcome, cancel, paused: Arc::default() }
    }

    /// The next piece of text, whole characters only; `None` when the reply has ended, well or not.
    pub async fn next(&mut self) -> Option<String> {
        let piece = self.pieces.recv().await;
        self.resume_if_paused();
        piece
    }

    /// [`TokenStream::next`] for a thread that may block.
    pub fn blocking_next(&mut self) -> Option<String> {
        let piece = self.pieces.blocking_recv();
        self.resume_if_paused();
        piece
    }

    /// A handle that ends this generation.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// How the reply ended; pieces not yet read are discarded, the text has them.
    ///
    /// # Errors
    /// What stopped the generation, or [`Error::Closed`] when the engine went away.
    pub async fn finish(mut self) -> Result<Generated> {
        while self.next().await.is_some() {}
        (&mut self.outcome).await.unwrap_or(Err(Error::Closed))
    }

    /// [`TokenStream::finish`] for a thread that may block.
    ///
    /// # Errors
    /// As [`TokenStream::finish`].
    pub fn blocking_finish(mut self) -> Result<Generated> {
        while self.blocking_next().is_some() {}
        let (_, empty) = oneshot::channel();
        std::mem::replace(&mut self.outcome, empty).blocking_recv().unwrap_or(Err(Error::Closed))
    }

    fn resume_if_paused(&self) {
        if self.paused.swap(false, Ordering::SeqCst) {
            self.cancel.waker.wake();
        }
    }
}

impl Drop for TokenStream {
    fn drop(&mut self) {
        // Closed first: the worker must see that nobody reads when it is woken.
        self.pieces.close();
        // A reply that has ended answered already; cancelling it would interrupt somebody else's decode.
        if matches!(self.outcome.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            self.cancel.cancel();
            // Cancelled before or not, a reply that waited for its reader waits no longer.
            self.cancel.waker.wake();
        }
    }
}
