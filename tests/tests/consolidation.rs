//! Facts over a store's life: found, confirmed, replaced, pinned, forgotten. Without a model: a scripted inducer, and
//! the extractive one by grammar alone.

use std::sync::Mutex;

use aloekit::memory::{
    Candidate, ConversationId, ExtractiveInducer, Fact, HashingEmbedder, Inducer, InductionReport, MemoryKind,
    MemoryParams, MemoryStore, Origin, Remember, RetrieveLimits, TurnOptions, UserTurn,
};
use aloekit::{Error, Result};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn store() -> (MemoryStore, ConversationId) {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("memory is there");
    let conversation = store.create_conversation().expect("a conversation");
    (store, conversation)
}

fn say_at(store: &MemoryStore, conversation: ConversationId, text: &str, at_ms: i64) -> i64 {
    let options = TurnOptions { at_ms: Some(at_ms), ..TurnOptions::default() };
    store.begin_turn(conversation, text, &options).expect("it is stored").turn
}

fn by_grammar() -> ExtractiveInducer {
    ExtractiveInducer::new(None).expect("nothing can fail without an embedder")
}

fn induced(store: &MemoryStore) -> InductionReport {
    store.induce(&by_grammar(), usize::MAX).expect("it is read")
}

fn texts(facts: &[Fact]) -> Vec<&str> {
    facts.iter().map(|fact| fact.text.as_str()).collect()
}

/// Proposes what it was told to for any turns, whether or not they say so.
struct Scripted(Mutex<Vec<Result<Vec<Candidate>>>>);

impl Scripted {
    fn new(answers: Vec<Result<Vec<Candidate>>>) -> Self {
        Self(Mutex::new(answers))
    }
}

impl Inducer for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn induce(&self, _turns: &[UserTurn<'_>]) -> Result<Vec<Candidate>> {
        self.0.lock().expect("no panic held it").remove(0)
    }
}

fn candidate(turn: i64, words: &str) -> Candidate {
    let (text, words) = (words.to_owned(), words.to_owned());
    Candidate { turn, kind: MemoryKind::Profile, text, words, confidence: 0.8 }
}

#[test]
fn what_is_said_again_confirms_the_fact() {
    let (store, conversation) = store();
    say_at(&store, conversation, "I live in Lisbon with my two cats.", DAY_MS);
    assert_eq!(induced(&store).added, 1);
    let before = store.facts().expect("facts")[0].clone();
    let again = say_at(&store, conversation, "Which bus should I take? I live in Lisbon.", 30 * DAY_MS);
    assert_eq!(induced(&store), InductionReport { turns: 1, confirmed: 1, ..InductionReport::default() });
    let facts = store.facts().expect("facts");
    let [fact] = facts.as_slice() else { panic!("one fact") };
    assert_eq!((fact.times_confirmed, fact.turns.as_slice()), (2, [before.turn, again].as_slice()));
    assert_eq!((fact.first_seen_ms, fact.last_seen_ms), (DAY_MS, 30 * DAY_MS));
    assert!(fact.confidence > before.confidence);
}

#[test]
fn a_contradiction_takes_the_place_of_the_fact_and_keeps_it_as_history() {
    let (store, conversation) = store();
    say_at(&store, conversation, "I live in Lisbon with my two cats.", DAY_MS);
    induced(&store);
    store.set_pinned(store.facts().expect("facts")[0].id, true).expect("it is pinned");
    say_at(&store, conversation, "We moved to Porto in spring.", 2 * DAY_MS);
    say_at(&store, conversation, "I moved to Faro, near the sea.", 3 * DAY_MS);
    assert_eq!((induced(&store).superseded, store.facts().expect("facts").len()), (2, 1));
    let fact = store.facts().expect("facts").remove(0);
    assert_eq!(fact.words, "I moved to Faro, near the sea.");
    assert!(fact.pinned, "a pin passes on");
    let history: Vec<&str> = fact.superseded.iter().map(|old| old.words.as_str()).collect();
    assert_eq!(history, ["We moved to Porto in spring.", "I live in Lisbon with my two cats."]);
    let recalled = store.retrieve("Lisbon cats", &RetrieveLimits::default()).expect("it searches");
    assert!(recalled.iter().all(|memory| memory.kind == MemoryKind::Episode), "what was replaced is not recalled");
}

