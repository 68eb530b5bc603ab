//! `aloe memory` as programs and people drive it: lines in, ranked ids out, and nothing forgotten unasked.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const CANARY: &str = "Zanzibarquokka";

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, lines: &[Value]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.write_text(name, &text)
    }

    fn write_text(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("written");
        self.path(name).display().to_string()
    }

    fn db(&self) -> PathBuf {
        self.path("data/memory.db")
    }

    /// By words alone, as no model is here.
    fn run(&self, args: &[&str]) -> Output {
        let by_words = !["encrypt", "export", "pin", "rekey", "unpin"].contains(&args[0]);
        self.run_with(args, by_words)
    }

    fn run_with(&self, args: &[&str], by_words: bool) -> Output {
        self.command(args, by_words).output().expect("run")
    }

    fn command(&self, args: &[&str], by_words: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.args(["memory", args[0], "--db"]).arg(self.db()).args(&args[1..]);
        if by_words {
            command.args(["--embedder", "none"]);
        }
        command.env("ALOE_CONFIG", self.path("config")).env("ALOE_CACHE", self.path("cache"));
        command.env_remove("ALOE_STORE_KEY").env_remove("ALOE_STORE_KEY_FILE").stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        output
    }

    #[track_caller]
    fn refused(&self, args: &[&str], expected: &str) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = said(&output);
        assert!(said.contains("error:") && said.contains(expected), "{args:?}: {said}");
    }

    fn filled() -> Self {
        let home = Self::new();
        std::fs::create_dir(home.path("data")).expect("made");
        let file = home.write("turns.jsonl", &turns());
        home.ok(&["import", "--jsonl", &file]);
        home
    }

    fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        let needle = needle.to_lowercase();
        let holds = |path: &Path| {
            let bytes = std::fs::read(path).expect("read").to_ascii_lowercase();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        };
        walk(&self.path("data")).into_iter().filter(|path| holds(path)).collect()
    }

    fn memories(&self) -> Vec<Value> {
        let export: Value = serde_json::from_slice(&self.ok(&["export"]).stdout).expect("JSON");
        export["memories"].as_array().expect("a list").clone()
    }

    fn id_of(&self, word: &str) -> String {
        let memories = self.memories();
        let found = memories.iter().find(|memory| memory["text"].as_str().is_some_and(|text| text.contains(word)));
        found.expect("remembered")["id"].to_string()
    }
}

