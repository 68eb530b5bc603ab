//! What is kept beside replies: adapters loaded and applied, KV states saved and put back.

use std::path::PathBuf;

use super::Worker;
use crate::engine::gguf;
use crate::engine::native::{Adapter, engine_version};
use crate::engine::slots::{AdapterId, AdapterSet, SequenceId};
use crate::engine::snapshot::{Fingerprint, Snapshot};
use crate::error::{Error, Result};

/// The error for adapters that are no longer, or were never, loaded here.
pub(super) fn unloaded() -> Error {
    Error::InvalidInput { what: "adapters", reason: "one of them is not loaded; load it again".into() }
}

impl Worker {
    pub(super) fn apply_adapters(&mut self, adapters: &AdapterSet) -> Result<()> {
        if *adapters == self.current_adapters {
            return Ok(());
        }
        let set: Option<Vec<_>> =
            adapters.0.iter().map(|(id, scale)| self.adapters.get(id).map(|(adapter, _)| (adapter, *scale))).collect();
        let set = set.ok_or_else(unloaded)?;
        self.context.set_adapters(&set)?;
        self.current_adapters = adapters.clone();
        Ok(())
    }

    pub(super) fn load_adapter(&mut self, path: PathBuf) -> Result<AdapterId> {
        gguf::AdapterHeader::read(&path, &self.base)?;
        let fingerprint = gguf::fingerprint(&path)?;
        let adapter = Adapter::load(self.context.model(), &path)?;
        let id = AdapterId(self.next_adapter);
        self.next_adapter += 1;
        self.adapters.insert(id, (adapter, fingerprint));
        Ok(id)
    }

    pub(super) fn unload_adapter(&mut self, id: AdapterId) -> Result<()> {
        let holds = |set: &AdapterSet| set.0.iter().any(|(held, _)| *held == id);
        let running = self.running.iter().map(|generation| &generation.adapters);
        let waiting = self.queue.iter().map(|request| &request.adapters);
        if running.chain(waiting).chain(self.scores.iter().map(|score| &score.adapters)).any(holds) {
            return Err(Error::Busy);
        }
        if holds(&self.current_adapters) {
            self.context.set_adapters(&[])?;
            self.current_adapters = AdapterSet::default();
        }
        self.adapters.remove(&id);
        Ok(())
    }

    pub(super) fn snapshot(&mut self, sequence: SequenceId) -> Option<Vec<u8>> {
        let slot = self.slots.get(self.slots.find(sequence)?);
        if slot.reserved > 0 || slot.tokens.is_empty() {
            return None;
        }
        let (number, tokens) = (slot.number, slot.tokens.clone());
        let fingerprint = self.state_fingerprint(&slot.adapters)?;
        let state = self.context.state(number)?;
        Some(Snapshot { tokens, state }.seal(&fingerprint))
    }

    /// Puts a saved state into a place for the conversation; answers with the tokens restored, 0 if it is unusable.
    pub(super) fn restore(&mut self, sequence: SequenceId, adapters: AdapterSet, bytes: &[u8]) -> usize {
        let restored = self.try_restore(sequence, adapters, bytes);
        restored.unwrap_or_else(|reason| {
            tracing::info!(reason, "KV snapshot not used, the prompt will be prefilled from text");
            0
        })
    }

    pub(super) fn try_restore(
        &mut self,
        sequence: SequenceId,
        adapters: AdapterSet,
        bytes: &[u8],
    ) -> Result<usize, &'static str> {
        let fingerprint = self.state_fingerprint(&adapters).ok_or("an adapter was unloaded")?;
        let snapshot = Snapshot::open(bytes, &fingerprint)?;
        let index = self.slots.place_for(sequence).ok_or("every place is busy")?;
        if self.slots.get(index).reserved > 0 || !self.make_room(index, snapshot.tokens.len()) {
            return Err("no room");
        }
        self.evict(index);
        self.occupy(index, sequence, &adapters);
        let slot = self.slots.get_mut(index);
        if !self.context.set_state(slot.number, &snapshot.state) {
            return Err("llama.cpp refused the state");
        }
        slot.tokens = snapshot.tokens;
        self.slots.touch(index);
        Ok(self.slots.get(index).tokens.len())
    }

    pub(super) fn state_fingerprint(&self, adapters: &AdapterSet) -> Option<Fingerprint> {
        let params = self.context.params();
        let mut hash = blake3::Hasher::new();
        hash.update(engine_version());
        hash.update(&self.fingerprint);
        hash.update(params.kv_type.as_str().as_bytes());
        hash.update(&[u8::from(params.offload), params.flash_attention as u8]);
        hash.update(env!("CARGO_PKG_VERSION").as_bytes()); // another release may bring another llama.cpp
        for (id, scale) in adapters.0.iter() {
            hash.update(&self.adapters.get(id)?.1);
            hash.update(&scale.to_le_bytes());
        }
        Some(*hash.finalize().as_bytes())
    }

    pub(super) fn release(&mut self, sequence: SequenceId) {
        if let Some(index) = self.slots.find(sequence).filter(|&i| self.slots.get(i).reserved == 0) {
            self.evict(index);
        }
    }
}
