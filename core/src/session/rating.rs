//! What the user thinks of a reply of this conversation.

use std::sync::Arc;

use super::{Inner, Session};
use crate::error::{Error, Result};
use crate::memory::Rating;

impl Session {
    /// Keeps what the user thinks of a reply, in place of what they thought of it before; answers with the number of
    /// the turn. Without a turn it is the newest reply. The conversation goes on with the reply as it was given.
    ///
    /// # Errors
    /// [`Error::Busy`] while the reply is under way, [`Error::NotFound`] for a turn that is not of this conversation,
    /// [`Error::InvalidInput`] where nothing was said yet and as [`MemoryStore::rate`](crate::memory::MemoryStore::rate).
    pub fn rate(&self, turn: Option<i64>, rating: Rating) -> Result<i64> {
        let inner = Arc::clone(&self.inner);
        self.inner.shared.background.run_blocking(move || inner.rate(turn, &rating))
    }
}

impl Inner {
    fn rate(&self, turn: Option<i64>, rating: &Rating) -> Result<i64> {
        let memory = &self.shared.memory;
        let turns = memory.transcript(self.conversation())?;
        let Some(newest) = turns.last().map(|newest| newest.turn) else {
            return Err(Error::InvalidInput {
                what: "rating",
                reason: "nothing was said in this conversation yet".into(),
            });
        };
        let turn = turn.unwrap_or(newest);
        if !turns.iter().any(|stored| stored.turn == turn) {
            return Err(Error::NotFound { what: "turn", id: turn });
        }
        if turn == newest && self.occupancy.is_taken() {
            return Err(Error::Busy);
        }
        memory.rate(turn, rating)?;
        Ok(turn)
    }
}
