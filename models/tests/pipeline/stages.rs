//! The stages one after the other, by rule: what each leaves, and what a user may get wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::run::{Run, lines_of};

fn ids(personas: &[Value], split: &str, of: &str) -> BTreeSet<String> {
    let of_split = personas.iter().filter(|persona| persona["split"] == split);
    of_split.map(|persona| persona[of].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn from_nothing_to_a_dataset_by_rule() {
    let run = Run::new();
    let personas = "personas --preset aloe-small --profiles 26 --personalities 18 --provider scripted --max-cosine 0.8 --seed 1 --json";
    let summary = run.aloe(personas).succeeded().json();
    assert_eq!(summary["scripted"], true);
    let personas = run.lines("personas/personas.jsonl");
    for of in ["profile_id", "personality_id"] {
        assert!(ids(&personas, "train", of).is_disjoint(&ids(&personas, "eval", of)), "{of}");
    }
    assert_eq!(run.lines("personas/profile.jsonl").len(), 26);
    assert!(run.lines("personas/profile.jsonl").iter().all(Value::is_string));

    let dry = run.aloe("trees --conversations 6 --rounds 4 --provider scripted --dry-run --json").succeeded().json();
    assert_eq!(dry["calls"], 6 * 4 * 6);
    assert!(!run.path("trees").exists(), "a dry run leaves nothing");
    run.aloe("trees --conversations 6 --rounds 4 --provider scripted --seed 1").succeeded();
    let longer = "trees --conversations 10 --rounds 4 --provider scripted --seed 1 --json";
    let summary = run.aloe(longer).succeeded().json();
    assert_eq!((&summary["trees"], &summary["this_time"]["already_there"]), (&10.into(), &6.into()));
    assert!(run.lines("trees/trees.jsonl").iter().all(|tree| tree["scripted"] == true));

    for format in ["sft", "dpo"] {
        let out = run.beside(format);
        let line = format!("dataset --format {format} --out {out} --json");
        let statistics = run.aloe(&line).succeeded().json()["statistics"].clone();
        let examples = lines_of(&std::path::Path::new(&out).join("data/train.jsonl"));
        assert_eq!(statistics["train"], examples.len());
        let card = std::fs::read_to_string(std::path::Path::new(&out).join("README.md")).expect("a card");
        assert!(card.contains("scripted provider"), "{card}");
    }
}

#[test]
fn a_run_that_was_begun_otherwise_is_not_gone_on_with() {
    let run = Run::with_personas(3);
    run.aloe("trees --conversations 2 --rounds 2 --provider scripted").succeeded();
    run.aloe("trees --conversations 2 --rounds 3 --provider scripted").failed_with("rounds = 3 (it was 2)");
    run.aloe("trees --conversations 2 --rounds 2 --provider scripted --seed 4").failed_with("seed 4");
    run.aloe("trees --conversations 2 --rounds 2 --provider scripted --role judge=replay:x").failed_with("role judge");
}

#[test]
fn mistakes_are_told_with_a_hint() {
    let run = Run::with_personas(3);
    run.aloe("trees --conversations 2").failed_with("nobody plays");
    run.aloe("trees --conversations 2 --provider magic").failed_with("is no provider");
    run.aloe("trees --provider scripted --set trees.ruonds=2").failed_with("ruonds");
    run.aloe("dataset --format dpo --out x").failed_with("nothing to work on");
    let empty = Run::new();
    empty.aloe("trees --provider scripted").failed_with("`aloe personas`");
    std::fs::create_dir_all(empty.dir()).expect("made");
    std::fs::write(empty.path("thesis.tex"), "x").expect("written");
    empty.aloe("personas --provider scripted").failed_with("is no run directory");
}

#[test]
fn the_papers_files_go_out_and_come_in_again() {
    let run = Run::with_personas(3);
    run.aloe("trees --conversations 5 --rounds 3 --provider scripted").succeeded();
    let (first, second) = (run.beside("first.jsonl"), run.beside("second.jsonl"));
    run.aloe(&format!("export --conversations {first}")).succeeded();
    let other = Run::new();
    let imported = other.aloe(&format!("import --conversations {first} --json")).succeeded().json();
    assert_eq!(imported["imported"], 5);
    other.aloe(&format!("import --conversations {first}")).failed_with("imported before");
    other.aloe(&format!("export --conversations {second}")).succeeded();
    assert_eq!(std::fs::read(&first).expect("read"), std::fs::read(&second).expect("read"));
    let pairs = other.aloe(&format!("dataset --format dpo --out {} --json", other.beside("d"))).succeeded().json();
    assert_eq!(pairs["statistics"]["imported_conversations"], 5);
}

#[test]
fn general_conversations_are_mixed_in_at_the_ratio() {
    let run = Run::with_personas(6);
    run.aloe("trees --conversations 12 --rounds 2 --provider scripted").succeeded();
    let mix = run.beside("mix.jsonl");
    let line = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
    std::fs::write(&mix, format!("{line}\n").repeat(500)).expect("written");
    let out = run.beside("sft");
    let summary = run.aloe(&format!("dataset --format sft --out {out} --mix {mix} --mix-ratio 0.5 --json")).succeeded();
    let statistics = summary.json()["statistics"].clone();
    let (train, mixed) =
        (statistics["train"].as_f64().expect("a number"), statistics["mixed"].as_f64().expect("a number"));
    assert!((mixed - 0.5 * (train - mixed)).abs() <= 1.0, "{statistics}");
    run.aloe(&format!("dataset --format dpo --out {out} --mix {mix}")).failed_with("no rejected replies");
}
