//! What the user said, kept and found again: the conversation log, the memories drawn from it, and their search.
//!
//! Owns one SQLite file and the vectors of what is in it. Knows nothing of prompts, token budgets or language models:
//! it hands out memories with scores and reasons, and the caller decides how many of them a prompt can bear. All calls
//! block, for microseconds to some milliseconds; the session runs them off the async threads.

mod authorship;
mod cipher;
mod consolidate;
mod damage;
mod db;
mod edit;
mod embed;
mod encrypt;
mod export;
mod external;
mod forget;
mod import;
mod index;
mod induce;
mod landmarks;
mod log;
mod many;
mod memories;
#[cfg(feature = "ort")]
mod onnx;
#[cfg(feature = "ort")]
mod ort_embedder;
mod params;
mod persona;
mod preferences;
mod private_file;
mod ratings;
mod relevance;
mod retrieve;
mod schema;
mod standing;
mod terms;
mod topic;
mod turn;
mod unallocated;
mod vectors;
mod words;

#[cfg(any(test, feature = "testing"))]
mod hashing_embedder;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

pub use cipher::{KEY_BYTES, StoreKey};
pub use consolidate::InductionReport;
pub use edit::EditedMemory;
pub use embed::{EmbedPurpose, Embedder};
pub use encrypt::encrypt_store;
pub use export::{
    EXPORT_FORMAT, Export, ExportedConversation, ExportedFact, ExportedRecall, ExportedSource, ExportedStanding,
};
pub use external::{ExternalId, ImportedLine, Speaker};
pub use forget::ForgetReport;
#[cfg(any(test, feature = "testing"))]
pub use hashing_embedder::HashingEmbedder;
pub use import::{BadLine, ImportProgress, ImportReport, LineFault, OnBadLine, TurnImport};
pub use induce::{Candidate, ExtractiveInducer, Inducer, InductionPrompt, PromptedInducer, UserTurn};
#[cfg(feature = "testing")]
pub use induce::{INDUCTION_PROBES, induction_cue_names, induction_cues};
#[cfg(feature = "ort")]
pub use ort_embedder::{OrtEmbedder, OrtEmbedderParams, Pooling};
pub use params::{Durability, MemoryParams, OnDamage, StorePath};
pub use persona::{Fact, Memory, MemoryKind, Origin, Recalled, SupersededFact};
pub use preferences::{Preference, PreferenceParams, Preferences};
pub use ratings::{ExportedRating, Rating};
pub use retrieve::{RetrieveLimits, SearchBy};
pub use topic::TOPIC_MIN_COSINE;
pub use turn::{
    BegunTurn, ConversationId, ConversationInfo, Remember, ReplyState, StoredReply, StoredTurn, Summary, TurnOptions,
};
pub use vectors::VectorStatus;

use crate::{Error, Result};
use authorship::{Authorship, Passage};
use db::Db;
use embed::TurnVectors;
use landmarks::{Bearing, Landmarks};
use retrieve::Query;

/// The longest text that one turn may have, in bytes.
pub const MAX_TURN_BYTES: usize = 4 * 1024 * 1024;

/// The memory of one user: a cheap handle that threads share; the store closes with the last one.
///
/// ```
/// use aloekit::memory::{MemoryParams, MemoryStore, TurnOptions};
///
/// let store = MemoryStore::open(MemoryParams::in_memory(), None)?;
/// let conversation = store.create_conversation()?;
/// store.begin_turn(conversation, "I play the cello in a quartet.", &TurnOptions::default())?;
/// let begun = store.begin_turn(conversation, "Where do I keep my cello?", &TurnOptions::default())?;
/// assert_eq!(begun.recalled[0].words, "I play the cello in a quartet.");
/// # Ok::<(), aloekit::Error>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    embedder: Option<Arc<dyn Embedder>>,
    set_aside: Option<PathBuf>,
    landmarks: OnceLock<Landmarks>,
    key: Mutex<Option<StoreKey>>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("path", &self.inner.db.path()).finish_non_exhaustive()
    }
}

/// Opening and upkeep.
impl MemoryStore {
    /// Opens the store, making it when it is not there and upgrading an older one. Without an embedder, memories are
    /// found by their words alone.
    ///
    /// # Errors
    /// [`Error::StorageCorrupt`] (unless it is to be set aside), [`Error::StorageDenied`], [`Error::StorageLocked`],
    /// [`Error::StorageFull`], [`Error::SchemaTooNew`], [`Error::Io`] when the disk itself fails, [`Error::WrongKey`] for
    /// an encrypted store without its key and for a key where there is none or another. The file is then as it was.
    pub fn open(params: MemoryParams, embedder: Option<Arc<dyn Embedder>>) -> Result<Self> {
        let (db, set_aside) = match (Db::open(&params), &params.path) {
            (Err(Error::StorageCorrupt { .. }), StorePath::File(path)) if params.on_damage == OnDamage::Quarantine => {
                let aside = damage::set_aside(path)?;
                tracing::warn!(path = %path.display(), aside = %aside.display(), "damaged memory store set aside");
                (Db::open(&params)?, Some(aside))
            }
            (opened, _) => (opened?, None),
        };
        let (landmarks, key) = (OnceLock::new(), Mutex::new(params.key));
        let store = Self { inner: Arc::new(Inner { db, embedder, set_aside, landmarks, key }) };
        if let Err(error) = store.wipe() {
            tracing::warn!(%error, "forgotten bytes could not be wiped yet");
        }
        Ok(store)
    }

