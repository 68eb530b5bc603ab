//! What a bundle holds, without Python; that TRL takes it is shown by a test that asks TRL.

use super::*;
use crate::preset::Preset;

fn said(words: &[&str]) -> Vec<ChatMessage> {
    let message = |(at, text): (usize, &&str)| match at % 2 {
        0 => ChatMessage::user(*text),
        _ => ChatMessage::assistant(*text),
    };
    words.iter().enumerate().map(message).collect()
}

fn bundle<'a>(task: Task, numbers: &'a TrainNumbers, train: &'a [Example], held_out: &'a [Example]) -> Bundle<'a> {
    let (gguf, template) = (("base.gguf", "00ff"), Some("{{ messages }}"));
    Bundle { task, numbers, seed: 7, base: "someone/base", gguf, template, train, held_out, samples: &[] }
}

fn conversation() -> Example {
    vec![(said(&["a", "b", "c", "d"]), vec![false, true, false, true])]
}

fn pair() -> Example {
    vec![(said(&["a", "b"]), vec![false, true]), (said(&["a", "c"]), vec![false, true])]
}

#[test]
fn every_reply_that_is_learned_is_the_completion_of_one_row() {
    let skipped = vec![(said(&["a", "b", "c", "d"]), vec![false, false, false, true])];
    let rows = rows(Task::Sft, &[conversation(), skipped]);
    let completions: Vec<_> = rows.iter().map(|row| row["completion"][0]["content"].clone()).collect();
    assert_eq!(completions, ["b", "d", "d"]);
    let prompts: Vec<_> = rows.iter().map(|row| row["prompt"].as_array().expect("messages").len()).collect();
    assert_eq!(prompts, [1, 3, 3]);
}

#[test]
fn a_pair_is_one_row_with_the_prompt_that_both_share() {
    let rows = rows(Task::Dpo("sigmoid"), &[pair()]);
    let expected = json!({
        "prompt": [{ "role": "user", "content": "a" }],
        "chosen": [{ "role": "assistant", "content": "b" }],
        "rejected": [{ "role": "assistant", "content": "c" }],
    });
    assert_eq!(rows, [expected]);
}

#[test]
fn the_numbers_of_the_paper_stand_in_the_configuration() {
    let numbers = Preset::resolve("aloe-paper", &[]).expect("resolved").train;
    let (train, held_out) = ([pair()], [pair()]);
    let bundle = bundle(Task::Dpo("ipo"), &numbers, &train, &held_out);
    let text = yaml(&bundle, &Written { train_rows: 1, held_out_rows: 1, rows_a_step: 48 });
    for line in [
        "learning_rate: 0.00001",
        "beta: 0.9",
        "gradient_accumulation_steps: 48",
        "max_length: 8192",
        "num_train_epochs: 1",
        "loss_type: [\"ipo\"]",
        "lora_alpha: 32",
        "warmup_steps: 0.03",
        "eval_steps: 20",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}: {text}");
    }
}

#[test]
fn the_same_arguments_write_the_same_bytes_and_no_path_leads_out() {
    let numbers = Preset::resolve("aloe-small", &[]).expect("resolved").train;
    let (train, held_out) = ([conversation(), conversation()], [conversation()]);
    let bundle = bundle(Task::Sft, &numbers, &train, &held_out);
    let folders = [tempfile::tempdir().expect("temporary folder"), tempfile::tempdir().expect("temporary folder")];
    for folder in &folders {
        let written = write(&bundle, folder.path()).expect("written");
        // Eight conversations a step, with two replies each.
        assert_eq!(written, Written { train_rows: 4, held_out_rows: 2, rows_a_step: 16 });
    }
    for name in
        ["data/train.jsonl", "data/eval.jsonl", "sft.yaml", "run.py", "check.py", "README.md", "requirements.txt"]
    {
        let [one, other] =
            folders.each_ref().map(|folder| std::fs::read_to_string(folder.path().join(name)).expect("read"));
        assert_eq!(one, other, "{name}");
        assert!(!one.contains(&*folders[0].path().to_string_lossy()) && !one.contains("{{"), "{name}");
    }
}
