//! The user's rights over the memory: to correct, pin, forget by topic and altogether, take away and bring back.

mod export;
mod lines;
#[path = "../memory_fixture/mod.rs"]
mod memory_fixture;
mod ratings;

use std::path::{Path, PathBuf};

use aloekit::Error;
use aloekit::memory::{
    MemoryParams, MemoryStore, OnBadLine, ReplyState, RetrieveLimits, SearchBy, Summary, VectorStatus,
};
use aloekit_tests::fixtures;
use memory_fixture::{Scratch, counts, say};

const CANARY: &str = "Zanzibarquokka";

fn everything() -> RetrieveLimits {
    RetrieveLimits { max_count: 100, min_score: 0.0, ..RetrieveLimits::default() }
}

fn noise(store: &MemoryStore) {
    let conversation = store.create_conversation().expect("a conversation");
    for n in 0..40 {
        say(store, conversation, &format!("chapter {n} of the saga {}", "of wind and waves ".repeat(n)));
    }
}

#[test]
fn an_edited_memory_is_found_by_its_new_text_and_keeps_the_users_words() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let turn = say(&store, conversation, "My cello teacher lives in Altona.").turn;
    say(&store, conversation, "Stew needs paprika.");
    let id = store.retrieve("cello", &everything()).expect("a search")[0].id;
    let edited = store.edit(id, "My violin tutor moved to Bergedorf.").expect("edited");
    assert!(edited.embedding_failure.is_none());
    assert_eq!(edited.memory.words, "My cello teacher lives in Altona.");
    assert_eq!((edited.memory.turn, edited.memory.text.as_str()), (turn, "My violin tutor moved to Bergedorf."));
    let by = |by, text: &str| {
        let limits = RetrieveLimits { by, min_score: 0.3, ..everything() };
        store.retrieve(text, &limits).expect("a search").iter().any(|found| found.id == id)
    };
    assert!(by(SearchBy::Words, "violin") && !by(SearchBy::Words, "cello"));
    assert!(by(SearchBy::Meaning, "violin tutor in Bergedorf") && !by(SearchBy::Meaning, "cello teacher in Altona"));
    assert_eq!(store.transcript(conversation).expect("a transcript")[0].user, "My cello teacher lives in Altona.");
    assert_eq!(store.vector_status().expect("a status"), VectorStatus { current: 2, stale: 0, missing: 0 });
    store.check().expect("the index fits the table");
    assert_eq!(scratch.open().memories().expect("a list")[0].text, "My violin tutor moved to Bergedorf.");
}

#[test]
fn a_text_that_was_edited_away_leaves_the_files() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I play the cello.");
    let id = store.memories().expect("a list")[0].id;
    store.edit(id, &format!("I play the {CANARY}.")).expect("edited");
    assert!(!scratch.files_with(CANARY).is_empty());
    store.edit(id, "I play the viola.").expect("edited again");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
}

#[test]
fn an_edit_without_anything_in_it_or_of_nothing_is_refused_and_changes_nothing() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I play the cello.");
    let before = store.memories().expect("a list");
    for text in ["", " \n", &"x".repeat(aloekit::memory::MAX_TURN_BYTES + 1)] {
        assert!(matches!(store.edit(before[0].id, text), Err(Error::InvalidInput { .. })));
    }
    assert!(matches!(store.edit(4711, "words"), Err(Error::NotFound { .. })));
    assert_eq!(store.memories().expect("a list"), before);
}

#[test]
fn without_an_embedder_an_edit_leaves_no_vector_of_the_text_before() {
    let scratch = Scratch::new();
    let conversation = {
        let store = scratch.open();
        let conversation = store.create_conversation().expect("a conversation");
        say(&store, conversation, "I play the cello.");
        conversation
    };
    let store = MemoryStore::open(scratch.params(), None).expect("it opens");
    let id = store.memories().expect("a list")[0].id;
    store.edit(id, "I play the viola.").expect("edited");
    assert_eq!(store.transcript(conversation).expect("a transcript").len(), 1);
    drop(store);
    let store = scratch.open();
    assert_eq!(store.vector_status().expect("a status").missing, 1);
    assert_eq!(store.reembed().expect("made good"), 1);
}

