//! The grammar of `aloe eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::pipeline::{NumberArgs, RunArgs};

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// The ALOE benchmark: a simulated user talks, a judge scores each reply
    Aloe(Box<EvalAloeArgs>),
    /// Runs of the benchmark beside each other: a page, JSON, CSV and a Markdown table
    Report(EvalReportArgs),
    /// Whether a model finds the better of two replies likelier; nobody is asked
    Preference(EvalPreferenceArgs),
    /// How much likelier a run's replies are after their own person's words than after others'; nobody is asked
    Gain(EvalGainArgs),
    /// How well a model foresees plain text, before and after training
    Perplexity(EvalPerplexityArgs),
    /// How far judges agree with themselves and with ratings by hand
    Judge(Box<EvalJudgeArgs>),
    /// How well memory finds what matters to questions, or reads facts out of messages
    Memory(EvalMemoryArgs),
    /// Multiple-choice questions answered by log-probability
    Mcq(EvalMcqArgs),
    /// Improvement rates of series of alignment levels
    Metrics(EvalMetricsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EvalAloeArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    /// Who is measured: local:MODEL (our engine), http:MODEL@BASE_URL, batch:MODEL@BASE_URL, replay:FILE, scripted
    #[arg(long, value_name = "SPEC")]
    pub(crate) candidate: String,
    /// LoRA adapter (GGUF) of a local candidate
    #[arg(long, value_name = "FILE")]
    pub(crate) adapter: Option<PathBuf>,
    /// Give a local candidate a memory of its own for each case, which learns as the chat does
    #[arg(long)]
    pub(crate) memory: bool,
    /// Embedder of that memory by name, or `none` [default: the chat's]
    #[arg(long, value_name = "NAME", requires = "memory")]
    pub(crate) embedder: Option<String>,
    /// A local candidate begins a new conversation after so many turns, as after a launch [default: never]
    #[arg(long, value_name = "TURNS")]
    pub(crate) restart_every: Option<usize>,
    /// Who plays the user
    #[arg(long, value_name = "SPEC")]
    pub(crate) user: String,
    /// Who scores the replies
    #[arg(long, value_name = "SPEC")]
    pub(crate) judge: String,
    /// Personas to meet, at most as many as there are
    #[arg(long, value_name = "N")]
    pub(crate) cases: Option<usize>,
    /// Turns of each conversation
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Personas of another run, or a file of them [default: those of this run, of its evaluation split; else those that come with the program]
    #[arg(long, value_name = "RUN_OR_FILE")]
    pub(crate) personas: Option<PathBuf>,
    /// The paper's profile.jsonl, or your own in its form; each is met with the first five of --personalities
    #[arg(long, value_name = "FILE", requires = "personalities", conflicts_with = "personas")]
    pub(crate) profiles: Option<PathBuf>,
    /// The paper's personality.jsonl, or your own in its form
    #[arg(long, value_name = "FILE", requires = "profiles")]
    pub(crate) personalities: Option<PathBuf>,
    /// Another run of this benchmark to compare with, case by case
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// What a model costs, in dollars a million tokens: MODEL=INPUT/OUTPUT; may be given several times
    #[arg(long, value_name = "MODEL=IN/OUT")]
    pub(crate) price: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalReportArgs {
    /// Folders of runs, each with a name before it if wanted; the first is the base
    #[arg(value_name = "[NAME=]RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Folder for report.html, report.json, report.csv and report.md
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What a model costs, in dollars a million tokens: MODEL=INPUT/OUTPUT; may be given several times
    #[arg(long, value_name = "MODEL=IN/OUT")]
    pub(crate) price: Vec<String>,
    /// Seed of the confidence intervals and tests
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print what report.json holds instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// The model whose probabilities are taken.
#[derive(Debug, Args)]
pub(crate) struct ScoringModelArgs {
    /// Model by name or path
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// LoRA adapter (GGUF)
    #[arg(long, value_name = "FILE")]
    pub(crate) adapter: Option<PathBuf>,
    /// Context window in tokens
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    pub(crate) ctx: u32,
}

#[derive(Debug, Args)]
pub(crate) struct EvalPreferenceArgs {
    /// Pairs {prompt, chosen, rejected} a line, as `aloe dataset` writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) model: ScoringModelArgs,
    /// Seed of the confidence intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalPerplexityArgs {
    /// Plain text in UTF-8
    #[arg(long, value_name = "FILE")]
    pub(crate) text: PathBuf,
    #[command(flatten)]
    pub(crate) model: ScoringModelArgs,
    /// Length of the windows in which the text goes by, in bytes; each begins anew
    #[arg(long, value_name = "BYTES", default_value_t = 2000)]
    pub(crate) window: usize,
    /// Seed of the confidence intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalGainArgs {
    /// A run of `aloe eval aloe`
    #[arg(long, value_name = "DIR")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) model: ScoringModelArgs,
    /// Other people whose histories a reply is held against, at least 1
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) others: usize,
    /// End every history with the reply's own newest message, so that only what came before counts
    #[arg(long)]
    pub(crate) same_message: bool,
    /// Only the first cases
    #[arg(long, value_name = "N")]
    pub(crate) cases: Option<usize>,
    /// Seed of the draw of others and of the confidence intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalJudgeArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    /// Who scores the replies of `aloe eval aloe` a second time [default: only what is on record is compared]
    #[arg(long, value_name = "SPEC")]
    pub(crate) judge: Option<String>,
    /// Let it also score each reply for so many people of another personality: what a reply is to them is not owed to
    /// its person
    #[arg(long, value_name = "N", default_value_t = 0, requires = "judge")]
    pub(crate) others: usize,
    /// What a model costs, in dollars a million tokens: MODEL=INPUT/OUTPUT; may be given several times
    #[arg(long, value_name = "MODEL=IN/OUT")]
    pub(crate) price: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalMemoryArgs {
    /// Documents {id, text} and questions {query, gold, kind} a line, both with `store`; or a user {turns, questions} a line
    #[arg(long, value_name = "FILE", required_unless_present_any = ["induction", "trees"])]
    pub(crate) jsonl: Option<PathBuf>,
    /// Messages {text, label} a line, with label profile, personality, preference or none: how well facts are found
    #[arg(long, value_name = "FILE")]
    pub(crate) induction: Option<PathBuf>,
    /// A run of `aloe trees`: facts read out of what its users say, against their known personas
    #[arg(long, value_name = "RUN")]
    pub(crate) trees: Option<PathBuf>,
    /// Only the questions or messages of this `split`
    #[arg(long, value_name = "NAME")]
    pub(crate) split: Option<String>,
    /// Read the facts out of the documents first, as the chat does
    #[arg(long)]
    pub(crate) learn: bool,
    /// Who reads the messages of --induction or --trees
    #[arg(long, value_enum, default_value = "extractive")]
    pub(crate) inducer: InducerArg,
    /// Model of the prompted inducer, by name or path
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// LoRA adapter (GGUF) of the prompted inducer, as `aloe train sft --task induce` makes one
    #[arg(long, value_name = "FILE")]
    pub(crate) adapter: Option<PathBuf>,
    /// Embedder by name, or `none`
    #[arg(long, value_name = "NAME")]
    pub(crate) embedder: Option<String>,
    /// Seed of the confidence intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who reads facts out of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InducerArg {
    /// Grammar and meaning, without a language model
    Extractive,
    /// A language model, asked under a schema
    Prompted,
}

#[derive(Debug, Args)]
pub(crate) struct EvalMcqArgs {
    /// Questions {id, messages, options, answer} a line; `answer` is the place of the right option, from 0
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: PathBuf,
    #[command(flatten)]
    pub(crate) model: ScoringModelArgs,
    /// Show the options with letters in the last message, and let the model choose a letter
    #[arg(long)]
    pub(crate) lettered: bool,
    /// Seed of the order of options and of the confidence interval
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalMetricsArgs {
    /// Alignment levels AL(1) to AL(10) of one system a line: numbers with blanks or commas between, or a JSON array
    #[arg(long, value_name = "FILE")]
    pub(crate) al: PathBuf,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
