//! The device's clock, set back a year between two messages: order is by number, nothing becomes surer or older by it,
//! and all can be taken away and brought back.

use aloekit::memory::{MemoryParams, MemoryStore, RetrieveLimits, TurnOptions};

use crate::operation::{embedder, inducer};
use crate::system_calls::set_clock_off_by_s;

const YEAR_S: i64 = 365 * 24 * 60 * 60;
const YEAR_MS: i64 = YEAR_S * 1000;

fn store() -> MemoryStore {
    MemoryStore::open(MemoryParams::in_memory(), Some(embedder(48))).expect("RAM is there")
}

#[test]
fn a_clock_set_back_a_year_changes_no_order_and_makes_no_fact_surer_or_older() {
    let store = store();
    let say = |text: &str| {
        let conversation = store.create_conversation().expect("a conversation");
        let begun = store.begin_turn(conversation, text, &TurnOptions::default()).expect("it is stored");
        store.induce(&inducer(), usize::MAX).expect("it is read");
        (conversation, begun.turn)
    };
    say("I live in Lisbon with my two cats.");
    say("I hate mushrooms.");
    let hated = |store: &MemoryStore| {
        let facts = store.facts().expect("facts");
        facts.into_iter().find(|fact| fact.text.contains("mushrooms")).expect("it is known")
    };
    let before = hated(&store);
    set_clock_off_by_s(-YEAR_S);
    let (latest, moved) = say("I moved to Porto, near the sea.");
    say("i hate mushrooms!");
    set_clock_off_by_s(0);

    let memories = store.memories().expect("a list");
    let of_turn = |turn: i64| memories.iter().find(|memory| memory.turn == turn).expect("it is there");
    let back_ms = of_turn(1).at_ms - of_turn(moved).at_ms;
    assert!((YEAR_MS - 600_000..=YEAR_MS).contains(&back_ms), "the clock was not set back: {back_ms}");
    assert!(memories.is_sorted_by_key(|memory| memory.turn), "oldest turn first");
    let conversations = store.conversations().expect("a list");
    assert!(conversations.is_sorted_by_key(|conversation| std::cmp::Reverse(conversation.id)), "newest first");
    assert!(store.latest_conversation().expect("one") > Some(latest));

    let facts = store.facts().expect("facts");
    let home = facts.iter().find(|fact| fact.text.contains("Porto")).expect("what was said later holds");
    assert_eq!(home.superseded[0].text, "I live in Lisbon with my two cats.");
    let after = hated(&store);
    assert_eq!((after.times_confirmed, after.last_seen_ms), (2, before.last_seen_ms), "last seen does not go back");
    assert!(after.first_seen_ms < before.first_seen_ms && after.first_seen_ms <= after.last_seen_ms);
    for at_ms in [after.first_seen_ms - YEAR_MS, after.first_seen_ms, after.last_seen_ms] {
        assert!((after.confidence_at(at_ms) - after.confidence).abs() < 1e-6, "it decays towards the past");
    }
    assert!(after.confidence_at(after.last_seen_ms + YEAR_MS) < after.confidence);
    assert!(store.retrieve("Where do I live?", &RetrieveLimits::default()).is_ok());
}

#[test]
fn what_was_said_by_a_clock_before_1970_or_far_ahead_can_be_taken_away_and_brought_back() {
    for years in [-100, 200] {
        let (old, new) = (store(), store());
        set_clock_off_by_s(years * YEAR_S);
        let conversation = old.create_conversation().expect("a conversation");
        old.begin_turn(conversation, "I hate mushrooms.", &TurnOptions::default()).expect("it is stored");
        old.induce(&inducer(), usize::MAX).expect("it is read");
        set_clock_off_by_s(0);
        new.import(&old.export().expect("an export"), &mut |_| {}).expect("it is brought back");
        assert_eq!(new.facts().expect("facts").len(), 1);
        assert_eq!(new.export().expect("an export").facts, old.export().expect("an export").facts);
    }
}
