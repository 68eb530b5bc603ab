//! From what the user names to tokenized examples: which files, which of their lines, and why others were left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::induction;
use super::left_out::LeftOutList;
use crate::bundle::Conversation;
use crate::cli::{TaskArg, TrainArgs};
use crate::commands::conversation_tokens::ConversationTokens;
use crate::dataset::{Form, Plan, make};
use crate::dialogue::{FOLDER, TREES};
use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::record::{ChatMessage, Speaker};
use crate::run_dir::Lines;
use crate::train::{Sequence, TokenizedExample};

/// The files that a run reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFiles {
    pub(super) train: PathBuf,
    pub(super) held_out: Option<PathBuf>,
}

/// A line of either format, as other tools write them too.
#[derive(Debug, Deserialize)]
struct Row {
    messages: Option<Vec<ChatMessage>>,
    loss_mask: Option<Vec<bool>>,
    prompt: Option<Said>,
    completion: Option<Said>,
    chosen: Option<Said>,
    rejected: Option<Said>,
    source: Option<String>,
}

/// Messages, or words alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Messages(Vec<ChatMessage>),
    Words(String),
}

impl Said {
    fn messages(self, speaker: Speaker) -> Vec<ChatMessage> {
        match self {
            Self::Messages(messages) => messages,
            Self::Words(content) => vec![ChatMessage { role: speaker, content }],
        }
    }
}

/// The files behind `--data`: a run's conversations become a dataset in `state` first.
pub(super) fn files(args: &TrainArgs, form: Form, preset: &Preset, state: &Path) -> Result<DataFiles> {
    let (data, seed) = (args.data.as_path(), args.seed);
    let missing = |reason: String| Error::StageEmpty {
        stage: "train",
        reason,
        hint: "name a dataset (`aloe dataset` makes one), JSON lines, or the folder of a run",
    };
    let of_folder = |folder: &Path| DataFiles {
        train: folder.join("data/train.jsonl"),
        held_out: Some(folder.join("data/validation.jsonl")).filter(|path| path.exists()),
    };
    let trees = data.join(FOLDER).join(TREES);
    let mut files = if trees.exists() {
        let out = state.join("dataset");
        if args.task == TaskArg::Induce {
            let files = induction::make(&trees, preset.dataset.validation_share, seed, &out)?;
            return Ok(DataFiles { held_out: args.eval.clone().or(files.held_out), ..files });
        }
        let plan = Plan { form, numbers: &preset.dataset, seed, trees: &trees, mix: None };
        make(&plan, Some(&out))?;
        of_folder(&out)
    } else if data.is_dir() {
        of_folder(data)
    } else {
        DataFiles { train: data.to_owned(), held_out: None }
    };
    if let Some(eval) = &args.eval {
        files.held_out = Some(eval.clone());
    }
    for path in [Some(&files.train), files.held_out.as_ref()].into_iter().flatten() {
        if !path.is_file() {
            return Err(missing(format!("{} is not there", path.display())));
        }
        if path.extension().is_some_and(|extension| extension == "parquet") {
            return Err(missing("Parquet is not read here; a dataset has the same as JSON lines beside it".into()));
        }
    }
    Ok(files)
}

/// The examples of a file that can be trained on; those that cannot go into `left_out`.
pub(super) fn examples(
    path: &Path,
    form: Form,
    tokens: &ConversationTokens,
    most_tokens: usize,
    most_examples: usize,
    left_out: &mut LeftOutList,
) -> Result<Vec<TokenizedExample>> {
    let mut groups = HashMap::new();
    learnable(path, most_examples, left_out, |line, row| {
        let source = row.source.clone().unwrap_or_else(|| format!("line {line}"));
        let sequences = sequences(&conversations_of(row, form)?, tokens, most_tokens)?;
        let next = groups.len();
        Ok(TokenizedExample { line, group: *groups.entry(source).or_insert(next), sequences })
    })
}

/// As [`examples`], the same lines of the same file, as conversations.
pub(super) fn conversations(
    path: &Path,
    form: Form,
    tokens: &ConversationTokens,
    most_tokens: usize,
    most_examples: usize,
    left_out: &mut LeftOutList,
) -> Result<Vec<Vec<Conversation>>> {
    learnable(path, most_examples, left_out, |_, row| {
        let conversations = conversations_of(row, form)?;
        sequences(&conversations, tokens, most_tokens).map(|_| conversations)
    })
}

/// What `read` makes of each line, and why it makes nothing of others.
fn learnable<T>(
    path: &Path,
    most: usize,
    left_out: &mut LeftOutList,
    mut read: impl FnMut(u64, Row) -> Result<T, String>,
) -> Result<Vec<T>> {
    let mut kept = Vec::new();
    let mut lines: Lines<serde_json::Value> = Lines::open(path)?;
    while let Some(line) = lines.next_line() {
        let (number, bytes) = line?;
        if kept.len() == most {
            break;
        }
        // The parser's own words quote what stands there, which may be what a person said.
        let row: Row = serde_json::from_slice(&bytes).map_err(|error| Error::RecordInvalid {
            path: path.to_owned(),
            line: number,
            reason: format!("column {}", error.column()),
        })?;
        match read(number, row) {
            Ok(example) => kept.push(example),
            Err(reason) => left_out.push(path, number, reason),
        }
    }
    Ok(kept)
}

