//! The chat as programs drive it: one line a turn, errors that end a turn and not the chat, exit codes.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Chat {
    folder: TempDir,
}

impl Chat {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    fn command(&self, args: &[&str]) -> Command {
        let model = std::env::var("ALOE_TEST_MODEL").expect("`./dev test` names the model");
        self.command_with(&model, args)
    }

    fn command_with(&self, model: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
        command.args(["chat", "--model", model, "--embedder", "none", "--max-tokens", "8", "--ctx", "1024"]);
        command.arg("--data").arg(self.folder.path().join("data")).args(args);
        command.env("ALOE_CONFIG", self.folder.path().join("config")).env_remove("ALOE_MODEL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the chat with `script` on its stdin.
    fn run(&self, args: &[&str], script: &str) -> Output {
        let mut child = self.command(args).spawn().expect("started");
        child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("read");
        child.wait_with_output().expect("ended")
    }
}

#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_turn_is_one_line_with_the_names_that_other_programs_rely_on() {
    let output = Chat::new().run(&["--json", "--seed", "1"], "I play the cello.\n\nWhat do I play?\n");
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(keys(line), ["facts", "persona", "reply", "stats", "stop", "turn", "user"]);
        let stats = [
            "cached_tokens",
            "decode_tokens_per_s",
            "prefill_tokens_per_s",
            "prompt_tokens",
            "reply_tokens",
            "ttft_ms",
        ];
        assert_eq!(keys(&line["stats"]), stats);
        for fact in line["facts"].as_array().expect("a list") {
            assert_eq!(keys(fact), ["kind", "score", "text", "turn", "words"]);
        }
    }
    assert_eq!(lines[0]["user"], "I play the cello.");
    assert_eq!(lines[1]["turn"].as_i64(), lines[0]["turn"].as_i64().map(|turn| turn + 1));
}

#[test]
fn a_script_file_and_stdin_say_the_same_and_the_seed_decides() {
    let script = "Tell me something.\n";
    let chat = Chat::new();
    let path = chat.folder.path().join("script.txt");
    std::fs::write(&path, script).expect("written");
    let path = path.to_str().expect("UTF-8").to_owned();
    let reply = |output: &Output| lines(output)[0]["reply"].clone();
    let from_file = chat.run(&["--json", "--seed", "7", "--script", &path], "");
    let from_dash = Chat::new().run(&["--json", "--seed", "7", "--script", "-"], script);
    let from_pipe = Chat::new().run(&["--json", "--seed", "7"], script);
    assert_eq!(reply(&from_file), reply(&from_dash));
    assert_eq!(reply(&from_file), reply(&from_pipe));
}

#[test]
fn every_command_answers_with_one_line() {
    let script =
        "/help\n/persona\n/why\n/stats\n/export\n/remember off\n/remember on\n/new\n/erase yes\n/quit\nnever\n";
    let output = Chat::new().run(&["--json"], script);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    let names: Vec<_> = lines.iter().map(|line| line["command"].as_str().expect("named")).collect();
    assert_eq!(names, ["help", "persona", "why", "stats", "export", "remember", "remember", "new", "erase"]);
}

#[test]
fn memories_are_edited_pinned_and_forgotten_by_topic_once_that_is_confirmed() {
    let script = "I play the cello in a quartet.\nMy bike is red.\n/edit 1 I play the viola.\n/pin 1\n/persona\n\
                  /forget topic bike\n/why\n/forget yes\n/forget topic bike\n/forget yes\n/persona\n";
    let output = Chat::new().run(&["--json"], script);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = lines(&output);
    let edited = &lines[2]["memory"];
    assert_eq!(
        (&edited["text"], &edited["words"]),
        (&"I play the viola.".into(), &"I play the cello in a quartet.".into())
    );
    let first = &lines[4]["facts"][0];
    assert_eq!((first["pinned"].as_bool(), &first["kind"]), (Some(true), &"episode".into()));
    assert_eq!(lines[5]["found"][0]["text"], "My bike is red.");
    assert!(lines[7]["error"].is_string(), "another line came between: {}", lines[7]);
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let found: Vec<Value> = list(&lines[8]["found"]).into_iter().map(|memory| memory["id"].clone()).collect();
    assert_eq!(list(&lines[9]["forgotten"]), found);
    let left = list(&lines[10]["facts"]);
    assert!(!left.is_empty() && left.iter().all(|memory| memory["text"] == "I play the viola."), "{left:?}");
}

#[test]
fn a_mistake_is_told_with_a_hint_and_the_script_goes_on() {
    let output = Chat::new().run(&["--json"], "/per\n/forget 999\n/erase\n/help\n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["hint"], "did you mean /persona?");
    assert!(lines[1]["error"].is_string() && lines[2]["error"].is_string());
    assert_eq!(lines[3]["command"], "help");
}

#[test]
fn without_json_stdout_holds_the_replies_and_stderr_the_words() {
    let output = Chat::new().run(&[], "Hello.\n/nothing\n");
    assert!(!output.stdout.is_empty() && !output.stdout.contains(&0x1b));
    let words = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(words.contains("hint:"), "{words}");
}

#[test]
fn what_cannot_be_opened_is_the_users_mistake_with_a_word_on_what_to_do() {
    let chat = Chat::new();
    for (mut command, expected) in [
        (chat.command_with("no-such-model", &[]), "no model is called"),
        (chat.command_with("./no.gguf", &[]), "no.gguf does not exist"),
        (chat.command(&["--adapter", ":2"]), "PATH:SCALE"),
        (chat.command(&["--script", "no.txt"]), "not a file"),
        (chat.command(&["--top-p", "2"]), "out of range"),
        (chat.command(&["--no-such-flag"]), "unexpected argument"),
    ] {
        let output = command.output().expect("run");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.starts_with("error:") && words.contains(expected), "{words}");
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn what_was_said_is_readable_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let chat = Chat::new();
    chat.run(&["--json"], "Hello.\n");
    let mode = std::fs::metadata(chat.folder.path().join("data")).expect("made").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
