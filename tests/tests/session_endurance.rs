//! Two hundred turns in a context that holds a few of them: nothing grows, nothing that must stay is lost.

mod session_fixture;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aloekit::{Assistant, Overflow, Session, SessionParams, Turn};
use aloekit_tests::fixtures::engine;
use session_fixture::{SYSTEM, Vocabulary, brief, launch, say, session, snapshot_tokens};

const N_CTX: u32 = 640;
const WARM_UP: usize = 60;
const TURNS: usize = 200;
/// Page cache of the store, allocator slack: what may still come after the warm-up.
const GROWTH_MIB: u64 = 12;

/// The tests take turns: what one allocates must not look like growth of the other.
static ALONE: Mutex<()> = Mutex::new(());

fn message(number: usize) -> String {
    const PLACES: [&str; 7] = ["harbour", "mill", "forest", "station", "bakery", "bridge", "museum"];
    format!("On day {number} I walked to the {} and wrote {} lines.", PLACES[number % 7], number * 31 % 97)
}

fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number") * 4096 / (1 << 20)
}

/// One long conversation, and what was seen of it.
struct Endured {
    talk: Session,
    turns: usize,
    prompt_tokens: usize,
    overflows: usize,
}

impl Endured {
    fn begin(assistant: &Assistant, overflow: Overflow) -> Self {
        let talk = session(assistant, SessionParams { overflow, recall: false, ..brief(12) });
        Self { talk, turns: 0, prompt_tokens: 0, overflows: 0 }
    }

    /// Says the next thing; where turns left the prompt for it, most of what stayed must not be prefilled again.
    fn go_on(&mut self) -> Turn {
        self.turns += 1;
        let turn = say(&mut self.talk, &message(self.turns));
        if turn.stats.prompt_tokens < self.prompt_tokens {
            self.overflows += 1;
            assert!(turn.stats.cached_tokens > 120, "the shift keeps the tail: {:?}", turn.stats);
        }
        self.prompt_tokens = turn.stats.prompt_tokens;
        turn
    }

    /// What the model read last begins with the instructions and ends with the newest message and its reply.
    fn check_prompt(&self, data: &Path, vocabulary: &Vocabulary) {
        self.talk.save_snapshot().expect("saved");
        let file = data.join(format!("snapshots/conversation-{}.kv", self.talk.conversation()));
        let text = vocabulary.text(&snapshot_tokens(&file));
        let instructions = text.find(SYSTEM).expect("the instructions are in the prompt");
        assert!(instructions < 40, "at its beginning: {text}");
        assert!(text.contains(&message(self.turns)), "the newest message is in the prompt: {text}");
    }
}

#[test]
fn two_hundred_turns_pass_many_overflows_without_growing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(N_CTX));
    let vocabulary = Vocabulary::load();
    let mut endured = Endured::begin(&assistant, Overflow::DropOldest);
    let mut warm = 0;
    for number in 1..=TURNS {
        assert_eq!(endured.go_on().turn, number as i64);
        if number % 20 == 0 {
            endured.check_prompt(data.path(), &vocabulary);
        }
        if number == WARM_UP {
            warm = resident_mib();
        }
    }
    let grown = resident_mib().saturating_sub(warm);
    assert!(grown <= GROWTH_MIB, "{grown} MiB on top of {warm} MiB");
    assert!(endured.overflows >= 5, "{} overflows", endured.overflows);
}

#[test]
fn summaries_take_the_place_of_the_oldest_turns_and_the_rest_is_shifted() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(N_CTX));
    let vocabulary = Vocabulary::load();
    let mut endured = Endured::begin(&assistant, Overflow::Summarise);
    while endured.overflows < 3 {
        assert!(endured.turns < 60, "{} overflows after 60 turns", endured.overflows);
        let before = endured.overflows;
        endured.go_on();
        if endured.overflows > before {
            endured.check_prompt(data.path(), &vocabulary);
        }
    }
    let conversation = endured.talk.conversation();
    let summary = assistant.memory().summary(conversation).expect("readable").expect("turns left the prompt");
    assert!(!summary.text.is_empty(), "they were summarised");
    let stored = assistant.memory().transcript(conversation).expect("a transcript");
    assert_eq!(stored.len(), endured.turns, "the store keeps every turn");
    assert!((1..stored.len() as i64).contains(&summary.through_turn));
}
