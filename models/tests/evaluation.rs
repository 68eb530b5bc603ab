//! `aloe eval` as programs drive it: series, retrieval against gold, induction against labels, multiple choice.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.arg("eval").args(args).stdin(Stdio::null());
        let (config, cache) = (self.0.path().join("config"), self.0.path().join("cache"));
        command.env("ALOE_CONFIG", config).env("ALOE_CACHE", cache).output().expect("run")
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[track_caller]
    fn refused(&self, args: &[&str], word: &str) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word) && output.stdout.is_empty(), "{said}");
    }
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name).display().to_string()
}

fn near(value: &Value, expected: f64) {
    assert!(value.as_f64().is_some_and(|found| (found - expected).abs() < 1e-9), "{value} is not {expected}");
}

#[test]
fn a_series_a_line_gives_its_improvement_rates() {
    let home = Home::new();
    let file = home.write("al.txt", "1 2 3 4 5 6 7 8 9 10\n\n[5,5,5,5,5,5,5,5,5,5]\n0,0,0,0,0,0,0,0,0,1\n");
    let found = home.json(&["metrics", "--al", &file, "--json"]);
    let keys: Vec<_> = found[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["ir", "mean", "n_ir", "n_r2"]);
    near(&found[0]["ir"], 1.0);
    near(&found[0]["n_ir"], 1.0 / 9.0);
    near(&found[0]["n_r2"], 1.0);
    near(&found[0]["mean"], 5.5);
    assert!(found[1]["n_ir"].is_null() && found[1]["n_r2"].is_null());
    near(&found[2]["n_ir"], 4.5 / 82.5);
    let bad = home.write("bad.txt", "1 2 3\n1 two 3\n");
    home.refused(&["metrics", "--al", &bad, "--json"], "bad.txt:2");
}

#[test]
fn a_memory_is_measured_against_gold_documents_of_any_set() {
    let home = Home::new();
    let set = r#"{"id": "d1", "text": "My sister keeps bees on the roof.", "store": "a", "extra": 1}
{"id": "d2", "text": "I row on Sundays.", "store": "a"}
{"id": "d1", "text": "I restore old clocks.", "store": "b"}
{"query": "Who keeps bees?", "gold": ["d1"], "store": "a", "kind": "stated"}
{"query": "Where are my clocks?", "gold": ["d1"], "store": "b", "kind": "stated"}
"#;
    let file = home.write("set.jsonl", set);
    let found = home.json(&["memory", "--jsonl", &file, "--embedder", "none", "--json"]);
    let retrieval = &found[0]["retrieval"];
    assert_eq!((&retrieval["questions"], &retrieval["stores"]), (&2.into(), &2.into()));
    near(&retrieval["methods"]["ours"]["stated"]["figures"]["recall_at_1"], 1.0);
    near(&retrieval["methods"]["ours"]["all"]["figures"]["ndcg_at_10"], 1.0);
    assert!(retrieval["methods"].get("vectors").is_none(), "there is no embedder");
    let gold = home.write("gold.jsonl", r#"{"query": "Who?", "gold": ["d9"]}"#);
    home.refused(&["memory", "--jsonl", &gold, "--embedder", "none"], "d9");
    home.refused(&["memory", "--jsonl", &file, "--split", "test", "--embedder", "none"], "split");
}

#[test]
fn our_own_sets_are_read_as_they_are() {
    let home = Home::new();
    let (retrieval, induction) = (data("retrieval.jsonl"), data("induction.jsonl"));
    let args = ["memory", "--jsonl", &retrieval, "--induction", &induction, "--split", "test", "--embedder", "none"];
    let found = &home.json(&[&args[..], &["--json"]].concat())[0];
    let ours = &found["retrieval"]["methods"]["ours"];
    for kind in ["stated", "paraphrased", "inferred", "all"] {
        assert!(ours[kind]["figures"]["mrr"].as_f64().is_some_and(|mrr| mrr > 0.0), "{kind}: {ours}");
    }
    assert!(ours["stated"]["figures"]["recall_at_5"].as_f64().is_some_and(|recall| recall > 0.9), "{ours}");
    let figures = &found["induction"]["figures"];
    assert!(figures["precision"].as_f64().is_some_and(|precision| precision > 0.8), "{figures}");
    assert!(figures["recall"].as_f64().is_some_and(|recall| recall > 0.5), "{figures}");
}

fn model() -> Option<PathBuf> {
    std::env::var_os("ALOE_TEST_MODEL").map(PathBuf::from)
}

#[test]
fn the_likelier_option_is_chosen_whatever_its_place() {
    let Some(model) = model() else {
        println!("SKIPPED the_likelier_option_is_chosen_whatever_its_place: ALOE_TEST_MODEL is not set");
        return;
    };
    let (home, model) = (Home::new(), model.display().to_string());
    let ask = |question: &str, options: &str, answer: usize| {
        format!(
            r#"{{"id": "{question}", "messages": [{{"role": "user", "content": "{question}"}}], "options": {options}, "answer": {answer}}}"#
        )
    };
    let lines = [
        ask("What is the capital of France?", r#"["Purple seventeen.", "The capital of France is Paris."]"#, 1),
        ask("Say hello to me.", r#"["Hello!", "Zxqv jjkw."]"#, 0),
    ];
    let file = home.write("mcq.jsonl", &lines.join("\n"));
    let args = ["mcq", "--jsonl", &file, "--model", &model, "--ctx", "512", "--json"];
    let found = &home.json(&args)[0];
    near(&found["figures"]["accuracy_normalised"], 1.0);
    near(&found["figures"]["chance"], 0.5);
    let lettered = &home.json(&[&args[..], &["--lettered"]].concat())[0];
    assert_eq!(lettered["figures"]["items"], 2);
}

#[test]
fn a_question_that_cannot_be_asked_is_named() {
    let home = Home::new();
    let user = r#""messages": [{"role": "user", "content": "Which?"}]"#;
    for (bad, word) in [
        (format!(r#"{{"id": 1, {user}, "options": ["a"], "answer": 0}}"#), "two options"),
        (format!(r#"{{"id": 1, {user}, "options": ["a", "b"], "answer": 2}}"#), "none of the options"),
        (format!(r#"{{"id": 1, {user}, "options": ["a", " "], "answer": 0}}"#), "empty"),
        (r#"{"id": 1, "messages": [], "options": ["a", "b"], "answer": 0}"#.to_owned(), "end with the user"),
        (String::new(), "no question"),
    ] {
        let file = home.write("bad.jsonl", &bad);
        home.refused(&["mcq", "--jsonl", &file, "--model", "nowhere.gguf"], word);
    }
}
