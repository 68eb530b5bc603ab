//! A reply as the app reads it, and the turn that comes of it.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::occupancy::Held;
use crate::engine::{CancelHandle, GenerationStats, StopReason, TokenStream};
use crate::error::{Error, Result};
use crate::memory::Recalled;

/// A finished turn.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// Number of the turn in this store, from 1, growing across conversations and launches.
    pub turn: i64,
    /// What the user said.
    pub user: String,
    /// What was answered.
    pub reply: String,
    /// The memories that were recalled for the message, strongest first.
    pub facts: Vec<Recalled>,
    /// The facts that stood in the instructions.
    pub persona: Vec<Recalled>,
    /// What it cost.
    pub stats: GenerationStats,
    /// Why the reply ended.
    pub stop: StopReason,
}

/// A reply being generated. Dropping it cancels; what was generated is recorded as a partial reply.
pub struct Reply {
    stream: TokenStream,
    recorded: oneshot::Receiver<Result<()>>,
    turn: i64,
    user: String,
    given: Given,
    _held: Arc<Held>,
}

/// What a reply was given of the memory.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) facts: Vec<Recalled>,
    pub(super) persona: Vec<Recalled>,
}

/// Nothing of what was said: handles are what apps log.
impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl Reply {
    pub(super) fn new(
        stream: TokenStream,
        recorded: oneshot::Receiver<Result<()>>,
        turn: i64,
        user: String,
        given: Given,
        held: Arc<Held>,
    ) -> Self {
        Self { stream, recorded, turn, user, given, _held: held }
    }

    /// The number of the turn being answered.
    #[must_use]
    pub fn turn(&self) -> i64 {
        self.turn
    }

    /// The memories that were recalled for the message, strongest first.
    #[must_use]
    pub fn facts(&self) -> &[Recalled] {
        &self.given.facts
    }

    /// The facts that stand in the instructions.
    #[must_use]
    pub fn persona(&self) -> &[Recalled] {
        &self.given.persona
    }

    /// The next piece of text, whole characters only; `None` at the end. Errors come with [`Reply::finish`].
    ///
    /// # Errors
    /// None today; the signature leaves room for a stream that fails midway.
    pub async fn next(&mut self) -> Result<Option<String>> {
        Ok(self.stream.next().await)
    }

    /// A handle that ends this reply from any thread.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.stream.cancel_handle()
    }

    /// Waits for the end; when this returns, the reply is recorded and the session takes the next message.
    ///
    /// # Errors
    /// What stopped the generation, or what kept the store from recording it.
    pub async fn finish(self) -> Result<Turn> {
        let generated = self.stream.finish().await;
        let recorded = self.recorded.await.unwrap_or(Err(Error::Closed));
        let generated = generated?;
        recorded?;
        Ok(Turn {
            turn: self.turn,
            user: self.user,
            reply: generated.text,
            facts: self.given.facts,
            persona: self.given.persona,
            stats: generated.stats,
            stop: generated.stop,
        })
    }
}