fn turns() -> Vec<Value> {
    vec![
        json!({"id": "u1", "role": "user", "text": "I play the cello in a quartet.", "time": "2024-05-30T23:40:00Z"}),
        json!({"id": "a1", "role": "assistant", "text": "I keep a tuba in Trondheim.", "session": 4}),
        json!({"id": 7, "role": "user", "text": format!("My secret is the {CANARY}."), "time": 1717200000000_i64}),
        json!({"id": "a2", "role": "assistant", "text": format!("Nobody will hear of the {CANARY}.")}),
        json!({"id": "u3", "role": "user", "text": "My cello needs new strings."}),
        json!({"id": "u4", "role": "user", "text": "Thanks!"}),
    ]
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    shown(output).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn lines_are_imported_once_and_said_so() {
    let home = Home::new();
    let file = home.write("turns.jsonl", &turns());
    let first = &lines(&home.ok(&["import", "--jsonl", &file, "--json"]))[0];
    assert_eq!(
        first,
        &json!({"lines": 6, "turns": 4, "replies": 2, "memories": 3, "already_there": 0, "bad_lines": []})
    );
    let again = &lines(&home.ok(&["import", "--jsonl", &file, "--json"]))[0];
    assert_eq!((&again["already_there"], &again["turns"]), (&json!(6), &json!(0)));
    let words = home.ok(&["import", "--jsonl", &file]);
    assert!(words.stdout.is_empty() && said(&words).contains("6 of 6 lines were there already"), "{words:?}");
}

#[test]
fn a_search_answers_each_query_with_one_line_of_the_fixed_shape_and_the_ids_of_the_file() {
    let home = Home::filled();
    let queries = [
        json!({"id": "q1", "query": "Which strings does my cello need?", "gold": ["u3"]}),
        json!({"id": 2, "text": format!("what was the {CANARY}")}),
        json!({"id": "q3", "text": "saxophone"}),
        json!({"id": "q4", "text": "tuba in Trondheim"}),
    ];
    let file = home.write("queries.jsonl", &queries);
    let answers = lines(&home.ok(&["search", "--queries", &file, "--k", "10", "--json"]));
    assert_eq!(answers.len(), 4);
    for answer in &answers {
        assert_eq!(keys(answer), ["hits", "id"]);
        for hit in answer["hits"].as_array().expect("a list") {
            assert_eq!(keys(hit), ["id", "score", "why"]);
        }
    }
    let ids = |at: usize| -> Vec<Value> {
        answers[at]["hits"].as_array().expect("a list").iter().map(|hit| hit["id"].clone()).collect()
    };
    assert_eq!(ids(0), [json!("u3"), json!("u1")]);
    assert_eq!((&answers[1]["id"], ids(1)), (&json!(2), vec![json!(7)]));
    assert!(ids(2).is_empty());
    assert!(ids(3).is_empty(), "what the assistant said is no memory of the user");
    let one = lines(&home.ok(&["search", "--queries", &file, "--k", "1", "--json"]));
    assert_eq!(one[0]["hits"].as_array().expect("a list").len(), 1);
    let none = lines(&home.ok(&["search", "--queries", &file, "--k", "0", "--json"]));
    assert!(none[0]["hits"].as_array().expect("a list").is_empty());
    let words = shown(&home.ok(&["search", "my cello"]));
    assert!(words.contains("My cello needs new strings.") && words.contains("words 'cello'"), "{words}");
}

#[test]
fn a_thousand_lines_and_queries_go_through_in_one_call() {
    let home = Home::new();
    let turns: Vec<_> = (0..3000).map(|n| json!({"id": n, "text": format!("My locker {n} is by the pool.")})).collect();
    let file = home.write("turns.jsonl", &turns);
    home.ok(&["import", "--jsonl", &file]);
    let queries: Vec<_> = (0..1000).map(|n| json!({"id": n, "text": format!("Where is locker {n}?")})).collect();
    let file = home.write("queries.jsonl", &queries);
    let answers = lines(&home.ok(&["search", "--queries", &file, "--k", "1", "--json"]));
    assert!((0..1000).all(|n| answers[n]["hits"][0]["id"] == n), "each finds its own");
}

#[test]
fn bad_lines_are_named_without_their_text_and_strict_keeps_the_file_out() {
    let home = Home::new();
    let text = format!(
        "{CANARY}\n{{\"id\": 1, \"text\": \"I keep bees.\"}}\n{{\"id\": 2, \"role\": \"{CANARY}\", \"text\": \"x\"}}\n"
    );
    let file = home.write_text("turns.jsonl", &text);
    home.refused(&["import", "--jsonl", &file, "--strict"], "(line 1): it is not a JSON object");
    let output = home.ok(&["import", "--jsonl", &file, "--json"]);
    assert_eq!(lines(&output)[0]["bad_lines"][1], json!({"line": 3, "fault": "role"}));
    let words = said(&output);
    assert!(words.contains("line 1 is left out") && words.contains("line 3 is left out"), "{words}");
    assert!(!words.contains(CANARY));
    let queries = home.write_text("queries.jsonl", &format!("{{\"id\": 1, \"text\": \"x\"}}\n{CANARY}\n"));
    home.refused(&["search", "--queries", &queries, "--json"], "line 2");
}

#[test]
fn what_is_not_there_is_the_users_mistake_and_makes_no_store() {
    let home = Home::new();
    for args in [
        &["search", "cello"][..],
        &["facts", "--json"],
        &["export"],
        &["forget", "--all", "--yes"],
        &["edit", "--id", "1", "--text", "x"],
        &["pin", "--id", "1"],
        &["reembed"],
    ] {
        home.refused(args, "there is no memory at");
    }
    home.refused(&["import", "--jsonl", "no.jsonl"], "no.jsonl");
    home.refused(&["import", "--export", "no.json"], "no.json");
    assert!(!home.db().exists());
    let home = Home::filled();
    home.refused(&["forget", "--id", "999", "--yes"], "no memory with id 999");
    home.refused(&["edit", "--id", "999", "--text", "x"], "no memory with id 999");
    home.refused(&["pin", "--id", "999"], "no memory with id 999");
    home.refused(&["search", "cello", "--queries", "x"], "cannot be used with");
}

#[test]
fn nothing_is_forgotten_without_a_yes() {
    let home = Home::filled();
    let id = home.id_of(CANARY);
    for which in [&["--id", &id][..], &["--topic", CANARY], &["--all"]] {
        home.refused(&[&["forget"], which].concat(), "say --yes");
    }
    assert_eq!(home.memories().len(), 3);
    assert!(said(&home.run(&["forget", "--topic", CANARY])).contains("My secret is"), "it shows what would go");
}

/// What a chat leaves beside its store.
fn leave_traces(home: &Home) {
    std::fs::create_dir_all(home.path("data/snapshots")).expect("made");
    std::fs::write(home.path("data/snapshots/conversation-1.kv"), CANARY).expect("written");
    std::fs::write(home.path("data/history.txt"), format!("#V2\nMy secret is the {CANARY}.\n")).expect("written");
}

#[test]
fn a_canary_forgotten_by_id_by_topic_or_with_everything_leaves_no_byte() {
    for by in ["id", "topic", "all"] {
        let home = Home::filled();
        leave_traces(&home);
        assert!(home.files_with(CANARY).len() >= 3);
        let id = home.id_of(CANARY);
        let which: &[&str] = match by {
            "id" => &["--id", &id],
            "topic" => &["--topic", CANARY],
            _ => &["--all"],
        };
        let output = home.ok(&[&["forget"], which, &["--yes"]].concat());
        assert!(shown(&output).starts_with("forgotten: "), "{output:?}");
        assert_eq!(home.files_with(CANARY), [] as [PathBuf; 0], "by {by}");
        assert_eq!(home.memories().len(), if by == "all" { 0 } else { 2 });
    }
}

#[test]
fn forgetting_says_which_in_json_too_and_a_topic_nobody_spoke_of_forgets_nothing() {
    let home = Home::filled();
    let forgotten = lines(&home.ok(&["forget", "--topic", "cello", "--yes", "--json"]));
    assert_eq!(forgotten, [json!({"forgotten": [1, 3], "everything": false})]);
    let nothing = lines(&home.ok(&["forget", "--topic", "saxophone", "--yes", "--json"]));
    assert_eq!(nothing[0]["forgotten"], json!([]));
    assert_eq!(home.memories().len(), 1);
}

#[test]
fn another_programs_history_beside_a_store_of_another_name_is_left_alone() {
    let home = Home::filled();
    leave_traces(&home);
    std::fs::rename(home.db(), home.path("data/other.db")).expect("renamed");
    let db = home.path("data/other.db").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
    command.args(["memory", "forget", "--all", "--yes", "--db", &db]).env("ALOE_CONFIG", home.path("config"));
    assert!(command.output().expect("run").status.success());
    assert!(home.path("data/history.txt").exists());
}

#[test]
fn a_memory_is_edited_pinned_and_shown_with_the_users_words() {
    let home = Home::filled();
    let id = home.id_of("quartet");
    let edited = &lines(&home.ok(&["edit", "--id", &id, "--text", "I play the viola.", "--json"]))[0];
    assert_eq!(
        (&edited["text"], &edited["words"]),
        (&json!("I play the viola."), &json!("I play the cello in a quartet."))
    );
    let pinned = shown(&home.ok(&["pin", "--id", &id]));
    assert_eq!(
        pinned,
        format!(
            "[{id}] I play the viola. (episode, pinned, turn 1)\n    you said: \"I play the cello in a quartet.\"\n"
        )
    );
    assert!(!shown(&home.ok(&["unpin", "--id", &id])).contains("pinned"));
    let hits = shown(&home.ok(&["search", "viola"]));
    assert!(hits.contains(&format!("[{id}]")), "{hits}");
}

#[test]
fn facts_are_read_out_of_what_was_said_with_the_words_that_support_them() {
    let home = Home::filled();
    let turns =
        [json!({"id": "v", "text": "I live in Lisbon."}), json!({"id": "w", "text": "I moved to Porto last week."})];
    home.ok(&["import", "--jsonl", &home.write("more.jsonl", &turns)]);
    let facts = lines(&home.ok(&["facts", "--json"]));
    assert!(!facts.is_empty());
    for fact in &facts {
        assert_ne!(fact["kind"], "episode");
        for key in ["id", "kind", "text", "words", "turn", "confidence", "first_seen_ms", "times_confirmed", "pinned"] {
            assert!(!fact[key].is_null(), "{key} of {fact}");
        }
    }
    assert!(facts.iter().all(|fact| !fact["text"].as_str().expect("a text").contains("tuba")), "{facts:?}");
    assert_eq!(lines(&home.ok(&["facts", "--json"])), facts, "read again, nothing is added");
    let words = shown(&home.ok(&["facts", "--episodes"]));
    assert!(words.contains("sure") && words.contains("episode"), "{words}");
}

#[test]
fn export_erase_and_import_give_the_same_memory() {
    let home = Home::filled();
    home.ok(&["pin", "--id", &home.id_of("strings")]);
    home.ok(&["edit", "--id", &home.id_of("quartet"), "--text", "I play the viola."]);
    let before = shown(&home.ok(&["export"]));
    let file = home.path("export.json").display().to_string();
    home.ok(&["export", "--out", &file]);
    assert_eq!(std::fs::read_to_string(&file).expect("written").trim(), before.trim());
    home.ok(&["forget", "--all", "--yes"]);
    home.ok(&["import", "--export", &file]);
    assert_eq!(shown(&home.ok(&["export"])), before, "in an empty store even the numbers are the same");
    let again = &lines(&home.ok(&["import", "--export", &file, "--json"]))[0];
    let nothing = json!({"conversations": 0, "turns": 0, "memories": 0, "already_there": 1, "refused_facts": 0});
    assert_eq!(again, &nothing);
    let queries = home.write("queries.jsonl", &[json!({"id": 1, "text": "cello strings"})]);
    let answers = lines(&home.ok(&["search", "--queries", &queries, "--json"]));
    assert_eq!(answers[0]["hits"][0]["id"], "u3", "external ids come back too");
}

#[test]
fn a_file_that_is_no_export_or_a_newer_one_is_refused_and_leaves_the_store_as_it_was() {
    let home = Home::filled();
    let before = shown(&home.ok(&["export"]));
    for (text, expected) in [
        ("nonsense", "it is not JSON"),
        ("{\"format\": 1}", "it has not the shape of an export"),
        ("{\"format\": 99}", "written by a newer version"),
    ] {
        let file = home.write_text("bad.json", text);
        home.refused(&["import", "--export", &file], expected);
    }
    assert_eq!(shown(&home.ok(&["export"])), before);
}

#[cfg(unix)]
#[test]
fn an_export_is_readable_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::filled();
    let file = home.path("export.json");
    home.ok(&["export", "--out", &file.display().to_string()]);
    assert_eq!(std::fs::metadata(file).expect("written").permissions().mode() & 0o077, 0);
}

