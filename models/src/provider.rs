//! Who answers: one trait over rules, recordings, endpoints, batches and our own engine.
//!
//! A provider takes one call and blocks until it is answered; how many it takes at once is its own to say. Keeping,
//! counting and giving up are not its business: `gateway` does that once for all of them.

mod batch;
mod gateway;
mod http;
mod journal;
mod lanes;
mod ledger;
mod local;
mod replay;
mod scripted;
mod spec;
mod task;

pub(crate) use gateway::{Asked, Gateway};
pub(crate) use journal::{CALLS, Spent, spent};
pub(crate) use lanes::in_lanes;
pub(crate) use ledger::{Estimate, Prices, Totals};
pub(crate) use local::message as core_message;
pub(crate) use spec::{Openers, Roles};
pub(crate) use task::{Role, Schema, Task};

use crate::error::Result;
use crate::record::ChatMessage;

/// How an answer is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) temperature: f32,
    pub(crate) max_tokens: u32,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) role: Role,
    /// The same request as the messages, for a provider that answers by rule.
    pub(crate) task: &'a Task<'a>,
    pub(crate) messages: &'a [ChatMessage],
    pub(crate) schema: Option<&'static Schema>,
    pub(crate) drawing: Drawing,
    pub(crate) seed: u32,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// The model that wrote it.
    pub(crate) model: String,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// It ended at its greatest length, not by itself.
    pub(crate) cut: bool,
}

/// Answers calls, from any number of threads.
pub(crate) trait Provider: Send + Sync {
    /// `http`, `local`, ...: what records say.
    fn kind(&self) -> &'static str;

    /// The model by its own name: with the request, it names an answer in the cache.
    fn model(&self) -> &str;

    /// Calls that are worth making at once.
    fn lanes(&self) -> usize;

    /// Whether an answer cost something that a second run should not pay again.
    fn worth_keeping(&self) -> bool {
        true
    }

    /// The answer.
    ///
    /// # Errors
    /// [`crate::error::Error::Call`] after everything that could be tried was.
    fn complete(&self, call: &Call<'_>) -> Result<Answer>;
}

/// Tokens of a text, where nobody counted: four letters each, as English has on average.
pub(crate) fn estimated_tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}
