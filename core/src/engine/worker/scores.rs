//! Scores continuations between the steps of running replies.

use super::Worker;
use crate::engine::scoring::{self, ScoreRequest};
use crate::error::{Error, Result};

impl Worker {
    /// Scores continuations between two steps of the running replies, once there is room beside them.
    pub(super) fn score_waiting(&mut self) {
        while let Some(request) = self.scores.pop_front() {
            match self.score(&request) {
                Err(Error::Busy) if !self.running.is_empty() => return self.scores.push_front(request),
                outcome => drop(request.reply.send(outcome)),
            }
        }
    }

    pub(super) fn score(&mut self, request: &ScoreRequest) -> Result<Vec<scoring::Score>> {
        // Before anybody's cache goes for it.
        request.expect_wanted()?;
        let sequence = self.spare.ok_or(Error::Busy)?;
        self.evict_for_score(request)?;
        self.apply_adapters(&request.adapters)?;
        scoring::score(&mut self.context, sequence, request)
    }

    pub(super) fn evict_for_score(&mut self, request: &ScoreRequest) -> Result<()> {
        let n_ctx = self.context.params().n_ctx as usize;
        let need = scoring::cells_needed(self.context.model(), request);
        if need > n_ctx {
            return Err(Error::ContextExceeded { required_tokens: need, available_tokens: n_ctx });
        }
        while self.slots.cells_in_use(usize::MAX) + need > n_ctx {
            let idle = self.slots.oldest_idle(None).filter(|_| request.may_evict).ok_or(Error::Busy)?;
            self.evict(idle);
        }
        Ok(())
    }
}
