//! `aloe eval` as programs drive it: series, retrieval against gold, induction against labels, multiple choice.

mod skipped;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use skipped::skipped;

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

/// Nothing, said aloud, where there is no model to test with.
fn model(test: &str) -> Option<PathBuf> {
    let model = std::env::var_os("ALOE_TEST_MODEL").map(PathBuf::from);
    if model.is_none() {
        skipped(test, "ALOE_TEST_MODEL is not set");
    }
    model
}

#[test]
fn the_likelier_option_is_chosen_whatever_its_place() {
    let Some(model) = model("the_likelier_option_is_chosen_whatever_its_place") else { return };
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

/// Four people as the rules of the scripted provider understand them.
fn people(home: &Home) -> String {
    let lines: Vec<String> = [
        (
            "Ola is a dentist in Gdynia. She keeps bees behind her house. She has a brother at sea.",
            "Likes short answers.",
        ),
        ("Ben is a baker in Leeds. He has two cats. He plays chess on Fridays.", "Laughs easily and likes to tease."),
        ("Ines is a nurse in Porto. She swims every morning. She grows tomatoes.", "Warm and gentle with everybody."),
        (
            "Tariq is a teacher in Lyon. He repairs radios. He runs long distances.",
            "Plans everything and loves a list.",
        ),
    ]
    .iter()
    .enumerate()
    .map(|(number, (profile, personality))| {
        serde_json::json!({
            "id": format!("persona-{number}"), "split": "eval", "profile_id": format!("profile-{number}"),
            "personality_id": format!("personality-{number}"), "profile": profile, "personality": personality,
        })
        .to_string()
    })
    .collect();
    home.write("personas.jsonl", &lines.join("\n"))
}

fn benchmark<'a>(run: &'a str, personas: &'a str, candidate: &'a str) -> Vec<&'a str> {
    vec![
        "aloe",
        "--run",
        run,
        "--personas",
        personas,
        "--candidate",
        candidate,
        "--user",
        "scripted",
        "--judge",
        "scripted",
        "--rounds",
        "3",
        "--seed",
        "5",
    ]
}

#[test]
fn the_benchmark_is_played_kept_gone_on_with_and_compared() {
    let home = Home::new();
    let (personas, run) = (people(&home), home.0.path().join("run").display().to_string());
    let args = benchmark(&run, &personas, "scripted");
    let two = &home.json(&[&args[..], &["--cases", "2", "--json"]].concat())[0];
    assert_eq!((&two["report"]["cases"], &two["report"]["scored"]), (&2.into(), &6.into()));
    let transcripts = Path::new(&run).join("eval/transcripts.jsonl");
    let before = std::fs::read_to_string(&transcripts).expect("kept");
    let four = &home.json(&[&args[..], &["--json"]].concat())[0];
    assert_eq!(four["report"]["cases"], 4);
    assert_eq!(four["report"]["alignment_level"].as_array().map(Vec::len), Some(3));
    let after = std::fs::read_to_string(&transcripts).expect("kept");
    assert!(after.starts_with(&before) && after.lines().count() == 4, "what was played is not played again");
    let level = |turn: usize| four["report"]["alignment_level"][turn]["value"].as_f64().expect("a level");
    let mean = (level(0) + level(1) + level(2)) / 3.0;
    assert!((four["report"]["average"]["value"].as_f64().expect("an average") - mean).abs() < 1e-9);
    assert_eq!(four["scripted"], true);

    let judge = ["judge", "--run", &run, "--judge", "scripted", "--seed", "5", "--others"];
    let specificity = &home.json(&[&judge[..], &["2", "--json"]].concat())[0]["specificity"];
    let value = |name: &str| specificity[name]["value"].as_f64().expect("a figure");
    assert_eq!(specificity["replies"], 12);
    near(&four["report"]["average"]["value"], value("own"));
    assert!((value("own") - value("others") - value("difference")).abs() < 1e-9, "{specificity}");
    let out = home.0.path().join("report").display().to_string();
    let report = &home.json(&["report", &run, "--out", &out, "--json"])[0];
    near(&report["systems"][0]["specificity"]["difference"]["value"], value("difference"));
    assert!(home.json(&[&judge[..], &["0", "--json"]].concat())[0].get("specificity").is_none());
    let dry = &home.json(&[&judge[..], &["2", "--json", "--dry-run"]].concat())[0];
    assert_eq!(dry["calls"], 36, "{dry}");
    home.refused(&[&judge[..], &["9"]].concat(), "fewer --others");
    home.refused(&["gain", "--run", &run, "--others", "4"], "--others");
    home.refused(&[&args[..], &["--base", "/nowhere"]].concat(), "finished benchmark");

    let other = home.0.path().join("other").display().to_string();
    let again = benchmark(&other, &personas, "scripted");
    let compared = &home.json(&[&again[..], &["--base", &run, "--json"]].concat())[0];
    assert_eq!(compared["against_base"]["cases"], 4);
    near(&compared["against_base"]["relative_improvement"], 0.0);
    assert_eq!(std::fs::read_to_string(&transcripts).expect("kept"), after);
    let text = home.run(&again);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.lines().next().is_some_and(|head| head.starts_with("turn\tAL")) && text.contains("N-IR"), "{text}");

    home.refused(
        &[
            &args[..5],
            &["--candidate", "scripted", "--user", "scripted", "--judge", "scripted", "--rounds", "3", "--seed", "6"],
        ]
        .concat(),
        "seed",
    );
    home.refused(&[&args[..], &["--memory"]].concat(), "local:MODEL");
    home.refused(&[&args[..], &["--cases", "0"]].concat(), "--cases");
    let nobody = home.write("nobody.jsonl", "");
    home.refused(&benchmark(&other, &nobody, "scripted"), "evaluation split");
    let dry = &home.json(&[&args[..], &["--dry-run", "--json"]].concat())[0];
    assert_eq!((&dry["dry_run"], &dry["calls"]), (&true.into(), &36.into()));
}

