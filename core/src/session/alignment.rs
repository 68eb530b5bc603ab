//! The alignment meter: how far the session's adapters lean towards a reply, by the model's own account.
//!
//! The implicit reward of DPO (Rafailov et al., 2023, equation 5, without β and the term that depends on the prompt
//! alone): log π(y | x) - log π_ref(y | x), where π is the model with the adapters, π_ref the model without, x the
//! prompt and y the reply. Two passes over prompt and reply, beside the conversations and never in their place.

use std::sync::Arc;

use serde::Serialize;

use super::{Inner, Session, State};
use crate::engine::{AdapterId, CancelHandle, Engine, Score, ScoreParams, Scores};
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

/// What is said before a reply, and the adapters that may lean towards it.
pub(super) struct Meter {
    engine: Engine,
    prompt: Vec<Message>,
    adapters: Vec<(AdapterId, f32)>,
    /// Whether idle conversations may lose their place for it.
    may_evict: bool,
    /// The reply that is measured: giving it up ends the work.
    ends_with: Option<CancelHandle>,
}

/// The two passes, under way.
struct Passes {
    with: Scores,
    without: Scores,
}

impl Session {
    /// How much likelier the session's adapters make a reply than the bare model does; without a turn, the newest one.
    /// Takes two prefills of the prompt and the reply. Dropping the future ends the work.
    ///
    /// The prompt is what the session would say before this turn today: instructions, facts and summary as they now are.
    /// With [`measure_alignment`](super::SessionParams::measure_alignment) every turn carries what held when it was said.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the session has no adapters, or nothing that could be measured; [`Error::NotFound`]
    /// for a turn that is not in the prompt any more; [`Error::Busy`] while a reply is under way and where the context
    /// has no room beside the conversations; [`Error::ContextExceeded`], [`Error::Closed`].
    pub async fn alignment(&self, turn: Option<i64>) -> Result<Alignment> {
        let inner = Arc::clone(&self.inner);
        let (meter, reply) = self.inner.shared.background.run(move || inner.question(turn)).await?;
        meter.measure(reply).await
    }
}

impl Meter {
    /// Without a reply that would end it, and beside the conversations.
    pub(super) fn new(engine: &Engine, prompt: Vec<Message>, adapters: Vec<(AdapterId, f32)>) -> Self {
        Self { engine: engine.clone(), prompt, adapters, may_evict: false, ends_with: None }
    }

    pub(super) fn ending_with(self, reply: CancelHandle) -> Self {
        Self { ends_with: Some(reply), ..self }
    }

    pub(super) fn evicting(self) -> Self {
        Self { may_evict: true, ..self }
    }

    pub(super) async fn measure(&self, reply: String) -> Result<Alignment> {
        let Passes { with, without } = self.begin(vec![reply])?;
        let closed = |_| Err(Error::Closed);
        let measured = alignments(&with.await.unwrap_or_else(closed)?, &without.await.unwrap_or_else(closed)?);
        measured.first().copied().ok_or_else(|| Error::internal("a reply was not scored"))
    }

    /// All of them in two passes, on a thread that may block.
    pub(super) fn blocking_measure(&self, replies: Vec<String>) -> Result<Vec<Alignment>> {
        let Passes { with, without } = self.begin(replies)?;
        let closed = |_| Err(Error::Closed);
        let with = with.blocking_recv().unwrap_or_else(closed)?;
        Ok(alignments(&with, &without.blocking_recv().unwrap_or_else(closed)?))
    }

    fn begin(&self, replies: Vec<String>) -> Result<Passes> {
        let pass = |adapters, replies| {
            let (may_evict, ends_with) = (self.may_evict, self.ends_with.clone());
            self.engine.begin_score(&self.prompt, replies, ScoreParams { adapters, may_evict, ends_with })
        };
        Ok(Passes { with: pass(self.adapters.clone(), replies.clone())?, without: pass(Vec::new(), replies)? })
    }
}

fn alignments(with: &[Score], without: &[Score]) -> Vec<Alignment> {
    let alignment = |(with, without): (&Score, &Score)| {
        let (nats, tokens) = (with.log_prob() - without.log_prob(), with.token_log_probs.len());
        Alignment { nats, tokens, nats_per_token: nats / tokens.max(1) as f64 }
    };
    with.iter().zip(without).map(alignment).collect()
}

impl Inner {
    /// The meter for a turn, and its reply.
    fn question(&self, turn: Option<i64>) -> Result<(Meter, String)> {
        if self.occupancy.is_taken() {
            return Err(Error::Busy);
        }
        let mut guard = self.state();
        let state = &mut *guard;
        self.reload_if_erased(state)?;
        if state.adapters.is_empty() {
            return Err(invalid("adapters", "the session uses none to compare with; give it some with set_adapters"));
        }
        let (prompt, reply) = state.said_before(turn)?;
        Ok((Meter::new(&self.shared.engine, prompt, state.adapters.clone()), reply))
    }
}

impl State {
    /// The prompt of a turn that is still in it, and its reply.
    fn said_before(&self, turn: Option<i64>) -> Result<(Vec<Message>, String)> {
        let newest = self.transcript.last_turn().ok_or_else(|| invalid("turn", "nothing was said yet; send first"))?;
        let turn = turn.unwrap_or(newest);
        let at = self.transcript.place_of(turn).ok_or(Error::NotFound { what: "turn in the prompt", id: turn })?;
        let asked = &self.transcript.turns()[at];
        let reply = asked.reply.clone().ok_or_else(|| invalid("turn", "it has no reply; choose one that has"))?;
        let parts = PromptParts {
            system: &self.params.system_prompt,
            persona: self.persona.block(),
            summary: self.transcript.summary(),
            history: &self.transcript.turns()[..at],
            recalled: asked.recalled.as_deref(),
            user: &asked.user,
        };
        Ok((parts.messages(), reply))
    }
}

fn invalid(what: &'static str, reason: &str) -> Error {
    Error::InvalidInput { what, reason: reason.into() }
}