    /// Where the damaged store was moved to, if opening set one aside.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.inner.set_aside.as_deref()
    }

    /// Reads the whole store and compares the full-text index with it; takes about a second for every 100 MB.
    ///
    /// # Errors
    /// [`Error::StorageCorrupt`] when something is damaged.
    pub fn check(&self) -> Result<()> {
        self.inner.db.with(|held| {
            let verdict: String = held.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if verdict != "ok" {
                return Err(damage::damaged(self.inner.db.path(), "the integrity check failed").into());
            }
            held.connection.execute("INSERT INTO memory_text(memory_text, rank) VALUES ('integrity-check', 1)", [])?;
            Ok(())
        })
    }

    /// How far the vectors match the embedder given to `open`.
    ///
    /// # Errors
    /// Those of storage.
    pub fn vector_status(&self) -> Result<VectorStatus> {
        self.inner.db.with(|held| vectors::status(held, self.inner.embedder.as_deref()))
    }

    /// Gives a vector of the present embedder to every memory that has none, batch by batch while other calls go on;
    /// returns to how many. Interrupted, it goes on where it was.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] without an embedder, the embedder's own, and those of storage.
    pub fn reembed(&self) -> Result<u64> {
        vectors::reembed(&self.inner.db, self.expect_embedder()?)
    }

    /// Reads into RAM what the first search needs, and embeds what guides it if that was never done (some 0.3 s, once in
    /// the life of a store). Called in the background after opening, it keeps that time from the first message.
    ///
    /// # Errors
    /// Those of storage.
    pub fn warm_up(&self) -> Result<()> {
        let embedder = self.inner.embedder.as_deref();
        self.inner.db.with(|held| Ok(held.index.refresh(&held.connection, embedder)?))?;
        if let Some(embedder) = embedder {
            drop(self.bearing(&vec![0.0; embedder.dimension()]));
        }
        Ok(())
    }

    fn expect_embedder(&self) -> Result<&dyn Embedder> {
        self.inner
            .embedder
            .as_deref()
            .ok_or_else(|| Error::InvalidInput { what: "embedder", reason: "the memory was opened without one".into() })
    }
}

/// Turns.
impl MemoryStore {
    /// Recalls what matters to a message of the user, then stores the message. It is durable when this returns; what
    /// it says stands in the transcript word for word. What the user said in it and what they pasted become a memory
    /// each, with its [`Origin`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a text without anything in it or above [`MAX_TURN_BYTES`],
    /// [`Error::NotFound`] for the conversation, and those of storage: then nothing was stored. An embedder that fails
    /// is no error: see [`BegunTurn::embedding_failure`].
    pub fn begin_turn(&self, conversation: ConversationId, text: &str, options: &TurnOptions) -> Result<BegunTurn> {
        expect_turn_text(text)?;
        let message = Authorship::of(text, options.origin, &options.pasted);
        let passages = match options.remember {
            Remember::Yes => telling(message.passages()),
            Remember::No => Vec::new(),
        };
        let texts: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
        let (vectors, embedding_failure) = self.embed(text, &texts);
        let query = self.query(text, vectors.as_ref().map(|vectors| &vectors.query[..]), &options.recall);
        self.inner.db.with(|held| {
            let recalled = retrieve::retrieve(held, query, self.inner.embedder.as_deref(), &options.recall)?;
            let turn = held.transaction(|tx| {
                let at_ms = options.at_ms.unwrap_or_else(now_ms);
                let turn = log::add_turn(tx, conversation, &message, at_ms)?;
                let remembered = if log::remembers(tx, conversation)? { &passages[..] } else { &[] };
                for (place, passage) in remembered.iter().enumerate() {
                    let memory = memories::add_episode(tx, turn, passage)?;
                    let vector = vectors.as_ref().and_then(|vectors| vectors.documents.get(place));
                    if let (Some(vector), Some(embedder)) = (vector, &self.inner.embedder) {
                        vectors::store(tx, memory, embedder.as_ref(), vector)?;
                    }
                }
                Ok(turn)
            })?;
            Ok(BegunTurn { turn, recalled, embedding_failure })
        })
    }
}

