//! `aloe memory`: what is remembered, for its owner to see, search, correct, take away and forget, and for an
//! evaluation to fill and ask.

mod encrypt;
mod export;
mod facts;
mod forget;
mod import;
mod listing;
mod preferences;
mod rekey;
mod search;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use aloekit::memory::{Embedder, Memory, MemoryStore};

pub(crate) use self::listing::{kind_and_pin, paragraph};
use crate::cli::{EditArgs, MemoryCommand, PinArgs, ReembedArgs, SearchableStoreArgs, StoreArgs};
use crate::commands::model_files::ModelFiles;
use crate::commands::{data_folder, store_key};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::{Settings, data_dir};

/// Threads of the embedder: beyond these a batch of short sentences gets no faster.
const MOST_THREADS: usize = 4;

/// Does what `command` says.
pub(crate) fn run(command: MemoryCommand, settings: &Settings, output: Output) -> Result<()> {
    let stores = Stores { settings, output };
    match command {
        MemoryCommand::Import(args) => import::run(&args, &stores),
        MemoryCommand::Search(args) => search::run(&args, &stores),
        MemoryCommand::Facts(args) => facts::run(&args, &stores),
        MemoryCommand::Edit(args) => edit(&args, &stores),
        MemoryCommand::Pin(args) => pin(&args, true, &stores),
        MemoryCommand::Unpin(args) => pin(&args, false, &stores),
        MemoryCommand::Forget(args) => forget::run(&args, &stores),
        MemoryCommand::Export(args) => export::run(&args, &stores),
        MemoryCommand::Preferences(args) => preferences::run(&args, &stores),
        MemoryCommand::Reembed(args) => reembed(&args, &stores),
        MemoryCommand::Encrypt(args) => encrypt::run(&args, &stores),
        MemoryCommand::Rekey(args) => rekey::run(&args, &stores),
    }
}

/// Opens the stores that commands name.
struct Stores<'a> {
    settings: &'a Settings,
    output: Output,
}

impl Stores<'_> {
    fn path(&self, args: &StoreArgs) -> Result<PathBuf> {
        match (&args.db, &self.settings.chat.data) {
            (Some(db), _) => Ok(db.clone()),
            (None, Some(data)) => Ok(data_folder::store(data)),
            (None, None) => Ok(data_folder::store(&data_dir()?)),
        }
    }

    /// A store that is there: a mistyped name must not make a new one.
    fn existing(&self, args: &StoreArgs) -> Result<MemoryStore> {
        let path = self.existing_path(args)?;
        Ok(MemoryStore::open(store_key::params(path, args.key_file.as_deref())?, None)?)
    }

    fn existing_path(&self, args: &StoreArgs) -> Result<PathBuf> {
        let path = self.path(args)?;
        if path.is_file() {
            return Ok(path);
        }
        let hint = "name another with --db; `aloe memory import` and `aloe chat` make one";
        Err(Error::usage(format!("there is no memory at {}", path.display()), hint))
    }

    fn existing_with_embedder(&self, args: &SearchableStoreArgs) -> Result<MemoryStore> {
        let path = self.existing_path(&args.store)?;
        self.open_with_embedder(path, args)
    }

    fn open_with_embedder(&self, path: PathBuf, args: &SearchableStoreArgs) -> Result<MemoryStore> {
        let params = store_key::params(path, args.store.key_file.as_deref())?;
        Ok(MemoryStore::open(params, self.embedder(args)?)?)
    }

    fn embedder(&self, args: &SearchableStoreArgs) -> Result<Option<Arc<dyn Embedder>>> {
        let chat = &self.settings.chat;
        let files = ModelFiles::new(self.settings, self.output)?;
        let name = args.embedder.as_deref().or(chat.embedder.as_deref());
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        files.embedder(name, chat.onnx_runtime.as_deref(), threads)
    }

    /// Says so where memories are found by their words alone though there is an embedder.
    fn warn_of_missing_vectors(&self, store: &MemoryStore, args: &SearchableStoreArgs) -> Result<()> {
        let status = store.vector_status()?;
        let without = status.missing + status.stale;
        if without > 0 && args.embedder.as_deref() != Some("none") {
            let all = without + status.current;
            self.output
                .warn(&format!("{without} of {all} memories are found by words alone; run `aloe memory reembed`"));
        }
        Ok(())
    }

    fn show(&self, memory: &Memory, json: bool) -> Result<()> {
        if json {
            return self.output.json(memory);
        }
        self.output.data(&paragraph(memory));
        Ok(())
    }
}

fn edit(args: &EditArgs, stores: &Stores<'_>) -> Result<()> {
    let store = stores.existing_with_embedder(&args.store)?;
    let edited = store.edit(args.id, &args.text)?;
    if let Some(failure) = edited.embedding_failure {
        stores.output.warn(&format!("{failure}; it is found by words alone until `aloe memory reembed`"));
    }
    stores.show(&edited.memory, args.json)
}

fn pin(args: &PinArgs, pinned: bool, stores: &Stores<'_>) -> Result<()> {
    let store = stores.existing(&args.store)?;
    store.set_pinned(args.id, pinned)?;
    let memory = store.memory(args.id)?.ok_or(aloekit::Error::NotFound { what: "memory", id: args.id })?;
    stores.show(&memory, args.json)
}

fn reembed(args: &ReembedArgs, stores: &Stores<'_>) -> Result<()> {
    let store = stores.existing_with_embedder(&args.store)?;
    let _spinner = stores.output.spinner("embedding");
    let embedded = store.reembed()?;
    stores.output.note(&format!("{embedded} memories have new vectors"));
    Ok(())
}
