//! Who may begin: a place and KV cells for each request, and what of the cache serves its prompt.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Worker;
use super::keeping::unloaded;
use crate::engine::generation::{Generation, Placement, Request};
use crate::engine::native::{SequenceNumber, Token};
use crate::engine::slots::{AdapterSet, SequenceId};
use crate::engine::tokens::{MovedRun, common_prefix, moved_run, tokenize};
use crate::error::Error;

/// A shorter moved run is not worth the bookkeeping: prefilling it takes less than the rotation of its keys.
const LEAST_MOVED_RUN: usize = 64;
/// A donor must spare at least this many tokens of prefill.
const LEAST_DONATION: usize = 16;

impl Worker {
    /// Begins waiting requests, oldest first, as far as places and KV cells allow. A request that waits for room
    /// holds up those behind it, or a large one would wait for ever; one that waits for its own turn does not.
    pub(super) fn admit(&mut self) {
        let (mut waiting, mut full) = (VecDeque::new(), false);
        while let Some(request) = self.queue.pop_front() {
            if full || self.is_answering(request.sequence) {
                waiting.push_back(request);
                continue;
            }
            match self.begin(request) {
                Ok(begun) => self.running.extend(begun),
                Err(request) => {
                    full = true;
                    waiting.push_back(*request);
                }
            }
        }
        self.queue = waiting;
    }

    pub(super) fn is_answering(&self, sequence: SequenceId) -> bool {
        self.slots.find(sequence).is_some_and(|index| self.slots.get(index).reserved > 0)
    }

    /// Begins one request; gives it back when there is no place for it yet.
    pub(super) fn begin(&mut self, mut request: Request) -> Result<Option<Generation>, Box<Request>> {
        if !request.adapters.0.iter().all(|(id, _)| self.adapters.contains_key(id)) {
            request.reply.end(Err(unloaded()));
            return Ok(None);
        }
        let Some(slot) = self.slots.place_for(request.sequence) else { return Err(Box::new(request)) };
        let n_ctx = self.context.params().n_ctx as usize;
        let reusable = self.reusable_tokens(slot, &request);
        let prompt = tokenize(self.context.model(), &request.segments, reusable);
        if prompt.is_empty() || prompt.len() >= n_ctx {
            let error = match prompt.len() {
                0 => Error::InvalidInput { what: "prompt", reason: "it has no tokens".into() },
                required_tokens => Error::ContextExceeded { required_tokens, available_tokens: n_ctx - 1 },
            };
            request.reply.end(Err(error));
            return Ok(None);
        }
        let room = n_ctx - prompt.len();
        let reserve = prompt.len() + request.max_tokens.min(room);
        if !request.may_evict && self.would_evict(slot, request.sequence, reserve) {
            request.reply.end(Err(Error::Busy));
            return Ok(None);
        }
        if !self.make_room(slot, reserve) {
            return Err(Box::new(request));
        }
        self.occupy(slot, request.sequence, &request.adapters);
        let (cached_tokens, parked) = self.reuse(slot, &prompt);
        let placed = &mut self.slots.get_mut(slot);
        placed.reserved = reserve;
        self.slots.touch(slot);
        let placement = Placement { slot, prompt, cached_tokens, parked, room };
        let model = Arc::clone(self.context.model());
        let begun = Generation::begin(&model, request, placement);
        if begun.is_none() {
            self.slots.get_mut(slot).reserved = 0;
            if parked.is_some() {
                self.unpark_for_good();
            }
        }
        Ok(begun)
    }

    pub(super) fn reusable_tokens(&self, slot: usize, request: &Request) -> &[Token] {
        let slot = self.slots.get(slot);
        let same = slot.owner == Some(request.sequence) && slot.adapters == request.adapters;
        if same { &slot.tokens } else { &[] }
    }

    /// Evicts idle conversations until `reserve` cells are free for this place.
    pub(super) fn make_room(&mut self, slot: usize, reserve: usize) -> bool {
        let n_ctx = self.context.params().n_ctx as usize;
        while self.slots.cells_in_use(slot) + reserve > n_ctx {
            let Some(idle) = self.slots.oldest_idle(Some(slot)) else { return false };
            self.evict(idle);
        }
        true
    }