/// Memories.
impl MemoryStore {
    /// The memories that matter to a message, best first. Small talk recalls nothing.
    ///
    /// # Errors
    /// Those of storage; with [`SearchBy::Meaning`] also [`Error::EmbedderChanged`], [`Error::InvalidInput`] without
    /// an embedder, and the embedder's own.
    pub fn retrieve(&self, query: &str, limits: &RetrieveLimits) -> Result<Vec<Recalled>> {
        let (vectors, failure) = match limits.by {
            SearchBy::Words => (None, None),
            SearchBy::Meaning => {
                let embedder = self.expect_embedder()?;
                self.inner.db.with(|held| vectors::expect_same_embedder(held, embedder))?;
                self.embed(query, &[])
            }
            SearchBy::MeaningAndWords => self.embed(query, &[]),
        };
        if let Some(failure) = failure.filter(|_| limits.by == SearchBy::Meaning) {
            return Err(failure);
        }
        let query = self.query(query, vectors.as_ref().map(|vectors| &vectors.query[..]), limits);
        self.inner.db.with(|held| retrieve::retrieve(held, query, self.inner.embedder.as_deref(), limits))
    }

    /// Every memory, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub fn memories(&self) -> Result<Vec<Memory>> {
        self.inner.db.with(|held| memories::all(&held.connection))
    }

    /// Keeps a memory from decay, or no longer.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of storage.
    pub fn set_pinned(&self, id: i64, pinned: bool) -> Result<()> {
        self.inner.db.with(|held| {
            held.transaction(|tx| memories::set_pinned(tx, id, pinned))?;
            held.index.set_pinned(id, pinned);
            Ok(())
        })
    }

    /// Forgets a memory with the turn it comes from, and wipes their bytes from the files. A fact goes with every turn
    /// that states it; of the facts of a turn, those go that no other turn states. The report says which snapshots have
    /// to go as well.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of storage: then nothing was forgotten.
    pub fn forget(&self, id: i64) -> Result<ForgetReport> {
        forget::forget(&self.inner.db, id)
    }

    /// Forgets everything: no byte of it is left in the files. Numbers begin again at 1.
    ///
    /// # Errors
    /// Those of storage: nothing was forgotten, or all was and only the wiping of the files is hindered, by another
    /// process ([`Error::StorageLocked`]) or by the disk. Wiping is made up for by the next opening or
    /// [`MemoryStore::wipe`].
    pub fn erase_all(&self) -> Result<()> {
        forget::erase_all(&self.inner.db)
    }

    /// Removes the bytes of what was forgotten from the files, if some are left there; `false` while another process
    /// hinders it.
    ///
    /// # Errors
    /// Those of storage.
    pub fn wipe(&self) -> Result<bool> {
        self.inner.db.with(forget::wipe)
    }

    /// Everything the store holds, for the user to take away.
    ///
    /// # Errors
    /// Those of storage.
    pub fn export(&self) -> Result<Export> {
        self.inner.db.with(export::export)
    }

    /// The vectors of a text and of its passages, or why there are none. Small talk is not worth the embedder's time.
    fn embed(&self, text: &str, passages: &[&str]) -> (Option<TurnVectors>, Option<Error>) {
        let Some(embedder) = self.inner.embedder.as_deref().filter(|_| words::says_something(text)) else {
            return (None, None);
        };
        match embed::embed_turn(embedder, text, passages) {
            Ok(vectors) => (Some(vectors), None),
            Err(error) => (None, Some(error)),
        }
    }

    fn query<'a>(&self, text: &'a str, vector: Option<&'a [f32]>, limits: &RetrieveLimits) -> Query<'a> {
        let wanted = vector.filter(|_| limits.max_count > 0 && limits.by == SearchBy::MeaningAndWords);
        Query { text, vector, bearing: wanted.and_then(|vector| self.bearing(vector)) }
    }

    /// Where a message stands among the landmarks; `None` when the embedder fails on them, which the next message
    /// tries again.
    fn bearing(&self, vector: &[f32]) -> Option<Bearing> {
        let embedder = self.inner.embedder.as_deref()?;
        if self.inner.landmarks.get().is_none() {
            match Landmarks::load_or_embed(&self.inner.db, embedder) {
                Ok(landmarks) => drop(self.inner.landmarks.set(landmarks)),
                Err(error) => {
                    tracing::warn!("memory is searched without landmarks");
                    tracing::debug!(%error, "why there are none"); // an embedder's words are its app's
                }
            }
        }
        self.inner.landmarks.get().map(|landmarks| landmarks.bearing(vector))
    }
}

/// The passages worth a memory.
fn telling(mut passages: Vec<Passage>) -> Vec<Passage> {
    passages.retain(|passage| words::says_something(&passage.text));
    passages
}

fn expect_turn_text(text: &str) -> Result<()> {
    let reason = match text {
        _ if text.trim().is_empty() => "there is nothing in it",
        _ if text.len() > MAX_TURN_BYTES => "it is longer than 4 MiB",
        _ => return Ok(()),
    };
    Err(Error::InvalidInput { what: "message", reason: reason.into() })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync + Clone>() {}
    shared_between_threads::<MemoryStore>();
};
