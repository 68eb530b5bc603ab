//! A bundle for TRL: what is in it, and, where a Python with TRL is named, what TRL makes of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::ended::Ended;
use crate::skipped::skipped;
use crate::workshop::Workshop;

fn pair(number: usize) -> Value {
    let reply = |text: String| json!([{"role": "assistant", "content": text}]);
    json!({
        "prompt": [{"role": "user", "content": format!("Question {number}?")}],
        "chosen": reply(format!("Yes, {number}.")), "rejected": reply(format!("No {number} at all.")),
    })
}

fn conversation(number: usize) -> Value {
    let said = |role: &str, content: String| json!({"role": role, "content": content});
    json!({"messages": [
        said("user", format!("I have {number} hens.")), said("assistant", format!("So many: {number}!")),
        said("user", "Shall I paint them?".into()), said("assistant", "Rather feed them.".into()),
    ]})
}

fn data(workshop: &Workshop) {
    workshop.write_lines("pairs.jsonl", &(0..8).map(pair).chain([json!({"chosen": "a"})]).collect::<Vec<_>>());
    workshop.write_lines("held.jsonl", &(8..10).map(pair).collect::<Vec<_>>());
    workshop.write_lines("talks.jsonl", &(0..6).map(conversation).collect::<Vec<_>>());
}

#[test]
fn a_bundle_is_whole_and_its_flags_are_checked() {
    let Some(workshop) = Workshop::open("a_bundle_is_whole_and_its_flags_are_checked") else { return };
    data(&workshop);
    let dpo = "train dpo --engine trl --base MODEL --hf-base someone/base --data pairs.jsonl --preset aloe-small";
    let ended = workshop.aloe(&format!("{dpo} --eval held.jsonl --out one --json")).succeeded();
    assert!(ended.stderr.contains(":9 is left out"), "{}", ended.stderr);
    assert_eq!(ended.json()["bundle"], json!({"train_rows": 8, "held_out_rows": 2, "rows_a_step": 8}));
    workshop.aloe(&format!("{dpo} --eval held.jsonl --out other")).succeeded();
    for name in [
        "data/train.jsonl",
        "data/eval.jsonl",
        "tokens.jsonl",
        "chat_template.jinja",
        "dpo.yaml",
        "run.py",
        "README.md",
    ] {
        let [one, other] = ["one", "other"].map(|out| std::fs::read(workshop.path(out).join(name)).expect("read"));
        assert!(one == other, "{name} differs");
    }
    assert_eq!(workshop.lines("one/tokens.jsonl").len(), 8);
    assert_eq!(workshop.lines("one/data/train.jsonl")[3]["chosen"][0]["content"], "Yes, 3.");
    workshop.aloe("train sft --engine trl --base MODEL --data talks.jsonl --out sft").failed_with("--hf-base");
    workshop.aloe(&format!("{dpo} --out two --adapter one")).failed_with("no counterpart");
    workshop.aloe("train dpo --base MODEL --data pairs.jsonl --out two --hf-base a/b").failed_with("--engine trl");
    workshop.aloe(&format!("{dpo} --out two --run --python no-such-python")).failed_with("no Python with TRL");
    let sft = "train sft --engine trl --base MODEL --hf-base someone/base --data talks.jsonl --preset aloe-small";
    let ended = workshop.aloe(&format!("{sft} --out sft --json")).succeeded();
    // Two replies of each conversation, and eight conversations a step.
    assert_eq!(ended.json()["bundle"], json!({"train_rows": 12, "held_out_rows": 0, "rows_a_step": 16}));
}

/// The interpreter with TRL and TensorBoard; none, said aloud, where none is named.
fn python(test: &str) -> Option<String> {
    let python = std::env::var("ALOE_TEST_TRL_PYTHON").ok();
    if python.is_none() {
        skipped(test, "ALOE_TEST_TRL_PYTHON names no Python with TRL; CONTRIBUTING.md says how");
    }
    python
}

