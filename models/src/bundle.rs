//! A folder that the TRL command line trains from: data, configuration, template, a launcher and a README.
//!
//! Writes files and runs nothing. A bundle says the same as a run of our own engine would, with what differs stated in its
//! README; paths in it are relative, and the same arguments write the same bytes. TRL cannot train on a GGUF, so the base
//! is the model on Hugging Face that the file was made from, and the launcher checks token by token that both read alike.

mod configuration;
mod readme;

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::preset::TrainNumbers;
use crate::record::ChatMessage;
use crate::run_dir::write_whole;

pub(crate) use configuration::yaml;

/// The launcher inside a bundle.
pub(crate) const LAUNCHER: &str = "run.py";
const CHECK: &str = "check.py";
const LAUNCHER_TEXT: &str = include_str!("bundle/run.py");
const CHECK_TEXT: &str = include_str!("bundle/check.py");
const REQUIREMENTS: &str = include_str!("bundle/requirements.txt");

/// Conversations whose tokens the launcher compares.
const SAMPLES: usize = 8;

/// What is trained, in TRL's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Sft,
    /// With the name of its loss.
    Dpo(&'static str),
}

impl Task {
    /// The verb of the TRL command line.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Dpo(_) => "dpo",
        }
    }
}

/// A conversation with what of it is learned, one mark a message.
pub(crate) type Conversation = (Vec<ChatMessage>, Vec<bool>);

/// An example as our own engine reads it: a conversation, or a pair that differs in the last replies.
pub(crate) type Example = Vec<Conversation>;

/// What a bundle is made of.
#[derive(Debug)]
pub(crate) struct Bundle<'a> {
    pub(crate) task: Task,
    pub(crate) numbers: &'a TrainNumbers,
    pub(crate) seed: u64,
    /// The base for TRL: an identifier, or a folder.
    pub(crate) base: &'a str,
    /// What the phone runs: the file's name and its BLAKE3.
    pub(crate) gguf: (&'a str, &'a str),
    /// The chat template of the GGUF.
    pub(crate) template: Option<&'a str>,
    pub(crate) train: &'a [Example],
    pub(crate) held_out: &'a [Example],
    /// The tokens of the first conversations, as the engine makes them.
    pub(crate) samples: &'a [Sample],
}

/// A conversation and its tokens in the phone's engine.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    messages: Vec<ChatMessage>,
    tokens: Vec<u32>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Written {
    pub(crate) train_rows: usize,
    pub(crate) held_out_rows: usize,
    /// Rows of one step over all devices.
    pub(crate) rows_a_step: usize,
}

/// The first conversations with their tokens.
pub(crate) fn samples(examples: &[Example], tokens: impl Fn(&Conversation) -> Result<Vec<u32>>) -> Result<Vec<Sample>> {
    let first = examples.iter().flatten().take(SAMPLES);
    first.map(|said| Ok(Sample { messages: said.0.clone(), tokens: tokens(said)? })).collect()
}

/// Writes the bundle into `out`.
///
/// # Errors
/// [`Error::StageEmpty`] where nothing is to be trained on.
pub(crate) fn write(bundle: &Bundle<'_>, out: &Path) -> Result<Written> {
    let (train, held_out) = (rows(bundle.task, bundle.train), rows(bundle.task, bundle.held_out));
    if train.is_empty() {
        let hint = "sft wants messages, or prompt and completion; dpo wants prompt, chosen and rejected";
        return Err(Error::StageEmpty { stage: "train", reason: "no example is left".into(), hint });
    }
    // A row of SFT is one reply, and `accumulation` counts conversations: a step shall see as many of them.
    let replies = (train.len() as f64 / bundle.train.len() as f64).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count above zero")]
    let rows_a_step = (bundle.numbers.accumulation as f64 * replies).round() as usize;
    let written = Written { train_rows: train.len(), held_out_rows: held_out.len(), rows_a_step };
    let verb = bundle.task.verb();
    let text = |name: &str, text: &str| write_whole(&out.join(name), text.as_bytes());
    text("data/train.jsonl", &lines(&train)?)?;
    if !held_out.is_empty() {
        text("data/eval.jsonl", &lines(&held_out)?)?;
    }
    text("tokens.jsonl", &lines(bundle.samples)?)?;
    if let Some(template) = bundle.template {
        text("chat_template.jinja", template)?;
    }
    text(&format!("{verb}.yaml"), &yaml(bundle, &written))?;
    text("requirements.txt", REQUIREMENTS)?;
    text(CHECK, CHECK_TEXT)?;
    let launcher = LAUNCHER_TEXT.replace("{{task}}", verb).replace("{{rows_a_step}}", &rows_a_step.to_string());
    text(LAUNCHER, &launcher)?;
    text("README.md", &readme::text(bundle, &written))?;
    Ok(written)
}

fn lines<T: Serialize>(rows: &[T]) -> Result<String> {
    let line = |row: &T| Ok(serde_json::to_string(row).map_err(Error::internal)? + "\n");
    rows.iter().map(line).collect()
}

/// The rows of TRL's conversational forms.
///
/// TRL takes its loss on whole completions, so each reply that is learned becomes a row of its own, with all before it as
/// the prompt: the same tokens have the same loss as with a mask.
fn rows(task: Task, examples: &[Example]) -> Vec<Value> {
    match task {
        Task::Sft => examples.iter().flatten().flat_map(replies).collect(),
        Task::Dpo(_) => examples.iter().filter_map(|pair| pair_row(pair)).collect(),
    }
}

fn replies((messages, learned): &Conversation) -> Vec<Value> {
    let places = learned.iter().enumerate().filter(|(place, on)| **on && *place > 0).map(|(place, _)| place);
    places.map(|place| json!({ "prompt": messages[..place], "completion": [messages[place]] })).collect()
}

fn pair_row(pair: &[Conversation]) -> Option<Value> {
    let [(chosen, chosen_learned), (rejected, rejected_learned)] = pair else { return None };
    let (prompt, chosen) = chosen.split_at(chosen_learned.iter().position(|on| *on)?);
    let rejected = &rejected[rejected_learned.iter().position(|on| *on)?..];
    Some(json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected }))
}

#[cfg(test)]
mod tests;
