//! What stops a run: bases, adapters, numbers and disks that will not do, each named before or where it happens.

use std::path::Path;
use std::process::{Command, Stdio};

use aloekit::engine::gguf::Header;
use serde_json::{Value, json};

use crate::skipped::skipped;
use crate::workshop::Workshop;

const PAIRS: &str = "--data pairs.jsonl --preset aloe-small --rank 4 --max-tokens 128 --threads 1 \
    --set train.accumulation=2 --set train.checkpoint_every=1";

fn pairs(workshop: &Workshop, count: usize) {
    let reply = |text: String| json!([{"role": "assistant", "content": text}]);
    let pair = |n: usize| {
        json!({"prompt": [{"role": "user", "content": format!("canary question {n}?")}],
            "chosen": reply(format!("Yes, {n}.")), "rejected": reply(format!("No {n} at all."))})
    };
    workshop.write_lines("pairs.jsonl", &(0..count).map(pair).collect::<Vec<_>>());
}

/// A copy of the model in which the first number of a matrix is none.
fn with_a_scale_that_is_no_number(model: &str, copy: &Path) {
    let header = Header::read(model).expect("a sound header");
    let mut bytes = std::fs::read(model).expect("read");
    let tensor = header.tensor("blk.3.ffn_up.weight").expect("a Llama");
    let at = usize::try_from(header.data_offset() + tensor.offset).expect("it fits");
    // Every block format begins with its scale as F16 (K quants end with it, and the default model has none).
    bytes[at..at + 2].copy_from_slice(&[0x00, 0x7e]);
    std::fs::write(copy, bytes).expect("written");
}

#[test]
fn a_base_of_another_architecture_is_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity/base.gguf");
    let mut bytes = std::fs::read(fixture).expect("the fixture");
    // As long a name, so that no length changes; keys are named after the architecture.
    let places: Vec<_> = (0..bytes.len() - 5).filter(|at| &bytes[*at..*at + 5] == b"llama").collect();
    places.iter().for_each(|at| bytes[*at..*at + 5].copy_from_slice(b"qwen2"));
    let base = folder.path().join("base.gguf");
    std::fs::write(&base, bytes).expect("written");
    std::fs::write(folder.path().join("rows.jsonl"), "").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
    command.args(["train", "sft", "--base", "base.gguf", "--data", "rows.jsonl", "--out", "out"]);
    command.current_dir(folder.path()).env("ALOE_CONFIG", folder.path().join("config")).stdin(Stdio::null());
    let ended = crate::ended::Ended::from(command.output().expect("run"));
    ended.failed_with("its architecture is qwen2; llama can be trained");
}

