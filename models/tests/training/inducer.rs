//! An adapter that finds facts: from a run's trees to the measurement of what it finds.

use aloekit::memory::{InductionPrompt, Origin, UserTurn};
use serde_json::json;

use crate::workshop::{Workshop, personas};

#[test]
fn what_conversations_revealed_becomes_an_inducer_that_can_be_measured() {
    let Some(workshop) = Workshop::open("what_conversations_revealed_becomes_an_inducer_that_can_be_measured") else {
        return;
    };
    personas(&workshop);
    workshop.aloe("trees --run run --conversations 4 --rounds 2 --provider scripted --seed 1").succeeded();
    let line = "--base MODEL --data run --preset aloe-small --rank 4 --max-tokens 1024 --max-steps 1 --threads 2";
    let line = format!("{line} --set train.accumulation=4 --set dataset.validation_share=0");
    workshop.aloe(&format!("train dpo --task induce --out none {line}")).failed_with("trained by imitation");
    workshop.aloe(&format!("train sft --task induce --out out {line}")).succeeded();
    let rows = workshop.lines("out/state/dataset/train.jsonl");
    // Two messages and what is left of each without its facts, and both together, of four conversations.
    assert_eq!(rows.len(), 20);
    let asked = |text: &str, turn: i64| {
        let turns = [UserTurn { turn, text, origin: Origin::Said }];
        InductionPrompt::about(&turns)[0].0.messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>()
    };
    let mut stated = 0;
    for row in &rows {
        let said = |at: usize| row["messages"][at]["content"].as_str().expect("text");
        let shown =
            said(1).strip_prefix("Messages: ").and_then(|text| text.strip_suffix("\nAnswer:")).expect("a prompt");
        let turns: Vec<serde_json::Value> = serde_json::from_str(shown).expect("JSON");
        let answer: serde_json::Value = serde_json::from_str(said(2)).expect("JSON");
        if let [turn] = &turns[..] {
            let text = turn["text"].as_str().expect("text");
            assert_eq!(asked(text, turn["turn"].as_i64().expect("a number")), [said(0), said(1)]);
        }
        for fact in answer["facts"].as_array().expect("facts") {
            let of = turns.iter().find(|turn| turn["turn"] == fact["turn"]).expect("a turn that was shown");
            let words = fact["words"].as_str().expect("text");
            assert!(of["text"].as_str().expect("text").contains(words), "{fact} is not in {of}");
            stated += 1;
        }
    }
    assert!(stated >= 16, "every message states something, and is there twice: {stated}");
    workshop.aloe("export --adapter out --format gguf --out inducer.gguf").succeeded();
    workshop.write_lines("one.jsonl", &[json!({"text": "I live in Ghent.", "label": "profile"})]);
    let measured = "eval memory --induction one.jsonl --inducer prompted --model MODEL --adapter inducer.gguf \
        --embedder none --json";
    let measured = workshop.aloe(measured).succeeded().json();
    assert_eq!(measured["induction"]["figures"]["messages"], 1);
}