#[test]
fn a_pin_is_set_and_taken_off() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I play the cello.");
    let id = store.memories().expect("a list")[0].id;
    store.set_pinned(id, true).expect("pinned");
    assert!(scratch.open().memories().expect("a list")[0].pinned);
    store.set_pinned(id, false).expect("unpinned");
    assert!(!store.memories().expect("a list")[0].pinned);
}

#[test]
fn a_topic_finds_every_memory_with_its_words_in_any_inflection_and_no_other() {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("it opens");
    let conversation = store.create_conversation().expect("a conversation");
    for n in 0..120 {
        say(&store, conversation, &format!("Cello lesson {n} was by the sea."));
    }
    say(&store, conversation, "I own two cellos.");
    say(&store, conversation, "i own two cellos!");
    say(&store, conversation, "My bike is red.");
    assert_eq!(store.find_topic("cello").expect("found").len(), 122, "common words and repetitions too");
    assert_eq!(store.find_topic("the bikes").expect("found").len(), 1);
    assert_eq!(store.find_topic("cello lesson 7").expect("found").len(), 1);
    assert!(store.find_topic("saxophone").expect("found").is_empty());
    for odd in ["\"", "(NEAR AND *", "what was that?", "🎻", "a\0b"] {
        store.find_topic(odd).expect("odd topics find what they find");
    }
    assert!(matches!(store.find_topic(" "), Err(Error::InvalidInput { .. })));
}

#[test]
fn a_topic_finds_what_a_memory_said_before_it_was_edited() {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("it opens");
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I own two cellos.");
    let id = store.memories().expect("a list")[0].id;
    store.edit(id, "I own a viola.").expect("edited");
    for topic in ["cello", "viola"] {
        assert_eq!(store.find_topic(topic).expect("found").len(), 1, "{topic}");
    }
    assert!(store.find_topic("cello and saxophone").expect("found").is_empty());
}

#[test]
fn a_topic_finds_by_meaning_what_shares_no_word_with_it() {
    let store = MemoryStore::open(MemoryParams::in_memory(), Some(fixtures::embedder())).expect("it opens");
    let conversation = store.create_conversation().expect("a conversation");
    let of_topic = [
        "My labrador Bosco sleeps across the bedroom door.",
        "We took the puppy to the vet for his shots.",
        "Kept the little heading dog with the white ear.",
    ];
    let others = [
        "Loadshedding's back so work is good and home is dark.",
        "I translate poetry, Polish to Spanish.",
        "The grant came! Eleven thousand euros for the field work in Svalbard.",
        "On Mondays I take the train to Semmering and walk.",
        "Food costs on the short rib are at 41 percent.",
    ];
    of_topic.iter().chain(&others).for_each(|text| drop(say(&store, conversation, text)));
    let found: Vec<_> = store.find_topic("my dog").expect("found").into_iter().map(|memory| memory.words).collect();
    assert_eq!(found, of_topic);
}

/// A canary in two memories, and replies that each was given with only one of them in view.
fn canaries_about(store: &MemoryStore) -> Vec<i64> {
    let first = store.create_conversation().expect("a conversation");
    let second = store.create_conversation().expect("a conversation");
    let told = say(store, first, &format!("My secret is the {CANARY}.")).turn;
    store.save_reply(told, &format!("A {CANARY}, really?"), ReplyState::Complete).expect("a reply");
    let later = say(store, first, "Please sing me a song about rain.").turn;
    store.save_reply(later, &format!("Rain on all {CANARY}s."), ReplyState::Complete).expect("a reply");
    let again = say(store, second, &format!("I bought a second {CANARY} today.")).turn;
    let asked = say(store, second, "Which pets live in my house?");
    let ids: Vec<i64> = store.find_topic(CANARY).expect("found").iter().map(|memory| memory.id).collect();
    store.attach_recalled(asked.turn, &format!("They said: {CANARY}"), &ids).expect("attached");
    store.save_reply(asked.turn, &format!("Two of the {CANARY} kind."), ReplyState::Complete).expect("a reply");
    let summary = Summary { text: format!("On {CANARY}."), through_turn: again };
    store.set_summary(second, &summary).expect("a summary");
    ids
}