#[test]
fn an_encrypted_memory_shows_nothing_in_its_files_and_opens_with_its_key_alone() {
    let home = Home::filled();
    let key_file = home.path("key").display().to_string();
    home.ok(&["encrypt", "--key-file", &key_file]);
    assert_eq!(home.files_with(CANARY), Vec::<PathBuf>::new());
    home.refused(&["encrypt", "--key-file", &key_file], "is encrypted already");
    let found = home.ok(&["search", "cello strings", "--key-file", &key_file, "--json"]);
    assert!(shown(&found).contains("\"u3\""), "{}", shown(&found));

    let before = std::fs::read(home.db()).expect("read");
    home.refused(&["export"], "ALOE_STORE_KEY");
    let wrong = home.write_text("wrong", &"ab".repeat(32));
    home.refused(&["export", "--key-file", &wrong], "ALOE_STORE_KEY");
    home.refused(&["export", "--key-file", &home.write_text("short", "abab")], "holds no key");
    assert_eq!(std::fs::read(home.db()).expect("read"), before, "a refusal changes no byte");

    let digits: String = std::fs::read(&key_file).expect("read").iter().map(|byte| format!("{byte:02x}")).collect();
    let by_variable = home.command(&["export"], false).env("ALOE_STORE_KEY", &digits).output().expect("run");
    assert!(by_variable.status.success() && shown(&by_variable).contains(CANARY), "{}", said(&by_variable));
    let bad = home.command(&["export"], false).env("ALOE_STORE_KEY", &digits[1..]).output().expect("run");
    assert_eq!(bad.status.code(), Some(1));
    assert!(!said(&bad).contains(&digits[1..9]), "no part of a key is said: {}", said(&bad));
}

