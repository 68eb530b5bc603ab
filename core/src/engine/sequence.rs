//! A conversation's own KV cache, as its session holds it: replies are asked for, saved and restored through it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tokio::sync::{mpsc as async_mpsc, oneshot};

use super::generation::{ReplySink, Request};
use super::slots::{AdapterId, AdapterSet, SequenceId};
use super::stream::{CancelHandle, Generated, STREAM_CAPACITY, TokenStream};
use super::worker::Command;
use super::{Engine, GenerateParams};
use crate::error::{Error, Result};
use crate::message::Message;

/// A conversation's KV cache: what the last prompt and reply left is not computed again. Dropping it frees the cells.
#[derive(Debug)]
pub struct Sequence {
    pub(super) id: SequenceId,
    pub(super) engine: Engine,
}

impl Sequence {
    /// The engine it belongs to.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a reply to these messages.
    ///
    /// # Errors
    /// [`Error::ModelIncompatible`] when the template cannot express the messages, [`Error::InvalidInput`] for the
    /// parameters, [`Error::Backgrounded`], [`Error::Closed`]; what goes wrong later comes with [`TokenStream::finish`].
    pub fn generate(&self, messages: &[Message], params: GenerateParams) -> Result<TokenStream> {
        let (pieces, piece_stream) = async_mpsc::channel(STREAM_CAPACITY);
        let (outcome, outcome_receiver) = oneshot::channel();
        let (cancel, paused) = self.ask(messages, params, Some(pieces), Some(outcome))?;
        Ok(TokenStream { pieces: piece_stream, outcome: outcome_receiver, cancel, paused })
    }

    /// Starts a reply that only the observer in `params` follows; it goes on when the handle is dropped.
    ///
    /// # Errors
    /// As [`Sequence::generate`].
    pub fn generate_detached(&self, messages: &[Message], params: GenerateParams) -> Result<CancelHandle> {
        self.ask(messages, params, None, None).map(|(cancel, _)| cancel)
    }

    fn ask(
        &self,
        messages: &[Message],
        params: GenerateParams,
        pieces: Option<async_mpsc::Sender<String>>,
        outcome: Option<oneshot::Sender<Result<Generated>>>,
    ) -> Result<(CancelHandle, Arc<AtomicBool>)> {
        self.engine.expect_foreground()?;
        params.sampling.check()?;
        if params.max_tokens == 0 {
            return Err(Error::InvalidInput { what: "max_tokens", reason: "it must be at least 1".into() });
        }
        let asked_at = Instant::now();
        let segments = self.engine.render(messages)?;
        let cancel = CancelHandle::new(self.engine.shared.waker.clone());
        let (cancelled, paused) = (Arc::clone(&cancel.cancelled), Arc::new(AtomicBool::new(false)));
        let (observer, ends_with) = (params.observer, params.ends_with);
        let reply = ReplySink { pieces, outcome, observer, cancelled, ends_with, paused: Arc::clone(&paused) };
        let request = Request {
            sequence: self.id,
            segments,
            sampling: params.sampling,
            constraint: params.constraint,
            stop: self.engine.with_template_stops(params.stop),
            max_tokens: params.max_tokens,
            adapters: AdapterSet::new(params.adapters)?,
            may_evict: params.may_evict,
            reply,
            asked_at,
        };
        self.engine.send(Command::Generate(Box::new(request)))?;
        Ok((cancel, paused))
    }

    /// The KV state in a container with checksum and fingerprint; `None` when there is nothing to save.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn blocking_snapshot(&self) -> Result<Option<Vec<u8>>> {
        let (reply, answer) = oneshot::channel();
        self.engine.send(Command::Snapshot { sequence: self.id, reply })?;
        answer.blocking_recv().map_err(|_| Error::Closed)
    }

    /// Puts a saved KV state back; answers with the tokens restored, 0 when it is damaged or made with something else.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a scale that is no number, [`Error::Closed`].
    pub fn blocking_restore(&self, snapshot: Vec<u8>, adapters: Vec<(AdapterId, f32)>) -> Result<usize> {
        let (reply, answer) = oneshot::channel();
        let adapters = AdapterSet::new(adapters)?;
        self.engine.send(Command::Restore { sequence: self.id, adapters, bytes: snapshot, reply })?;
        answer.blocking_recv().map_err(|_| Error::Closed)
    }

    /// Drops the KV state: the next prompt is computed from its first token.
    pub fn clear(&self) {
        let _ = self.engine.send(Command::Release(self.id));
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        self.clear();
    }
}
