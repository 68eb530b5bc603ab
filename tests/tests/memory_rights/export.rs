//! Taking everything away and bringing it back: the same memory, whatever was in it, and nothing of what is unsound.

use std::collections::BTreeMap;

use aloekit::Error;
use aloekit::memory::{
    EXPORT_FORMAT, Export, ExtractiveInducer, ImportReport, Memory, MemoryKind, MemoryStore, Origin, ReplyState,
    Summary, TurnOptions,
};
use proptest::prelude::*;

use crate::memory_fixture::{Scratch, say};
use crate::{CANARY, noise};

fn import(store: &MemoryStore, export: &Export) -> aloekit::Result<ImportReport> {
    store.import(export, &mut |_| {})
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
fn add_fact(scratch: &Scratch, source: &Memory, kind: &str, confidence: f32, later: Option<i64>) {
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
