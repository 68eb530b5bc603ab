//! Summarises a conversation that has grown long, while the device is idle.
//!
//! The summary is asked for after a reply, on the conversation's own KV cache, where only the instruction is new. A
//! message that comes meanwhile does not wait for it unless it needs the room that the summary makes.

use std::sync::mpsc;

use super::{Inner, Overflow, State};
use crate::engine::{CancelHandle, GenerateParams, Generated, GenerationObserver, SamplingParams};
use crate::error::{Error, Result};
use crate::prompt::{PromptParts, SUMMARY_INSTRUCTION};

/// A prompt that takes more than this share of its room is summarised before the next turn.
const SUMMARISE_AT: f64 = 0.75;
/// Greatest length of a summary in tokens.
const SUMMARY_TOKENS: usize = 160;

/// A summary being written.
#[derive(Debug)]
pub(super) struct PendingSummary {
    text: mpsc::Receiver<String>,
    cancel: CancelHandle,
    through_turn: i64,
}

impl State {
    /// Takes a summary that is ready. One still being written is waited for when the prompt needs its room, and given
    /// up when it does not: it is asked for again after the next reply.
    pub(super) fn settle_summary(&mut self, needs_room: bool) {
        let Some(pending) = self.pending_summary.take() else { return };
        let text = if needs_room { pending.text.recv().ok() } else { pending.text.try_recv().ok() };
        match text {
            Some(text) => self.transcript.propose_summary(text, pending.through_turn),
            None => pending.cancel.cancel(),
        }
    }
}

impl Inner {
    /// Asks for a summary if the conversation has grown long and none is there.
    pub(super) fn summarise_if_long(&self, used_tokens: usize) {
        let mut guard = self.state();
        let state = &mut *guard;
        let room = self.budget(&state.params).prompt_room();
        let long = used_tokens as f64 > SUMMARISE_AT * room as f64;
        let wanted = state.params.overflow == Overflow::Summarise && long && !state.transcript.is_summarised();
        let Some(through_turn) = state.transcript.last_turn().filter(|_| wanted) else { return };
        match self.ask_for_summary(state, through_turn) {
            Ok(pending) => state.pending_summary = Some(pending),
            Err(error) => tracing::warn!(%error, "no summary; the oldest turns will leave the prompt without one"),
        }
    }

    fn ask_for_summary(&self, state: &State, through_turn: i64) -> Result<PendingSummary> {
        let parts = PromptParts {
            system: &state.params.system_prompt,
            persona: state.persona.block(),
            summary: state.transcript.summary(),
            history: state.transcript.turns(),
            recalled: None,
            user: SUMMARY_INSTRUCTION,
        };
        let (sender, text) = mpsc::channel();
        let params = GenerateParams {
            sampling: SamplingParams { repetition_penalty: 1.1, ..SamplingParams::greedy() },
            max_tokens: SUMMARY_TOKENS,
            adapters: state.adapters.clone(),
            observer: Some(Box::new(SummaryObserver(sender))),
            ..GenerateParams::default()
        };
        let cancel = self.sequence.generate_detached(&parts.messages(), params)?;
        Ok(PendingSummary { text, cancel, through_turn })
    }
}

/// Hands the summary over from the engine's thread. It knows nothing of the session: a session that waits for its
/// summary must not be what the summary waits for.
struct SummaryObserver(mpsc::Sender<String>);

impl GenerationObserver for SummaryObserver {
    fn on_end(&mut self, outcome: &Result<Generated>) {
        match outcome {
            Ok(generated) if generated.stop.is_natural() && !generated.text.trim().is_empty() => {
                let _ = self.0.send(generated.text.trim().to_owned());
            }
            Ok(_) | Err(Error::Closed) => {}
            Err(error) => tracing::warn!(%error, "no summary; the oldest turns will leave the prompt without one"),
        }
    }
}
