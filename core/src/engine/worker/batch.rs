//! One decode for all: rows of every reply that can go on, the draw from their logits, and what to do when it fails.

use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use crate::engine::native::{BatchRow, Decoded};
use crate::engine::slots::AdapterSet;
use crate::engine::stream::StopReason;
use crate::error::Error;

/// Rows of the decode that also rotates moved keys: it cannot be ended early, so it is kept short.
const ROWS_WITH_SHIFT: usize = 32;

/// One sequence's rows in a batch.
pub(super) struct Share {
    running: usize,
    rows: std::ops::Range<usize>,
}

impl Worker {
    /// Decodes one batch and samples for every sequence that is ready.
    pub(super) fn step(&mut self) {
        let Some(adapters) = self.next_adapters() else { return };
        if let Err(error) = self.apply_adapters(&adapters) {
            return self.fail_all(&adapters, &error);
        }
        let (rows, shares) = self.batch(&adapters);
        if rows.is_empty() {
            return;
        }
        let started = Instant::now();
        match self.context.decode(&rows) {
            Ok(Decoded::Done) => {
                self.note_speed(&rows, &shares, started);
                self.advance(&rows, &shares);
            }
            Ok(Decoded::Aborted) => self.roll_back(&shares),
            Ok(Decoded::NoRoom) => self.recover_cells(&shares),
            Ok(Decoded::Failed(code)) => {
                self.roll_back(&shares);
                self.fail_all(&adapters, &Error::internal(format_args!("llama_decode answered {code}")));
            }
            Err(error) => self.fail_all(&adapters, &error),
        }
        self.report_ended();
    }

    /// The adapters of the first runnable reply; sets take turns, since a context has one set at a time.
    pub(super) fn next_adapters(&mut self) -> Option<AdapterSet> {
        let ready = self.running.iter().filter(|generation| generation.is_ready());
        let adapters = ready.min_by_key(|generation| generation.last_turn)?.adapters.clone();
        self.turns += 1;
        for generation in self.running.iter_mut().filter(|generation| generation.adapters == adapters) {
            generation.last_turn = self.turns;
        }
        Some(adapters)
    }

    /// Rows for the next decode: running replies first, prompts with what room is left.
    pub(super) fn batch(&mut self, adapters: &AdapterSet) -> (Vec<BatchRow>, Vec<Share>) {
        let (mut rows, mut shares) = (Vec::new(), Vec::new());
        let ready: Vec<usize> = (0..self.running.len())
            .filter(|&i| {
                let generation = &self.running[i];
                generation.is_ready() && generation.adapters == *adapters
            })
            .collect();
        ready.iter().for_each(|&i| self.unpark_if_due(i));
        let n_batch = self.context.params().n_batch as usize;
        let n_batch = if self.context.is_shift_pending() { n_batch.min(ROWS_WITH_SHIFT) } else { n_batch };
        let (decoding, prefilling): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|&i| self.running[i].next_token.is_some());
        for running in decoding.into_iter().chain(prefilling) {
            let start = rows.len();
            self.add_rows(running, n_batch, &mut rows);
            if rows.len() > start {
                shares.push(Share { running, rows: start..rows.len() });
            }
        }
        (rows, shares)
    }

    pub(super) fn add_rows(&self, running: usize, n_batch: usize, rows: &mut Vec<BatchRow>) {
        let generation = &self.running[running];
        let slot = self.slots.get(generation.slot);
        let (done, sequence) = (slot.tokens.len(), slot.number);
        if let Some(token) = generation.next_token {
            if rows.len() < n_batch {
                rows.push(BatchRow { token, position: done, sequence, logits: true });
            }
            return;
        }
        let until = generation.parked.map_or(generation.prompt.len(), |run| run.prompt_at);
        let until = until.min(done + (n_batch - rows.len()));
        let last = generation.prompt.len() - 1;
        rows.extend((done..until).map(|position| BatchRow {
            token: generation.prompt[position],
            position,
            sequence,
            logits: position == last,
        }));
    }

    /// Takes note of what is in the KV cache now and draws the next tokens.
    pub(super) fn advance(&mut self, rows: &[BatchRow], shares: &[Share]) {
        let model = Arc::clone(self.context.model());
        for share in shares {
            let generation = &mut self.running[share.running];
            let decoded = &rows[share.rows.clone()];
            self.slots.get_mut(generation.slot).tokens.extend(decoded.iter().map(|row| row.token));
            generation.next_token = None;
            let last = share.rows.end - 1;
            if !rows[last].logits {
                continue;
            }
            let drawn = match self.context.logits(last) {
                Some(logits) => generation.advance(&model, logits),
                None => Err(Error::internal("no logits for a row that asked for them")),
            };
            match drawn {
                Ok(None) => {}
                Ok(Some(reason)) => generation.stop(reason),
                Err(error) => generation.fail_with(error),
            }
        }
    }

    /// Drops from the KV cache what an unfinished decode may have left there.
    pub(super) fn roll_back(&mut self, shares: &[Share]) {
        for share in shares {
            let slot = self.slots.get(self.running[share.running].slot);
            self.context.truncate(slot.number, slot.tokens.len());
        }
    }

    /// The reservation keeps this from happening; if it does, idle conversations go first, then the youngest reply.
    pub(super) fn recover_cells(&mut self, shares: &[Share]) {
        self.roll_back(shares);
        if let Some(idle) = self.slots.oldest_idle(None) {
            return self.evict(idle);
        }
        if let Some(share) = shares.last() {
            self.running[share.running].stop(StopReason::ContextFull);
        }
    }

    pub(super) fn note_speed(&mut self, rows: &[BatchRow], shares: &[Share], started: Instant) {
        // Only single-token steps compare with each other.
        let (Some(governor), true) = (&mut self.governor, shares.len() == 1 && rows.len() == 1) else { return };
        if let Some(threads) = governor.record(started.elapsed()) {
            tracing::info!(threads, "number of compute threads changed");
            self.context.set_threads(threads);
        }
    }

    pub(super) fn fail_all(&mut self, adapters: &AdapterSet, error: &Error) {
        for generation in self.running.iter_mut().filter(|g| g.adapters == *adapters) {
            generation.fail_with(Error::internal(error));
        }
        self.report_ended();
    }
}
