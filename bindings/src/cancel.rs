//! The handle that gives up a call which may take long.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

/// Gives up every call that it was handed to: they end with [`AloeError::Cancelled`](crate::AloeError::Cancelled) at
/// once. Work that cannot be interrupted, such as loading a model, goes on unseen and its result is freed.
#[derive(Debug, Default, uniffi::Object)]
pub struct CancelToken {
    cancelled: AtomicBool,
    /// Calls whose work has not ended, given up or not.
    at_work: AtomicUsize,
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

    /// Returns when no call that it was handed to is at work any more, unseen or not: a model that nobody waits for is
    /// still being loaded until then.
    pub async fn settled(&self) {
        self.until(|| self.at_work.load(Ordering::SeqCst) == 0).await;
    }
}

impl CancelToken {
    /// Returns when it is cancelled.
    pub(crate) async fn cancelled(&self) {
        self.until(|| self.is_cancelled()).await;
    }

    /// Notes a call's work, until what this returns is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> AtWork {
        self.at_work.fetch_add(1, Ordering::SeqCst);
        AtWork(Arc::clone(self))
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Enrolled before the state is read: a change in between is not missed.
            changed.as_mut().enable();
            if holds() {
                return;
            }
            changed.await;
        }
    }
}

/// Work under way.
pub(crate) struct AtWork(Arc<CancelToken>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// What a future gives; `act` is called once when the token is cancelled meanwhile.
pub(crate) async fn heeding<F: Future>(token: Option<Arc<CancelToken>>, act: impl FnOnce(), future: F) -> F::Output {
    let Some(token) = token else { return future.await };
    let (mut cancelled, mut future, mut act) = (pin!(token.cancelled()), pin!(future), Some(act));
    std::future::poll_fn(|context| {
        if act.is_some()
            && cancelled.as_mut().poll(context).is_ready()
            && let Some(act) = act.take()
        {
            act();
        }
        future.as_mut().poll(context)
    })
    .await
}

/// What a future gives, unless the token is cancelled first: then the future is dropped, which ends its work.
pub(crate) async fn unless<F: Future>(token: Option<Arc<CancelToken>>, future: F) -> Option<F::Output> {
    let Some(token) = token else { return Some(future.await) };
    let (mut cancelled, mut future) = (pin!(token.cancelled()), pin!(future));
    std::future::poll_fn(|context| {
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    fn is_ready<F: Future>(future: Pin<&mut F>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_token_is_settled_when_the_work_of_every_call_has_ended_and_not_when_they_were_given_up() {
        let token = Arc::new(CancelToken::new());
        assert!(is_ready(pin!(token.settled())), "nothing was begun");
        let (one, other) = (token.begin(), token.begin());
        let mut settled = pin!(token.settled());
        assert!(!is_ready(settled.as_mut()));
        token.cancel();
        drop(one);
        assert!(!is_ready(settled.as_mut()), "the other is at work");
        drop(other);
        assert!(is_ready(settled.as_mut()));
    }

    #[test]
    fn what_heeds_a_token_acts_once_and_still_gives_what_it_waits_for() {
        let token = Arc::new(CancelToken::new());
        let mut acted = 0;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        {
            let mut heeding = pin!(heeding(Some(Arc::clone(&token)), || acted += 1, receiver));
            assert!(!is_ready(heeding.as_mut()));
            token.cancel();
            assert!(!is_ready(heeding.as_mut()) && !is_ready(heeding.as_mut()));
            sender.send(7).expect("somebody waits");
            let output = heeding.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(output, Poll::Ready(Ok(7))));
        }
        assert_eq!(acted, 1);
    }
}