#[test]
fn our_engine_is_measured_through_the_sdk_with_memory_and_without() {
    let Some(model) = model("our_engine_is_measured_through_the_sdk_with_memory_and_without") else { return };
    let (home, candidate) = (Home::new(), format!("local:{}", model.display()));
    let personas = people(&home);
    let config = home.0.path().join("config");
    std::fs::create_dir_all(&config).expect("a folder");
    std::fs::write(config.join("config.toml"), "[chat]\nembedder = \"none\"\n").expect("written");
    for memory in [false, true] {
        let run = home.0.path().join(format!("run-{memory}")).display().to_string();
        let mut args = benchmark(&run, &personas, &candidate);
        args.extend(["--cases", "1", "--restart-every", "1", "--set", "benchmark.reply_max_tokens=24"]);
        args.extend(["--set", "provider.ctx=1024", "--set", "provider.threads=1", "--json"]);
        if memory {
            args.push("--memory");
        }
        let found = &home.json(&args)[0];
        assert_eq!((&found["report"]["scored"], &found["system"]["memory"]), (&3.into(), &memory.to_string().into()));
        let kept = std::fs::read_to_string(Path::new(&run).join("eval/transcripts.jsonl")).expect("kept");
        let kept: Value = serde_json::from_str(kept.trim()).expect("one case");
        let remembered = kept["turns"][2]["remembered"].as_array().expect("a list");
        assert_eq!(remembered.is_empty(), !memory, "after a launch only memory knows the person: {kept}");
    }
}

