//! The grammar of training: train, export, score.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::pipeline::{PaperFilesArgs, RunArgs};

/// What to train for.
#[derive(Debug, Subcommand)]
pub(crate) enum TrainCommand {
    /// Imitate the preferred replies of conversations (supervised fine-tuning)
    Sft(TrainArgs),
    /// Prefer the chosen reply to the rejected one (direct preference optimization)
    Dpo(TrainArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The model to train on: a name as `aloe models list` shows it, or a GGUF file
    #[arg(long, value_name = "MODEL_OR_GGUF")]
    pub(crate) base: String,
    /// What to learn: a dataset's folder or JSON lines, or the folder of a run
    #[arg(long, value_name = "FILE_OR_RUN")]
    pub(crate) data: PathBuf,
    /// Folder for the adapter (as PEFT keeps them) and the run's state
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What to measure on: JSON lines [default: the validation part of the dataset]
    #[arg(long, value_name = "FILE")]
    pub(crate) eval: Option<PathBuf>,
    /// An adapter to go on from (a folder); of dpo it is the reference too
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// Numbers to start from: `aloe-paper`, `aloe-small`, or a TOML file
    #[arg(long, value_name = "NAME_OR_FILE", default_value = "aloe-paper")]
    pub(crate) preset: String,
    /// Set a number: SECTION.NAME=VALUE, as in the preset; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Rank of the adapter's matrices
    #[arg(long, value_name = "N")]
    pub(crate) rank: Option<usize>,
    /// Strength of the adapter: its change is multiplied by alpha / rank
    #[arg(long, value_name = "X")]
    pub(crate) alpha: Option<f32>,
    /// What is learned from a run's conversations (sft)
    #[arg(long, value_enum, default_value = "reply")]
    pub(crate) task: TaskArg,
    /// How hard a pair's loss holds on to the reference (dpo)
    #[arg(long, value_name = "X")]
    pub(crate) beta: Option<f64>,
    /// Which loss over pairs (dpo) [default: sigmoid]
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) loss: Option<LossArg>,
    /// Learning rate at its peak
    #[arg(long, value_name = "X")]
    pub(crate) lr: Option<f64>,
    /// Times that every example is seen
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// Steps at most
    #[arg(long, value_name = "N")]
    pub(crate) max_steps: Option<usize>,
    /// Longest conversation, and tokens that go through the model at once
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<usize>,
    /// The same seed gives the same adapter
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Go on from the newest checkpoint in --out; begins where there is none
    #[arg(long)]
    pub(crate) resume: bool,
    /// Append figures of each step as one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) json_log: Option<PathBuf>,
    /// Where to compute: cpu, cuda, cuda:N, metal, vulkan or vulkan:N, as far as this build has them
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Memory that training may take, in MiB; on a GPU the GPU's [default: what the machine has free; on a GPU 8192]
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Threads [default: one for each performance core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) elsewhere: ElsewhereArgs,
    /// Say what it would take, and train nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print a summary as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Training on other machines.
#[derive(Debug, Args)]
pub(crate) struct ElsewhereArgs {
    /// Who trains: this program on the GGUF, or TRL on a bundle that is written into --out
    #[arg(long, value_enum, default_value = "aloe")]
    pub(crate) engine: EngineArg,
    /// What TRL trains on, as it cannot on a GGUF: a Hugging Face id or a folder [default: what the model's manifest says]
    #[arg(long, value_name = "ID_OR_DIR")]
    pub(crate) hf_base: Option<String>,
    /// Run the bundle here at once, with a Python that has TRL
    #[arg(long)]
    pub(crate) run: bool,
    /// The Python for --run [default: python3]
    #[arg(long, value_name = "PATH", requires = "run")]
    pub(crate) python: Option<PathBuf>,
    /// Devices for --run
    #[arg(long, value_name = "N", requires = "run", default_value_t = 1)]
    pub(crate) gpus: usize,
    /// How they share the work with --run: cpu, single_gpu, multi_gpu, fsdp1, fsdp2, zero1, zero2 or zero3
    #[arg(long, value_name = "NAME", requires = "run")]
    pub(crate) strategy: Option<String>,
}

/// Who trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineArg {
    Aloe,
    Trl,
}

/// What a model is trained to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TaskArg {
    /// To answer as the preferred replies do
    Reply,
    /// To find what a person revealed of themselves, and nothing else: an inducer for small models
    Induce,
}

/// Losses over pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LossArg {
    Sigmoid,
    Ipo,
    Hinge,
    Robust,
}

/// Either an adapter, or the conversations of a run.
#[derive(Debug, Args)]
pub(crate) struct AdapterExportArgs {
    /// The adapter's folder: what `aloe train` left, or one of PEFT
    #[arg(long, value_name = "DIR", required_unless_present = "conversations")]
    pub(crate) adapter: Option<PathBuf>,
    /// The model that it was trained on [default: what the adapter says]
    #[arg(long, value_name = "MODEL_OR_GGUF", requires = "adapter")]
    pub(crate) base: Option<String>,
    /// What to write
    #[arg(long, value_enum, requires = "adapter", required_unless_present = "conversations")]
    pub(crate) format: Option<AdapterFormat>,
    /// How a merged model's weights are stored, by llama.cpp's name: Q4_0, Q4_K_M, Q8_0, ... [default: those that the
    /// adapter changes as F16]
    #[arg(long, value_name = "TYPE", requires = "adapter")]
    pub(crate) quantize: Option<String>,
    /// Runs of `aloe eval aloe` whose figures go into the model card; may be given several times
    #[arg(long, value_name = "RUN", requires = "adapter")]
    pub(crate) eval: Vec<PathBuf>,
    /// File to write (of `peft` a folder), with a model card beside it
    #[arg(long, value_name = "PATH", requires = "adapter", required_unless_present = "conversations")]
    pub(crate) out: Option<PathBuf>,
    /// Folder of the run
    #[arg(long, value_name = "DIR", requires = "conversations", conflicts_with = "adapter")]
    pub(crate) run: Option<PathBuf>,
    /// Write a run's conversations in the paper's format into this file
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with = "adapter")]
    pub(crate) conversations: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print a summary as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl AdapterExportArgs {
    /// The arguments of the paper's files, if it is about them.
    pub(crate) fn paper_files(&self) -> Option<PaperFilesArgs> {
        let (dir, conversations) = (self.run.clone()?, self.conversations.clone()?);
        let run = RunArgs { dir, dry_run: self.dry_run, json: self.json };
        Some(PaperFilesArgs { run, conversations })
    }
}

/// Forms of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AdapterFormat {
    /// A GGUF adapter: what the SDK loads beside the base
    Gguf,
    /// A folder of PEFT
    Peft,
    /// The base with the adapter in it
    Merged,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// The model: a name as `aloe models list` shows it, or a GGUF file
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: String,
    /// An adapter for it: a GGUF file, or a folder of PEFT
    #[arg(long, value_name = "PATH")]
    pub(crate) adapter: Option<PathBuf>,
    /// Lines {"id", "messages", "replies"}
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: PathBuf,
    /// Who computes: llama.cpp as in the SDK, or the forward pass that training uses
    #[arg(long, value_enum, default_value = "llama")]
    pub(crate) forward: ForwardArg,
    /// Context, in tokens
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) ctx: u32,
    /// Where the forward pass of training computes: cpu, cuda, cuda:N, metal, vulkan or vulkan:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Threads [default: one for each performance core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Two ways to the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ForwardArg {
    Llama,
    Train,
}
