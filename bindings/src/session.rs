//! A conversation, shared by the threads of the app: one call at a time, closed once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::assistant::Opened;
use crate::{
    Adapter, Alignment, AloeError, CancelToken, Rating, Reply, ReplyListener, Result, SamplingParams, Turn,
    UserMessage, calls, cancel, params, pump,
};

/// A conversation that can be continued. One reply at a time; several sessions can talk at once.
#[derive(uniffi::Object)]
pub struct Session {
    shared: Arc<Shared>,
    opened: Arc<Opened>,
}

/// What the session and the closing of its assistant both hold.
#[derive(Debug)]
pub(crate) struct Shared {
    closed: AtomicBool,
    /// Empty while a call has it, and after closing.
    session: Mutex<Option<aloekit::Session>>,
    conversation: Mutex<i64>,
}

impl Session {
    pub(crate) fn new(session: aloekit::Session, opened: Arc<Opened>) -> Self {
        let conversation = Mutex::new(session.conversation().0);
        let session = Mutex::new(Some(session));
        Self { shared: Arc::new(Shared { closed: AtomicBool::new(false), session, conversation }), opened }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    async fn start(&self, message: UserMessage) -> Result<aloekit::Reply> {
        self.opened.parts()?.core.engine().expect_foreground()?;
        let mut lent = Lent::take(&self.shared)?;
        let reply = lent.session().send(message.into_core()).await;
        *lock(&self.shared.conversation) = lent.session().conversation().0;
        Ok(reply?)
    }

    /// Runs a call that blocks, off the caller's thread.
    async fn with<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut aloekit::Session) -> aloekit::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        calls::run(None, move || Ok(call(Lent::take(&shared)?.session())?)).await
    }
}

#[uniffi::export]
impl Session {
    /// The conversation that is continued.
    #[must_use]
    pub fn conversation(&self) -> i64 {
        *lock(&self.shared.conversation)
    }

    /// Sends a message. When this returns, the message is durable and the reply is on its way.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] for an empty message, [`AloeError::Busy`] while another reply is under way,
    /// [`AloeError::ContextExceeded`] when it does not fit (it is not stored then), [`AloeError::Backgrounded`],
    /// [`AloeError::Closed`]; those of storage.
    pub async fn send(&self, message: UserMessage) -> Result<Arc<Reply>> {
        Ok(Arc::new(Reply::new(self.start(message).await?)))
    }