#[test]
fn under_another_key_a_memory_opens_with_that_alone_and_nothing_sealed_with_the_old_one_stays() {
    let home = Home::filled();
    let [old, new] = ["old", "new"].map(|name| home.path(name).display().to_string());
    home.refused(&["rekey", "--new-key-file", &new], "is under no key");
    home.ok(&["encrypt", "--key-file", &old]);
    std::fs::create_dir(home.path("data/snapshots")).expect("a folder");
    std::fs::write(home.path("data/snapshots/1.kv"), "sealed").expect("a snapshot");
    home.ok(&["rekey", "--key-file", &old, "--new-key-file", &new]);
    assert_ne!(std::fs::read(&old).expect("read"), std::fs::read(&new).expect("a key was made"));
    assert!(!home.path("data/snapshots/1.kv").exists());
    home.refused(&["export", "--key-file", &old], "ALOE_STORE_KEY");
    assert!(shown(&home.ok(&["export", "--key-file", &new])).contains(CANARY));
}

#[test]
fn a_change_of_keys_that_is_refused_changes_no_byte_and_makes_no_key() {
    let home = Home::filled();
    let [key, new] = ["key", "new"].map(|name| home.path(name).display().to_string());
    home.ok(&["encrypt", "--key-file", &key]);
    // Opened once with its key: the first opening after `encrypt` sets up the log.
    home.ok(&["export", "--key-file", &key]);
    let before = std::fs::read(home.db()).expect("read");
    let wrong = home.write_text("wrong", &"ab".repeat(32));
    home.refused(&["rekey", "--key-file", &wrong, "--new-key-file", &new], "ALOE_STORE_KEY");
    assert!(!home.path("new").exists(), "a key that nothing is under would be taken for the memory's");
    home.refused(&["rekey", "--key-file", &key, "--new-key-file", &key], "is the present one");
    let short = home.write_text("short", "abab");
    home.refused(&["rekey", "--key-file", &key, "--new-key-file", &short], "holds no key");
    assert!(std::fs::read(home.db()).expect("read") == before, "a refusal changes no byte");
}

#[cfg(target_os = "linux")]
#[test]
fn no_key_is_kept_in_a_keyring_that_forgets() {
    let home = Home::filled();
    home.refused(&["encrypt"], "--key-file FILE keeps");
    home.ok(&["export"]);
    let key = home.path("key").display().to_string();
    home.ok(&["encrypt", "--key-file", &key]);
    home.refused(&["rekey", "--key-file", &key], "--new-key-file FILE keeps");
    home.ok(&["export", "--key-file", &key]);
}
