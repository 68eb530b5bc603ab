//! What cannot be trained on, and what is said about it.

use serde_json::json;

use crate::workshop::Workshop;

#[test]
fn rows_that_cannot_be_learned_from_are_counted_and_listed() {
    let Some(workshop) = Workshop::open("rows_that_cannot_be_learned_from_are_counted_and_listed") else { return };
    let user = json!([{"role": "user", "content": "canary-question"}]);
    let reply = |text: &str| json!([{"role": "assistant", "content": text}]);
    workshop.write_lines(
        "pairs.jsonl",
        &[
            json!({"prompt": user, "chosen": reply("a good one"), "rejected": reply("a bad one")}),
            json!({"chosen": reply("a"), "rejected": reply("b")}),
            json!({"prompt": user, "chosen": reply(""), "rejected": reply("b")}),
            json!({"prompt": user, "chosen": reply(&"long ".repeat(500)), "rejected": reply("b")}),
            json!({"prompt": user, "chosen": reply("same"), "rejected": reply("same")}),
        ],
    );
    let line =
        "train dpo --base MODEL --data pairs.jsonl --out out --preset aloe-small --max-tokens 256 --dry-run --json";
    let ended = workshop.aloe(line).succeeded();
    for words in [
        ":2 is left out: it has no prompt",
        ":3 is left out: its chosen reply is empty",
        ":4 is left out:",
        "longer than 256",
        ":5 is left out: its two replies are the same",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    let plan: serde_json::Value = serde_json::from_str(ended.stdout.trim()).expect("JSON");
    assert_eq!((&plan["examples"], &plan["steps"]), (&json!(1), &json!(1)));
    assert!(plan["memory_mib"].as_u64() > Some(0));
}

#[test]
fn mistakes_are_told_with_a_hint() {
    let Some(workshop) = Workshop::open("mistakes_are_told_with_a_hint") else { return };
    workshop.write_lines("empty.jsonl", &[json!({"messages": []})]);
    let train = "train sft --base MODEL --out out --preset aloe-small";
    workshop.aloe(&format!("{train} --data nowhere")).failed_with("is not there");
    workshop.aloe(&format!("{train} --data empty.jsonl")).failed_with("can be learned from");
    workshop.aloe(&format!("{train} --data empty.jsonl --beta 0.1")).failed_with("no pairs");
    let messages = json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]);
    workshop.write_lines("one.jsonl", &[json!({"messages": messages})]);
    workshop.aloe(&format!("{train} --data one.jsonl --rank 0")).failed_with("rank");
    workshop.aloe("export --adapter nowhere --format gguf --out f").failed_with("base");
    std::fs::write(workshop.path("base.gguf"), "<html>").expect("written");
    assert_eq!(workshop.aloe("train sft --base base.gguf --out out --data empty.jsonl").code, Some(1));
}