    /// Sends a message and hands the reply to a listener; returns when it is recorded. A token that is cancelled ends
    /// the reply within one of its own tokens, and the turn says so.
    ///
    /// # Errors
    /// Those of [`Session::send`] and of the reply; [`AloeError::CallbackFailed`] when the listener throws,
    /// [`AloeError::Cancelled`] when the token was cancelled before: then nothing was sent.
    pub async fn send_to(
        &self,
        message: UserMessage,
        listener: Arc<dyn ReplyListener>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Turn> {
        if cancel.as_ref().is_some_and(|token| token.is_cancelled()) {
            return Err(AloeError::Cancelled);
        }
        let reply = self.start(message).await?;
        let (outcome, receiver) = oneshot::channel();
        let ending = CancelOnDrop(reply.cancel_handle());
        pump::start_listened(reply, listener, outcome);
        cancel::heeding(cancel, || ending.0.cancel(), receiver).await.unwrap_or(Err(AloeError::Closed))
    }

    /// Whether what the user says from now on is remembered beyond this conversation.
    ///
    /// # Errors
    /// [`AloeError::Busy`] during another call, [`AloeError::Closed`].
    pub async fn set_remember(&self, remember: bool) -> Result<()> {
        self.with(move |session| {
            session.set_remember(remember)?;
            Ok(())
        })
        .await
    }

    /// Whether memories are recalled for what the user says from now on.
    ///
    /// # Errors
    /// [`AloeError::Busy`] during another call, [`AloeError::Closed`].
    pub async fn set_recall(&self, recall: bool) -> Result<()> {
        self.with(move |session| {
            session.set_recall(recall);
            Ok(())
        })
        .await
    }

    /// Draws the tokens of the next replies this way.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] for a value out of range.
    pub async fn set_sampling(&self, sampling: SamplingParams) -> Result<()> {
        self.with(move |session| session.set_sampling(sampling.into_core())).await
    }

    /// Uses these adapters from the next reply on; none clears them.
    ///
    /// # Errors
    /// [`AloeError::Busy`] while a reply is under way; [`AloeError::AdapterMismatch`] and those of files leave the old
    /// ones on.
    pub async fn set_adapters(&self, adapters: Vec<Adapter>) -> Result<()> {
        self.with(move |session| session.set_adapters(params::adapters(adapters))).await
    }

    /// Draws this many replies to each message from now on, and gives the one that the adapters lean towards most.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] outside 1 to 8.
    pub async fn set_best_of(&self, best_of: u32) -> Result<()> {
        self.with(move |session| session.set_best_of(best_of as usize)).await
    }

    /// Keeps what the user thinks of a reply, in place of what they thought of it before; answers with the number of the
    /// turn. Without a turn it is the newest reply. The conversation goes on with the reply as it was given.
    ///
    /// # Errors
    /// [`AloeError::Busy`] while the reply is under way, [`AloeError::NotFound`] for a turn that is not of this
    /// conversation, [`AloeError::InvalidInput`] where there is no reply yet and for an edit that is empty or changes
    /// nothing; those of storage.
    pub async fn rate(&self, turn: Option<i64>, rating: Rating) -> Result<i64> {
        self.with(move |session| session.rate(turn, rating.into_core())).await
    }

    /// How much likelier the session's adapters make a reply than the bare model does; without a turn, the newest one.
    /// Takes two prefills of the prompt and the reply.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] where the session has no adapters, or nothing that could be measured;
    /// [`AloeError::NotFound`] for a turn that is not in the prompt any more; [`AloeError::Busy`] while a reply is under
    /// way and where the context has no room beside the conversations; [`AloeError::Cancelled`].
    pub async fn alignment(&self, turn: Option<i64>, cancel: Option<Arc<CancelToken>>) -> Result<Alignment> {
        let mut lent = Lent::take(&self.shared)?;
        let measured = cancel::unless(cancel, lent.session().alignment(turn)).await;
        Ok(measured.ok_or(AloeError::Cancelled)??.into())
    }

    /// Saves the KV snapshot now, so that the next launch needs no prefill.
    ///
    /// # Errors
    /// [`AloeError::StorageFull`] or [`AloeError::StorageDenied`], [`AloeError::Closed`].
    pub async fn save_snapshot(&self) -> Result<()> {
        self.with(|session| session.save_snapshot()).await
    }

    /// Closes from now on, and saves the snapshot and frees the KV cache off this thread. A second time does nothing.
    pub fn begin_close(&self) {
        if !self.shared.closed.swap(true, Ordering::SeqCst) {
            let shared = Arc::clone(&self.shared);
            calls::submit(move || shared.close());
        }
    }

    /// [`Session::begin_close`], and waits until it is done.
    ///
    /// # Errors
    /// None: a snapshot that cannot be saved only costs the next launch its prefill.
    pub async fn finish_close(&self) -> Result<()> {
        self.shared.closed.store(true, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        calls::run(None, move || {
            shared.close();
            Ok(())
        })
        .await
    }
}

impl Shared {
    /// Saves the snapshot and frees the session. Whoever else closes it meanwhile waits for that.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let mut place = lock(&self.session);
        if let Some(session) = place.take()
            && let Err(error) = session.close()
        {
            tracing::debug!(%error, "closed without a snapshot");
        }
    }
}

/// The session taken out for one call; put back when the call ends or is given up.
struct Lent<'a> {
    shared: &'a Shared,
    session: Option<aloekit::Session>,
}

impl<'a> Lent<'a> {
    fn take(shared: &'a Shared) -> Result<Self> {
        if shared.closed.load(Ordering::SeqCst) {
            return Err(AloeError::Closed);
        }
        // Never waits: the place is locked for longer only while the session is being closed.
        let session = match shared.session.try_lock() {
            Ok(mut place) => place.take(),
            Err(std::sync::TryLockError::Poisoned(place)) => place.into_inner().take(),
            Err(std::sync::TryLockError::WouldBlock) => None,
        };
        Ok(Self { shared, session: Some(session.ok_or(AloeError::Busy)?) })
    }

    fn session(&mut self) -> &mut aloekit::Session {
        self.session.as_mut().expect("taken out only when it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Closed meanwhile: whoever closed it found nothing, so the session ends here, without a snapshot.
        if !self.shared.closed.load(Ordering::SeqCst) {
            *lock(&self.shared.session) = self.session.take();
        }
    }
}

/// Ends the reply when the call that waits for it is given up.
struct CancelOnDrop(aloekit::CancelHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
