//! What growing the pools would take, before the first call.

use super::generate::role_of;
use super::{Text, prompt};
use crate::preset::PersonaNumbers;
use crate::provider::{Estimate, Prices, Roles, estimated_tokens};
use crate::record::PoolKind;

/// Share of candidates that is taken, for the estimate: at most this, so it is a lower bound on calls for large pools.
/// The paper's own: 331 and 71 of some thousands.
const ACCEPTED: f64 = 0.3;

/// Calls and tokens for one kind, given what the pool begins with.
pub(crate) fn estimate(
    kind: PoolKind,
    start: &[Text],
    target: usize,
    numbers: &PersonaNumbers,
    roles: &Roles,
    prices: &Prices,
) -> Estimate {
    let missing = target.saturating_sub(start.len());
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess")]
    let calls = (missing as f64 / (numbers.asked_for as f64 * ACCEPTED)).ceil() as u64;
    let calls = calls.min(numbers.max_iterations);
    let examples: Vec<_> = start.iter().take(numbers.pool_examples).map(|text| text.text.clone()).collect();
    let messages = prompt::messages(kind, &examples, numbers.asked_for);
    let prompt: u64 = messages.iter().map(|message| estimated_tokens(&message.content)).sum();
    let each = examples.iter().map(|text| estimated_tokens(text)).max().unwrap_or(100);
    let completion = (each * numbers.asked_for as u64).min(u64::from(numbers.max_tokens));
    let role = role_of(kind);
    roles.estimate(role, calls, calls * prompt, calls * completion, prices)
}
