//! What calls cost: counted as they end, by role, and estimated before the first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::task::Role;
use crate::error::{Error, Result};

/// Dollars for a million tokens, by model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices(BTreeMap<String, (f64, f64)>);

impl Prices {
    /// Reads `MODEL=INPUT/OUTPUT`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self> {
        let mut prices = BTreeMap::new();
        for text in texts {
            let wrong = || Error::usage(format!("{text} is no price"), "--price MODEL=INPUT/OUTPUT, as in gpt=2.5/10");
            // A model's name may hold an equals sign; a price does not.
            let (model, price) = text.rsplit_once('=').ok_or_else(wrong)?;
            let (input, output) = price.split_once('/').ok_or_else(wrong)?;
            let number = |text: &str| text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
            let pair = number(input).zip(number(output)).ok_or_else(wrong)?;
            prices.insert(model.to_owned(), pair);
        }
        Ok(Self(prices))
    }

    /// Dollars; nothing where the model's price was not given.
    pub(crate) fn cost(&self, model: &str, prompt_tokens: u64, completion_tokens: u64) -> Option<f64> {
        let (input, output) = self.0.get(model)?;
        #[expect(clippy::cast_precision_loss, reason = "a price needs no more than 52 bits")]
        let cost = (prompt_tokens as f64 * input + completion_tokens as f64 * output) / 1e6;
        Some(cost)
    }
}

/// Sums of one role.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Totals {
    /// Answers got, kept ones included.
    pub(crate) calls: u64,
    /// Of these, found in the cache.
    pub(crate) cached: u64,
    pub(crate) failed: u64,
    /// Of the calls that were made.
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Dollars of the calls that were made; nothing where a price is not known.
    pub(crate) cost: Option<f64>,
}

/// Adds up calls from many threads.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    roles: Mutex<BTreeMap<Role, Totals>>,
}

impl Ledger {
    pub(super) fn cached(&self, role: Role) {
        self.change(role, |totals| {
            totals.calls += 1;
            totals.cached += 1;
        });
    }

    pub(super) fn made(&self, role: Role, prompt_tokens: u64, completion_tokens: u64, cost: Option<f64>) {
        self.change(role, |totals| {
            totals.calls += 1;
            totals.prompt_tokens += prompt_tokens;
            totals.completion_tokens += completion_tokens;
            totals.cost = cost.map(|cost| cost + totals.cost.unwrap_or_default());
        });
    }

    pub(super) fn failed(&self, role: Role) {
        self.change(role, |totals| totals.failed += 1);
    }

    /// What was counted so far, by the names of roles.
    pub(super) fn totals(&self) -> BTreeMap<&'static str, Totals> {
        let roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles.iter().map(|(role, totals)| (role.as_str(), totals.clone())).collect()
    }

    fn change(&self, role: Role, change: impl FnOnce(&mut Totals)) {
        change(self.roles.lock().unwrap_or_else(PoisonError::into_inner).entry(role).or_default());
    }
}

/// What a stage would take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Estimate {
    pub(crate) role: &'static str,
    pub(crate) provider: String,
    pub(crate) calls: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Dollars; nothing where the price is not known.
    pub(crate) cost: Option<f64>,
}
