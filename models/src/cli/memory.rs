//! The words of `aloe memory`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with what is remembered.
#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// Bring in turns from JSON lines, or a whole memory from an export
    Import(ImportArgs),
    /// Find the memories that matter to a text, best first, with score and reason
    Search(SearchArgs),
    /// Show what is known of the user, by kind; turns that were not read yet are read first
    Facts(FactsArgs),
    /// Change what a memory says; the words that were said stay as its source
    Edit(EditArgs),
    /// Keep a memory from fading
    Pin(PinArgs),
    /// Let a memory fade as others do
    Unpin(PinArgs),
    /// Forget memories with the turns they come from, also in the snapshots beside the store; close open chats first
    Forget(ForgetArgs),
    /// Write everything that is kept as JSON
    Export(ExportArgs),
    /// Write rated replies as preference pairs, for `aloe train dpo`
    Preferences(PreferencesArgs),
    /// Give a vector to every memory that has none of the present embedder
    Reembed(ReembedArgs),
    /// Encrypt the memory; a key file that is not there is made. Close open chats first
    Encrypt(StoreArgs),
    /// Put an encrypted memory under another key; a new key file that is not there is made. Close open chats first
    Rekey(RekeyArgs),
}

/// Which memory.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The memory's file [default: that of the chat]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// File with the key of an encrypted memory; otherwise ALOE_STORE_KEY or the keyring has it
    #[arg(long, value_name = "FILE", env = "ALOE_STORE_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Which memory, and what it is to be read with from now on.
#[derive(Debug, Args)]
pub(crate) struct RekeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// File with the new key; otherwise a new one is made and kept in the keyring
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
}

/// Which memory, and what finds by meaning in it.
#[derive(Debug, Args)]
pub(crate) struct SearchableStoreArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Embedder by name, or `none` for words alone
    #[arg(long, value_name = "NAME")]
    pub(crate) embedder: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
    /// Turns, one JSON object a line: id, text, role (user or assistant), time (ISO 8601 or ms since 1970)
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) jsonl: Option<PathBuf>,
    /// What `aloe memory export` wrote
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) export: Option<PathBuf>,
    /// Import nothing where one line is bad, instead of leaving it out
    #[arg(long, requires = "jsonl")]
    pub(crate) strict: bool,
    /// Print what came of it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("asked").required(true)))]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
    /// What to look for
    #[arg(group = "asked")]
    pub(crate) text: Option<String>,
    /// Many texts, one JSON object a line: id, text (or query)
    #[arg(long, value_name = "FILE", group = "asked")]
    pub(crate) queries: Option<PathBuf>,
    /// At most so many for each
    #[arg(long = "k", short, value_name = "N", default_value_t = 10)]
    pub(crate) k: usize,
    /// One JSON object a text: id, hits
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FactsArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
    /// Also what was said, word for word
    #[arg(long)]
    pub(crate) episodes: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
    /// Which memory
    #[arg(long, value_name = "ID")]
    pub(crate) id: i64,
    /// What it is to say
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: String,
    /// Print the memory as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Which memory
    #[arg(long, value_name = "ID")]
    pub(crate) id: i64,
    /// Print the memory as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true)))]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
    /// A memory; may be given several times
    #[arg(long, value_name = "ID", group = "which")]
    pub(crate) id: Vec<i64>,
    /// Every memory that matters to a text
    #[arg(long, value_name = "TEXT", group = "which")]
    pub(crate) topic: Option<String>,
    /// Everything: memories, conversations, and the chat's history of typed lines
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print what was forgotten as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Where to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReembedArgs {
    #[command(flatten)]
    pub(crate) store: SearchableStoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PreferencesArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// File of the pairs, for `aloe train dpo --data FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// File of the replies with a thumb and no edit [default: beside --out, ending in .unpaired.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) unpaired: Option<PathBuf>,
    /// Most turns that stand before a rated reply, its own among them
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) turns: u16,
    /// The instructions that every prompt begins with; empty for none [default: those of the chat]
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
}
