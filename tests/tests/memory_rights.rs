//! The user's rights over the memory: to correct, pin, forget by topic and altogether, take away and bring back.

mod memory_fixture;

use std::collections::BTreeMap;
use std::path::PathBuf;

use aloekit::Error;
use aloekit::memory::{
    EXPORT_FORMAT, Export, ExternalId, ExtractiveInducer, LineFault, MemoryKind, MemoryParams, MemoryStore, OnBadLine,
    Origin, ReplyState, RetrieveLimits, SearchBy, Summary, TurnImport, TurnOptions, VectorStatus,
};
use aloekit_tests::fixtures;
use memory_fixture::{Scratch, counts, say};
use proptest::prelude::*;

const CANARY: &str = "Zanzibarquokka";

fn everything() -> RetrieveLimits {
    RetrieveLimits { max_count: 100, min_score: 0.0, ..RetrieveLimits::default() }
}

fn import(store: &MemoryStore, export: &Export) -> aloekit::Result<aloekit::memory::ImportReport> {
    store.import(export, &mut |_| {})
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

fn noise(store: &MemoryStore) {
    let conversation = store.create_conversation().expect("a conversation");
    for n in 0..40 {
        say(store, conversation, &format!("chapter {n} of the saga {}", "of wind and waves ".repeat(n)));
    }
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

/// One step in the life of a store.
#[derive(Debug, Clone)]
enum Step {
    NewConversation,
    Say { text: String, pasted: bool, reply: Option<String>, at_ms: i64 },
    Recall { block: String },
    Pin(usize),
    Edit(usize, String),
    Fact { of: usize, kind: usize, confidence: f32, replaced_by: Option<usize> },
    Summary(String),
    Forget(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-zé🎻 ]{0,12} cello [a-z0-9\"'%\\\\ ]{0,30}";
    prop_oneof![
        1 => Just(Step::NewConversation),
        8 => (text, any::<bool>(), proptest::option::of(".{1,30}"), 0_i64..2_000_000_000_000)
            .prop_map(|(text, pasted, reply, at_ms)| Step::Say { text, pasted, reply, at_ms }),
        2 => ".{1,30}".prop_map(|block| Step::Recall { block }),
        2 => (0_usize..40).prop_map(Step::Pin),
        2 => (0_usize..40, text).prop_map(|(of, text)| Step::Edit(of, text)),
        3 => (0_usize..40, 0_usize..3, 0.0_f32..=1.0, proptest::option::of(0_usize..40))
            .prop_map(|(of, kind, confidence, replaced_by)| Step::Fact { of, kind, confidence, replaced_by }),
        1 => ".{1,30}".prop_map(Step::Summary),
        1 => (0_usize..40).prop_map(Step::Forget),
    ]
}

const KINDS: [&str; 3] = ["profile", "personality", "preference"];

fn live(scratch: &Scratch, store: &MemoryStore, steps: &[Step]) {
    let mut conversation = store.create_conversation().expect("a conversation");
    let mut turn = None;
    for step in steps {
        let memories = store.memories().expect("a list");
        let pick = |at: usize| memories.get(at % memories.len().max(1));
        match step {
            Step::NewConversation => conversation = store.create_conversation().expect("a conversation"),
            Step::Say { text, pasted, reply, at_ms } => {
                let origin = if *pasted { Origin::Pasted } else { Origin::Said };
                let options = TurnOptions { origin, at_ms: Some(*at_ms), ..TurnOptions::default() };
                let begun = store.begin_turn(conversation, text, &options).expect("stored");
                if let Some(reply) = reply {
                    store.save_reply(begun.turn, reply, ReplyState::Cancelled).expect("a reply");
                }
                turn = Some(begun.turn);
            }
            Step::Recall { block } => {
                let ids: Vec<i64> = memories.iter().rev().step_by(3).map(|memory| memory.id).collect();
                drop(turn.map(|turn| store.attach_recalled(turn, block, &ids)));
            }
            Step::Pin(at) => drop(pick(*at).map(|memory| store.set_pinned(memory.id, !memory.pinned))),
            Step::Edit(at, text) => drop(pick(*at).map(|memory| store.edit(memory.id, text))),
            Step::Fact { of, kind, confidence, replaced_by } => {
                let Some(source) = pick(*of).filter(|source| source.origin == Origin::Said) else { continue };
                let later = replaced_by.and_then(pick).map(|memory| memory.id);
                add_fact(scratch, source, KINDS[*kind], *confidence, later);
            }
            Step::Summary(text) => {
                if let Some(last) = store.transcript(conversation).expect("a transcript").last() {
                    let summary = Summary { text: text.clone(), through_turn: last.turn };
                    store.set_summary(conversation, &summary).expect("a summary");
                }
            }
            Step::Forget(at) => drop(pick(*at).map(|memory| store.forget(memory.id))),
        }
    }
}

/// Past the API, so that every state the tables allow is met.
fn add_fact(scratch: &Scratch, source: &aloekit::memory::Memory, kind: &str, confidence: f32, later: Option<i64>) {
    let db = rusqlite::Connection::open(scratch.path()).expect("the file opens");
    db.pragma_update(None, "secure_delete", true).expect("as the store does");
    let words = source.words.split_whitespace().next().expect("every text says cello");
    db.execute("INSERT INTO memories(turn, kind, text) VALUES (?1, ?2, 'plays')", (source.turn, kind))
        .expect("a memory");
    let id = db.last_insert_rowid();
    db.execute("INSERT INTO facts VALUES (?1, ?2, ?3, 17, 42, 3, ?4)", rusqlite::params![id, words, confidence, later])
        .expect("a fact");
    db.execute(
        "INSERT INTO fact_sources VALUES (?1, ?2, ?3, ?4)",
        rusqlite::params![id, source.turn, words, confidence],
    )
    .expect("its source");
}

/// An export with its numbers replaced by places, so that two stores can be compared.
fn plain(export: &Export) -> Export {
    let rank = |ids: Vec<i64>| {
        let mut ids = ids;
        ids.sort_unstable();
        ids.into_iter().zip(1_i64..).collect::<BTreeMap<_, _>>()
    };
    let mut plain = export.clone();
    let conversations = rank(export.conversations.iter().map(|c| c.id.0).collect());
    let turns = rank(export.conversations.iter().flat_map(|c| c.turns.iter().map(|turn| turn.turn)).collect());
    let memories = rank(export.memories.iter().map(|memory| memory.id).collect());
    for conversation in &mut plain.conversations {
        conversation.id.0 = conversations[&conversation.id.0];
        conversation.turns.iter_mut().for_each(|turn| turn.turn = turns[&turn.turn]);
        conversation.summary.iter_mut().for_each(|summary| summary.through_turn = turns[&summary.through_turn]);
    }
    for memory in &mut plain.memories {
        (memory.id, memory.turn) = (memories[&memory.id], turns[&memory.turn]);
        memory.conversation = conversations[&memory.conversation];
    }
    plain.memories.sort_by_key(|memory| memory.id);
    for fact in &mut plain.facts {
        fact.memory = memories[&fact.memory];
        fact.superseded_by = fact.superseded_by.map(|later| memories[&later]);
        fact.sources.iter_mut().for_each(|source| source.turn = turns[&source.turn]);
    }
    for recall in &mut plain.recalls {
        recall.turn = turns[&recall.turn];
        recall.memories.iter_mut().for_each(|memory| *memory = memories[memory]);
    }
    plain.imported.iter_mut().for_each(|line| line.turn = turns[&line.turn]);
    plain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn export_erase_import_gives_the_same_memory(steps in proptest::collection::vec(step(), 1..40)) {
        let scratch = Scratch::new();
        let store = scratch.open();
        live(&scratch, &store, &steps);
        let before = store.export().expect("an export");
        let json = serde_json::to_vec(&before).expect("it is JSON");
        store.erase_all().expect("erased");
        let read = Export::from_json(&json).expect("it is read");
        prop_assert_eq!(&read, &before);
        let report = import(&store, &read).expect("imported");
        prop_assert_eq!(report.memories as usize, before.memories.len());
        prop_assert!(report.embedding_failure.is_none());
        let after = store.export().expect("an export");
        prop_assert_eq!(plain(&after), plain(&before));
        prop_assert_eq!(store.vector_status().expect("a status").missing, 0);
        store.check().expect("the store is whole");

        let again = import(&store, &read).expect("imported again");
        prop_assert_eq!((again.turns, again.memories, again.conversations), (0, 0, 0));
        prop_assert_eq!(store.export().expect("an export"), after);
    }

    #[test]
    fn an_import_into_a_filled_store_adds_what_it_holds_and_changes_nothing_there(
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let (from, into) = (Scratch::new(), Scratch::new());
        let source = from.open();
        live(&from, &source, &steps);
        let export = source.export().expect("an export");
        let store = into.open();
        noise(&store);
        let before = store.export().expect("an export");
        import(&store, &export).expect("imported");
        let after = store.export().expect("an export");
        let (old, new) = (before.conversations.len(), before.memories.len());
        prop_assert_eq!(&after.conversations[..old], &before.conversations[..]);
        prop_assert_eq!(&after.memories[..new], &before.memories[..]);
        let added = Export {
            conversations: after.conversations[old..].to_vec(),
            memories: after.memories[new..].to_vec(),
            ..after
        };
        prop_assert_eq!(plain(&added), plain(&export));
    }
}

fn small_export() -> Export {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I play the cello.");
    say(&store, conversation, "I keep bees.");
    let memories = store.memories().expect("a list");
    add_fact(&scratch, &memories[0], "profile", 0.5, Some(memories[1].id));
    store.attach_recalled(2, "block", &[memories[0].id]).expect("attached");
    store.export().expect("an export")
}

type Harm = fn(&mut Export);

#[test]
fn what_no_store_would_have_written_is_refused_and_nothing_of_it_is_imported() {
    let sound = small_export();
    let harms: [Harm; 25] = [
        |e| e.format = 0,
        |e| e.conversations.push(e.conversations[0].clone()),
        |e| e.conversations[0].turns[1].turn = e.conversations[0].turns[0].turn,
        |e| e.conversations[0].turns[0].user = "  ".into(),
        |e| e.conversations[0].turns[0].at_ms = i64::MIN,
        |e| e.conversations[0].started_ms = i64::MAX,
        |e| e.memories[0].turn = 99,
        |e| e.memories[0].text.clear(),
        |e| e.memories[1].id = e.memories[0].id,
        |e| e.memories[0].kind = MemoryKind::Preference,
        |e| e.facts[0].memory = 99,
        |e| e.facts[0].words = "I love tractors".into(),
        |e| e.facts[0].words.clear(),
        |e| e.facts[0].confidence = f32::NAN,
        |e| e.facts[0].times_confirmed = 0,
        |e| e.facts[0].last_seen_ms = i64::MAX,
        |e| e.facts[0].superseded_by = Some(99),
        |e| e.facts[0].superseded_by = Some(e.facts[0].memory),
        |e| e.recalls[0].turn = 99,
        |e| e.facts.push(e.facts[0].clone()),
        |e| e.facts[0].sources[0].turn = 99,
        |e| e.facts[0].sources[0].words = "I love tractors".into(),
        |e| e.facts[0].sources[0].confidence = 2.0,
        |e| e.facts[0].sources = vec![e.facts[0].sources[0].clone(); 2],
        |e| e.conversations[0].turns[0].origin = Origin::Pasted,
    ];
    let store = Scratch::new().open();
    noise(&store);
    let before = store.export().expect("an export");
    for (number, harm) in harms.iter().enumerate() {
        let mut export = sound.clone();
        harm(&mut export);
        let refused = import(&store, &export);
        assert!(matches!(refused, Err(Error::ImportInvalid { .. })), "harm {number}: {refused:?}");
        assert_eq!(store.export().expect("an export"), before, "harm {number}");
    }
    import(&store, &sound).expect("the sound one is imported");
}

#[test]
fn facts_with_their_history_come_back_from_an_export_and_are_not_read_anew() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    for text in ["I live in Lisbon.", "I am a vegan.", "I live in Porto.", "As I said, I am a vegan."] {
        say(&store, conversation, text);
    }
    let inducer = ExtractiveInducer::new(None).expect("an inducer");
    assert!(store.induce(&inducer, 100).expect("read").added > 0);
    let before = store.facts().expect("facts");
    assert!(before.iter().any(|fact| !fact.superseded.is_empty()), "{before:?}");
    let export = store.export().expect("an export");
    store.erase_all().expect("erased");
    import(&store, &export).expect("imported");
    assert_eq!(store.facts().expect("facts"), before);
    let again = store.induce(&inducer, 100).expect("read again");
    assert_eq!((again.added, again.confirmed, again.superseded), (0, 0, 0));
    assert_eq!(store.facts().expect("facts"), before);
}

#[test]
fn a_file_that_is_no_export_is_refused_without_quoting_it() {
    let json = serde_json::to_string(&small_export()).expect("it is JSON");
    for bad in ["", "[]", "null", "{\"format\": 1}", "{\"format\": \"Zanzibarquokka\"}", &json[..json.len() / 2]] {
        let refused = Export::from_json(bad.as_bytes()).expect_err("it is no export");
        assert!(matches!(refused, Error::ImportInvalid { .. }), "{bad}: {refused:?}");
        assert!(!refused.to_string().contains(CANARY));
    }
    assert!(Export::from_json(&[0xff, 0xfe, 0]).is_err());
    let newer = json.replacen(&format!("\"format\":{EXPORT_FORMAT}"), "\"format\":999", 1);
    let refused = Export::from_json(newer.as_bytes());
    assert!(matches!(refused, Err(Error::ExportTooNew { found: 999, supported: EXPORT_FORMAT })), "{refused:?}");
    let refused = Export::from_json(br#"{"format": 2, "everything": "is elsewhere"}"#);
    assert!(matches!(refused, Err(Error::ExportTooNew { .. })), "a later shape is told from damage: {refused:?}");
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn with(&self, lines: &str) -> PathBuf {
        let path = self.0.path().join("lines.jsonl");
        std::fs::write(&path, lines).expect("written");
        path
    }
}

fn import_lines(store: &MemoryStore, lines: &str) -> TurnImport {
    let files = Files::new();
    store.import_turns(&files.with(lines), OnBadLine::Skip, &mut |_| {}).expect("imported")
}

#[test]
fn lines_become_turns_and_replies_and_are_found_again_by_their_ids() {
    let store = Scratch::new().open();
    let report = import_lines(
        &store,
        concat!(
            r#"{"id": "u1", "text": "I play the cello.", "role": "user", "time": "2024-05-30T23:40:00Z", "x": [1]}"#,
            "\n",
            r#"{"id": "a1", "text": "I play the tuba in Trondheim.", "role": "assistant"}"#,
            "\n\n",
            r#"{"id": "a2", "text": "And you?", "role": "assistant"}"#,
            "\r\n",
            r#"{"id": 7, "text": "I keep bees."}"#,
            "\n",
            r#"{"id": "u3", "text": "Thanks!", "time": 1717200000000}"#,
        ),
    );
    assert_eq!((report.lines, report.turns, report.replies, report.memories), (5, 3, 2, 2));
    assert!(report.bad_lines.is_empty() && report.embedding_failure.is_none());
    let transcript = store.transcript(store.latest_conversation().expect("read").expect("one")).expect("a transcript");
    let times: Vec<_> = transcript.iter().map(|turn| turn.at_ms).collect();
    assert_eq!(times, [1_717_112_400_000, 1_717_112_400_000, 1_717_200_000_000]);
    let reply = transcript[0].reply.as_ref().expect("a reply");
    assert_eq!((reply.text.as_str(), reply.state), ("I play the tuba in Trondheim.\n\nAnd you?", ReplyState::Complete));
    assert!(
        store
            .retrieve("tuba in Trondheim", &RetrieveLimits { by: SearchBy::Words, ..everything() })
            .expect("a search")
            .is_empty()
    );
    let found = store.retrieve_many(&["Which bees do I keep?", "hi", "my cello"], &everything()).expect("a search");
    let turns: Vec<_> = [0, 2].map(|at: usize| found[at][0].turn).into();
    let ids = store.external_ids(&turns).expect("ids");
    assert_eq!(ids[&turns[0]], ExternalId::Number(7));
    assert_eq!(ids[&turns[1]], ExternalId::Text("u1".into()));
    assert!(found[1].is_empty());
}

#[test]
fn many_queries_find_what_each_finds_alone() {
    let store = Scratch::new().open();
    noise(&store);
    let queries: Vec<String> = (0..70).map(|n| format!("what is in chapter {n} of the saga?")).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let together = store.retrieve_many(&queries, &everything()).expect("a search");
    for (query, together) in queries.iter().zip(together) {
        assert_eq!(together, store.retrieve(query, &everything()).expect("a search"));
    }
}

#[test]
fn an_import_run_again_or_cut_short_adds_nothing_twice() {
    let store = Scratch::new().open();
    let line = |n: usize| match n % 2 {
        0 => format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\", \"role\": \"user\"}}\n"),
        _ => format!("{{\"id\": {n}, \"text\": \"answer {n}\", \"role\": \"assistant\"}}\n"),
    };
    let whole: String = (0..300).map(line).collect();
    let cut: String = (0..137).map(line).collect();
    let first = import_lines(&store, &cut);
    assert_eq!((first.turns, first.replies), (69, 68));
    let second = import_lines(&store, &whole);
    assert_eq!((second.already_there, second.turns, second.replies), (137, 81, 82));
    let third = import_lines(&store, &whole);
    assert_eq!((third.already_there, third.turns + third.replies + third.memories), (300, 0));
    assert_eq!(store.conversations().expect("a list").len(), 1);
    let transcript = store.transcript(store.latest_conversation().expect("read").expect("one")).expect("a transcript");
    for (n, turn) in transcript.iter().enumerate() {
        assert_eq!(turn.user, format!("story {} of the sea", 2 * n));
        assert_eq!(turn.reply.as_ref().expect("a reply").text, format!("answer {}", 2 * n + 1));
    }
    assert_eq!(store.vector_status().expect("a status"), VectorStatus { current: 150, stale: 0, missing: 0 });
}

#[test]
fn an_id_that_comes_twice_in_one_file_is_stored_once() {
    let store = Scratch::new().open();
    let report = import_lines(&store, "{\"id\":1,\"text\":\"the sea\"}\n{\"id\":1,\"text\":\"the lake\"}\n");
    assert_eq!((report.turns, report.already_there), (1, 1));
}

const WITH_BAD_LINES: &str = concat!(
    "{\"id\": \"r\", \"text\": \"Hello, how can I help?\", \"role\": \"assistant\"}\n",
    "{\"id\": \"u1\", \"text\": \"I play the cello.\"}\n",
    "Zanzibarquokka\n",
    "{\"id\": \"u2\", \"text\": \"I keep bees.\", \"time\": \"last Zanzibarquokka\"}\n",
    "{\"id\": \"u3\", \"text\": \"x\", \"role\": \"Zanzibarquokka\"}\n",
);

#[test]
fn bad_lines_are_named_and_skipped() {
    let store = Scratch::new().open();
    let report = import_lines(&store, WITH_BAD_LINES);
    let bad: Vec<_> = report.bad_lines.iter().map(|bad| (bad.line, bad.fault)).collect();
    assert_eq!(
        bad,
        [(1, LineFault::ReplyToNothing), (3, LineFault::NotAnObject), (4, LineFault::Time), (5, LineFault::Role)]
    );
    assert_eq!(report.turns, 2, "a line whose time cannot be read is kept");
}

#[test]
fn with_refuse_one_bad_line_keeps_the_whole_file_out() {
    let files = Files::new();
    let store = Scratch::new().open();
    let lines: Vec<_> = WITH_BAD_LINES.lines().collect();
    for (bad, number) in [(lines[0], 1), (lines[2], 41), (lines[3], 41), (lines[4], 41)] {
        let good: String = (0..40).map(|n| format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\"}}\n")).collect();
        let file = if number == 1 { format!("{bad}\n{good}") } else { format!("{good}{bad}\n") };
        let refused = store.import_turns(&files.with(&file), OnBadLine::Refuse, &mut |_| {});
        let Err(error @ Error::ImportInvalid { line, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(line, Some(number));
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    assert!(store.conversations().expect("a list").is_empty());
}

#[test]
fn an_endless_line_is_skipped_without_being_kept() {
    let store = Scratch::new().open();
    let endless =
        format!("{{\"id\": 1, \"text\": \"{}\"}}\n{{\"id\": 2, \"text\": \"the sea\"}}", "x".repeat(30_000_000));
    let report = import_lines(&store, &endless);
    assert_eq!((report.turns, report.bad_lines[0].line, report.bad_lines[0].fault), (1, 1, LineFault::TooLong));
}

#[test]
fn progress_grows_to_the_whole_file() {
    let files = Files::new();
    let lines: String = (0..200).map(|n| format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\"}}\n")).collect();
    let mut seen = Vec::new();
    let store = Scratch::new().open();
    store.import_turns(&files.with(&lines), OnBadLine::Skip, &mut |at| seen.push(at)).expect("imported");
    assert!(seen.len() >= 6 && seen.is_sorted_by_key(|at| at.done));
    assert_eq!((seen[seen.len() - 1].done, seen[0].total), (lines.len() as u64, Some(lines.len() as u64)));
    let export = store.export().expect("an export");
    let mut seen = Vec::new();
    Scratch::new().open().import(&export, &mut |at| seen.push(at.done)).expect("imported");
    assert_eq!(seen, [32, 64, 96, 128, 160, 192, 200]);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let refused = Scratch::new().open().import_turns("/no/such.jsonl".as_ref(), OnBadLine::Skip, &mut |_| {});
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
}
