//! The grammar of the command line and its help; nothing is resolved or done here.

mod evaluation;
mod memory;
mod pipeline;
mod training;

use std::path::PathBuf;

pub(crate) use evaluation::{
    EvalAloeArgs, EvalCommand, EvalGainArgs, EvalJudgeArgs, EvalMcqArgs, EvalMemoryArgs, EvalMetricsArgs,
    EvalPerplexityArgs, EvalPreferenceArgs, EvalReportArgs, InducerArg, ScoringModelArgs,
};
pub(crate) use memory::{
    EditArgs, ExportArgs, FactsArgs, ForgetArgs, ImportArgs, MemoryCommand, PinArgs, PreferencesArgs, ReembedArgs,
    RekeyArgs, SearchArgs, SearchableStoreArgs, StoreArgs,
};
pub(crate) use pipeline::{
    DatasetArgs, DatasetFormat, KeyCommand, LookArgs, PaperFilesArgs, PersonasArgs, ProviderCommand, ReportArgs,
    StageArgs, TreesArgs, ViewArgs,
};
pub(crate) use training::{
    AdapterExportArgs, AdapterFormat, EngineArg, ForwardArg, LossArg, ScoreArgs, TaskArg, TrainArgs, TrainCommand,
};

use clap::{Args, Parser, Subcommand};

use crate::output::ColorChoice;

