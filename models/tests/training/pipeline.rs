//! From scripted conversations to an adapter in the SDK, and what a kill on the way changes: nothing.

use std::time::Duration;

use serde_json::json;

use crate::workshop::{Workshop, personas};

/// Small enough for a minute on two cores.
const SMALL: &str = "--preset aloe-small --rank 8 --alpha 16 --max-tokens 384 --threads 2 --set train.accumulation=4";

/// What the exports are compared on.
fn questions(workshop: &Workshop) {
    let messages = json!([{"role": "user", "content": "I keep hens and love chess. What shall I do on Sunday?"}]);
    let replies = json!(["Play a game in the garden, with the hens as an audience.", "I do not know."]);
    workshop.write_lines("questions.jsonl", &[json!({"id": 1, "messages": messages, "replies": replies})]);
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn trees_to_sft_to_dpo_to_an_adapter_in_the_sdk() {
    let Some(workshop) = Workshop::open("trees_to_sft_to_dpo_to_an_adapter_in_the_sdk") else { return };
    personas(&workshop);
    workshop.aloe("trees --run run --conversations 12 --rounds 2 --provider scripted --seed 1").succeeded();
    let train = |verb: &str, more: &str| {
        let line = format!("train {verb} --base MODEL --data run {SMALL} --lr 1e-3 --json {more}");
        let ended = workshop.aloe(&line).succeeded();
        serde_json::from_str::<serde_json::Value>(ended.stdout.trim()).expect("a summary")["outcome"].clone()
    };
    let sft = train("sft", "--out sft --max-steps 2 --json-log sft.jsonl");
    assert!(sft["after"]["eval_loss"].as_f64() < sft["before"]["eval_loss"].as_f64(), "{sft}");
    let dpo = train("dpo", "--out dpo --adapter sft --max-steps 4 --json-log dpo.jsonl");
    // The persons that are measured on were not trained on; their planted preferences are the same.
    assert_eq!(dpo["before"]["rewards/margins"], 0.0, "the reference is the model before the first step: {dpo}");
    assert!(dpo["after"]["rewards/margins"].as_f64() > Some(0.0), "{dpo}");
    assert!(dpo["after"]["rewards/accuracies"].as_f64() > Some(0.5), "{dpo}");
    println!("held out: {dpo}");
    let log = workshop.lines("dpo.jsonl");
    assert_eq!(log.iter().filter(|line| line.get("grad_norm").is_some()).count(), 4);
    let margins: Vec<_> = log.iter().filter(|line| line.get("eval_loss").is_some()).collect();
    assert!(margins.len() >= 2, "{log:?}");

    questions(&workshop);
    workshop.aloe("export --adapter dpo --format gguf --out adapter.gguf").succeeded();
    workshop.aloe("export --adapter dpo --format merged --out merged.gguf").succeeded();
    workshop.aloe("export --adapter dpo --format merged --quantize Q8_0 --out merged-q8.gguf").succeeded();
    workshop.aloe("export --adapter dpo --format peft --out peft").succeeded();
    for card in ["adapter.md", "merged.md", "peft/README.md"] {
        let text = std::fs::read_to_string(workshop.path(card)).expect("a card");
        for words in ["license: apache-2.0", "| task | dpo |", "written by rule", "| margin | 0 |", "## Limits"] {
            assert!(text.contains(words), "{card}, {words}: {text}");
        }
    }
    let same = |name: &str| std::fs::read(workshop.path(name).join("adapter_model.safetensors")).expect("read");
    assert!(same("dpo") == same("peft"), "there and back is the same");
    let scores = |line: &str| workshop.scores(&format!("{line} --jsonl questions.jsonl"));
    let bare = scores("--model MODEL --forward train");
    let ours = scores("--model MODEL --adapter dpo --forward train");
    assert!(largest(&ours, &bare) > 0.5, "the adapter does nothing: {ours:?} {bare:?}");
    // The same numbers but for the rounding of merged weights to F16: a wrong order of rows would show here.
    let merged = scores("--model merged.gguf --forward train");
    println!("bare {bare:?}, with the adapter {ours:?}, merged {merged:?}");
    assert!(largest(&ours, &merged) < 0.05, "{ours:?} {merged:?}");
    // llama.cpp rounds activations to 8 bits where weights are quantized: a tenth of a nat a token at most.
    for (name, line) in [
        ("adapter", "--model MODEL --adapter adapter.gguf"),
        ("merged", "--model merged.gguf"),
        ("quantized", "--model merged-q8.gguf"),
    ] {
        let theirs = scores(line);
        println!("{name}: {theirs:?}");
        assert!(largest(&ours, &theirs) < 1.4, "{name}: {ours:?} {theirs:?}");
    }
}

#[test]
fn a_killed_run_ends_with_the_same_bytes() {
    let Some(workshop) = Workshop::open("a_killed_run_ends_with_the_same_bytes") else { return };
    let pair = |n: usize| {
        let reply = |text: String| json!([{"role": "assistant", "content": text}]);
        json!({"prompt": [{"role": "user", "content": format!("Question {n}?")}], "chosen": reply(format!("Yes, {n}.")),
            "rejected": reply(format!("No {n} at all.")), "source": format!("tree-{}", n / 2)})
    };
    workshop.write_lines("pairs.jsonl", &(0..12).map(pair).collect::<Vec<_>>());
    let line = |out: &str, threads: usize| {
        format!(
            "train dpo --base MODEL --data pairs.jsonl --out {out} --preset aloe-small --rank 4 --max-tokens 128 \
             --threads {threads} --set train.accumulation=2 --set train.checkpoint_every=1 --set train.dropout=0.1 \
             --resume --json-log {out}.log"
        )
    };
    workshop.aloe(&line("whole", 1)).succeeded();
    let mut kills = 0;
    for pause in [300, 700, 1100, 1500, 1900] {
        let mut child = workshop.spawn(&line("killed", 1));
        std::thread::sleep(Duration::from_millis(pause));
        kills += usize::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    assert!(kills > 0, "it was never killed");
    workshop.aloe(&line("killed", 1)).succeeded();
    workshop.aloe(&line("threads", 2)).succeeded();
    let adapter = |out: &str| std::fs::read(workshop.path(out).join("adapter_model.safetensors")).expect("read");
    assert!(adapter("whole") == adapter("killed"), "{kills} kills changed the adapter");
    assert!(adapter("whole") == adapter("threads"), "the number of threads changed the adapter");
    let losses = |out: &str| -> Vec<_> {
        let steps = workshop.lines(&format!("{out}.log")).into_iter().filter(|line| line.get("grad_norm").is_some());
        steps.map(|line| (line["step"].clone(), line["loss"].clone())).collect()
    };
    assert_eq!(losses("whole"), losses("killed"));
    workshop.aloe(&line("whole", 1).replace("--resume", "")).failed_with("was begun");
    workshop.aloe(&format!("{} --lr 0.5", line("whole", 1))).failed_with("lr");
}
