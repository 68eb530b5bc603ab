//! Which conversation's KV cache lives where, and which one makes room.
//!
//! Owns the table only; the worker carries out in the context what is decided here.

use std::sync::Arc;

use super::native::{SequenceNumber, Token};
use super::tokens::common_prefix;
use crate::error::{Error, Result};

/// A conversation's identity in the engine, for as long as its session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SequenceId(pub(super) u64);

/// A loaded adapter's identity; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterId(pub(super) u64);

/// Adapters and scales that a KV state was, or is to be, computed with.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct AdapterSet(pub(super) Arc<[(AdapterId, f32)]>);

impl AdapterSet {
    /// The set, if each scale is a number: one that is not equals nothing, not even itself, and turns every logit into
    /// none.
    pub(super) fn new(adapters: Vec<(AdapterId, f32)>) -> Result<Self> {
        match adapters.iter().find(|(_, scale)| !scale.is_finite()) {
            Some((_, scale)) => {
                Err(Error::InvalidInput { what: "adapter scale", reason: format!("{scale} is not a finite number") })
            }
            None => Ok(Self(adapters.into())),
        }
    }
}

/// A place in the context for one sequence.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: SequenceNumber,
    pub(super) owner: Option<SequenceId>,
    /// What the KV cache holds for this sequence, position by position.
    pub(super) tokens: Vec<Token>,
    pub(super) adapters: AdapterSet,
    /// Tokens that a running job may come to need; 0 when idle.
    pub(super) reserved: usize,
    last_used: u64,
}

/// All places, and the order of their use.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    clock: u64,
}

impl Slots {
    pub(super) fn new(count: u32) -> Self {
        let slot = |number| Slot {
            number,
            owner: None,
            tokens: Vec::new(),
            adapters: AdapterSet::default(),
            reserved: 0,
            last_used: 0,
        };
        Self { slots: (0..i32::try_from(count).unwrap_or(1)).map(slot).collect(), clock: 0 }
    }

    pub(super) fn get(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot {
        &mut self.slots[index]
    }

    /// Where a conversation lives now.
    pub(super) fn find(&self, sequence: SequenceId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.owner == Some(sequence))
    }

    /// The place for a conversation: its own, else a free one, else the idle one unused longest.
    pub(super) fn place_for(&self, sequence: SequenceId) -> Option<usize> {
        let own = self.find(sequence);
        own.or_else(|| self.slots.iter().position(|slot| slot.owner.is_none())).or_else(|| self.oldest_idle(None))
    }

    /// The idle, occupied place unused longest, other than `except`.
    pub(super) fn oldest_idle(&self, except: Option<usize>) -> Option<usize> {
        (0..self.slots.len())
            .filter(|&i| Some(i) != except)
            .filter(|&i| self.slots[i].reserved == 0 && self.slots[i].owner.is_some())
            .min_by_key(|&i| self.slots[i].last_used)
    }

    /// Marks a place as used now.
    pub(super) fn touch(&mut self, index: usize) {
        self.clock += 1;
        self.slots[index].last_used = self.clock;
    }

    /// KV cells that are taken or promised by all places other than `except`.
    pub(super) fn cells_in_use(&self, except: usize) -> usize {
        let used = |slot: &Slot| slot.tokens.len().max(slot.reserved);
        self.slots.iter().enumerate().filter(|(i, _)| *i != except).map(|(_, slot)| used(slot)).sum()
    }

    /// Another place that holds a longer beginning of `prompt` than `least` tokens, and how long it is.
    pub(super) fn donor(
        &self,
        index: usize,
        prompt: &[Token],
        adapters: &AdapterSet,
        least: usize,
    ) -> Option<(usize, usize)> {
        (0..self.slots.len())
            .filter(|&i| i != index && self.slots[i].adapters == *adapters)
            .map(|i| (i, common_prefix(&self.slots[i].tokens, prompt)))
            .filter(|&(_, len)| len > least)
            .max_by_key(|&(_, len)| len)
    }

    /// Whether another place may share cells of this one at or after `from`.
    pub(super) fn shares_from(&self, index: usize, from: usize) -> bool {
        let own = &self.slots[index].tokens;
        self.slots.iter().enumerate().any(|(i, slot)| i != index && common_prefix(&slot.tokens, own) > from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupied(count: u32) -> Slots {
        let mut slots = Slots::new(count);
        for i in 0..count as usize {
            slots.get_mut(i).owner = Some(SequenceId(i as u64));
            slots.get_mut(i).tokens = (0..10).map(Token::new).collect();
            slots.touch(i);
        }
        slots
    }

    #[test]
    fn a_conversation_keeps_its_place_and_a_new_one_takes_the_one_unused_longest() {
        let mut slots = occupied(3);
        slots.touch(0);
        assert_eq!(slots.place_for(SequenceId(2)), Some(2));
        assert_eq!(slots.place_for(SequenceId(9)), Some(1));
        slots.get_mut(1).reserved = 50;
        assert_eq!(slots.place_for(SequenceId(9)), Some(2));
    }

    #[test]
    fn running_jobs_are_never_displaced() {
        let mut slots = occupied(2);
        slots.get_mut(0).reserved = 5;
        slots.get_mut(1).reserved = 5;
        assert_eq!(slots.place_for(SequenceId(9)), None);
        assert_eq!(slots.cells_in_use(0), 10);
    }

    #[test]
    fn a_shared_beginning_is_found_in_the_place_that_has_most_of_it() {
        let mut slots = occupied(3);
        slots.get_mut(2).tokens.truncate(6);
        let prompt: Vec<_> = (0..8).chain(100..120).map(Token::new).collect();
        slots.get_mut(0).tokens.clear();
        assert_eq!(slots.donor(0, &prompt, &AdapterSet::default(), 0), Some((1, 8)));
        assert_eq!(slots.donor(0, &prompt, &AdapterSet::default(), 8), None);
        assert!(slots.shares_from(1, 5) && !slots.shares_from(1, 6));
    }
}
