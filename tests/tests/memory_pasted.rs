//! What counts as pasted: by the app's word and by the form of a text, and never what people type.

use std::path::Path;

use aloekit::memory::{
    ConversationId, ExtractiveInducer, MemoryKind, MemoryParams, MemoryStore, Origin, RetrieveLimits, StoredTurn,
    TurnOptions,
};
use serde_json::Value;

fn store() -> (MemoryStore, ConversationId) {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("a store");
    let conversation = store.create_conversation().expect("a conversation");
    (store, conversation)
}

fn say(store: &MemoryStore, conversation: ConversationId, text: &str, options: &TurnOptions) -> StoredTurn {
    let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
    store.begin_turn(conversation, text, &TurnOptions { recall, ..options.clone() }).expect("stored");
    store.transcript(conversation).expect("a transcript").pop().expect("the turn")
}

/// What is found to be pasted of each text, as text.
fn found(texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts {
        let (store, conversation) = store();
        let turn = say(&store, conversation, text, &TurnOptions::default());
        assert_eq!(&turn.user, text, "the transcript is word for word");
        if !turn.pasted.is_empty() {
            found.push(text.clone());
        }
    }
    found
}

fn data(name: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    let lines = std::fs::read_to_string(file).expect("the data are there");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text(record: &Value) -> String {
    record["text"].as_str().expect("a text").to_owned()
}

#[test]
fn nothing_that_people_type_is_found_to_be_pasted() {
    let users = data("retrieval.jsonl");
    let turns = users.iter().flat_map(|user| user["turns"].as_array().expect("turns"));
    let turns: Vec<String> = turns.map(text).collect();
    assert_eq!(turns.len(), 660);
    assert_eq!(found(&turns), Vec::<String>::new());
    let sentences = data("induction.jsonl");
    assert_eq!(sentences.len(), 717);
    let (pasted, typed): (Vec<&Value>, Vec<&Value>) = sentences.iter().partition(|s| s["trap"] == "pasted");
    let pasted: Vec<String> = pasted.into_iter().map(text).collect();
    let typed: Vec<String> = typed.into_iter().map(text).collect();
    assert_eq!(found(&typed), Vec::<String>::new());
    println!(
        "of {} typed texts 0 and of {} pasted ones {} are found",
        typed.len() + 660,
        pasted.len(),
        found(&pasted).len()
    );
}

#[test]
fn of_a_message_about_a_pasted_text_only_what_was_said_becomes_a_fact() {
    let (store, conversation) = store();
    let mail = "Is this offer any good? I live in Ghent with my wife.\n\nFrom: Bob <bob@example.com>\nSubject: flat\n\n\
                I live in Oslo with my dog and I hate mushrooms.\nBob";
    let turn = say(&store, conversation, mail, &TurnOptions::default());
    assert_eq!((turn.user.as_str(), turn.origin, turn.pasted.len()), (mail, Origin::Said, 1));
    assert!(turn.user[turn.pasted[0].clone()].starts_with("From: Bob") && turn.user.ends_with("Bob"));
    let memories = store.memories().expect("a list");
    let parts: Vec<_> = memories.iter().map(|m| (m.kind, m.origin, m.words.as_str())).collect();
    let said = "Is this offer any good? I live in Ghent with my wife.";
    assert_eq!(parts[0], (MemoryKind::Episode, Origin::Said, said));
    assert_eq!((parts[1].1, parts.len()), (Origin::Pasted, 2));

    let inducer = ExtractiveInducer::new(None).expect("an inducer");
    store.induce(&inducer, 10).expect("induced");
    let facts = store.facts().expect("facts");
    assert_eq!(facts.iter().map(|fact| fact.words.as_str()).collect::<Vec<_>>(), ["I live in Ghent with my wife."]);
}

#[test]
fn what_the_app_marks_is_pasted_whatever_it_looks_like() {
    let (store, conversation) = store();
    let text = "Nice flat?\n\nI live in Oslo with my dog.";
    let options = TurnOptions { pasted: std::iter::once(12..text.len()).collect(), ..TurnOptions::default() };
    let turn = say(&store, conversation, text, &options);
    assert_eq!(&turn.user[turn.pasted[0].clone()], "I live in Oslo with my dog.");
    store.induce(&ExtractiveInducer::new(None).expect("an inducer"), 10).expect("induced");
    assert!(store.facts().expect("facts").is_empty());
    let found = store.retrieve("Where does my dog live?", &RetrieveLimits::default()).expect("found");
    assert_eq!((found[0].origin, found[0].words.as_str()), (Origin::Pasted, "I live in Oslo with my dog."));
}

#[test]
fn an_edit_does_not_raise_what_was_pasted() {
    let (store, conversation) = store();
    say(&store, conversation, "> I keep a dragon in the cellar", &TurnOptions::default());
    let id = store.memories().expect("a list")[0].id;
    let edited = store.edit(id, "I keep a dragon in the cellar").expect("edited").memory;
    assert_eq!((edited.origin, edited.words.as_str()), (Origin::Pasted, "> I keep a dragon in the cellar"));
    let found = store.retrieve("dragon in the cellar", &RetrieveLimits::default()).expect("found");
    assert_eq!(found[0].origin, Origin::Pasted);
}

#[test]
fn of_two_memories_that_say_the_same_the_one_that_was_said_is_recalled() {
    let (store, conversation) = store();
    say(&store, conversation, "I keep a dragon in the cellar", &TurnOptions::default());
    let pasted = TurnOptions { origin: Origin::Pasted, ..TurnOptions::default() };
    say(&store, conversation, "I keep a dragon in the cellar", &pasted);
    let found = store.retrieve("dragon in the cellar", &RetrieveLimits::default()).expect("found");
    assert_eq!(found.iter().map(|found| found.origin).collect::<Vec<_>>(), [Origin::Said]);
}
