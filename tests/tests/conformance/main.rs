//! The cases that every binding must pass (`tests/conformance`), run on the layer below Kotlin and Swift.

mod files;
mod interpreter;
mod parameters;
mod step;

use std::fs;
use std::path::Path;

use aloekit_tests::fixtures::model_path;
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
    assert_eq!(names, ["cancel", "chat", "encryption", "errors", "learning", "lifecycle", "persona", "snapshots"]);
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