#[test]
fn a_number_that_is_none_stops_before_the_step_is_kept() {
    let Some(workshop) = Workshop::open("a_number_that_is_none_stops_before_the_step_is_kept") else { return };
    pairs(&workshop, 8);
    let spoilt = workshop.path("spoilt.gguf");
    with_a_scale_that_is_no_number(&workshop.model, &spoilt);
    let ended = workshop.aloe(&format!("train dpo --base spoilt.gguf --out spoilt {PAIRS}"));
    let ended =
        ended.failed_with("a log-probability by the reference is not a finite number, with the examples of line");
    assert!(!ended.stderr.contains("canary"), "{ended:?}");
    // The first step is sound; what it makes of the adapter is not.
    let line = format!("train dpo --base MODEL --out wild {PAIRS} --lr 0.99 --alpha 1e30");
    let ended = workshop.aloe(&line).failed_with("of step 2 is not a finite number, with the examples of lines ");
    assert!(ended.stderr.contains("the checkpoint of step 1 is sound"), "{ended:?}");
    let checkpoint = std::fs::read(workshop.path("wild/state/checkpoint.bin")).expect("that of step 1");
    assert!(checkpoint.starts_with(br#"{"format":1,"step":1,"#));
    assert!(!workshop.path("wild/adapter_model.safetensors").exists(), "nothing is handed over");
    workshop.aloe(&format!("{line} --resume")).failed_with("of step 2 is not a finite number");
    assert_eq!(std::fs::read(workshop.path("wild/state/checkpoint.bin")).expect("still there"), checkpoint);
}

#[test]
fn another_vocabulary_or_another_base_is_refused() {
    let Some(workshop) = Workshop::open("another_vocabulary_or_another_base_is_refused") else { return };
    pairs(&workshop, 4);
    let line = format!("train dpo --base MODEL --out first {PAIRS} --max-steps 1");
    workshop.aloe(&line).succeeded();
    let export = "export --adapter first --base MODEL --format gguf --out first.gguf";
    workshop.aloe(export).succeeded();
    let note = workshop.path("first/vocabulary.json");
    let known: Value = serde_json::from_slice(&std::fs::read(&note).expect("read")).expect("JSON");
    assert_eq!(known["tokens"], 49152);
    std::fs::write(&note, json!({"tokens": 32000, "blake3": "0"}).to_string()).expect("written");
    workshop.aloe(export).failed_with("another vocabulary of 32000 tokens, and the base has 49152");
    workshop.aloe(&line.replace("--out first", "--out on --adapter first")).failed_with("another vocabulary");
    // An adapter of other tools is compared by the tokenizer that lies beside it.
    std::fs::remove_file(&note).expect("removed");
    let beside = |vocabulary: Value| {
        let tokenizer = json!({"model": {"type": "BPE", "vocab": vocabulary}, "added_tokens": []});
        std::fs::write(workshop.path("first/tokenizer.json"), tokenizer.to_string()).expect("written");
    };
    beside(json!({"<|endoftext|>": 0, "<|im_start|>": 1}));
    workshop.aloe(export).succeeded();
    beside(json!({"<|endoftext|>": 0, "<s>": 1}));
    workshop.aloe(export).failed_with("its tokenizer.json is not the base's vocabulary: token 1 differs");
    beside(json!({"<|endoftext|>": 0, "<|im_start|>": 70000}));
    workshop.aloe(export).failed_with("token 70000 differs");
    // The reference's log-probabilities are those of one base: here the same weights with another token in it.
    let mut bytes = std::fs::read(&workshop.model).expect("read");
    let token = b"<|endoftext|>";
    let at = bytes.windows(token.len()).position(|window| window == token).expect("a token of this model");
    bytes[at + 10] = b'u';
    std::fs::write(workshop.path("other.gguf"), bytes).expect("written");
    workshop.aloe(&format!("{} --resume", line.replace("MODEL", "other.gguf"))).failed_with("was begun otherwise");
}

#[test]
fn every_line_that_is_left_out_is_listed() {
    let Some(workshop) = Workshop::open("every_line_that_is_left_out_is_listed") else { return };
    let row = |n: usize| match n {
        0 => json!({"prompt": "canary", "completion": "yes"}),
        _ => json!({"prompt": "canary", "completion": ""}),
    };
    workshop.write_lines("rows.jsonl", &(0..41).map(row).collect::<Vec<_>>());
    let line = "train sft --base MODEL --data rows.jsonl --out out --preset aloe-small --dry-run --json";
    let ended = workshop.aloe(line).succeeded();
    assert_eq!((&ended.json()["examples"], &ended.json()["left_out"]), (&json!(1), &json!(40)));
    assert!(ended.stderr.contains("40 lines are left out in all; state/left_out.jsonl lists them"), "{ended:?}");
    let listed = workshop.lines("out/state/left_out.jsonl");
    assert_eq!(listed.len(), 40);
    assert_eq!((&listed[39]["line"], &listed[39]["reason"]), (&json!(41), &json!("its completion reply is empty")));
    assert!(!ended.stderr.contains("canary"), "{ended:?}");
}

#[test]
fn a_disk_that_is_full_at_a_checkpoint_leaves_the_one_before_and_the_run_goes_on_when_there_is_room() {
    const TEST: &str =
        "a_disk_that_is_full_at_a_checkpoint_leaves_the_one_before_and_the_run_goes_on_when_there_is_room";
    let Some(workshop) = Workshop::open(TEST) else { return };
    pairs(&workshop, 6);
    std::fs::create_dir(workshop.path("small")).expect("made");
    let line = |out: &str| format!("train dpo --base MODEL --out {out} {PAIRS} --resume");
    let words = |out: &str| {
        let line = line(out);
        let words: Vec<_> = line.split_whitespace().map(|word| word.replace("MODEL", &workshop.model)).collect();
        words.join(" ")
    };
    // A checkpoint is 14 MiB and is written beside the one before: the first fits, the second does not. The disk is a
    // tmpfs in a name space of the shell's own; it goes with the shell.
    let script = format!(
        "mount -t tmpfs -o size=24m tmpfs small || exit 77\n\
         $ALOE {run} 2> full.err; echo $? > full.code\n\
         head -c 24 small/run/state/checkpoint.bin > full.head\n\
         mount -o remount,size=96m small || exit 77\n\
         $ALOE {run} 2> again.err; echo $? > again.code\n\
         cp small/run/adapter_model.safetensors again.safetensors",
        run = words("small/run")
    );
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("Linux")) == 0;
    let ways: &[&[&str]] = &[&["--mount", "--map-root-user"], &["--mount", "--propagation=private"]];
    let done = ways.iter().take(if is_root { 2 } else { 1 }).any(|way| {
        let mut shell = Command::new("unshare");
        shell.args(*way).args(["sh", "-c", &script]).env("ALOE", env!("CARGO_BIN_EXE_aloe"));
        shell.current_dir(workshop.path("")).env("ALOE_CONFIG", workshop.path("config"));
        shell.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    if !done {
        skipped(TEST, "no small disk can be mounted: neither root nor user name spaces (unshare)");
        return;
    }
    let read = |name: &str| std::fs::read_to_string(workshop.path(name)).expect("the shell wrote it");
    assert_eq!(read("full.code").trim(), "1", "{}", read("full.err"));
    assert!(
        read("full.err").contains("the disk is full") && read("full.err").contains("--resume"),
        "{}",
        read("full.err")
    );
    assert!(read("full.head").starts_with(r#"{"format":1,"step":1,"#), "{}", read("full.head"));
    assert_eq!(read("again.code").trim(), "0", "{}", read("again.err"));
    workshop.aloe(&line("whole")).succeeded();
    let bytes = |name: &str| std::fs::read(workshop.path(name)).expect("read");
    assert!(
        bytes("again.safetensors") == bytes("whole/adapter_model.safetensors"),
        "the full disk changed the adapter"
    );
}

#[test]
fn the_estimate_is_near_what_training_takes_and_says_what_to_change() {
    let Some(workshop) = Workshop::open("the_estimate_is_near_what_training_takes_and_says_what_to_change") else {
        return;
    };
    let long: String = (0..130).map(|n| format!("item {n}, ")).collect();
    let row = |n: usize| json!({"prompt": format!("List {n}"), "completion": format!("{n}: {long}")});
    workshop.write_lines("rows.jsonl", &(0..2).map(row).collect::<Vec<_>>());
    let line = |more: &str| {
        format!(
            "train sft --base MODEL --data rows.jsonl --preset aloe-small --threads 1 --epochs 2 --json {more} \
             --set train.accumulation=2 --set train.checkpoint_every=1"
        )
    };
    // One conversation at a time with all activations, and two with the inputs of layers alone.
    let shapes = [("wide", "--max-tokens 800 --memory 4000"), ("narrow", "--max-tokens 1700 --rank 64 --memory 850")];
    for (name, shape) in shapes {
        let plan = workshop.aloe(&line(&format!("--out {name}-plan {shape} --dry-run"))).succeeded().json();
        workshop.aloe(&line(&format!("--out {name} {shape} --json-log {name}.log"))).succeeded();
        // The second step comes after a checkpoint was written, so its peak knows all that a run does.
        let steps = workshop.lines(&format!("{name}.log"));
        let taken = steps.iter().filter_map(|line| line["peak_mib"].as_f64()).fold(0.0, f64::max);
        if taken == 0.0 {
            skipped("the measured half of the estimate", "this system does not say what a process takes");
            return;
        }
        let told = plan["memory_mib"].as_f64().expect("a number");
        println!("{name}: {told} MiB told, {taken} MiB taken");
        assert_eq!(plan["activations_kept"], name == "wide", "{plan}");
        assert!((0.95..1.3).contains(&(told / taken)), "{name}: {told} MiB told and {taken} taken");
    }
    let refused = workshop.aloe(&line("--out none --max-tokens 1700 --memory 300 --dry-run"));
    let refused = refused.failed_with("and 300 MiB are available");
    assert!(refused.stderr.contains("--max-tokens") && refused.stderr.contains("fits"), "{refused:?}");
    workshop.aloe(&line("--out none --max-tokens 1700 --memory 1 --dry-run")).failed_with("a smaller base");
}
