//! What is known of the user and their rights over it: see, correct, keep, forget, take away, bring back.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aloekit::Error;
use aloekit::memory::{ConversationId, Export, ExtractiveInducer, PreferenceParams, RetrieveLimits};
use aloekit::session::DEFAULT_SYSTEM_PROMPT;

use crate::assistant::{Opened, Parts};
use crate::{
    CancelToken, ConversationInfo, Fact, ForgetReport, ImportReport, LearnReport, Memory, PreferenceReport, Rating,
    Recalled, Result, StoredTurn, VectorStatus, calls,
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
        self.with(move |core| core.memory().export()?.write(Path::new(&path))).await
    }

    /// Brings in what [`Persona::export_to`] wrote.
    ///
    /// # Errors
    /// [`AloeError::ImportInvalid`], [`AloeError::SchemaTooNew`]; those of storage: then nothing of it was imported.
    pub async fn import_from(&self, path: String) -> Result<ImportReport> {
        self.with(move |core| {
            let json = std::fs::read(&path).map_err(|source| Error::Io { path: path.into(), source })?;
            Ok(core.memory().import(&Export::from_json(&json)?, &mut |_| {})?.into())
        })
        .await
    }

    /// What the user thinks of the reply to a turn, if they said so.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn rating(&self, turn: i64) -> Result<Option<Rating>> {
        self.with(move |core| Ok(core.memory().rating(turn)?.map(Into::into))).await
    }

    /// Takes a rating back; that there was none is no error.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn unrate(&self, turn: i64) -> Result<()> {
        self.with(move |core| core.memory().unrate(turn)).await
    }

    /// Writes the rated replies as JSON lines to train on: edited ones as pairs, which `aloe train dpo` learns from, and
    /// those with a thumb alone into a file beside it. Each prompt begins with the instructions that are given (without
    /// any, the core's own) and has so many turns at most. No later forgetting reaches these files.
    ///
    /// # Errors
    /// Those of storage; [`AloeError::StorageFull`] or [`AloeError::StorageDenied`] for the files.
    pub async fn export_preferences_to(
        &self,
        path: String,
        unpaired: Option<String>,
        system_prompt: Option<String>,
        turns: u32,
    ) -> Result<PreferenceReport> {
        let system_prompt = system_prompt.unwrap_or_else(|| DEFAULT_SYSTEM_PROMPT.to_owned());
        self.with(move |core| {
            let params = PreferenceParams { system_prompt, turns: turns as usize };
            let rated = core.memory().training_preferences(&params)?;
            let beside = rated.write(Path::new(&path), unpaired.as_deref().map(Path::new))?;
            Ok(PreferenceReport {
                pairs: rated.pairs.len() as u64,
                labelled: rated.labelled.len() as u64,
                unpaired: beside.map(|path| path.to_string_lossy().into_owned()),
            })
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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
