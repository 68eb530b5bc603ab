//! Keys in the system's keyring: kept for one host, shown to nobody.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::ended::Ended;
use crate::run::CANARY;
use crate::skipped::skipped;

fn key(words: &[&str], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
    command.args(["provider", "key"]).args(words).env_remove("ALOE_KEY_KEPT_EXAMPLE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    // A refusal may come before anything is read.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    Ended::from(child.wait_with_output().expect("ended"))
}

#[test]
fn a_key_is_kept_for_its_host_until_it_is_removed() {
    let host = format!("kept-{}.example", std::process::id());
    key(&["where", &host], "").failed_with("there is no key");
    let kept = key(&["set", &host], &format!("{CANARY}\n"));
    if kept.code == Some(1) && kept.stderr.contains("the keyring did not take") {
        kept.failed_with("ALOE_KEY_");
        skipped("a_key_is_kept_for_its_host_until_it_is_removed", "this machine has no keyring");
        return;
    }
    kept.succeeded();
    assert_eq!(key(&["where", &host], "").succeeded().stdout.trim(), "keyring");
    key(&["where", &format!("other-{host}")], "").failed_with("there is no key");
    key(&["remove", &host], "").succeeded();
    key(&["where", &host], "").failed_with("there is no key");
    assert!(key(&["remove", &host], "").succeeded().stderr.contains("was not there"));
}

#[test]
fn what_is_no_host_or_no_key_is_not_kept() {
    for host in ["https://hub.example", "hub.example/v1", "", "a b", "user@hub.example"] {
        key(&["set", host], CANARY).failed_with("that is no host");
    }
    for text in ["", "\n", "two words\n", "line\nline\n", "schl\u{fc}ssel"] {
        key(&["set", "hub.example"], text).failed_with("that is no key");
    }
}

#[test]
fn where_a_key_comes_from_is_told_by_its_name() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aloe"));
    command.args(["provider", "key", "where", "kept.example"]).env("ALOE_KEY_KEPT_EXAMPLE", CANARY);
    let ended = Ended::from(command.output().expect("run")).succeeded();
    assert_eq!(ended.stdout.trim(), "ALOE_KEY_KEPT_EXAMPLE");
}
