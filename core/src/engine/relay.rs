//! A stream that is filled from elsewhere than the worker: a reply that was chosen from several.
//!
//! Its reader cannot tell: pieces, end and cancelling are those of any stream.

use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use super::Engine;
use super::stream::{CancelHandle, Generated, TokenStream};
use crate::error::Result;

/// The writing end. Dropping it ends the stream with [`crate::Error::Closed`].
#[derive(Debug)]
pub(crate) struct Relay {
    pieces: mpsc::Sender<String>,
    outcome: oneshot::Sender<Result<Generated>>,
    cancel: CancelHandle,
}

impl Engine {
    /// A stream and its writing end.
    pub(crate) fn relay(&self) -> (Relay, TokenStream) {
        let (pieces, reader) = mpsc::channel(1);
        let (outcome, ended) = oneshot::channel();
        let cancel = CancelHandle::new(self.shared.waker.clone());
        let stream = TokenStream::new(reader, ended, cancel.clone());
        (Relay { pieces, outcome, cancel }, stream)
    }
}

impl Relay {
    /// Raised by the reader: what is generated for it ends with it.
    pub(crate) fn cancel_handle(&self) -> &CancelHandle {
        &self.cancel
    }

    /// Gives the reader the whole text as one piece, and the end. Never waits for the reader.
    pub(crate) fn end(self, outcome: Result<Generated>) {
        if let Ok(generated) = &outcome
            && !generated.text.is_empty()
        {
            // There is room for one piece; a reader that has gone wants none.
            let _ = self.pieces.try_send(generated.text.clone());
        }
        self.cancel.cancelled.store(true, Ordering::SeqCst); // there is nothing left to cancel
        let _ = self.outcome.send(outcome);
    }
}
