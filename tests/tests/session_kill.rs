//! kill -9 in the middle of a chat: every acknowledged message is there, a reply cut short is told apart from a whole
//! one, and the conversation goes on.

mod session_fixture;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aloekit::memory::ReplyState;
use aloekit_tests::fixtures::{engine, engine_params};
use session_fixture::{block_on, brief, brief_new, launch, memory, open, say, session, stored_reply};

/// Set for the child: the folder it chats in until it is killed.
const DATA: &str = "ALOE_TEST_KILLED_CHAT";
/// Set for a child whose replies are long enough to be written down before they end.
const LONG: &str = "ALOE_TEST_KILLED_LONG";
const ROUNDS: u64 = 24;

fn folder_of_child() -> Option<PathBuf> {
    std::env::var_os(DATA).map(PathBuf::from)
}

fn message(number: usize) -> String {
    format!("Message {number}: tell me something about the number {number}.")
}

/// Chats until it is killed, telling of each message when it is acknowledged and of each reply when it is finished.
fn chat(data: &Path) -> ! {
    let assistant = open(data, engine_params(1024));
    let long = std::env::var_os(LONG).is_some();
    let mut talk = session(&assistant, brief_new(if long { 400 } else { 20 }));
    for number in 0.. {
        let text = if long { "Tell me a very long story about a lighthouse.".into() } else { message(number) };
        let reply = block_on(talk.send(&text)).expect("it is sent");
        let turn = reply.turn();
        tell(&serde_json::json!({ "turn": turn, "user": text }));
        let finished = block_on(reply.finish()).expect("it ends well");
        tell(&serde_json::json!({ "turn": turn, "reply": finished.reply }));
    }
    unreachable!("it chats until it is killed")
}

fn tell(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("the parent listens");
}

fn spawn(data: &Path, long: bool) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "a_killed_chat_loses_no_acknowledged_message_and_goes_on_where_it_was", "--nocapture"]);
    child.env(DATA, data).stdout(Stdio::piped()).stderr(Stdio::null());
    if long {
        child.env(LONG, "1");
    }
    child.spawn().expect("the child starts")
}

/// Replies that are stored as unfinished, read past the API while the child writes.
fn partial_replies(data: &Path) -> i64 {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(data.join("memory.db"), read_only).expect("it opens");
    let count = store.query_row("SELECT count(*) FROM turns WHERE reply_state = 'partial'", [], |row| row.get(0));
    count.expect("it is counted")
}

/// When the child is killed, after it first told of something.
enum Patience {
    After(Duration),
    UntilPartial,
}

impl Patience {
    fn wait(&self, data: &Path) {
        match self {
            Self::After(time) => std::thread::sleep(*time),
            Self::UntilPartial => {
                let (before, started) = (partial_replies(data), Instant::now());
                while partial_replies(data) <= before && started.elapsed() < Duration::from_secs(20) {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

/// What the children told of: messages that were acknowledged, and replies that were finished.
#[derive(Default)]
struct Told {
    users: BTreeMap<i64, String>,
    replies: BTreeMap<i64, String>,
}

impl Told {
    fn hear(&mut self, line: &str) -> bool {
        let Ok(told) = serde_json::from_str::<serde_json::Value>(line) else { return false };
        let Some(turn) = told["turn"].as_i64() else { return false };
        for (field, kept) in [("user", &mut self.users), ("reply", &mut self.replies)] {
            kept.extend(told[field].as_str().map(|text| (turn, text.to_owned())));
        }
        true
    }

    fn hear_and_kill(&mut self, mut child: Child, data: &Path, patience: &Patience) {
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.by_ref().any(|line| self.hear(&line)), "the child told nothing");
        patience.wait(data);
        child.kill().expect("SIGKILL");
        assert_eq!(child.wait().expect("it ended").signal(), Some(9), "the child ended by itself");
        for line in lines {
            self.hear(&line);
        }
    }

    /// Compares the store with what was told; answers with the number of replies cut short.
    fn check(&self, data: &Path) -> usize {
        let store = memory(data);
        store.check().expect("the store is whole");
        let conversations = store.conversations().expect("a list");
        let turns: BTreeMap<i64, _> = conversations
            .iter()
            .flat_map(|conversation| store.transcript(conversation.id).expect("a transcript"))
            .map(|turn| (turn.turn, turn))
            .collect();
        let newest = *turns.keys().next_back().expect("something was said");
        assert_eq!(turns.len(), usize::try_from(newest).expect("positive"), "no number is missing or used twice");
        for (turn, user) in &self.users {
            assert_eq!(turns.get(turn).map(|stored| &stored.user), Some(user), "turn {turn} was acknowledged");
        }
        for (turn, reply) in &self.replies {
            assert_eq!(stored_reply(&turns[turn]), Some((reply.as_str(), ReplyState::Complete)), "turn {turn}");
        }
        let unfinished = turns.values().filter(|turn| !self.replies.contains_key(&turn.turn));
        // A reply may have been recorded whole just before the child could tell.
        unfinished.filter(|turn| matches!(stored_reply(turn), Some((_, ReplyState::Partial)))).count()
    }
}

#[test]
fn a_killed_chat_loses_no_acknowledged_message_and_goes_on_where_it_was() {
    if let Some(data) = folder_of_child() {
        chat(&data);
    }
    let data = tempfile::tempdir().expect("a folder");
    let engine = engine(1024);
    let (mut told, mut cut_short) = (Told::default(), 0);
    for round in 0..ROUNDS {
        // Most are killed at any point of some short turns, some inside a long one that is partly written down.
        let long = round % 8 == 7;
        let random = Patience::After(Duration::from_millis(round * 379 % 700));
        let patience = if long { Patience::UntilPartial } else { random };
        told.hear_and_kill(spawn(data.path(), long), data.path(), &patience);
        cut_short = cut_short.max(told.check(data.path()));
        if round % 6 == 5 {
            let assistant = launch(data.path(), &engine);
            let newest = newest_turn(data.path());
            let turn = say(&mut session(&assistant, brief(8)), "And then?");
            assert_eq!(turn.turn, newest + 1, "numbering goes on");
            assert!(turn.stats.prompt_tokens > 30, "the conversation so far is in the prompt: {:?}", turn.stats);
            told.users.insert(turn.turn, turn.user);
            told.replies.insert(turn.turn, turn.reply);
        }
    }
    assert!(cut_short > 0, "no reply was killed after it had begun to be written down");
}

fn newest_turn(data: &Path) -> i64 {
    let store = memory(data);
    let conversation = store.latest_conversation().expect("a list").expect("something was said");
    store.transcript(conversation).expect("a transcript").last().expect("a turn").turn
}