    fn would_evict(&self, slot: usize, sequence: SequenceId, reserve: usize) -> bool {
        let is_another_s = self.slots.get(slot).owner.is_some_and(|owner| owner != sequence);
        is_another_s || self.slots.cells_in_use(slot) + reserve > self.context.params().n_ctx as usize
    }

    pub(super) fn evict(&mut self, index: usize) {
        let slot = self.slots.get_mut(index);
        slot.owner = None;
        slot.tokens.clear();
        self.context.truncate(slot.number, 0);
    }

    /// Makes a place a conversation's own; what was computed otherwise is dropped.
    pub(super) fn occupy(&mut self, index: usize, sequence: SequenceId, adapters: &AdapterSet) {
        let slot = self.slots.get(index);
        if slot.owner != Some(sequence) || slot.adapters != *adapters {
            self.evict(index);
        }
        let slot = self.slots.get_mut(index);
        slot.owner = Some(sequence);
        slot.adapters = adapters.clone();
    }

    /// Keeps of the KV cache all that serves this prompt: the common beginning, own or another conversation's, and
    /// the tail of a conversation whose oldest turns were dropped. Answers with the tokens that need no prefill.
    pub(super) fn reuse(&mut self, index: usize, prompt: &[Token]) -> (usize, Option<MovedRun>) {
        let number = self.slots.get(index).number;
        let adapters = self.slots.get(index).adapters.clone();
        // Logits come from decoding: at least the last token of the prompt is always decoded.
        let most = prompt.len() - 1;
        let mut prefix = common_prefix(&self.slots.get(index).tokens, prompt).min(most);
        let parked = self.park_moved_run(index, prompt, prefix);
        self.context.truncate(number, prefix);
        self.slots.get_mut(index).tokens.truncate(prefix);
        if parked.is_none()
            && let Some((donor, len)) = self.slots.donor(index, prompt, &adapters, prefix + LEAST_DONATION)
        {
            let len = len.min(most);
            self.context.share(self.slots.get(donor).number, number, prefix..len);
            self.slots.get_mut(index).tokens.extend_from_slice(&prompt[prefix..len]);
            prefix = len;
        }
        (prefix + parked.map_or(0, |run| run.len), parked)
    }

    pub(super) fn park_moved_run(&mut self, index: usize, prompt: &[Token], prefix: usize) -> Option<MovedRun> {
        let spare = self.spare.filter(|_| self.context.can_shift())?;
        let slot = self.slots.get(index);
        let usable = &prompt[..prompt.len() - 1];
        let run = moved_run(&slot.tokens, usable, prefix, LEAST_MOVED_RUN)?;
        // Moving a cell moves it for every sequence that shares it.
        if self.slots.shares_from(index, run.cached_at) {
            return None;
        }
        self.context.share(slot.number, spare, run.cached_at..run.cached_at + run.len);
        self.spare = None;
        Some(run)
    }

    /// Puts the parked tail where the prompt has it, once the prefill has come there.
    pub(super) fn unpark_if_due(&mut self, running: usize) {
        let generation = &mut self.running[running];
        let slot = self.slots.get_mut(generation.slot);
        let Some(run) = generation.parked.take_if(|run| run.prompt_at == slot.tokens.len()) else { return };
        slot.tokens.extend_from_slice(&generation.prompt[run.prompt_at..run.prompt_at + run.len]);
        let (number, spare) = (slot.number, self.spare_number());
        self.context.shift(spare, run.prompt_at as i64 - run.cached_at as i64);
        self.context.share(spare, number, run.prompt_at..run.prompt_at + run.len);
        self.unpark_for_good();
    }

    pub(super) fn unpark_for_good(&mut self) {
        let spare = self.spare_number();
        self.context.truncate(spare, 0);
        self.spare = Some(spare);
    }

    pub(super) fn spare_number(&self) -> SequenceNumber {
        i32::try_from(self.context.params().n_seq_max - 1).unwrap_or(0)
    }
}
