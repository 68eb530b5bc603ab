//! The handle that gives up a call which may take long.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Gives up every call that it was handed to: they end with [`AloeError::Cancelled`](crate::AloeError::Cancelled) at
/// once. Work that cannot be interrupted, such as loading a model, goes on unseen and its result is freed.
#[derive(Debug, Default, uniffi::Object)]
pub struct CancelToken {
    cancelled: AtomicBool,
    changed: Notify,
}

#[uniffi::export]
impl CancelToken {
    /// A token that is not cancelled.
    #[uniffi::constructor]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; a second time does nothing.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

impl CancelToken {
    /// Returns when it is cancelled.
    pub(crate) async fn cancelled(&self) {
        let mut changed = std::pin::pin!(self.changed.notified());
        // Enrolled before the flag is read: a cancel in between is not missed.
        changed.as_mut().enable();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}
