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

#[test]
fn some_rejected_replies_suit_somebody_else_and_some_conversations_go_on_with_what_memory_keeps() {
    let run = Run::new();
    let personas =
        "personas --preset aloe-small --profiles 26 --personalities 18 --provider scripted --max-cosine 0.8 --seed 1";
    run.aloe(personas).succeeded();
    run.aloe("trees --preset aloe-small --conversations 12 --rounds 6 --provider scripted --seed 1").succeeded();
    let personas = run.lines("personas/personas.jsonl");
    let by_id = |id: &Value| personas.iter().find(|persona| persona["id"] == *id).expect("a persona of the run");
    let trees = run.lines("trees/trees.jsonl");
    let (mut turns, mut contrasts) = (0, 0);
    for tree in &trees {
        for node in tree["nodes"].as_array().expect("nodes") {
            turns += 1;
            let Some(other) = node.get("contrast").map(by_id) else { continue };
            contrasts += 1;
            assert_eq!(other["split"], tree["persona"]["split"]);
            assert_ne!(other["personality_id"], tree["persona"]["personality_id"]);
        }
    }
    assert!((turns / 4..=turns * 3 / 4).contains(&contrasts), "{contrasts} of {turns}");

    let told = |id: &str| -> String {
        let tree = trees.iter().find(|tree| format!("tree-{}", tree["id"]) == id).expect("the source");
        tree["nodes"].as_array().into_iter().flatten().map(|node| format!("{}\n", node["user"]["text"])).collect()
    };
    for (format, messages) in [("sft", "messages"), ("dpo", "prompt")] {
        let out = run.beside(format);
        run.aloe(&format!("dataset --preset aloe-small --format {format} --out {out}")).succeeded();
        let examples = lines_of(&std::path::Path::new(&out).join("data/train.jsonl"));
        let mut remembering = 0;
        for example in &examples {
            let instructions = &example[messages][0];
            assert_eq!(instructions["role"], "system", "{example}");
            let text = instructions["content"].as_str().expect("text");
            let quoted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("- ")).collect();
            remembering += usize::from(!quoted.is_empty());
            let said = told(example["source"].as_str().expect("a source"));
            for fact in quoted {
                assert!(said.contains(fact.trim_matches('"')), "{fact} was not said: {said}");
            }
        }
        assert!(
            (examples.len() / 8..=examples.len() * 3 / 4).contains(&remembering),
            "{remembering} {}",
            examples.len()
        );
        let card = std::fs::read_to_string(std::path::Path::new(&out).join("README.md")).expect("a card");
        assert!(card.contains("with what memory keeps: 0.5"), "{card}");
    }
}
