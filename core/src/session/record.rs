//! Writes a reply down as it comes, whoever reads it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Inner;
use super::occupancy::Occupied;
use crate::engine::{Generated, GenerationObserver, StopReason};
use crate::error::{Error, Result};
use crate::memory::ReplyState;

/// A process that is killed loses at most this much of a reply.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Follows one reply on the engine's thread and hands all writing to the background thread.
pub(super) struct Recorder {
    session: Arc<Inner>,
    turn: i64,
    prompt_tokens: usize,
    saved_at: Instant,
    /// The reply so far: what is kept of it when it fails.
    text: String,
    recorded: Option<oneshot::Sender<Result<()>>>,
    /// Frees the session when the reply is recorded, or never will be.
    occupied: Option<Occupied>,
}

impl Recorder {
    pub(super) fn new(
        session: Arc<Inner>,
        turn: i64,
        prompt_tokens: usize,
        occupied: Occupied,
    ) -> (Self, oneshot::Receiver<Result<()>>) {
        let (recorded, receiver) = oneshot::channel();
        let (recorded, occupied) = (Some(recorded), Some(occupied));
        let saved_at = Instant::now();
        (Self { session, turn, prompt_tokens, saved_at, text: String::new(), recorded, occupied }, receiver)
    }
}

impl GenerationObserver for Recorder {
    fn on_text(&mut self, text: &str) {
        self.text.clear();
        self.text.push_str(text);
        if self.saved_at.elapsed() < SAVE_EVERY {
            return;
        }
        self.saved_at = Instant::now();
        let (session, turn, text) = (Arc::clone(&self.session), self.turn, text.to_owned());
        self.session.shared.background.submit(move || {
            if let Err(error) = session.shared.memory.save_reply(turn, &text, ReplyState::Partial) {
                tracing::warn!(%error, "partial reply not saved");
            }
        });
    }

    fn on_end(&mut self, outcome: &Result<Generated>) {
        let (session, turn, prompt_tokens) = (Arc::clone(&self.session), self.turn, self.prompt_tokens);
        let (text, state) = match outcome {
            Ok(generated) => (generated.text.clone(), state_of(generated.stop)),
            Err(Error::Closed) => (std::mem::take(&mut self.text), ReplyState::Partial),
            Err(_) => (std::mem::take(&mut self.text), ReplyState::Failed),
        };
        let used = prompt_tokens + outcome.as_ref().map_or(0, |generated| generated.stats.reply_tokens);
        let (recorded, occupied) = (self.recorded.take(), self.occupied.take());
        self.session.shared.background.submit(move || {
            let saved = session.record(turn, text, state);
            drop(occupied);
            if saved.is_ok() {
                session.summarise_if_long(used);
            }
            session.shared.learn();
            if let Some(recorded) = recorded {
                let _ = recorded.send(saved);
            }
        });
    }
}

fn state_of(stop: StopReason) -> ReplyState {
    match stop {
        StopReason::Cancelled => ReplyState::Cancelled,
        _ => ReplyState::Complete,
    }
}

impl Inner {
    fn record(&self, turn: i64, text: String, state: ReplyState) -> Result<()> {
        self.shared.memory.save_reply(turn, &text, state)?;
        self.state().transcript.answer(turn, text);
        Ok(())
    }
}
