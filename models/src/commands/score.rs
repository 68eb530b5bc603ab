//! `aloe score`: how likely a model finds given replies, as JSON lines.

use std::path::Path;

use aloekit::engine::{AdapterId, Engine, EngineParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conversation_tokens::ConversationTokens;
use super::export::name_of;
use super::model_files::ModelFiles;
use super::train::{is_adapter_folder, set_threads};
use crate::cli::{ForwardArg, ScoreArgs};
use crate::error::{Error, Result};
use crate::export::gguf_adapter;
use crate::output::Output;
use crate::provider::core_message;
use crate::record::ChatMessage;
use crate::run_dir::Lines;
use crate::settings::Settings;
use crate::train::{Adapter, Base, Batch, DeviceName, Lora, Place, TokenizedExample, read_adapter, sequence_log_probs};

#[derive(Deserialize)]
struct Line {
    id: Value,
    messages: Vec<ChatMessage>,
    replies: Vec<String>,
}

#[derive(Serialize)]
struct Scored {
    id: Value,
    /// Natural logarithms of the probability of each reply, without the token that ends the turn.
    log_probs: Vec<f64>,
    tokens: Vec<usize>,
}

pub(crate) fn run(args: &ScoreArgs, settings: &Settings, output: Output) -> Result<()> {
    let path = ModelFiles::new(settings, output)?.chat_model(Some(&args.model))?;
    let scorer: Box<dyn Score> = match args.forward {
        ForwardArg::Llama if args.device != "cpu" => {
            return Err(Error::usage("--device is for the forward pass of training", "add --forward train"));
        }
        ForwardArg::Llama => Box::new(Llama::open(&path, args)?),
        ForwardArg::Train => Box::new(Training::open(&path, args)?),
    };
    for line in Lines::<Line>::open(&args.jsonl)? {
        let Line { id, messages, replies } = line?;
        let (log_probs, tokens) = scorer.score(&messages, &replies)?.into_iter().unzip();
        output.json(&Scored { id, log_probs, tokens })?;
    }
    Ok(())
}

trait Score {
    /// Log-probability and number of tokens of each reply.
    fn score(&self, messages: &[ChatMessage], replies: &[String]) -> Result<Vec<(f64, usize)>>;
}

/// llama.cpp, as in the SDK.
struct Llama {
    engine: Engine,
    adapters: Vec<(AdapterId, f32)>,
}

impl Llama {
    fn open(path: &Path, args: &ScoreArgs) -> Result<Self> {
        let n_threads = args.threads.and_then(|threads| u32::try_from(threads).ok());
        let engine =
            Engine::open(&EngineParams { n_ctx: args.ctx, n_sessions: 1, n_threads, ..EngineParams::new(path) })?;
        let adapters = match &args.adapter {
            None => Vec::new(),
            Some(adapter) if is_adapter_folder(adapter) => {
                let folder = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
                let file = folder.path().join("adapter.gguf");
                gguf_adapter(&read_adapter(adapter, &Base::open(path)?)?, &name_of(adapter), &file)?;
                vec![(engine.blocking_load_adapter(&file)?, 1.0)]
            }
            Some(adapter) => vec![(engine.blocking_load_adapter(adapter)?, 1.0)],
        };
        Ok(Self { engine, adapters })
    }
}

impl Score for Llama {
    fn score(&self, messages: &[ChatMessage], replies: &[String]) -> Result<Vec<(f64, usize)>> {
        let messages: Vec<_> = messages.iter().map(core_message).collect();
        let scores = self.engine.blocking_score(&messages, replies.to_vec(), self.adapters.clone())?;
        Ok(scores.iter().map(|score| (score.log_prob(), score.token_log_probs.len())).collect())
    }
}

/// The forward pass of training.
struct Training {
    base: Base,
    place: Place,
    adapter: Option<Adapter>,
    tokens: ConversationTokens,
}

impl Training {
    fn open(path: &Path, args: &ScoreArgs) -> Result<Self> {
        set_threads(args.threads)?;
        let place = Place::find(DeviceName::parse(&args.device)?)?;
        let base = Base::open(path)?;
        let adapter = match &args.adapter {
            None => None,
            Some(folder) if is_adapter_folder(folder) => Some(read_adapter(folder, &base)?),
            Some(_) => {
                return Err(Error::usage(
                    "the forward pass of training reads adapters of PEFT",
                    "name the adapter's folder",
                ));
            }
        };
        Ok(Self { place, adapter, tokens: ConversationTokens::open(path)?, base })
    }
}

impl Score for Training {
    fn score(&self, messages: &[ChatMessage], replies: &[String]) -> Result<Vec<(f64, usize)>> {
        let mut sequences = Vec::with_capacity(replies.len());
        for reply in replies {
            let mut all = messages.to_vec();
            all.push(ChatMessage::assistant(reply));
            let mut learned = vec![false; messages.len()];
            learned.push(true);
            sequences.push(self.tokens.words(&all, &learned)?);
        }
        let counts: Vec<usize> = sequences.iter().map(|sequence| sequence.learned_tokens()).collect();
        let batch = Batch::new(&[TokenizedExample { line: 0, group: 0, sequences }], &[0]);
        let lora =
            self.adapter.as_ref().map(|adapter| Lora { plan: &adapter.plan, numbers: &adapter.numbers, dropout: None });
        // Nothing stays on a GPU from one line to the next: its weights would borrow from the base beside them.
        let scored = sequence_log_probs(&self.place.place(&self.base, false)?, lora, &batch)?;
        Ok(scored.into_iter().flatten().zip(counts).collect())
    }
}
