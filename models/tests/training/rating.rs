//! From an edited reply in a chat to an adapter that finds the edit likelier: the loop of personal training.

use serde_json::{Value, json};

use crate::workshop::Workshop;

const TRAIN: &str = "train dpo --base MODEL --data rated.jsonl --out own --preset aloe-small --rank 8 --alpha 16 \
     --max-tokens 384 --threads 1 --lr 1e-3 --epochs 4 --max-steps 6 --set train.accumulation=1";

/// Three replies that were edited, and one with a thumb.
const SCRIPT: &str = "What shall I do on Sunday?\n/better Play the cello with your sister, then rest.\n\
     And on Monday?\n/better Teach, as you do every Monday.\n\
     What do I play?\n/good\nWhat shall I eat?\n/better Noodles with paprika.\n/better\n";

#[test]
fn an_edited_reply_is_exported_trained_on_and_likelier_after() {
    let Some(workshop) = Workshop::open("an_edited_reply_is_exported_trained_on_and_likelier_after") else { return };
    std::fs::write(workshop.path("script.txt"), SCRIPT).expect("written");
    let chat = "chat --model MODEL --embedder none --max-tokens 8 --ctx 1024 --data data --seed 1 --script script.txt";
    let ended = workshop.aloe(&format!("{chat} --json"));
    assert_eq!(ended.code, Some(1), "an edit without words is a mistake: {ended:?}");
    let answers = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let rated: Vec<Value> =
        answers.filter(|line| line["command"] == "rate").map(|line| line["rating"].clone()).collect();
    assert_eq!(rated, ["edited", "edited", "up", "edited"]);

    let told = workshop.aloe("memory preferences --db data/memory.db --out rated.jsonl --turns 1").succeeded();
    assert!(told.stderr.contains("3 pairs") && told.stderr.contains("1 replies"), "{}", told.stderr);
    let pairs = workshop.lines("rated.jsonl");
    assert_eq!((pairs.len(), workshop.lines("rated.unpaired.jsonl").len()), (3, 1));
    let said = |value: &Value| value[0]["content"].clone();
    let question = |(id, pair): (usize, &Value)| json!({"id": id, "messages": pair["prompt"], "replies": [said(&pair["chosen"]), said(&pair["rejected"])]});
    workshop.write_lines("questions.jsonl", &pairs.iter().enumerate().map(question).collect::<Vec<_>>());
    workshop.aloe(TRAIN).succeeded();

    let margins = |adapter: &str| -> Vec<f64> {
        let scores = workshop.scores(&format!("--model MODEL {adapter} --forward train --jsonl questions.jsonl"));
        scores.chunks(2).map(|pair| pair[0] - pair[1]).collect()
    };
    let (before, after) = (margins(""), margins("--adapter own"));
    println!("log-probability of the edit over the original, in nats: before {before:?}, after {after:?}");
    assert!(before.iter().zip(&after).all(|(before, after)| after > before), "{before:?} {after:?}");
    workshop.aloe("export --adapter own --format gguf --out own.gguf").succeeded();
    the_adapter_chooses(&workshop, chat);
}

/// The adapter back in the chat: its meter chooses among replies, and reads one that was not chosen.
fn the_adapter_chooses(workshop: &Workshop, chat: &str) {
    std::fs::write(workshop.path("script.txt"), "What shall I do on Sunday?\n/stats\n").expect("written");
    let lines = |flags: &str| -> Vec<Value> {
        let ended = workshop.aloe(&format!("{chat} --json --new --adapter own.gguf {flags}")).succeeded();
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let chosen = lines("--best-of 3 --temperature 1");
    let a_token = |value: &Value| value["nats_per_token"].as_f64().expect("a number");
    let candidates: Vec<f64> = chosen[0]["candidates"].as_array().expect("a list").iter().map(a_token).collect();
    println!("nats a token of the candidates: {candidates:?}");
    assert_eq!(candidates.len(), 3);
    assert!(candidates.iter().all(|one| *one <= a_token(&chosen[0]["alignment"])), "{chosen:?}");
    assert_eq!(chosen[1]["alignment"], chosen[0]["alignment"], "it is not measured twice");
    let plain = lines("--temperature 1");
    assert!(plain[0].get("alignment").is_none() && plain[0].get("candidates").is_none(), "{plain:?}");
    assert!(plain[1]["alignment"]["nats"].is_number(), "/stats measures what was not: {plain:?}");
    assert!(lines("--alignment")[0]["alignment"]["tokens"].as_u64() > Some(0));
}