#[test]
fn forgetting_a_turn_leaves_the_facts_that_others_state_in_their_words() {
    let (store, conversation) = store();
    let first = say_at(&store, conversation, "I live in Lisbon near the aquarium-canary.", DAY_MS);
    say_at(&store, conversation, "I hate mushrooms.", 2 * DAY_MS);
    say_at(&store, conversation, "i live in lisbon!", 3 * DAY_MS);
    induced(&store);
    let episode = store.memories().expect("memories").into_iter().find(|memory| memory.turn == first);
    let report = store.forget(episode.expect("an episode").id).expect("it is forgotten");
    assert_eq!(report.turns, [first]);
    let facts = store.facts().expect("facts");
    assert_eq!(texts(&facts), ["I hate mushrooms.", "i live in lisbon!"]);
    let home = &facts[1];
    assert_eq!((home.times_confirmed, home.first_seen_ms, home.turns.len()), (1, 3 * DAY_MS, 1));
    let export = serde_json::to_string(&store.export().expect("an export")).expect("it is JSON");
    assert!(!export.contains("canary"));
}

#[test]
fn forgetting_a_fact_forgets_every_turn_that_states_it() {
    let (store, conversation) = store();
    let turns = ["I live in Lisbon near the sea.", "I hate mushrooms.", "i live in lisbon!"]
        .map(|text| say_at(&store, conversation, text, DAY_MS));
    induced(&store);
    let home = store.facts().expect("facts").into_iter().find(|fact| fact.turns.len() == 2).expect("confirmed");
    let report = store.forget(home.id).expect("it is forgotten");
    assert_eq!(report.turns, [turns[0], turns[2]]);
    assert!(report.memories.contains(&home.id));
    assert_eq!(texts(&store.facts().expect("facts")), ["I hate mushrooms."]);
}

#[test]
fn forgetting_what_replaced_a_fact_brings_it_back() {
    let (store, conversation) = store();
    say_at(&store, conversation, "I live in Lisbon with my two cats.", DAY_MS);
    say_at(&store, conversation, "We moved to Porto in spring.", 2 * DAY_MS);
    induced(&store);
    store.forget(store.facts().expect("facts")[0].id).expect("it is forgotten");
    assert_eq!(texts(&store.facts().expect("facts")), ["I live in Lisbon with my two cats."]);
}

#[test]
fn turns_that_are_pasted_or_not_to_be_remembered_are_not_read() {
    let (store, conversation) = store();
    let text = "I live in Lisbon with my two cats.";
    for options in [
        TurnOptions { origin: Origin::Pasted, ..TurnOptions::default() },
        TurnOptions { remember: Remember::No, ..TurnOptions::default() },
    ] {
        store.begin_turn(conversation, text, &options).expect("it is stored");
    }
    assert_eq!(induced(&store), InductionReport::default());
    assert_eq!(store.facts().expect("facts"), []);
}

#[test]
fn what_an_inducer_invents_is_refused() {
    let (store, conversation) = store();
    let turn = say_at(&store, conversation, "I play the cello.", DAY_MS);
    store.save_reply(turn, "You must be rich!", aloekit::memory::ReplyState::Complete).expect("a reply");
    let proposed = ["I play the cello.", "You must be rich!", "I play the violin.", ""];
    let proposed = proposed.iter().map(|words| candidate(turn, words)).chain([candidate(99, "I play the cello.")]);
    let report = store.induce(&Scripted::new(vec![Ok(proposed.collect())]), 10).expect("it is read");
    assert_eq!((report.added, report.refused), (1, 4));
    assert_eq!(texts(&store.facts().expect("facts")), ["I play the cello."]);
}

