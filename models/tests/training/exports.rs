//! Exports of an adapter that PEFT itself made, and the manifest of a merged model.

use std::path::{Path, PathBuf};

use aloekit::engine::{Quantization, quantize};
use serde_json::{Value, json};

use crate::workshop::Workshop;

/// `models/tests/oracle/peft_adapter.py` made it.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft")
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn an_adapter_of_peft_says_the_same_here_and_in_llama_cpp() {
    let Some(workshop) = Workshop::open("an_adapter_of_peft_says_the_same_here_and_in_llama_cpp") else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(fixture().join("expected.json")).expect("the fixture")).expect("JSON");
    let theirs = |key: &str| serde_json::from_value::<Vec<f64>>(expected[key].clone()).expect("numbers");
    let (base, adapted) = (theirs("base"), theirs("adapted"));
    workshop.write_lines(
        "questions.jsonl",
        &[json!({"id": 1, "messages": expected["messages"], "replies": expected["replies"]})],
    );
    let folder = fixture();
    let folder = folder.to_str().expect("UTF-8");
    let scores = |line: &str| workshop.scores(&format!("{line} --jsonl questions.jsonl"));
    let bare = scores("--model MODEL --forward train");
    let ours = scores(&format!("--model MODEL --forward train --adapter {folder}"));
    println!("PEFT {base:?} {adapted:?}, ours {bare:?} {ours:?}");
    assert!(largest(&base, &adapted) > 0.2, "the fixture's adapter does nothing");
    // Both compute in f32: what differs is the order of sums. Rows of B in the wrong order are off by more than a nat.
    assert!(largest(&bare, &base) < 0.02 && largest(&ours, &adapted) < 0.02, "{bare:?} {ours:?}");
    workshop.aloe(&format!("export --adapter {folder} --base MODEL --format gguf --out peft.gguf")).succeeded();
    // Where weights are quantized llama.cpp rounds activations to 8 bits, which alone is a nat: so the same weights as F16.
    quantize(workshop.model.as_ref(), &workshop.path("f16.gguf"), Quantization::F16).expect("written");
    let llama = [scores("--model f16.gguf"), scores("--model f16.gguf --adapter peft.gguf")];
    println!("llama.cpp {llama:?}");
    assert!(largest(&llama[0], &base) < 0.1 && largest(&llama[1], &adapted) < 0.1, "{llama:?}");
}

#[test]
fn a_merged_model_has_a_manifest_by_which_it_can_be_named() {
    let Some(workshop) = Workshop::open("a_merged_model_has_a_manifest_by_which_it_can_be_named") else { return };
    let folder = fixture();
    let folder = folder.to_str().expect("UTF-8");
    let merged = "export --base MODEL --format merged --quantize q8_0 --out mine.Q8_0.gguf --adapter";
    workshop.aloe(&format!("{merged} {folder}")).succeeded();
    let text = std::fs::read_to_string(workshop.path("mine.Q8_0.toml")).expect("a manifest");
    println!("{text}");
    for line in [
        "id = \"mine.Q8_0\"",
        "kind = \"chat-model\"",
        "n_ctx = 8192",
        "template = \"chatml\"",
        "quantization = \"Q8_0\"",
        "role = \"weights\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // It can be named like any other model, and is copied into the cache and checked by its hash.
    let listed = |verb: &str| {
        let mut command = workshop.command(&format!("models {verb} --manifests manifests"));
        command.env("ALOE_CACHE", workshop.path("cache"));
        crate::ended::Ended::from(command.output().expect("run"))
    };
    std::fs::create_dir(workshop.path("manifests")).expect("made");
    std::fs::rename(workshop.path("mine.Q8_0.toml"), workshop.path("manifests/mine.toml")).expect("moved");
    listed("pull mine.Q8_0").succeeded();
    listed("verify mine.Q8_0").succeeded();
    let copied = workshop.path("cache/models/mine.Q8_0/mine.Q8_0.gguf");
    assert!(std::fs::read(copied).expect("copied") == std::fs::read(workshop.path("mine.Q8_0.gguf")).expect("read"));
    workshop.aloe(&format!("{merged} {folder}").replace("q8_0", "Q9_X")).failed_with("cannot be stored as Q9_X");
}