#[test]
fn one_small_model_plays_user_candidate_and_judge_from_start_to_end() {
    let Some(model) = model("one_small_model_plays_user_candidate_and_judge_from_start_to_end") else { return };
    let (home, local) = (Home::new(), format!("local:{}", model.display()));
    let (personas, run) = (people(&home), home.0.path().join("run").display().to_string());
    let mut args = vec!["aloe", "--run", &run, "--personas", &personas, "--seed", "5", "--json"];
    args.extend(["--candidate", &local, "--user", &local, "--judge", &local, "--cases", "1", "--rounds", "2"]);
    args.extend(["--set", "provider.ctx=2048", "--set", "provider.threads=1", "--set", "provider.sequences=1"]);
    args.extend(["--set", "benchmark.reply_max_tokens=24", "--set", "benchmark.user_max_tokens=24"]);
    let found = &home.json(&args)[0];
    let report = &found["report"];
    // The judge answers under a schema, so a model of any size gives scores.
    assert_eq!((&report["cases"], &report["scored"], &found["scripted"]), (&1.into(), &2.into(), &false.into()));
    assert_eq!(report["alignment_level"].as_array().map(Vec::len), Some(2));
    // A second pass of the same judge, with another seed, on what is there.
    let judged = ["judge", "--run", &run, "--judge", &local, "--seed", "6", "--json", "--set", "provider.ctx=2048"];
    let again =
        &home.json(&[&judged[..], &["--set", "provider.threads=1", "--set", "provider.sequences=1"]].concat())[0];
    assert_eq!(again["second_pass"]["pairs"], 2);
    assert!(again["second_pass"]["agreement"]["value"].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)));
    assert!(Path::new(&run).join("eval/report.json").is_file());
}

#[test]
fn pairs_and_transcripts_are_measured_without_a_judge() {
    let Some(model) = model("pairs_and_transcripts_are_measured_without_a_judge") else { return };
    let (home, model) = (Home::new(), model.display().to_string());
    let pair = |asked: &str, chosen: &str, rejected: &str| {
        let one = |role: &str, content: &str| serde_json::json!([{ "role": role, "content": content }]);
        serde_json::json!({
            "prompt": one("user", asked), "chosen": one("assistant", chosen), "rejected": one("assistant", rejected),
            "source": "tree-0",
        })
        .to_string()
    };
    let pairs = [
        pair("What is the capital of France?", "The capital of France is Paris.", "Zxqv jjkw purple seventeen."),
        pair("Say hello to me.", "Hello!", "Qqj wvx kkz of the twelfth."),
        pair("Is water wet?", "Kzz qvw jjk seventeen purple.", "Yes, water is wet."),
    ];
    let data = home.write("pairs.jsonl", &pairs.join("\n"));
    let found = &home.json(&["preference", "--data", &data, "--model", &model, "--ctx", "512", "--json"])[0];
    near(&found["base"]["accuracy"]["value"], 2.0 / 3.0);
    near(&found["base"]["accuracy_normalised"]["value"], 2.0 / 3.0);
    assert!(found["adapted"].is_null() && found["base"]["pairs"] == 3);
    let empty = home.write("none.jsonl", "");
    home.refused(&["preference", "--data", &empty, "--model", &model], "no pair");

    // Replies that only fit the person to whom they were written: what each said before is repeated.
    let talk = |user: &str, reply: &str| serde_json::json!({ "user": user, "reply": reply, "outcome": "unscored" });
    let case = |case: usize, told: &str, reply: &str| {
        serde_json::json!({
            "case": case, "seed": 1, "turns": [talk(told, "I see."), talk("Who am I?", reply)],
            "persona": {
                "id": format!("p{case}"), "split": "eval", "profile_id": "a", "personality_id": "b", "profile": "",
                "personality": "",
            },
        })
        .to_string()
    };
    let cases = [
        case(0, "My name is Ola and I keep bees in Gdynia.", "You are Ola and you keep bees in Gdynia."),
        case(1, "My name is Tariq and I repair radios in Lyon.", "You are Tariq and you repair radios in Lyon."),
    ];
    std::fs::create_dir_all(home.0.path().join("run/eval")).expect("a folder");
    home.write("run/eval/transcripts.jsonl", &cases.join("\n"));
    let run = home.0.path().join("run").display().to_string();
    let args = ["gain", "--run", &run, "--model", &model, "--ctx", "512", "--others", "1", "--json"];
    let whole = &home.json(&args)[0]["figures"];
    assert_eq!((&whole["replies"], &whole["first_turn"]), (&4.into(), &1.into()));
    let kept = &home.json(&[&args[..], &["--same-message"]].concat())[0]["figures"];
    assert_eq!((&kept["replies"], &kept["first_turn"]), (&2.into(), &2.into()));
    near(&kept["positive"]["value"], 1.0);
    assert!(kept["gain"]["value"].as_f64().is_some_and(|gain| gain > 5.0), "{kept}");
    let written = std::fs::read_to_string(home.0.path().join("run/eval/gain.json")).expect("kept");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON")["same_message"], true);
}

