//! The cases that every binding must pass (`tests/conformance`), run on the layer below Kotlin and Swift.

mod feedback;
mod files;
mod interpreter;
mod parameters;
mod step;

use std::fs;
use std::path::Path;

use aloekit_tests::fixtures::model_path;
use aloekit_tests::thin_adapter::{for_another_base, for_default_model};
use interpreter::Interpreter;
use serde_json::Value;

#[test]
fn chat() {
    run("chat");
}

#[test]
fn cancel() {
    run("cancel");
}

#[test]
fn persona() {
    run("persona");
}

#[test]
fn encryption() {
    run("encryption");
}

#[test]
fn learning() {
    run("learning");
}

#[test]
fn snapshots() {
    run("snapshots");
}

#[test]
fn errors() {
    run("errors");
}

#[test]
fn lifecycle() {
    run("lifecycle");
}

#[test]
fn adapters() {
    run("adapters");
}

#[test]
fn alignment() {
    run("alignment");
}

#[test]
fn ratings() {
    run("ratings");
}

/// A file without a test of its own would never be run.
#[test]
fn every_file_of_cases_is_run() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .expect("the cases are there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    let run = "adapters alignment cancel chat encryption errors learning lifecycle persona ratings snapshots";
    assert_eq!(names, run.split(' ').collect::<Vec<_>>());
}

/// Whoever changes them here writes them there too.
#[test]
fn the_adapters_of_the_cases_are_those_of_the_fixtures() {
    let cases = ["adapters", "alignment"].map(|file| fs::read_to_string(folder().join(format!("{file}.json"))));
    let cases = cases.map(|text| text.expect("the cases are there")).concat();
    for adapter in [for_default_model(1), for_default_model(2), for_another_base()] {
        let digits: String = adapter.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(cases.contains(&digits), "{digits}");
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn run(file: &str) {
    let text = fs::read_to_string(folder().join(format!("{file}.json"))).expect("the cases are there");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the cases are JSON");
    for case in &cases {
        println!("{}", case["name"]);
        let data = tempfile::tempdir().expect("a folder");
        let mut interpreter = Interpreter::new(data.path(), &model_path());
        let steps = case["steps"].as_array().expect("a case has steps");
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(interpreter.run(steps));
    }
}
