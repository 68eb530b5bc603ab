//! kill -9 while remembering, forgetting and upgrading: what was acknowledged is there, and nothing is half there.

mod memory_fixture;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aloekit::memory::{MemoryParams, MemoryStore, ReplyState, RetrieveLimits};
use memory_fixture::{Scratch, counts, embedder, say};

/// Set for the child: the store it works on until it is killed.
const STORE: &str = "ALOE_TEST_CRASH_STORE";

fn store_of_child() -> Option<PathBuf> {
    std::env::var_os(STORE).map(PathBuf::from)
}

fn open(path: PathBuf) -> MemoryStore {
    MemoryStore::open(MemoryParams::file(path), Some(embedder())).expect("the store opens")
}

fn spawn(scratch: &Scratch, test: &str) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture"])
        .env(STORE, scratch.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts")
}

/// Says that a number is done. The line begins anew because the test harness may have left one unfinished.
fn acknowledge(number: i64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\ndone {number}").and_then(|()| out.flush()).expect("the parent listens");
}

fn acknowledged(line: &str) -> Option<i64> {
    line.strip_prefix("done ")?.parse().ok()
}

/// Kills the child some time after its first acknowledgement; returns all that it acknowledged.
fn kill_after(mut child: Child, patience: Duration) -> Vec<i64> {
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut done: Vec<i64> = lines.by_ref().find_map(|line| acknowledged(&line)).into_iter().collect();
    std::thread::sleep(patience);
    child.kill().expect("SIGKILL");
    assert_eq!(child.wait().expect("it ended").signal(), Some(9), "the child ended by itself");
    done.extend(lines.filter_map(|line| acknowledged(&line)));
    done
}

/// Rounds of different length, so that the kill falls at different points.
fn patience(round: u64) -> Duration {
    Duration::from_micros(round * 7_919 % 12_000)
}

#[test]
fn killed_while_remembering_no_acknowledged_turn_is_lost_and_none_is_half_there() {
    const THIS: &str = "killed_while_remembering_no_acknowledged_turn_is_lost_and_none_is_half_there";
    if let Some(path) = store_of_child() {
        let store = open(path);
        let conversation = store.create_conversation().expect("a conversation");
        loop {
            let turn = say(&store, conversation, "The lighthouse keeper tells another story").turn;
            acknowledge(turn);
            store.save_reply(turn, "Go on", ReplyState::Partial).expect("a piece of the reply");
            store.save_reply(turn, "Go on, I am listening.", ReplyState::Complete).expect("all of it");
        }
    }
    let scratch = Scratch::new();
    let mut last = 0;
    for round in 0..60 {
        let done = kill_after(spawn(&scratch, THIS), patience(round));
        let newest = done.last().copied().unwrap_or(last);
        let store = open(scratch.path());
        let [turns, memories, vectors, words] = counts(&scratch.path());
        assert!(turns >= newest, "turn {newest} was acknowledged and {turns} are there");
        assert!(turns <= newest + 1, "only the turn in flight may be there without an acknowledgement");
        assert_eq!([memories, vectors, words], [turns; 3], "round {round}");
        assert_eq!(turns, i64::try_from(store.memories().expect("a list").len()).expect("few"));
        last = turns;
    }
    let store = open(scratch.path());
    store.check().expect("the store is whole");
    for conversation in store.conversations().expect("a list") {
        for turn in store.transcript(conversation.id).expect("a transcript") {
            let reply = turn.reply.map(|reply| (reply.state, reply.text));
            let whole = match &reply {
                None => true,
                Some((ReplyState::Partial, text)) => text == "Go on",
                Some((state, text)) => *state == ReplyState::Complete && text == "Go on, I am listening.",
            };
            assert!(whole, "{reply:?}");
        }
    }
}

#[test]
fn killed_while_forgetting_a_memory_is_there_whole_or_gone_without_a_byte() {
    const THIS: &str = "killed_while_forgetting_a_memory_is_there_whole_or_gone_without_a_byte";
    if let Some(path) = store_of_child() {
        let store = open(path);
        for memory in store.memories().expect("a list") {
            acknowledge(memory.turn);
            store.forget(memory.id).expect("forgotten");
        }
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    for round in 0..12 {
        let scratch = Scratch::new();
        {
            let store = open(scratch.path());
            let conversation = store.create_conversation().expect("a conversation");
            (1..=40).for_each(|n| drop(say(&store, conversation, &format!("the passphrase is canary{n}bird"))));
        }
        kill_after(spawn(&scratch, THIS), patience(round));
        let store = open(scratch.path());
        let left: Vec<i64> = store.memories().expect("a list").iter().map(|memory| memory.turn).collect();
        let [turns, memories, vectors, words] = counts(&scratch.path());
        assert_eq!([turns, memories, vectors, words], [i64::try_from(left.len()).expect("few"); 4]);
        store.check().expect("the store is whole");
        for turn in (1..=40).filter(|turn| !left.contains(turn)) {
            let files = scratch.files_with(&format!("canary{turn}bird"));
            assert!(files.is_empty(), "round {round}: turn {turn} is still in {files:?}");
        }
    }
}

const FIRST_SCHEMA: &str = include_str!("memory_fixture/schema_1.sql");

#[test]
fn killed_while_upgrading_a_store_is_old_or_new_and_opens_either_way() {
    const THIS: &str = "killed_while_upgrading_a_store_is_old_or_new_and_opens_either_way";
    if let Some(path) = store_of_child() {
        acknowledge(0);
        drop(open(path));
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    for round in 0..20 {
        let scratch = Scratch::new();
        rusqlite::Connection::open(scratch.path()).and_then(|db| db.execute_batch(FIRST_SCHEMA)).expect("an old store");
        kill_after(spawn(&scratch, THIS), patience(round) / 4);
        let store = open(scratch.path());
        store.check().expect("the store is whole");
        let found = store.retrieve("cello", &RetrieveLimits::default()).expect("a search");
        assert_eq!(found.len(), 1, "round {round}");
    }
}