/// A private chat on your machine that gets to know you, and the tools around it.
#[derive(Debug, Parser)]
#[command(name = "aloe", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: config.toml in the configuration folder]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Folder of downloaded models [default: aloekit in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "ALOE_CACHE", global = true)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder with further model manifests
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) manifests: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    pub(crate) color: ColorChoice,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk with a model that remembers what matters to you
    Chat(Box<ChatArgs>),
    /// See, search, correct, take away, bring in and forget what is remembered
    #[command(subcommand)]
    Memory(MemoryCommand),
    /// List, fetch, check and remove models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Pipeline 1: make a pool of profiles and personalities, and combine them into personas
    Personas(Box<PersonasArgs>),
    /// Pipeline 2: let models play conversations between personas and an assistant
    Trees(Box<TreesArgs>),
    /// Pipeline 3: turn conversations into a dataset to train on
    Dataset(DatasetArgs),
    /// Measure memory, models, and series of alignment levels
    #[command(subcommand)]
    Eval(EvalCommand),
    /// Bring the paper's conversations.jsonl into a run
    Import(PaperFilesArgs),
    /// Pipeline 4: train an adapter on a model's own GGUF
    #[command(subcommand)]
    Train(Box<TrainCommand>),
    /// Write an adapter for the phone, for PEFT or into its base; or a run's conversations in the paper's format
    Export(AdapterExportArgs),
    /// Log-probabilities of given replies
    Score(ScoreArgs),
    /// Look at a run in the browser, and rate replies by hand
    View(ViewArgs),
    /// Write the same page as one file
    Report(ReportArgs),
    /// Keep the keys of endpoints in the system's keyring
    #[command(subcommand)]
    Provider(ProviderCommand),
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Show every known model, and which are here
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Fetch models that are not here yet, each checked by size and SHA-256
    Pull {
        /// Names as `aloe models list` shows them
        #[arg(required_unless_present = "defaults")]
        names: Vec<String>,
        /// The models that chat needs by default
        #[arg(long)]
        defaults: bool,
    },
    /// Read the files again and compare their hashes
    Verify {
        /// Names; without any, everything that is here
        names: Vec<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Delete downloaded files; `pull` brings them back
    Remove {
        /// Names as `aloe models list` shows them
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Print where the files of a model lie
    Path {
        /// Name as `aloe models list` shows it
        name: String,
    },
}

/// How to chat. What is not given comes from the configuration file, then from the defaults.
#[derive(Debug, Default, Args)]
pub(crate) struct ChatArgs {
    /// Folder of memory and conversations [default: aloekit in the user's data folder]
    #[arg(long, value_name = "DIR", env = "ALOE_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// File with the key of an encrypted memory; otherwise ALOE_STORE_KEY or the keyring has it
    #[arg(long, value_name = "FILE", env = "ALOE_STORE_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Model by name or path of a GGUF file
    #[arg(long, value_name = "NAME_OR_PATH", env = "ALOE_MODEL")]
    pub(crate) model: Option<String>,
    /// LoRA adapter (GGUF), with a scale from 0 up; may be given several times
    #[arg(long, value_name = "PATH[:SCALE]")]
    pub(crate) adapter: Vec<String>,
    /// Draw so many replies to each message and give the one that the adapter leans towards most
    #[arg(long, value_name = "N", requires = "adapter", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) best_of: Option<u8>,
    /// Measure with each reply how much likelier the adapter makes it, in nats
    #[arg(long, requires = "adapter")]
    pub(crate) alignment: bool,
    /// Take the lines of a file as turns, '-' for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The same seed gives the same replies
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// One JSON object a turn on stdout, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
    /// Begin a new conversation instead of going on with the last
    #[arg(long, conflicts_with = "conversation")]
    pub(crate) new: bool,
    /// Go on with this conversation
    #[arg(long, value_name = "ID")]
    pub(crate) conversation: Option<i64>,
    /// Recall nothing and learn nothing; the conversation itself is still kept
    #[arg(long)]
    pub(crate) no_memory: bool,
    /// Embedder by name, or `none`
    #[arg(long, value_name = "NAME")]
    pub(crate) embedder: Option<String>,
    #[command(flatten)]
    pub(crate) generation: GenerationArgs,
}

/// How replies are made.
#[derive(Debug, Default, Args)]
pub(crate) struct GenerationArgs {
    /// What the model is told before everything else
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// 0 takes the likeliest token each time
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Keep the likeliest tokens up to this sum, 0 to 1
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f32>,
    /// Keep this many tokens
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<u32>,
    /// Drop tokens less likely than this share of the likeliest, 0 to 1
    #[arg(long, value_name = "P")]
    pub(crate) min_p: Option<f32>,
    /// Longest reply, in tokens
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<usize>,
    /// Context, in tokens
    #[arg(long, value_name = "N")]
    pub(crate) ctx: Option<u32>,
    /// Threads [default: one for each performance core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Layers to run on the GPU
    #[arg(long, value_name = "N")]
    pub(crate) gpu_layers: Option<u32>,
    /// Type of the KV cache
    #[arg(long, value_name = "TYPE", value_enum)]
    pub(crate) kv_type: Option<KvTypeArg>,
}

/// Types of the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KvTypeArg {
    F16,
    #[value(name = "q8_0")]
    #[serde(rename = "q8_0")]
    Q8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_memory_commands_that_other_programs_rely_on_are_there() {
        for line in [
            "aloe memory import --db d --jsonl f",
            "aloe memory import --db d --export f",
            "aloe memory search --db d --queries f --k 5 --json",
            "aloe memory facts --db d --json",
            "aloe memory forget --db d --id 3 --id 4 --yes",
            "aloe memory forget --db d --topic cello",
            "aloe memory forget --db d --all",
            "aloe memory export --db d",
            "aloe memory preferences --db d --out f --unpaired g --turns 4",
            "aloe memory export --db d --out f",
            "aloe memory edit --db d --id 3 --text t",
            "aloe memory pin --db d --id 3",
            "aloe memory encrypt --db d --key-file k",
            "aloe memory rekey --db d --key-file k --new-key-file n",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in
            ["aloe memory import", "aloe memory forget", "aloe memory forget --all --id 3", "aloe memory search"]
        {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn the_pipeline_commands_that_other_programs_rely_on_are_there() {
        for line in [
            "aloe personas --run r --profiles 4 --personalities 3 --provider scripted --pool a b --seed 1",
            "aloe trees --run r --conversations 4 --rounds 3 --provider scripted --role judge=replay:f --json",
            "aloe dataset --run r --format sft --out d --mix f --mix-ratio 0.5",
            "aloe dataset --run r --format dpo --out d --dry-run",
            "aloe import --run r --conversations f",
            "aloe export --run r --conversations f",
            "aloe train sft --base m --data f --out d --preset aloe-small --rank 8 --alpha 16 --lr 1e-4 --epochs 1",
            "aloe train dpo --base m --data r --out d --beta 0.1 --loss ipo --max-steps 3 --max-tokens 512 --seed 1 --resume --json-log l",
            "aloe export --adapter d --format gguf --out f",
            "aloe export --adapter d --format merged --quantize Q4_K_M --out f",
            "aloe score --model m --adapter a --jsonl f",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_flags_that_other_programs_rely_on_are_there() {
        let line = "aloe chat --data d --model m --adapter a.gguf:0.5 --adapter b.gguf --script - --seed 7 --json";
        let cli = Cli::try_parse_from(line.split(' ')).expect("parsed");
        let Command::Chat(chat) = cli.command else { unreachable!("the line says chat") };
        assert_eq!(chat.adapter, ["a.gguf:0.5", "b.gguf"]);
        assert_eq!((chat.seed, chat.json), (Some(7), true));
        assert_eq!(chat.script.as_deref(), Some(std::path::Path::new("-")));
    }
}
