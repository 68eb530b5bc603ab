//! Writes a reply down as it comes, whoever reads it, and summarises when the conversation grows long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Inner, Overflow};
use crate::engine::{GenerateParams, Generated, GenerationObserver, SamplingParams, StopReason};
use crate::error::{Error, Result};
use crate::memory::ReplyState;
use crate::message::Message;
use crate::prompt::{PromptParts, SUMMARY_INSTRUCTION};

/// A process that is killed loses at most this much of a reply.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// A prompt that takes more than this share of its room is summarised before the next turn.
const SUMMARISE_AT: f64 = 0.75;
/// Greatest length of a summary in tokens.
const SUMMARY_TOKENS: usize = 160;

/// Follows one reply on the engine's thread and hands all writing to the background thread.
pub(super) struct Recorder {
    session: Arc<Inner>,
    turn: i64,
    prompt_tokens: usize,
    saved_at: Instant,
    /// The reply so far: what is kept of it when it fails.
    text: String,
    recorded: Option<oneshot::Sender<Result<()>>>,
}

impl Recorder {
    pub(super) fn new(session: Arc<Inner>, turn: i64, prompt_tokens: usize) -> (Self, oneshot::Receiver<Result<()>>) {
        let (recorded, receiver) = oneshot::channel();
        let saved_at = Instant::now();
        (Self { session, turn, prompt_tokens, saved_at, text: String::new(), recorded: Some(recorded) }, receiver)
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
        let recorded = self.recorded.take();
        self.session.shared.background.submit(move || {
            let saved = session.record(turn, text, state);
            session.busy.store(false, Ordering::SeqCst);
            if saved.is_ok() {
                session.summarise_if_long(used);
            }
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

    /// Asks for a summary on the conversation's own KV cache: only the instruction is new to it.
    fn summarise_if_long(self: &Arc<Self>, used_tokens: usize) {
        let state = self.state();
        let budget = self.budget(&state.params);
        let room = budget.prompt_room();
        let long = used_tokens as f64 > SUMMARISE_AT * room as f64;
        if state.params.overflow != Overflow::Summarise || !long || state.transcript.is_summarised() {
            return;
        }
        let parts = PromptParts {
            system: &state.params.system_prompt,
            summary: state.transcript.summary(),
            history: state.transcript.turns(),
            recalled: None,
            user: SUMMARY_INSTRUCTION,
        };
        let messages: Vec<Message> = parts.messages();
        let Some(through_turn) = state.transcript.last_turn() else { return };
        let params = GenerateParams {
            sampling: SamplingParams { repetition_penalty: 1.1, ..SamplingParams::greedy() },
            max_tokens: SUMMARY_TOKENS,
            adapters: state.adapters.clone(),
            observer: Some(Box::new(SummaryRecorder { session: Arc::clone(self), through_turn })),
            ..GenerateParams::default()
        };
        if let Err(error) = self.sequence.generate_detached(&messages, params) {
            tracing::warn!(%error, "no summary; the oldest turns will leave the prompt without one");
        }
    }
}

struct SummaryRecorder {
    session: Arc<Inner>,
    through_turn: i64,
}

impl GenerationObserver for SummaryRecorder {
    fn on_end(&mut self, outcome: &Result<Generated>) {
        let summary = match outcome {
            Ok(generated) if !generated.text.trim().is_empty() => generated.text.trim().to_owned(),
            Ok(_) | Err(Error::Closed) => return,
            Err(error) => return tracing::warn!(%error, "no summary; the oldest turns will leave without one"),
        };
        let (session, through_turn) = (Arc::clone(&self.session), self.through_turn);
        self.session.shared.background.submit(move || {
            session.state().transcript.propose_summary(summary, through_turn);
        });
    }
}
