//! The entry point of an app: opened off its thread, closed without making it wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use aloekit::memory::Embedder;

use crate::session::Shared;
use crate::{
    AloeError, AssistantParams, CancelToken, EmbedderParams, Induction, ModelInfo, Persona, Result, Session,
    SessionParams, StoreKey, calls, store,
};

/// A loaded model with a memory of its user.
#[derive(uniffi::Object)]
pub struct Assistant {
    opened: Arc<Opened>,
}

/// What assistant, persona and sessions share: gone when the assistant is closed, whoever still holds a handle. A
/// handle of a garbage-collected language may live long after.
pub(crate) struct Opened {
    parts: Mutex<Option<Parts>>,
    /// Sessions that may still be open: closing saves their snapshots first.
    sessions: Mutex<Vec<Weak<Shared>>>,
}

#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) core: aloekit::Assistant,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
}

impl Opened {
    pub(crate) fn parts(&self) -> Result<Parts> {
        lock(&self.parts).clone().ok_or(AloeError::Closed)
    }

    fn close(parts: Option<Parts>, sessions: &[Weak<Shared>]) {
        sessions.iter().filter_map(Weak::upgrade).for_each(|session| session.close());
        if let Some(parts) = parts {
            parts.core.close();
        }
    }
}

impl Assistant {
    pub(crate) fn new(core: aloekit::Assistant, embedder: Option<Arc<dyn Embedder>>) -> Arc<Self> {
        let parts = Mutex::new(Some(Parts { core, embedder }));
        Arc::new(Self { opened: Arc::new(Opened { parts, sessions: Mutex::new(Vec::new()) }) })
    }

    /// Closed from here on; what is left to do blocks.
    fn closing(&self) -> impl FnOnce() + Send + 'static + use<> {
        let parts = lock(&self.opened.parts).take();
        let sessions = std::mem::take(&mut *lock(&self.opened.sessions));
        move || Opened::close(parts, &sessions)
    }
}

/// Opens the memory and loads the model, off this thread. A token that is cancelled ends the call at once; what was
/// loaded is freed, and [`CancelToken::settled`] says when loading is over. No constructor: renaming a type for Kotlin
/// leaves its async constructors out (uniffi 0.32).
///
/// # Errors
/// Those of files, of memory ([`AloeError::NotEnoughMemory`] before anything is loaded), of storage,
/// [`AloeError::WrongKey`] with every byte unchanged, and [`AloeError::Cancelled`].
#[uniffi::export]
pub async fn open_assistant(params: AssistantParams, cancel: Option<Arc<CancelToken>>) -> Result<Arc<Assistant>> {
    calls::run(cancel, move || {
        let memory = store::memory_params(params.memory, params.key.as_deref(), params.on_damage, params.durability)?;
        let embedder = params.embedder.map(EmbedderParams::open).transpose()?;
        let core = aloekit::Assistant::open(aloekit::AssistantParams {
            engine: params.engine.into_core(),
            memory,
            embedder: embedder.clone(),
            snapshots: params.snapshots.map(Into::into),
            induction: Induction::into_core(params.induction),
        })?;
        Ok(Assistant::new(core, embedder))
    })
    .await
}

#[uniffi::export]
impl Assistant {
    /// Starts or resumes a conversation.
    ///
    /// # Errors
    /// Those of storage and of the adapters named; [`AloeError::InvalidInput`], [`AloeError::Closed`].
    pub async fn session(&self, params: SessionParams) -> Result<Arc<Session>> {
        let (opened, core) = (Arc::clone(&self.opened), self.opened.parts()?.core);
        calls::run(None, move || {
            let session = Session::new(core.session(params.into_core())?, Arc::clone(&opened));
            let mut sessions = lock(&opened.sessions);
            sessions.retain(|session| session.strong_count() > 0);
            sessions.push(Arc::downgrade(session.shared()));
            Ok(Arc::new(session))
        })
        .await
    }

    /// Waits until what was said so far has been read for facts: for showing them right after a reply. Not needed
    /// before the next message, which comes after it anyway.
    ///
    /// # Errors
    /// [`AloeError::Closed`].
    pub async fn settle(&self) -> Result<()> {
        let core = self.opened.parts()?.core;
        calls::run(None, move || Ok(core.settle()?)).await
    }

    /// Encrypts the memory anew under another key; snapshots go, and the next launch prefills once. A process that dies
    /// in between leaves it under one of the two keys, whole: keep both until this returns.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] for a memory without a key; those of storage: then the old key holds.
    pub async fn rekey(&self, key: Arc<StoreKey>) -> Result<()> {
        let core = self.opened.parts()?.core;
        calls::run(None, move || Ok(core.rekey(key.core()?)?)).await
    }

    /// What is known of the user, and their rights over it.
    #[must_use]
    pub fn persona(&self) -> Arc<Persona> {
        Arc::new(Persona::new(Arc::clone(&self.opened)))
    }

    /// What is known of the loaded model.
    ///
    /// # Errors
    /// [`AloeError::Closed`].
    pub fn model(&self) -> Result<ModelInfo> {
        Ok(self.opened.parts()?.core.engine().info().clone().into())
    }

    /// Frees the KV cache of conversations that are not being answered: what a system short of memory asks for. Their
    /// next message is prefilled from text. Closed, it has none.
    pub fn release_caches(&self) {
        if let Ok(parts) = self.opened.parts() {
            parts.core.engine().clear_idle();
        }
    }

    /// The app leaves the foreground. Where a GPU is used, replies end with [`AloeError::Backgrounded`] before this
    /// returns, and new ones are refused; on the CPU nothing changes.
    ///
    /// # Errors
    /// [`AloeError::Closed`].
    pub async fn enter_background(&self) -> Result<()> {
        let core = self.opened.parts()?.core;
        calls::run(None, move || {
            core.engine().enter_background();
            Ok(())
        })
        .await
    }

    /// The app is in the foreground again.
    ///
    /// # Errors
    /// [`AloeError::Closed`].
    pub fn enter_foreground(&self) -> Result<()> {
        self.opened.parts()?.core.engine().enter_foreground();
        Ok(())
    }

    /// Closes from now on: open replies end, snapshots are saved and the model is freed off this thread. A second time
    /// does nothing.
    pub fn begin_close(&self) {
        calls::submit(self.closing());
    }

    /// [`Assistant::begin_close`], and waits until everything is freed.
    ///
    /// # Errors
    /// None today.
    pub async fn finish_close(&self) -> Result<()> {
        let closing = self.closing();
        calls::run(None, move || {
            closing();
            Ok(())
        })
        .await
    }
}

impl Drop for Assistant {
    /// The last handle may be dropped by a garbage collector, whose thread must not wait for the engine's.
    fn drop(&mut self) {
        self.begin_close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
