//! The entry point of an app: opened off its thread, closed without making it wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aloekit::engine::Engine;
use aloekit::memory::{Embedder, MemoryStore};

use crate::session::Shared;
use crate::{
    AloeError, AssistantParams, CancelToken, EmbedderParams, ModelInfo, Persona, Result, Session, SessionParams, calls,
    params,
};

/// A loaded model with a memory of its user.
#[derive(uniffi::Object)]
pub struct Assistant {
    inner: Arc<Inner>,
}

struct Inner {
    core: aloekit::Assistant,
    embedder: Option<Arc<dyn Embedder>>,
    closed: AtomicBool,
    /// Sessions that may still be open: closing saves their snapshots first.
    sessions: Mutex<Vec<Weak<Shared>>>,
}

impl Assistant {
    pub(crate) fn new(core: aloekit::Assistant, embedder: Option<Arc<dyn Embedder>>) -> Arc<Self> {
        let inner = Inner { core, embedder, closed: AtomicBool::new(false), sessions: Mutex::new(Vec::new()) };
        Arc::new(Self { inner: Arc::new(inner) })
    }

    fn expect_open(&self) -> Result<()> {
        if self.inner.closed.load(Ordering::SeqCst) { Err(AloeError::Closed) } else { Ok(()) }
    }
}

#[uniffi::export]
impl Assistant {
    /// Opens the memory and loads the model, off this thread. A token that is cancelled ends the call at once; what was
    /// loaded is freed.
    ///
    /// # Errors
    /// Those of files, of memory ([`AloeError::NotEnoughMemory`] before anything is loaded), of storage, and
    /// [`AloeError::Cancelled`].
    #[uniffi::constructor]
    pub async fn open(params: AssistantParams, cancel: Option<Arc<CancelToken>>) -> Result<Arc<Self>> {
        calls::run(cancel, move || {
            let memory = params::memory_params(params.memory, params.on_damage, params.durability);
            let embedder = params.embedder.map(EmbedderParams::open).transpose()?;
            let memory = MemoryStore::open(memory, embedder.clone())?;
            let engine = Engine::open(&params.engine.into_core())?;
            let snapshots = params.snapshots.map(Into::into);
            Ok(Self::new(aloekit::Assistant::from_parts(engine, memory, snapshots)?, embedder))
        })
        .await
    }

    /// Starts or resumes a conversation.
    ///
    /// # Errors
    /// Those of storage and of the adapters named; [`AloeError::InvalidInput`], [`AloeError::Closed`].
    pub async fn session(&self, params: SessionParams) -> Result<Arc<Session>> {
        self.expect_open()?;
        let inner = Arc::clone(&self.inner);
        calls::run(None, move || {
            let session = Session::new(inner.core.session(params.into_core())?, inner.core.engine().clone());
            let mut sessions = inner.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|session| session.strong_count() > 0);
            sessions.push(Arc::downgrade(session.shared()));
            Ok(Arc::new(session))
        })
        .await
    }

    /// What is known of the user, and their rights over it.
    #[must_use]
    pub fn persona(&self) -> Arc<Persona> {
        Arc::new(Persona::new(self.inner.core.clone(), self.inner.embedder.clone()))
    }

    /// What is known of the loaded model.
    #[must_use]
    pub fn model(&self) -> ModelInfo {
        self.inner.core.engine().info().clone().into()
    }

    /// Frees the KV cache of conversations that are not being answered: what a system short of memory asks for. Their
    /// next message is prefilled from text.
    pub fn release_caches(&self) {
        self.inner.core.engine().clear_idle();
    }

    /// The app leaves the foreground. Where a GPU is used, replies end with [`AloeError::Backgrounded`] before this
    /// returns, and new ones are refused; on the CPU nothing changes.
    ///
    /// # Errors
    /// None today.
    pub async fn enter_background(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        calls::run(None, move || {
            inner.core.engine().enter_background();
            Ok(())
        })
        .await
    }

    /// The app is in the foreground again.
    pub fn enter_foreground(&self) {
        self.inner.core.engine().enter_foreground();
    }

    /// Closes from now on: open replies end, snapshots are saved and the model is freed off this thread. A second time
    /// does nothing.
    pub fn begin_close(&self) {
        if !self.inner.closed.swap(true, Ordering::SeqCst) {
            let inner = Arc::clone(&self.inner);
            calls::submit(move || inner.close());
        }
    }

    /// [`Assistant::begin_close`], and waits until everything is freed.
    ///
    /// # Errors
    /// None today.
    pub async fn finish_close(&self) -> Result<()> {
        self.inner.closed.store(true, Ordering::SeqCst);
        let inner = Arc::clone(&self.inner);
        calls::run(None, move || {
            inner.close();
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn close(&self) {
        let sessions = std::mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner));
        sessions.iter().filter_map(Weak::upgrade).for_each(|session| session.close());
        self.core.close();
    }
}

impl Drop for Assistant {
    /// The last handle may be dropped by a garbage collector, whose thread must not wait for the engine's.
    fn drop(&mut self) {
        self.begin_close();
    }
}
