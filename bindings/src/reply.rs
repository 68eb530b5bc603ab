//! A reply as the app reads it.

use std::sync::{Mutex, PoisonError};

use aloekit::CancelHandle;
use tokio::sync::{mpsc, oneshot};

use crate::pump::{self, BATCHES};
use crate::{AloeError, Recalled, Result, Turn};

/// Follows a reply by calls instead of asking for pieces. Called on a thread of its own, one call at a time.
#[uniffi::export(with_foreign)]
pub trait ReplyListener: Send + Sync {
    /// More text has come. A listener that throws ends the reply with `CallbackFailed`.
    ///
    /// # Errors
    /// Whatever the app throws.
    fn on_text(&self, text: String) -> Result<()>;
}

/// A reply being generated. Dropping it cancels.
#[derive(Debug, uniffi::Object)]
pub struct Reply {
    turn: i64,
    facts: Vec<Recalled>,
    persona: Vec<Recalled>,
    cancel: CancelHandle,
    /// Taken out while a call waits on it, so that no lock is held over an await.
    batches: Mutex<Option<mpsc::Receiver<String>>>,
    outcome: Mutex<Option<oneshot::Receiver<Result<Turn>>>>,
}

impl Reply {
    pub(crate) fn new(reply: aloekit::Reply) -> Self {
        let (turn, cancel) = (reply.turn(), reply.cancel_handle());
        let facts = reply.facts().iter().cloned().map(Into::into).collect();
        let persona = reply.persona().iter().cloned().map(Into::into).collect();
        let (sender, batches) = mpsc::channel(BATCHES);
        let (outcome, receiver) = oneshot::channel();
        pump::start(reply, sender, outcome);
        Self { turn, facts, persona, cancel, batches: Mutex::new(Some(batches)), outcome: Mutex::new(Some(receiver)) }
    }
}

#[uniffi::export]
impl Reply {
    /// The number of the turn being answered.
    #[must_use]
    pub fn turn(&self) -> i64 {
        self.turn
    }

    /// The memories that were recalled for the message, strongest first; known before the reply's first word.
    #[must_use]
    pub fn facts(&self) -> Vec<Recalled> {
        self.facts.clone()
    }

    /// The facts that stand in the instructions.
    #[must_use]
    pub fn persona(&self) -> Vec<Recalled> {
        self.persona.clone()
    }

    /// The next text, up to eight tokens or what comes within thirty milliseconds; nothing at the end.
    ///
    /// # Errors
    /// [`AloeError::Busy`] while another call waits for it. What stopped the reply comes with [`Reply::finish`].
    pub async fn next(&self) -> Result<Option<String>> {
        let mut lent = Lent::take(&self.batches)?;
        Ok(lent.value().recv().await)
    }

    /// Ends the reply within a token; a second time does nothing.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits for the end. When this returns, the reply is recorded and the session takes the next message. Text that
    /// was not asked for is in the turn.
    ///
    /// # Errors
    /// What stopped the generation, or kept the store from recording it; [`AloeError::Closed`] a second time.
    pub async fn finish(&self) -> Result<Turn> {
        let outcome = lock(&self.outcome).take().ok_or(AloeError::Closed)?;
        // Whoever waits for the end reads no more: what still comes is taken here.
        if let Ok(mut lent) = Lent::take(&self.batches) {
            while lent.value().recv().await.is_some() {}
        }
        outcome.await.unwrap_or(Err(AloeError::Closed))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A value taken out of its place for one call, and put back when the call ends or is given up.
struct Lent<'a, T> {
    place: &'a Mutex<Option<T>>,
    value: Option<T>,
}

impl<'a, T> Lent<'a, T> {
    fn take(place: &'a Mutex<Option<T>>) -> Result<Self> {
        let value = lock(place).take().ok_or(AloeError::Busy)?;
        Ok(Self { place, value: Some(value) })
    }

    fn value(&mut self) -> &mut T {
        self.value.as_mut().expect("taken out only when it is dropped")
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        *lock(self.place) = self.value.take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
