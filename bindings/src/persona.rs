//! What is known of the user and their rights over it: see, correct, keep, forget, take away, bring back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aloekit::Error;
use aloekit::memory::{ConversationId, Export, ExtractiveInducer, RetrieveLimits};

use crate::assistant::{Opened, Parts};
use crate::{
    CancelToken, ConversationInfo, Fact, ForgetReport, ImportReport, LearnReport, Memory, Recalled, Result, StoredTurn,
    VectorStatus, calls,
};

/// Turns read between two looks at the token.
const TURNS_A_STEP: usize = 32;

/// The memory of one user.
#[derive(uniffi::Object)]
pub struct Persona {
    opened: Arc<Opened>,
}

impl Persona {
    pub(crate) fn new(opened: Arc<Opened>) -> Self {
        Self { opened }
    }

    async fn with<T: Send + 'static>(
        &self,
        call: impl FnOnce(&aloekit::Assistant) -> aloekit::Result<T> + Send + 'static,
    ) -> Result<T> {
        let Parts { core, .. } = self.opened.parts()?;
        calls::run(None, move || Ok(call(&core)?)).await
    }
}

#[uniffi::export]
impl Persona {
    /// Every fact in force, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn facts(&self) -> Result<Vec<Fact>> {
        let now = now_ms();
        self.with(move |core| Ok(core.memory().facts()?.into_iter().map(|fact| Fact::at(fact, now)).collect())).await
    }

    /// Every memory, facts and the user's own turns, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn memories(&self) -> Result<Vec<Memory>> {
        self.with(|core| Ok(core.memory().memories()?.into_iter().map(Into::into).collect())).await
    }

    /// Reads the turns that were not read yet for facts about the user. For idle moments; given up, it goes on where it
    /// was.
    ///
    /// # Errors
    /// Those of storage and of the embedder; [`AloeError::Cancelled`].
    pub async fn learn(&self, cancel: Option<Arc<CancelToken>>) -> Result<LearnReport> {
        let (Parts { core, embedder }, token) = (self.opened.parts()?, cancel.clone());
        calls::run(cancel, move || {
            let inducer = ExtractiveInducer::new(embedder)?;
            let mut total = aloekit::memory::InductionReport { more: true, ..Default::default() };
            while total.more && !token.as_ref().is_some_and(|token| token.is_cancelled()) {
                let step = core.memory().induce(&inducer, TURNS_A_STEP)?;
                total.turns += step.turns;
                total.added += step.added;
                total.confirmed += step.confirmed;
                total.superseded += step.superseded;
                total.refused += step.refused;
                total.more = step.more;
            }
            Ok(total.into())
        })
        .await
    }

    /// The memories that matter to a text, best first.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn search(&self, text: String, max_count: u32) -> Result<Vec<Recalled>> {
        let limits = RetrieveLimits { max_count: max_count as usize, ..RetrieveLimits::default() };
        self.with(move |core| Ok(core.memory().retrieve(&text, &limits)?.into_iter().map(Into::into).collect())).await
    }

    /// The memories that stood in the prompt of a turn: why its reply is as it is. Those forgotten since are not in it.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn why(&self, turn: i64) -> Result<Vec<Memory>> {
        self.with(move |core| Ok(core.memory().recalled_in(turn)?.into_iter().map(Into::into).collect())).await
    }

    /// Changes what a memory says; the user's own words behind it stay.
    ///
    /// # Errors
    /// [`AloeError::NotFound`], [`AloeError::InvalidInput`] for an empty text; those of storage.
    pub async fn edit(&self, id: i64, text: String) -> Result<Memory> {
        self.with(move |core| Ok(core.memory().edit(id, &text)?.memory.into())).await
    }

    /// Keeps a memory from decay, or no longer.
    ///
    /// # Errors
    /// [`AloeError::NotFound`]; those of storage.
    pub async fn set_pinned(&self, id: i64, pinned: bool) -> Result<()> {
        self.with(move |core| core.memory().set_pinned(id, pinned)).await
    }

    /// Forgets a memory with the turns it comes from, in every file, prompt and snapshot.
    ///
    /// # Errors
    /// [`AloeError::NotFound`]; those of storage.
    pub async fn forget(&self, id: i64) -> Result<ForgetReport> {
        self.with(move |core| Ok(core.forget(id)?.into())).await
    }

    /// Every memory that matters to a topic, to be shown before it is forgotten.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] for an empty text; those of storage and of the embedder.
    pub async fn find_topic(&self, text: String) -> Result<Vec<Memory>> {
        self.with(move |core| Ok(core.memory().find_topic(&text)?.into_iter().map(Into::into).collect())).await
    }

    /// Forgets several memories as one: what `find_topic` found and the user agreed to.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn forget_all(&self, ids: Vec<i64>) -> Result<ForgetReport> {
        self.with(move |core| Ok(core.forget_all(&ids)?.into())).await
    }

    /// Erases memories, conversations and snapshots: nothing of the user is left.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn erase_all(&self) -> Result<()> {
        self.with(aloekit::Assistant::erase_all).await
    }

    /// Writes everything that is kept into a JSON file for the user to take away; whole or not at all.
    ///
    /// # Errors
    /// Those of storage; [`AloeError::StorageFull`] or [`AloeError::StorageDenied`] for the file.
    pub async fn export_to(&self, path: String) -> Result<()> {
        self.with(move |core| write_json(Path::new(&path), &core.memory().export()?)).await
    }

    /// Brings in what [`Persona::export_to`] wrote.
    ///
    /// # Errors
    /// [`AloeError::ImportInvalid`], [`AloeError::SchemaTooNew`]; those of storage: then nothing of it was imported.
    pub async fn import_from(&self, path: String) -> Result<ImportReport> {
        self.with(move |core| {
            let json = std::fs::read(&path).map_err(|source| io(Path::new(&path), source))?;
            Ok(core.memory().import(&Export::from_json(&json)?, &mut |_| {})?.into())
        })
        .await
    }

    /// All conversations, newest first.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn conversations(&self) -> Result<Vec<ConversationInfo>> {
        self.with(|core| Ok(core.memory().conversations()?.into_iter().map(Into::into).collect())).await
    }

    /// The turns of a conversation in the order in which they were said.
    ///
    /// # Errors
    /// [`AloeError::NotFound`]; those of storage.
    pub async fn transcript(&self, conversation: i64) -> Result<Vec<StoredTurn>> {
        let id = ConversationId(conversation);
        self.with(move |core| Ok(core.memory().transcript(id)?.into_iter().map(Into::into).collect())).await
    }

    /// How far the vectors match the embedder.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn vector_status(&self) -> Result<VectorStatus> {
        self.with(|core| Ok(core.memory().vector_status()?.into())).await
    }

    /// Gives a vector of the present embedder to every memory that has none; returns to how many.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`] without an embedder; the embedder's own and those of storage.
    pub async fn reembed(&self) -> Result<u64> {
        self.with(|core| core.memory().reembed()).await
    }

    /// Reads the whole store and says whether it is sound; about a second for every 100 MB.
    ///
    /// # Errors
    /// [`AloeError::StorageCorrupt`].
    pub async fn check(&self) -> Result<()> {
        self.with(|core| core.memory().check()).await
    }
}

/// To a file beside it first, so that a full disk leaves no half export behind.
fn write_json(path: &Path, export: &Export) -> aloekit::Result<()> {
    let mut unfinished = PathBuf::from(path).into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(&unfinished)?);
        serde_json::to_writer(&mut file, export)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    write().map_err(|source| {
        let _ = std::fs::remove_file(&unfinished);
        io(path, source)
    })
}

fn io(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::StorageFull { path: path.to_owned() }
        }
        _ => Error::Io { path: path.to_owned(), source },
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