#[test]
fn plain_words_are_foreseen_better_than_a_jumble_of_them() {
    let Some(model) = model("plain_words_are_foreseen_better_than_a_jumble_of_them") else { return };
    let (home, model) = (Home::new(), model.display().to_string());
    let plain = home.write("plain.txt", "The sun rises in the east and sets in the west. ".repeat(3).as_str());
    let jumble = home.write("jumble.txt", "west in the The and east sun the rises sets in the. ".repeat(3).as_str());
    let measure = |text: &str| {
        let args = ["perplexity", "--text", text, "--model", &model, "--ctx", "512", "--window", "60", "--json"];
        home.json(&args).remove(0)["base"].clone()
    };
    let (plain, jumble) = (measure(&plain), measure(&jumble));
    assert!(plain["perplexity"]["value"].as_f64() < jumble["perplexity"]["value"].as_f64(), "{plain} {jumble}");
    assert!(plain["bits_per_byte"].as_f64() < jumble["bits_per_byte"].as_f64(), "{plain} {jumble}");
    assert!(plain["windows"] == 3 && plain["tokens"].as_u64() > Some(30), "{plain}");
    let empty = home.write("empty.txt", " \n");
    home.refused(&["perplexity", "--text", &empty, "--model", &model], "no words");
    home.refused(&["perplexity", "--text", &empty, "--window", "0"], "--window");
}

#[test]
fn without_personas_of_its_own_a_run_meets_the_hundred_that_come_with_the_program() {
    let home = Home::new();
    let run = home.0.path().join("run").display().to_string();
    let args = ["aloe", "--run", &run, "--candidate", "scripted", "--user", "scripted", "--judge", "scripted"];
    let found = &home.json(&[&args[..], &["--rounds", "2", "--json"]].concat())[0];
    assert_eq!((&found["report"]["cases"], &found["system"]["personas"]), (&100.into(), &"evaluation pool 1".into()));
    assert_eq!(found["report"]["alignment_level"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_papers_profiles_and_personalities_are_cases() {
    let home = Home::new();
    let lines = |texts: &[&str]| texts.iter().map(|text| format!("{}\n", Value::from(*text))).collect::<String>();
    let profiles = home.write(
        "profile.jsonl",
        &lines(&[
            "Ola is a dentist in Gdynia. She keeps bees behind her house. She has a brother at sea.",
            "Ines is a nurse in Porto. She swims every morning. She grows tomatoes.",
        ]),
    );
    let traits = [
        "Likes short answers with one joke.",
        "Is warm and gentle with everybody.",
        "Loves a list in good order.",
        "Teases friends and forgives at once.",
        "Worries about money all the time.",
        "Sings while cooking and while walking.",
        "Waits long before giving an opinion.",
    ];
    let personalities = home.write("personality.jsonl", &lines(&traits));
    let run = home.0.path().join("run").display().to_string();
    let mut args = vec!["aloe", "--run", &run, "--profiles", &profiles, "--personalities", &personalities, "--json"];
    args.extend(["--candidate", "scripted", "--user", "scripted", "--judge", "scripted", "--rounds", "1"]);
    let found = &home.json(&args)[0];
    assert_eq!(found["report"]["cases"], 10, "two profiles with the first five of seven personalities");
    let kept = std::fs::read_to_string(Path::new(&run).join("eval/transcripts.jsonl")).expect("kept");
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_ne!(kept[0]["persona"]["profile"], kept[1]["persona"]["profile"], "the first cases are different people");
    let config = std::fs::read_to_string(Path::new(&run).join("eval/config.json")).expect("kept");
    assert!(config.contains("\"profiles\"") && config.contains("\"personalities\""), "{config}");
    // Other files are another benchmark.
    let other =
        home.write("other.jsonl", &lines(&["Ben is a baker in Leeds. He has two cats. He plays chess on Fridays."]));
    let mut again = args.clone();
    again[4] = &other;
    home.refused(&again, "profiles");
    assert_eq!(home.run(&["memory", "--trees", &run, "--embedder", "none"]).status.code(), Some(1));
}
