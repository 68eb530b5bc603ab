//! The entry point of an app: a model, a memory and the sessions that join them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::background::Background;
use super::learning::{Induction, Learning, READS_AFTER_REPLY};
use super::snapshots::Snapshots;
use super::{Session, SessionParams};
use crate::engine::{AdapterId, Engine, EngineParams};
use crate::error::Result;
use crate::memory::{Embedder, ForgetReport, MemoryParams, MemoryStore, StoreKey};

/// What an assistant is made of.
pub struct AssistantParams {
    /// The model and how it runs.
    pub engine: EngineParams,
    /// Where memory and conversations are kept.
    pub memory: MemoryParams,
    /// What finds memories by meaning; without it they are found by words alone.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Folder of KV snapshots, so that the next launch needs no prefill; `None` keeps none.
    pub snapshots: Option<PathBuf>,
    /// How what the user says becomes facts.
    pub induction: Induction,
}

/// A loaded model with a memory of its user. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Assistant {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) memory: MemoryStore,
    pub(super) background: Background,
    pub(super) snapshots: Option<Snapshots>,
    pub(super) learning: Learning,
    /// Grows when something is forgotten: sessions then read their conversation anew.
    pub(super) erasures: AtomicU64,
    adapters: Mutex<Vec<(PathBuf, AdapterId)>>,
}

impl Assistant {
    /// Opens the memory, loads the model and starts the threads. Blocks until the model is loaded; what the first search
    /// needs is read into RAM meanwhile.
    ///
    /// # Errors
    /// Those of [`MemoryStore::open`] and [`Engine::open`].
    pub fn open(params: AssistantParams) -> Result<Self> {
        let memory = MemoryStore::open(params.memory, params.embedder)?;
        let engine = std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Err(error) = memory.warm_up() {
                    tracing::warn!("the memory is read when it is first searched");
                    tracing::debug!(%error, "why it is not read yet");
                }
            });
            Engine::open(&params.engine)
        })?;
        Self::from_parts(engine, memory, params.snapshots, params.induction)
    }

    /// An assistant of an engine and a memory that are open already; [`MemoryStore::warm_up`] is the caller's.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when no thread can be started; those of an adapter in `induction`.
    pub fn from_parts(
        engine: Engine,
        memory: MemoryStore,
        snapshots: Option<PathBuf>,
        induction: Induction,
    ) -> Result<Self> {
        let snapshots = snapshots.map(|folder| Snapshots::new(folder, memory.snapshot_key()));
        let shared = Shared {
            learning: Learning::start(&engine, &memory, induction)?,
            engine,
            memory,
            background: Background::start()?,
            snapshots,
            erasures: AtomicU64::new(0),
            adapters: Mutex::new(Vec::new()),
        };
        let shared = Arc::new(shared);
        // What was imported, or said just before the process was killed, may be unread.
        shared.learn();
        Ok(Self { shared })
    }

    /// Starts or resumes a conversation. Reads its text and, where there is one, its KV snapshot.
    ///
    /// # Errors
    /// Those of the store and of the adapters named; [`crate::Error::InvalidInput`] for the parameters.
    pub fn session(&self, params: SessionParams) -> Result<Session> {
        Session::open(self, params)
    }

    /// The model.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The store of conversations and memories, for reading. Forget through [`Assistant::forget`] and
    /// [`Assistant::erase_all`], which reach snapshots and open sessions too.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.shared.memory
    }

    /// Waits until what was said so far has been read for facts, without a language model. Not needed before the next
    /// message, which comes after it anyway: for showing facts right after a reply.
    ///
    /// # Errors
    /// [`crate::Error::Closed`].
    pub fn settle(&self) -> Result<()> {
        self.shared.background.run_blocking(|| Ok(()))
    }

    /// Forgets one memory: its text, its vector, every prompt and snapshot that held it.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] when there is none with this id; those of the store and of deleting files.
    pub fn forget(&self, id: i64) -> Result<ForgetReport> {
        self.reaching_snapshots(|memory| memory.forget(id))
    }

    /// Forgets several memories as one, as [`MemoryStore::forget_all`] does, in every prompt and snapshot too.
    ///
    /// # Errors
    /// Those of the store and of deleting files.
    pub fn forget_all(&self, ids: &[i64]) -> Result<ForgetReport> {
        self.reaching_snapshots(|memory| memory.forget_all(ids))
    }

    /// Erases memories, conversations and snapshots: nothing of the user is left.
    ///
    /// # Errors
    /// Those of the store and of deleting files.
    pub fn erase_all(&self) -> Result<()> {
        self.reaching_snapshots(MemoryStore::erase_all)
    }

    /// Encrypts the memory anew under another key, in one transaction. Snapshots go: they were sealed with the old one.
    ///
    /// # Errors
    /// Those of [`MemoryStore::rekey`] and of deleting files: then the old key holds.
    pub fn rekey(&self, key: &StoreKey) -> Result<()> {
        self.reaching_snapshots(|memory| {
            memory.rekey(key)?;
            self.shared.snapshots.iter().for_each(|snapshots| snapshots.set_key(memory.snapshot_key()));
            Ok(())
        })
    }

    /// Snapshots go before the words and again after them: a process that dies in between leaves no copy of what was
    /// forgotten, nor does a session that saved one meanwhile.
    fn reaching_snapshots<T>(&self, forget: impl FnOnce(&MemoryStore) -> Result<T>) -> Result<T> {
        let erase_snapshots = || self.shared.snapshots.as_ref().map_or(Ok(()), Snapshots::erase);
        erase_snapshots()?;
        let forgotten = forget(&self.shared.memory)?;
        self.shared.erasures.fetch_add(1, Ordering::SeqCst);
        self.shared.engine.clear_idle();
        erase_snapshots()?;
        Ok(forgotten)
    }

    /// Finishes what is being recorded, stops the engine and frees the model. Open replies end with
    /// [`crate::Error::Closed`].
    pub fn close(&self) {
        self.shared.learning.close();
        self.shared.engine.close();
        self.shared.background.close();
    }
}

impl Shared {
    /// Has the background thread read what is unread, a few turns at a time: other jobs come in between.
    pub(super) fn learn(self: &Arc<Self>) {
        self.learn_some(READS_AFTER_REPLY);
        self.learning.resume();
    }

    fn learn_some(self: &Arc<Self>, reads: usize) {
        let Some(left) = reads.checked_sub(1) else { return };
        let shared = Arc::clone(self);
        self.background.submit(move || {
            if shared.learning.read() {
                shared.learn_some(left);
            }
        });
    }

    /// The adapter in this file, loaded once for all sessions.
    pub(super) fn adapter(&self, path: &Path) -> Result<AdapterId> {
        let mut adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, id)) = adapters.iter().find(|(loaded, _)| loaded == path) {
            return Ok(*id);
        }
        let id = self.engine.blocking_load_adapter(path)?;
        adapters.push((path.to_owned(), id));
        Ok(id)
    }
}
