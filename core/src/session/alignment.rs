//! The alignment meter: how far the session's adapters lean towards a reply, by the model's own account.
//!
//! The implicit reward of DPO (Rafailov et al., 2023, equation 5, without β and the term that depends on the prompt
//! alone): log π(y | x) - log π_ref(y | x), where π is the model with the adapters, π_ref the model without, x the
//! prompt and y the reply. Two passes over prompt and reply, beside the conversations and never in their place.

use std::sync::Arc;

use serde::Serialize;

use super::{Inner, Session};
use crate::engine::AdapterId;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::prompt::PromptParts;

/// How much likelier the adapters make a reply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Alignment {
    /// log π_adapter - log π_base over the whole reply, in nats; above 0 where the adapters favour it.
    pub nats: f64,
    /// Tokens of the reply.
    pub tokens: usize,
    /// `nats` per token: what replies of different length can be compared by.
    pub nats_per_token: f64,
}

/// What is scored, and with what.
struct Question {
    prompt: Vec<Message>,
    reply: String,
    adapters: Vec<(AdapterId, f32)>,
}

impl Session {
    /// How much likelier the session's adapters make a reply than the bare model does; without a turn, the newest one.
    /// Takes two prefills of the prompt and the reply. Dropping the future ends the work.
    ///
    /// The prompt is what the session would say before this turn today: instructions, facts and summary as they now are.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the session has no adapters, or nothing that could be measured; [`Error::NotFound`]
    /// for a turn that is not in the prompt any more; [`Error::Busy`] while a reply is under way and where the context
    /// has no room beside the conversations; [`Error::ContextExceeded`], [`Error::Closed`].
    pub async fn alignment(&self, turn: Option<i64>) -> Result<Alignment> {
        let inner = Arc::clone(&self.inner);
        let Question { prompt, reply, adapters } =
            self.inner.shared.background.run(move || inner.question(turn)).await?;
        let engine = &self.inner.shared.engine;
        let with = engine.score_beside(&prompt, vec![reply.clone()], adapters).await?;
        let without = engine.score_beside(&prompt, vec![reply], Vec::new()).await?;
        let tokens = with.iter().map(|score| score.token_log_probs.len()).sum::<usize>();
        let log_prob = |scores: &[crate::engine::Score]| scores.iter().map(crate::engine::Score::log_prob).sum::<f64>();
        let nats = log_prob(&with) - log_prob(&without);
        Ok(Alignment { nats, tokens, nats_per_token: nats / tokens.max(1) as f64 })
    }
}

impl Inner {
    fn question(&self, turn: Option<i64>) -> Result<Question> {
        let invalid = |what, reason: &str| Error::InvalidInput { what, reason: reason.into() };
        if self.occupancy.is_taken() {
            return Err(Error::Busy);
        }
        let mut guard = self.state();
        let state = &mut *guard;
        self.reload_if_erased(state)?;
        if state.adapters.is_empty() {
            return Err(invalid("adapters", "the session uses none to compare with; give it some with set_adapters"));
        }
        let newest = state.transcript.last_turn().ok_or_else(|| invalid("turn", "nothing was said yet; send first"))?;
        let turn = turn.unwrap_or(newest);
        let at = state.transcript.place_of(turn).ok_or(Error::NotFound { what: "turn in the prompt", id: turn })?;
        let asked = &state.transcript.turns()[at];
        let reply = asked.reply.clone().ok_or_else(|| invalid("turn", "it has no reply; choose one that has"))?;
        let parts = PromptParts {
            system: &state.params.system_prompt,
            persona: state.persona.block(),
            summary: state.transcript.summary(),
            history: &state.transcript.turns()[..at],
            recalled: asked.recalled.as_deref(),
            user: &asked.user,
        };
        Ok(Question { prompt: parts.messages(), reply, adapters: state.adapters.clone() })
    }
}
