//! How the context window is shared out, and what is cut first when it does not suffice.
//!
//! The reply's reserve comes first, then what may never be cut (instructions and the newest message), then recalled
//! facts up to their share, then history from its newest turn back. When something must go it is the oldest history
//! first, then the weakest facts; never the user's message, which is answered with an error instead.

use crate::error::{Error, Result};

/// Sizes that a plan is made within.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenBudget {
    /// Tokens of context.
    pub n_ctx: usize,
    /// Tokens kept free for the reply.
    pub reply_reserve: usize,
    /// Share of the context that recalled facts may take, 0 to 1.
    pub memory_share: f32,
}

/// What the parts of a prompt take, in tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Costs {
    /// Instructions, summary, the newest message and the template's own tokens.
    pub fixed: usize,
    /// Recalled facts, strongest first.
    pub facts: Vec<usize>,
    /// Past turns, oldest first.
    pub history: Vec<usize>,
}

/// What goes into the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many of the facts, strongest first.
    pub facts: usize,
    /// Index of the oldest turn kept.
    pub history_from: usize,
    /// Tokens of all that is kept, the reply's reserve not counted.
    pub prompt_tokens: usize,
}

impl TokenBudget {
    /// Tokens that a prompt may take.
    #[must_use]
    pub fn prompt_room(&self) -> usize {
        self.n_ctx.saturating_sub(self.reply_reserve)
    }

    /// Tokens that recalled facts may take.
    #[must_use]
    pub fn memory_room(&self) -> usize {
        (self.n_ctx as f32 * self.memory_share.clamp(0.0, 1.0)) as usize
    }

    /// Decides what is kept.
    ///
    /// When history must be cut it is cut to half of its room at once: cutting a turn at a time would move the whole
    /// prompt, and lose its KV prefix, at every turn from then on.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`] when what may never be cut does not fit beside the reply's reserve.
    pub fn plan(&self, costs: &Costs) -> Result<Plan> {
        let required_tokens = costs.fixed.saturating_add(self.reply_reserve);
        if required_tokens > self.n_ctx {
            return Err(Error::ContextExceeded { required_tokens, available_tokens: self.n_ctx });
        }
        let room = self.prompt_room();
        let (facts, facts_tokens) = longest_prefix(&costs.facts, self.memory_room().min(room - costs.fixed));
        let history_room = room - costs.fixed - facts_tokens;
        let whole: usize = costs.history.iter().sum();
        let limit = if whole <= history_room { history_room } else { history_room / 2 };
        let newest_first: Vec<usize> = costs.history.iter().rev().copied().collect();
        let (kept, history_tokens) = longest_prefix(&newest_first, limit);
        Ok(Plan {
            facts,
            history_from: costs.history.len() - kept,
            prompt_tokens: costs.fixed + facts_tokens + history_tokens,
        })
    }
}

/// How many of the first values fit into `room`, and their sum.
fn longest_prefix(values: &[usize], room: usize) -> (usize, usize) {
    let mut sum = 0_usize;
    for (index, value) in values.iter().enumerate() {
        match sum.checked_add(*value).filter(|&next| next <= room) {
            Some(next) => sum = next,
            None => return (index, sum),
        }
    }
    (values.len(), sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: TokenBudget = TokenBudget { n_ctx: 1000, reply_reserve: 200, memory_share: 0.15 };

    #[test]
    fn all_is_kept_while_it_fits() {
        let costs = Costs { fixed: 100, facts: vec![50, 50], history: vec![100; 6] };
        assert_eq!(BUDGET.plan(&costs).expect("fits"), Plan { facts: 2, history_from: 0, prompt_tokens: 800 });
    }

    #[test]
    fn the_oldest_history_goes_first_and_half_at_once() {
        let costs = Costs { fixed: 100, facts: vec![50, 50], history: vec![100; 7] };
        assert_eq!(BUDGET.plan(&costs).expect("fits"), Plan { facts: 2, history_from: 4, prompt_tokens: 500 });
    }

    #[test]
    fn a_message_that_cannot_fit_is_an_error_that_says_by_how_much() {
        let error = BUDGET.plan(&Costs { fixed: 801, ..Costs::default() }).expect_err("does not fit");
        assert!(matches!(error, Error::ContextExceeded { required_tokens: 1001, available_tokens: 1000 }));
    }

    #[test]
    fn a_reserve_that_cannot_fit_is_an_error_even_for_nothing() {
        let budget = TokenBudget { reply_reserve: 1001, ..BUDGET };
        let error = budget.plan(&Costs::default()).expect_err("does not fit");
        assert!(matches!(error, Error::ContextExceeded { required_tokens: 1001, available_tokens: 1000 }));
    }

    proptest! {
        #[test]
        fn a_plan_never_exceeds_the_context_nor_the_memory_share(
            n_ctx in 0_usize..5000, reserve in 0_usize..1000, share in -0.5_f32..1.5, fixed in 0_usize..3000,
            facts in prop::collection::vec(0_usize..400, 0..12), history in prop::collection::vec(0_usize..900, 0..30),
        ) {
            let budget = TokenBudget { n_ctx, reply_reserve: reserve, memory_share: share };
            let costs = Costs { fixed, facts, history };
            match budget.plan(&costs) {
                Err(Error::ContextExceeded { .. }) => prop_assert!(fixed + reserve > n_ctx),
                Err(other) => prop_assert!(false, "{other}"),
                Ok(plan) => {
                    let facts: usize = costs.facts[..plan.facts].iter().sum();
                    let history: usize = costs.history[plan.history_from..].iter().sum();
                    prop_assert_eq!(plan.prompt_tokens, fixed + facts + history);
                    prop_assert!(plan.prompt_tokens + reserve <= n_ctx);
                    prop_assert!(facts <= budget.memory_room());
                }
            }
        }
    }
}