#[test]
fn a_canary_forgotten_by_topic_leaves_no_byte_in_any_file() {
    let scratch = Scratch::new();
    let store = scratch.open();
    noise(&store);
    let ids = canaries_about(&store);
    noise(&store);
    assert!(!scratch.files_with(CANARY).is_empty());
    let found = MemoryStore::find_topic(&store, CANARY).expect("found");
    assert_eq!(found.iter().map(|memory| memory.id).collect::<Vec<_>>(), ids);
    let report = store.forget_all(&ids).expect("forgotten");
    assert!(report.wiped);
    assert_eq!((report.memories.len(), report.turns.len(), report.conversations.len()), (2, 2, 2));
    assert_eq!(report.replies_of.len(), 2, "the song and the answer");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    assert_eq!(counts(&scratch.path())[1..], [82; 3], "everything else is there");
    store.check().expect("the store is whole");
    drop(store);
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0], "after closing");
}

#[test]
fn a_canary_forgotten_one_by_one_leaves_no_byte_in_any_file() {
    let scratch = Scratch::new();
    let store = scratch.open();
    noise(&store);
    for id in canaries_about(&store).into_iter().rev() {
        store.forget(id).expect("forgotten");
    }
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
}

#[test]
fn a_canary_erased_with_everything_leaves_no_byte_of_it_or_its_external_id() {
    let scratch = Scratch::new();
    let store = scratch.open();
    canaries_about(&store);
    let file = scratch.folder.path().join("lines.jsonl");
    std::fs::write(&file, r#"{"id": "quokkaline", "text": "I like old maps."}"#).expect("written");
    store.import_turns(&file, OnBadLine::Refuse, &mut |_| {}).expect("imported");
    std::fs::remove_file(file).expect("removed");
    assert!(!scratch.files_with("quokkaline").is_empty());
    let id = store.find_topic("old maps").expect("found")[0].id;
    store.forget(id).expect("forgotten");
    assert_eq!(scratch.files_with("quokkaline"), [] as [&str; 0], "an external id goes with its turn");
    store.erase_all().expect("erased");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
}

#[test]
fn a_canary_forgotten_by_topic_or_with_everything_leaves_no_byte_in_snapshots() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = fixtures::assistant(data.path(), 1024);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let files_with = || files(data.path()).into_iter().filter(|file| holds(file, CANARY)).collect::<Vec<_>>();
    for by_topic in [true, false] {
        let mut session = assistant.session(fixtures::quick_session(8)).expect("the session opens");
        for text in [format!("My secret is the {CANARY}."), format!("I bought a {CANARY}.")] {
            runtime.block_on(async { session.send(&text).await?.finish().await }).expect("the turn ends well");
        }
        session.save_snapshot().expect("saved");
        assert!(files(data.path()).iter().any(|file| file.extension().is_some_and(|kind| kind == "kv")));
        assert!(!files_with().is_empty());
        if by_topic {
            let found = assistant.memory().find_topic(CANARY).expect("found");
            assert!(found.len() >= 2, "{found:?}");
            let ids: Vec<i64> = found.iter().map(|memory| memory.id).collect();
            assert!(assistant.forget_all(&ids).expect("forgotten").wiped);
        } else {
            assistant.erase_all().expect("erased");
        }
        assert!(!files(data.path()).iter().any(|file| file.extension().is_some_and(|kind| kind == "kv")));
        assert_eq!(files_with(), [] as [PathBuf; 0]);
        session.close().expect("closes");
        assert_eq!(files_with(), [] as [PathBuf; 0], "what an open session leaves when it closes");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(file: &Path, needle: &str) -> bool {
    std::fs::read(file).expect("read").windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn forgetting_what_is_gone_already_is_no_error_and_forgetting_one_unknown_is() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I play the cello.");
    let id = store.memories().expect("a list")[0].id;
    let report = store.forget_all(&[4711, id, id]).expect("forgotten");
    assert_eq!(report.memories, [id]);
    assert!(store.forget_all(&[id]).expect("nothing left").memories.is_empty());
    assert!(matches!(store.forget(id), Err(Error::NotFound { .. })));
}
