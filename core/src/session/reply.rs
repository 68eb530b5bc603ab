//! A reply as the app reads it, and the turn that comes of it.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::alignment::{Alignment, Meter};
use super::best_of::Measured;
use super::occupancy::Held;
use crate::engine::{CancelHandle, Generated, GenerationStats, StopReason, TokenStream};
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
    /// How much likelier the adapters made it, where that was [asked for](super::SessionParams::measure_alignment) or
    /// it was chosen. None without adapters, for a cancelled or empty reply, and where the context had no room to
    /// measure; [`Session::alignment`](super::Session::alignment) says which.
    pub alignment: Option<Alignment>,
    /// Of the best of n, the alignment of each candidate in the order in which they were drawn; otherwise empty.
    pub candidates: Vec<Alignment>,
}

/// A reply being generated. Dropping it cancels; what was generated is recorded as a partial reply.
pub struct Reply {
    stream: TokenStream,
    recorded: oneshot::Receiver<Result<()>>,
    turn: i64,
    user: String,
    given: Given,
    measuring: Measuring,
    _held: Arc<Held>,
}

/// When a reply's alignment is measured.
pub(super) enum Measuring {
    Not,
    /// Once it has ended.
    After(Box<Meter>),
    /// It was chosen by it.
    Before(oneshot::Receiver<Measured>),
}

impl Measuring {
    /// What was measured. That it could not be is no failure of the reply, which is recorded.
    async fn read(self, reply: &Generated) -> Measured {
        match self {
            Self::After(meter) if reply.stop.is_natural() && !reply.text.is_empty() => {
                let measured = meter.measure(reply.text.clone()).await;
                if let Err(error) = &measured {
                    tracing::debug!(%error, "the alignment was not measured");
                }
                Measured { chosen: measured.ok(), candidates: Vec::new() }
            }
            Self::Before(measured) => measured.await.unwrap_or_default(),
            Self::After(_) | Self::Not => Measured::default(),
        }
    }
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
        measuring: Measuring,
        held: Arc<Held>,
    ) -> Self {
        Self { stream, recorded, turn, user, given, measuring, _held: held }
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

    /// Waits for the end; when this returns, the reply is recorded and the session takes the next message. Cancelling
    /// while the alignment is measured ends the measuring alone.
    ///
    /// # Errors
    /// What stopped the generation, or what kept the store from recording it.
    pub async fn finish(self) -> Result<Turn> {
        let generated = self.stream.finish().await;
        let recorded = self.recorded.await.unwrap_or(Err(Error::Closed));
        let generated = generated?;
        recorded?;
        let Measured { chosen, candidates } = self.measuring.read(&generated).await;
        Ok(Turn {
            turn: self.turn,
            user: self.user,
            reply: generated.text,
            facts: self.given.facts,
            persona: self.given.persona,
            stats: generated.stats,
            stop: generated.stop,
            alignment: chosen,
            candidates,
        })
    }
}
