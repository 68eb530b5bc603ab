//! Whether a session is answering, and whom the next message waits for.
//!
//! A reply that was cancelled or dropped is over for the app, and not yet for the engine: the worker sees it at the next
//! token, and what was said is recorded after that. Whoever sends meanwhile waits for these milliseconds and is not told
//! of them. For a reply that is still wanted nobody waits here: that would be a queue that the app did not ask for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::engine::CancelHandle;
use crate::error::{Error, Result};

/// One reply at a time.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    taken: AtomicBool,
    /// The reply that has it; none while one is being started.
    reply: Mutex<Option<UnderWay>>,
    freed: Notify,
}

#[derive(Debug)]
struct UnderWay {
    cancel: CancelHandle,
    /// Dropping a reply that was generated to its end cancels nothing, and nobody wants it any more all the same.
    held: Weak<Held>,
}

/// Kept by the app's end of a reply.
#[derive(Debug)]
pub(super) struct Held;

/// Has the session until it is dropped, wherever that happens.
#[derive(Debug)]
pub(super) struct Occupied(Arc<Occupancy>);

impl Occupancy {
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    /// Takes the session, after a reply that nobody wants any more. For one caller at a time: a reply that is being
    /// started while another call comes was given up by its own.
    ///
    /// # Errors
    /// [`Error::Busy`] while a reply is wanted.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Occupied> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before the look: what is freed between the two must wake this one.
            freed.as_mut().enable();
            if !self.taken.swap(true, Ordering::SeqCst) {
                *self.reply() = None;
                return Ok(Occupied(Arc::clone(self)));
            }
            if self.is_wanted() {
                return Err(Error::Busy);
            }
            freed.await;
        }
    }

    /// Says which reply has the session, once there is one; it is wanted as long as the answer is kept.
    pub(super) fn answered_by(&self, cancel: CancelHandle) -> Arc<Held> {
        let held = Arc::new(Held);
        *self.reply() = Some(UnderWay { cancel, held: Arc::downgrade(&held) });
        held
    }

    fn is_wanted(&self) -> bool {
        self.reply().as_ref().is_some_and(|reply| !reply.cancel.is_cancelled() && reply.held.strong_count() > 0)
    }

    fn reply(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::SeqCst);
        self.0.freed.notify_waiters();
    }
}
