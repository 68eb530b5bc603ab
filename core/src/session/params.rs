//! What an app may set on a session.

use std::path::PathBuf;

use super::best_of::check_best_of;
use crate::engine::{Constraint, SamplingParams};
use crate::error::{Error, Result};
use crate::memory::ConversationId;
use crate::prompt::{Costs, Plan, TokenBudget};

/// What the model is told when the app gives no instructions of its own.
pub const DEFAULT_SYSTEM_PROMPT: &str = "You are a warm and attentive companion. You talk like a good friend: short, \
     natural, concrete. You fit your answers to what you know of the person without making a show of it.";

/// Which conversation a session continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conversation {
    /// The newest one, or a new one if there is none.
    #[default]
    Latest,
    /// A new one.
    New,
    /// This one.
    Id(ConversationId),
}

/// What happens when a conversation outgrows the context. The instructions and the newest message are never lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Older turns are summarised while the device is idle, then leave the prompt; the KV cache of the newer ones is
    /// shifted, not computed again.
    #[default]
    Summarise,
    /// The oldest turns leave the prompt.
    DropOldest,
    /// [`Error::ContextExceeded`].
    Error,
}

impl Overflow {
    /// Tokens left for what is recalled, beside the message and the turns that may not leave.
    pub(super) fn room_beside(self, costs: &Costs, budget: &TokenBudget) -> usize {
        let history = if self == Self::Error { costs.history.iter().sum() } else { 0 };
        budget.prompt_room().saturating_sub(costs.fixed + history)
    }

    /// Refuses a plan that leaves turns out where they must all stay.
    pub(super) fn check(self, plan: &Plan, costs: &Costs, budget: &TokenBudget) -> Result<()> {
        if self != Self::Error || plan.history_from == 0 {
            return Ok(());
        }
        let required_tokens = costs.fixed + costs.history.iter().sum::<usize>() + budget.reply_reserve;
        Err(Error::ContextExceeded { required_tokens, available_tokens: budget.n_ctx })
    }
}

/// How a session talks.
#[derive(Debug, Clone)]
pub struct SessionParams {
    /// The conversation to continue.
    pub conversation: Conversation,
    /// Instructions of the app.
    pub system_prompt: String,
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// Greatest length of a reply in tokens; as much of the context is kept free for it.
    pub max_reply_tokens: usize,
    /// Strings that end a reply.
    pub stop: Vec<String>,
    /// What form replies must have.
    pub constraint: Constraint,
    /// What happens when the conversation outgrows the context.
    pub overflow: Overflow,
    /// Whether what the user says in this session is remembered beyond its conversation, where the conversation was not
    /// [switched off](super::Session::set_remember) before.
    pub remember: bool,
    /// Whether memories are recalled.
    pub recall: bool,
    /// Share of the context that recalled memories may take, 0 to 1.
    pub memory_share: f32,
    /// Greatest number of memories recalled for a message.
    pub max_recalled: usize,
    /// LoRA adapters (GGUF), each with its scale.
    pub adapters: Vec<(PathBuf, f32)>,
    /// Whether [`Turn::alignment`](super::Turn::alignment) is measured for every reply that is not cancelled: two
    /// prefills of prompt and reply after it. Without adapters there is nothing to measure.
    pub measure_alignment: bool,
    /// Replies drawn to each message, 1 to [`MOST_CANDIDATES`](super::MOST_CANDIDATES), of which the one is given and
    /// kept that the adapters lean towards most per token. Above 1, nothing of a reply is shown before the choice: it
    /// comes as one piece. Needs adapters and a temperature above 0.
    pub best_of: usize,
}

impl Default for SessionParams {
    fn default() -> Self {
        Self {
            conversation: Conversation::Latest,
            system_prompt: DEFAULT_SYSTEM_PROMPT.to_owned(),
            sampling: SamplingParams::default(),
            max_reply_tokens: 384,
            stop: Vec::new(),
            constraint: Constraint::None,
            overflow: Overflow::default(),
            remember: true,
            recall: true,
            memory_share: 0.15,
            max_recalled: 6,
            adapters: Vec::new(),
            measure_alignment: false,
            best_of: 1,
        }
    }
}

impl SessionParams {
    /// Refuses what no engine with this much context can do.
    pub(super) fn check(&self, n_ctx: usize) -> Result<()> {
        self.sampling.check()?;
        check_best_of(self.best_of)?;
        if self.max_reply_tokens == 0 || self.max_reply_tokens >= n_ctx {
            let reason = format!("{} is outside 1 to {}", self.max_reply_tokens, n_ctx - 1);
            return Err(Error::InvalidInput { what: "max_reply_tokens", reason });
        }
        check_scales(&self.adapters)
    }
}

/// Refuses scales that are no number.
pub(super) fn check_scales(adapters: &[(PathBuf, f32)]) -> Result<()> {
    match adapters.iter().find(|(_, scale)| !scale.is_finite()) {
        Some((_, scale)) => {
            Err(Error::InvalidInput { what: "adapter scale", reason: format!("{scale} is not a finite number") })
        }
        None => Ok(()),
    }
}
