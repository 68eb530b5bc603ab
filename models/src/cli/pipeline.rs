//! The grammar of the pipeline: personas, trees, datasets, and the paper's files in and out.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::record::Split;

/// Which run, and how much is done and said: what every command of the pipeline takes.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder of the run; a stage that was interrupted goes on where it stopped
    #[arg(long = "run", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Say what would be done, for stages that ask models with calls, tokens and cost; ask nobody and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print a summary as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The numbers that a stage works with.
#[derive(Debug, Args)]
pub(crate) struct NumberArgs {
    /// Numbers to start from: `aloe-paper`, `aloe-small`, or a TOML file
    #[arg(long, value_name = "NAME_OR_FILE", default_value = "aloe-paper")]
    pub(crate) preset: String,
    /// Set a number: SECTION.NAME=VALUE, as in the preset; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The same seed gives the same choices
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// What holds for every stage that asks models.
#[derive(Debug, Args)]
pub(crate) struct StageArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    /// Who answers: local:MODEL, http:MODEL@BASE_URL[,BASE_URL], batch:MODEL@BASE_URL, replay:FILE, scripted
    #[arg(long, value_name = "SPEC")]
    pub(crate) provider: Option<String>,
    /// Another provider for one role; may be given several times
    #[arg(long, value_name = "ROLE=SPEC")]
    pub(crate) role: Vec<String>,
    /// What a model costs, in dollars a million tokens: MODEL=INPUT/OUTPUT; may be given several times
    #[arg(long, value_name = "MODEL=IN/OUT")]
    pub(crate) price: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PersonasArgs {
    #[command(flatten)]
    pub(crate) stage: StageArgs,
    /// Profiles in the pool, those for evaluation among them
    #[arg(long, value_name = "N")]
    pub(crate) profiles: Option<usize>,
    /// Personalities in the pool, those for evaluation among them
    #[arg(long, value_name = "N")]
    pub(crate) personalities: Option<usize>,
    /// Profiles kept for evaluation [default: the preset's share of --profiles]
    #[arg(long, value_name = "N")]
    pub(crate) eval_profiles: Option<usize>,
    /// Personalities kept for evaluation [default: the preset's share of --personalities]
    #[arg(long, value_name = "N")]
    pub(crate) eval_personalities: Option<usize>,
    /// A pool of your own to extend: profile.jsonl or personality.jsonl of the paper, a JSON string a line
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) pool: Vec<PathBuf>,
    /// Begin without the twenty profiles and personalities that come with the program
    #[arg(long)]
    pub(crate) no_seeds: bool,
    /// Embedder by name, for the filter against similar texts
    #[arg(long, value_name = "NAME")]
    pub(crate) embedder: Option<String>,
    /// Keep texts up to this cosine to their nearest neighbour
    #[arg(long, value_name = "COSINE")]
    pub(crate) max_cosine: Option<f32>,
    /// Iterations at most, for each kind
    #[arg(long, value_name = "N")]
    pub(crate) max_iterations: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct TreesArgs {
    #[command(flatten)]
    pub(crate) stage: StageArgs,
    /// Conversations; more than before continues the same run
    #[arg(long, value_name = "N")]
    pub(crate) conversations: Option<usize>,
    /// Turns of each
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Follow both replies down to this depth, instead of one that is drawn
    #[arg(long, value_name = "DEPTH")]
    pub(crate) branch: Option<usize>,
    /// Which personas take part
    #[arg(long, value_enum, default_value = "train")]
    pub(crate) split: Split,
    /// Do not ask the judge: the reply with the hint is the preferred one
    #[arg(long)]
    pub(crate) no_judge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    /// What is trained
    #[arg(long, value_enum)]
    pub(crate) format: DatasetFormat,
    /// Folder to write the dataset into
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// General conversations to mix in (sft): JSON lines with `messages` or `conversations`
    #[arg(long, value_name = "FILE")]
    pub(crate) mix: Option<PathBuf>,
    /// General examples for each of ours
    #[arg(long, value_name = "R", requires = "mix")]
    pub(crate) mix_ratio: Option<f64>,
}

/// What a dataset is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DatasetFormat {
    /// Supervised fine-tuning: conversations with a loss mask
    Sft,
    /// Preference tuning: a history, a chosen and a rejected reply
    Dpo,
}

/// Which of the paper's files.
#[derive(Debug, Args)]
pub(crate) struct PaperFilesArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The paper's conversations.jsonl
    #[arg(long, value_name = "FILE")]
    pub(crate) conversations: PathBuf,
}

/// Which run is looked at.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Folder of the run
    #[arg(value_name = "RUN", required_unless_present = "run_flag")]
    run: Option<PathBuf>,
    /// The same, as the other commands take it
    #[arg(long = "run", id = "run_flag", value_name = "DIR", conflicts_with = "run")]
    run_flag: Option<PathBuf>,
    /// What a model costs, in dollars a million tokens: MODEL=INPUT/OUTPUT; may be given several times
    #[arg(long, value_name = "MODEL=IN/OUT")]
    pub(crate) price: Vec<String>,
    /// Embedder by name for the map of the pool, or `none` to leave the map out
    #[arg(long, value_name = "NAME")]
    pub(crate) embedder: Option<String>,
}

impl LookArgs {
    /// The folder, however it was named.
    pub(crate) fn dir(&self) -> &Path {
        self.run.as_deref().or(self.run_flag.as_deref()).unwrap_or(Path::new(""))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
    /// Conversations that the file holds whole
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) conversations: usize,
}

/// What to do with those who answer.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Keep, remove and look for the key of a host
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What to do with a key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Keep a key, read from the terminal without showing it, or from stdin
    Set {
        /// The host that it is for and will be sent to alone, as in the address
        host: String,
    },
    /// Forget a key
    Remove {
        /// The host that it is for
        host: String,
    },
    /// Say where the key of a host would come from, and not what it is
    Where {
        /// The host that it is for
        host: String,
    },
}