#[test]
fn an_induction_that_failed_goes_on_where_it_was() {
    let (store, conversation) = store();
    let first = say_at(&store, conversation, "I play the cello.", DAY_MS);
    let second = say_at(&store, conversation, "I play the oud.", DAY_MS);
    let inducer = Scripted::new(vec![
        Ok(vec![candidate(first, "I play the cello.")]),
        Err(Error::Cancelled),
        Ok(vec![candidate(second, "I play the oud.")]),
    ]);
    let one = store.induce(&inducer, 1).expect("the first turn is read");
    assert_eq!((one.turns, one.more), (1, true));
    assert!(matches!(store.induce(&inducer, 1), Err(Error::Cancelled)));
    let rest = store.induce(&inducer, 1).expect("the second turn is read");
    assert_eq!((rest.turns, rest.added, rest.more), (1, 1, false));
    assert_eq!(store.induce(&inducer, 1).expect("nothing is left to read").turns, 0);
}

#[test]
fn an_inducer_that_panics_is_an_error_and_harms_nothing() {
    struct Panics;
    impl Inducer for Panics {
        fn name(&self) -> &str {
            "panics"
        }

        fn induce(&self, _turns: &[UserTurn<'_>]) -> Result<Vec<Candidate>> {
            panic!("the app's own inducer")
        }
    }
    let (store, conversation) = store();
    say_at(&store, conversation, "I hate mushrooms.", DAY_MS);
    assert!(matches!(store.induce(&Panics, 10), Err(Error::CallbackFailed { .. })));
    assert_eq!(induced(&store).added, 1);
}

#[test]
fn reading_the_same_turns_again_confirms_nothing() {
    let (store, conversation) = store();
    let turn = say_at(&store, conversation, "I live in Lisbon with my two cats.", DAY_MS);
    say_at(&store, conversation, "We moved to Porto in spring.", 2 * DAY_MS);
    induced(&store);
    let before = store.facts().expect("facts");
    let again = Scripted::new(vec![Ok(vec![candidate(turn, "I live in Lisbon with my two cats.")])]);
    store.induce(&again, 10).expect("it is read");
    assert_eq!(store.facts().expect("facts"), before);
}

#[test]
fn what_was_said_later_holds_whichever_is_read_first() {
    let (store, conversation) = store();
    let earlier = say_at(&store, conversation, "I live in Lisbon with my two cats.", 2 * DAY_MS);
    // The clock was set back: order goes by turn.
    let later = say_at(&store, conversation, "We moved to Porto in spring.", DAY_MS);
    let read = |turn, words: &str| Scripted::new(vec![Ok(vec![candidate(turn, words)])]);
    store.induce(&read(later, "We moved to Porto in spring."), 10).expect("it is read");
    struct Renamed(Scripted);
    impl Inducer for Renamed {
        fn name(&self) -> &str {
            "another"
        }

        fn induce(&self, turns: &[UserTurn<'_>]) -> Result<Vec<Candidate>> {
            self.0.induce(turns)
        }
    }
    store.induce(&Renamed(read(earlier, "I live in Lisbon with my two cats.")), 10).expect("it is read");
    let facts = store.facts().expect("facts");
    assert_eq!(texts(&facts), ["We moved to Porto in spring."]);
    assert_eq!(facts[0].superseded.len(), 1);
}

#[test]
fn facts_have_vectors_and_an_edited_fact_keeps_the_words_behind_it() {
    let embedder = std::sync::Arc::new(HashingEmbedder::new(64));
    let store = MemoryStore::open(MemoryParams::in_memory(), Some(embedder)).expect("memory is there");
    let conversation = store.create_conversation().expect("a conversation");
    say_at(&store, conversation, "I live in Lisbon with my two cats.", DAY_MS);
    induced(&store);
    assert_eq!(store.vector_status().expect("a status").missing, 0);
    let id = store.facts().expect("facts")[0].id;
    store.edit(id, "I live in Lisbon with three cats").expect("it is edited");
    let fact = store.facts().expect("facts").remove(0);
    assert_eq!(fact.text, "I live in Lisbon with three cats");
    assert_eq!(fact.words, "I live in Lisbon with my two cats.");
}

#[test]
fn what_is_corrected_in_a_turn_is_corrected_in_its_facts_and_the_other_way_round() {
    let (store, conversation) = store();
    let said = "Hello! I live in Lisbon with my two cats. I hate mushrooms.";
    say_at(&store, conversation, said, DAY_MS);
    say_at(&store, conversation, "I hate mushrooms.", DAY_MS);
    say_at(&store, conversation, "I work as a nurse.", DAY_MS);
    induced(&store);
    let id = |text: &str| {
        let found = store.memories().expect("memories").into_iter().find(|memory| memory.text == text);
        found.unwrap_or_else(|| panic!("nothing says {text:?}")).id
    };
    let all = || store.memories().expect("memories").into_iter().map(|memory| memory.text).collect::<Vec<_>>();

    store
        .edit(id("I live in Lisbon with my two cats."), "I live in Porto with my two cats.")
        .expect("a fact is edited");
    assert!(all().contains(&"Hello! I live in Porto with my two cats. I hate mushrooms.".into()), "{:?}", all());
    assert!(!all().iter().any(|text| text.contains("Lisbon")));

    let turn = id("Hello! I live in Porto with my two cats. I hate mushrooms.");
    let edited = store.edit(turn, "Hello! I live in Porto with my two cats.").expect("a turn is edited");
    assert_eq!(edited.corrected.len(), 1);
    let mushrooms = store.facts().expect("facts").into_iter().find(|fact| fact.text.contains("mushrooms"));
    assert_eq!(mushrooms.expect("another turn states it").turns, [2]);

    let nurse = store.memories().expect("memories").into_iter().find(|memory| memory.turn == 3).expect("a turn").id;
    store.edit(nurse, "I work as a midwife.").expect("a turn that is all one fact");
    assert!(!all().iter().any(|text| text.contains("nurse")), "{:?}", all());
    let facts = store.facts().expect("facts");
    let work = facts.iter().find(|fact| fact.text == "I work as a midwife.").expect("the fact says so too");
    assert_eq!(work.words, "I work as a nurse.");
}

#[test]
fn an_export_brings_facts_with_all_their_turns_and_their_history() {
    let (store, conversation) = store();
    for text in ["I live in Lisbon with my two cats.", "i live in lisbon!", "We moved to Porto in spring."] {
        say_at(&store, conversation, text, DAY_MS);
    }
    induced(&store);
    let export = store.export().expect("an export");
    let (other, _) = self::store();
    other.import(&export, &mut |_| ()).expect("it is imported");
    let facts = other.facts().expect("facts");
    assert_eq!((facts.len(), facts[0].superseded.len()), (1, 1));
    assert_eq!(other.export().expect("an export").facts[0].sources.len(), 2);
    induced(&other);
    assert_eq!(other.facts().expect("facts"), facts, "its turns are read again to no effect");
}

#[test]
fn erasing_everything_leaves_no_fact_and_begins_anew() {
    let (store, conversation) = store();
    say_at(&store, conversation, "I hate mushrooms.", DAY_MS);
    induced(&store);
    store.erase_all().expect("it is erased");
    assert_eq!(store.facts().expect("facts"), []);
    let conversation = store.create_conversation().expect("a conversation");
    say_at(&store, conversation, "I hate mushrooms.", DAY_MS);
    assert_eq!(induced(&store).added, 1);
}