fn ask(python: &str, arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/trl_bundle.py");
    let output = Command::new(python).arg(script).args(arguments).env("OMP_NUM_THREADS", "1").output().expect("run");
    let ended = Ended::from(output).succeeded();
    serde_json::from_str(ended.stdout.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn trl_trains_a_bundle_and_its_adapter_comes_back_to_the_phone() {
    let test = "trl_trains_a_bundle_and_its_adapter_comes_back_to_the_phone";
    let (Some(python), Some(workshop)) = (python(test), Workshop::open(test)) else { return };
    data(&workshop);
    let at = |name: &str| workshop.path(name).to_string_lossy().into_owned();
    ask(&python, &["base", &workshop.model, &at("base")]);
    let numbers =
        "--preset aloe-small --rank 4 --alpha 32 --lr 2e-3 --max-steps 3 --max-tokens 128 --set train.accumulation=2";
    let trl = format!("--engine trl --base MODEL --hf-base base {numbers} --run --python {python} --strategy cpu");
    workshop.aloe(&format!("train sft --data talks.jsonl --out sft {trl}")).succeeded();
    workshop.aloe(&format!("train dpo --data pairs.jsonl --eval held.jsonl --loss ipo --out dpo {trl}")).succeeded();
    let messages = json!([{"role": "user", "content": "I keep hens and love chess. What shall I do on Sunday?"}]);
    let replies = json!(["Play a game in the garden, with the hens as an audience.", "I do not know."]);
    workshop.write_lines("questions.jsonl", &[json!({"id": 1, "messages": messages, "replies": replies})]);
    for task in ["sft", "dpo"] {
        assert_eq!(
            ask(&python, &["keys", task, &at(&format!("{task}/{task}.yaml"))]),
            json!([]),
            "keys that TRL does not know"
        );
        let adapter = format!("{task}/adapter");
        workshop.aloe(&format!("export --adapter {adapter} --base MODEL --format gguf --out {task}.gguf")).succeeded();
        let theirs: Vec<f64> =
            serde_json::from_value(ask(&python, &["score", &at("base"), &at(&adapter), &at("questions.jsonl")]))
                .expect("numbers");
        let score = |more: &str| workshop.scores(&format!("--model MODEL {more} --jsonl questions.jsonl"));
        let bare = score("--forward train");
        let ours = score(&format!("--adapter {adapter} --forward train"));
        let phone = score(&format!("--adapter {task}.gguf"));
        println!("{task}: bare {bare:?}, PEFT {theirs:?}, ours {ours:?}, llama.cpp {phone:?}");
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart(&ours, &bare) > 0.2, "{task}: the adapter does nothing");
        assert!(apart(&ours, &theirs) < 0.01, "{task}: {ours:?} {theirs:?}");
        // llama.cpp rounds activations to 8 bits where weights are quantized.
        assert!(apart(&ours, &phone) < 1.4, "{task}: {ours:?} {phone:?}");
    }
}

#[test]
fn tensorboard_reads_a_run_that_was_killed_and_went_on_without_doubles() {
    let test = "tensorboard_reads_a_run_that_was_killed_and_went_on_without_doubles";
    let (Some(python), Some(workshop)) = (python(test), Workshop::open(test)) else { return };
    data(&workshop);
    let line = "train dpo --base MODEL --data pairs.jsonl --eval held.jsonl --out out --preset aloe-small --rank 4 \
                --max-tokens 128 --threads 1 --epochs 6 --set train.accumulation=1 --set train.checkpoint_every=5 --resume";
    let mut child = workshop.spawn(line);
    while std::fs::read_to_string(workshop.path("out/state/log.jsonl")).unwrap_or_default().lines().count() < 9 {
        assert!(child.try_wait().expect("asked").is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    workshop.aloe(line).succeeded();
    let scalars = ask(&python, &["events", &workshop.path("out/tensorboard").to_string_lossy()]);
    println!("{:?}", scalars.as_object().expect("an object").keys().collect::<Vec<_>>());
    let steps = |tag: &str| -> Vec<u64> {
        let points = scalars[tag].as_array().unwrap_or_else(|| panic!("{tag} is missing")).iter();
        points.map(|point| point[0].as_u64().expect("a step")).collect()
    };
    for tag in
        ["train/loss", "train/rewards/margins", "train/grad_norm", "train/learning_rate", "train/tokens_per_second"]
    {
        assert_eq!(steps(tag), (1..=48).collect::<Vec<_>>(), "{tag}");
    }
    assert!(steps("eval/loss").is_sorted_by(|a, b| a < b), "{:?}", steps("eval/loss"));
    let log = workshop.lines("out/state/log.jsonl");
    let losses: Vec<f64> =
        log.iter().filter(|line| line.get("grad_norm").is_some()).filter_map(|line| line["loss"].as_f64()).collect();
    for (written, read) in losses.iter().zip(scalars["train/loss"].as_array().expect("points")) {
        assert!((written - read[1].as_f64().expect("a number")).abs() < 1e-6);
    }
}