fn conversations_of(row: Row, form: Form) -> Result<Vec<Conversation>, String> {
    match form {
        Form::Sft => Ok(vec![conversation(row)?]),
        Form::Preference => pair(row),
    }
}

fn sequences(
    conversations: &[Conversation],
    tokens: &ConversationTokens,
    most_tokens: usize,
) -> Result<Vec<Sequence>, String> {
    let mut sequences = Vec::with_capacity(conversations.len());
    for (messages, learned) in conversations {
        let sequence = tokens.sequence(messages, learned).map_err(|error| error.to_string())?;
        if sequence.learned_tokens() == 0 {
            return Err("its reply has no tokens".into());
        }
        if sequence.tokens.len() > most_tokens {
            return Err(format!("{} tokens are longer than {most_tokens}", sequence.tokens.len()));
        }
        sequences.push(sequence);
    }
    if sequences.len() == 2 && sequences[0].tokens == sequences[1].tokens {
        return Err("its two replies are the same".into());
    }
    Ok(sequences)
}

fn conversation(row: Row) -> Result<Conversation, String> {
    if let Some(messages) = row.messages {
        let said = |message: &ChatMessage| message.role == Speaker::Assistant && !message.content.trim().is_empty();
        let learned = match row.loss_mask {
            Some(mask) if mask.len() != messages.len() => {
                return Err("its loss_mask is not one for each message".into());
            }
            Some(mask) => messages.iter().zip(mask).map(|(message, on)| on && said(message)).collect(),
            None => messages.iter().map(said).collect::<Vec<_>>(),
        };
        return match (learned.contains(&true), messages.first().map(|message| message.role)) {
            (_, Some(Speaker::Assistant)) => Err("it has no prompt".into()),
            (true, _) => Ok((messages, learned)),
            (false, _) => Err("no reply in it is to be learned".into()),
        };
    }
    reply(prompt(row.prompt)?, row.completion, "completion")
}

fn pair(row: Row) -> Result<Vec<Conversation>, String> {
    let prompt = prompt(row.prompt)?;
    Ok(vec![reply(prompt.clone(), row.chosen, "chosen")?, reply(prompt, row.rejected, "rejected")?])
}

fn prompt(said: Option<Said>) -> Result<Vec<ChatMessage>, String> {
    let messages = said.map(|said| said.messages(Speaker::User)).unwrap_or_default();
    match messages.iter().any(|message| message.role == Speaker::User && !message.content.trim().is_empty()) {
        true => Ok(messages),
        false => Err("it has no prompt".into()),
    }
}

fn reply(mut messages: Vec<ChatMessage>, said: Option<Said>, name: &str) -> Result<Conversation, String> {
    let reply = said.map(|said| said.messages(Speaker::Assistant)).unwrap_or_default();
    if reply.iter().all(|message| message.role != Speaker::Assistant || message.content.trim().is_empty()) {
        return Err(format!("its {name} reply is empty"));
    }
    let mut learned = vec![false; messages.len()];
    learned.extend(reply.iter().map(|message| message.role == Speaker::Assistant));
    messages.extend(reply);
    Ok((messages, learned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        serde_json::from_str(text).expect("a row")
    }

    #[test]
    fn rows_that_cannot_be_learned_from_say_why() {
        let user = r#"{"role": "user", "content": "q"}"#;
        for (text, why) in [
            (r#"{"chosen": "a", "rejected": "b"}"#.to_owned(), "no prompt"),
            (r#"{"prompt": "", "chosen": "a", "rejected": "b"}"#.to_owned(), "no prompt"),
            (format!(r#"{{"prompt": [{user}], "chosen": "a"}}"#), "rejected reply is empty"),
            (format!(r#"{{"prompt": [{user}], "chosen": " ", "rejected": "b"}}"#), "chosen reply is empty"),
        ] {
            let reason = pair(row(&text)).expect_err(&text);
            assert!(reason.contains(why), "{text}: {reason}");
        }
        for (text, why) in [
            (format!(r#"{{"messages": [{user}]}}"#), "no reply"),
            (r#"{"messages": [{"role": "assistant", "content": "a"}]}"#.to_owned(), "no prompt"),
            (format!(r#"{{"messages": [{user}], "loss_mask": []}}"#), "loss_mask"),
        ] {
            let reason = conversation(row(&text)).expect_err(&text);
            assert!(reason.contains(why), "{text}: {reason}");
        }
    }

    #[test]
    fn loss_is_taken_where_the_mask_says_or_on_every_reply() {
        let messages = r#"[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
            {"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]"#;
        let all = conversation(row(&format!(r#"{{"messages": {messages}}}"#))).expect("learned").1;
        assert_eq!(all, [false, true, false, true]);
        let text = format!(r#"{{"messages": {messages}, "loss_mask": [false, false, false, true]}}"#);
        assert_eq!(conversation(row(&text)).expect("learned").1, [false, false, false, true]);
    }
}
