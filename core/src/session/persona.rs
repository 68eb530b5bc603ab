//! The facts in a conversation's system prompt: chosen with its first message, kept while nothing about them changes.
//!
//! What is learnt while a conversation goes on stands in its history anyway; it moves into the system prompt when the
//! history has to be cut, because then the beginning of the prompt changes in any case.

use super::{Inner, State};
use crate::error::Result;
use crate::memory::{MemoryKind, Recalled};
use crate::prompt::{MOST_PERSONA_FACTS, TokenBudget, persona_block};

/// Share of the room for memories that the system prompt may take of it.
const SHARE: usize = 2;
/// Tokens that a line's dash, quotes and end take.
const LINE_OVERHEAD: usize = 5;
/// A turn that a fact repeats to this part, in percent, is not quoted beside it.
const MOSTLY: usize = 60;

/// The facts in the system prompt now.
#[derive(Debug, Default)]
pub(super) struct Persona {
    facts: Vec<Recalled>,
    block: Option<String>,
}

impl Persona {
    fn of(facts: Vec<Recalled>) -> Self {
        let texts: Vec<&str> = facts.iter().map(|fact| fact.text.as_str()).collect();
        Self { block: persona_block(&texts), facts }
    }

    pub(super) fn block(&self) -> Option<&str> {
        self.block.as_deref()
    }

    pub(super) fn facts(&self) -> &[Recalled] {
        &self.facts
    }

    /// Whether the system prompt says already what a memory says.
    pub(super) fn shows(&self, memory: &Recalled) -> bool {
        self.facts.iter().any(|fact| {
            let repeats = memory.kind == MemoryKind::Episode
                && fact.turn == memory.turn
                && fact.words.len() * 100 >= memory.text.len() * MOSTLY;
            fact.id == memory.id || repeats
        })
    }
}

impl Inner {
    /// Brings the facts of the system prompt up to date: chosen for a new conversation, else as they now are.
    pub(super) fn settle_persona(&self, state: &mut State, budget: &TokenBudget) -> Result<()> {
        if !state.params.recall {
            state.persona = Persona::default();
        } else if state.transcript.is_empty() {
            self.choose_persona(state, room(budget))?;
        } else {
            state.persona = Persona::of(self.shared.memory.standing_facts(self.conversation())?);
        }
        Ok(())
    }

    /// Chooses anew, where the beginning of the prompt changes anyway; `spare` tokens are free beside what it takes now.
    pub(super) fn renew_persona(&self, state: &mut State, spare: usize, budget: &TokenBudget) -> Result<()> {
        if !state.params.recall {
            return Ok(());
        }
        let now = self.cost(state, state.persona.block());
        self.choose_persona(state, room(budget).min(now + spare))
    }

    fn choose_persona(&self, state: &mut State, mut room: usize) -> Result<()> {
        let memory = &self.shared.memory;
        let fits = |fact: &Recalled| {
            let cost = self.shared.engine.count_tokens(&fact.text) + LINE_OVERHEAD;
            room.checked_sub(cost).map(|rest| room = rest).is_some()
        };
        let mut chosen: Vec<_> = memory.stable_facts()?.into_iter().take(MOST_PERSONA_FACTS).take_while(fits).collect();
        chosen.sort_by_key(|fact| (fact.turn, fact.id)); // what is learnt later comes last, and the beginning stays
        let ids: Vec<_> = chosen.iter().map(|fact| fact.id).collect();
        memory.set_standing_facts(self.conversation(), &ids)?;
        state.persona = Persona::of(chosen);
        Ok(())
    }
}

fn room(budget: &TokenBudget) -> usize {
    budget.memory_room() / SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Origin;

    fn memory(id: i64, turn: i64, kind: MemoryKind, text: &str) -> Recalled {
        let (text, words) = (text.to_owned(), text.to_owned());
        let why = String::new();
        Recalled { id, text, words, turn, conversation: 1, score: 0.9, kind, origin: Origin::Said, why, at_ms: 0 }
    }

    #[test]
    fn a_turn_is_quoted_beside_its_fact_only_when_it_says_more() {
        let persona = Persona::of(vec![memory(7, 3, MemoryKind::Preference, "I hate mushrooms.")]);
        assert!(persona.shows(&memory(6, 3, MemoryKind::Episode, "Hi! I hate mushrooms.")));
        let more = "I hate mushrooms. On Friday my sister brings her four children, what shall we cook?";
        assert!(!persona.shows(&memory(6, 3, MemoryKind::Episode, more)));
        assert!(!persona.shows(&memory(8, 4, MemoryKind::Episode, "I hate mushrooms.")));
        assert!(persona.shows(&memory(7, 3, MemoryKind::Preference, "I hate mushrooms.")));
    }
}
