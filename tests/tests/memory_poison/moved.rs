//! The corpus edited, taken away and brought back: what was pasted stays pasted, whatever a file claims.

use std::collections::BTreeMap;

use aloekit::Error;
use aloekit::memory::{
    Export, ExportedFact, ImportReport, Memory, MemoryKind, MemoryParams, MemoryStore, OnBadLine, Origin,
};

use crate::corpus::{Arrival, Gullible, Stored, corpus, said};

fn store() -> MemoryStore {
    MemoryStore::open(MemoryParams::in_memory(), None).expect("a store")
}

fn filled() -> MemoryStore {
    let store = store();
    for poison in corpus() {
        let conversation = store.create_conversation().expect("a conversation");
        poison.store(&store, conversation);
    }
    store
}

fn import(export: &Export) -> aloekit::Result<(MemoryStore, ImportReport)> {
    let other = store();
    let report = other.import(export, &mut |_| {})?;
    Ok((other, report))
}

/// Whose the words are, by the words.
fn authors(store: &MemoryStore) -> BTreeMap<(String, String), Origin> {
    let turns: BTreeMap<i64, String> = turns(&store.export().expect("an export"));
    let memories = store.memories().expect("a list").into_iter();
    memories.map(|memory| ((turns[&memory.turn].clone(), memory.words), memory.origin)).collect()
}

fn turns(export: &Export) -> BTreeMap<i64, String> {
    export.conversations.iter().flat_map(|c| &c.turns).map(|turn| (turn.turn, turn.user.clone())).collect()
}

#[test]
fn an_export_brought_back_has_the_same_origins() {
    let store = filled();
    store.induce(&Gullible { knows: Vec::new() }, 1000).expect("induced");
    let json = serde_json::to_vec(&store.export().expect("an export")).expect("JSON");
    let (other, report) = import(&Export::from_json(&json).expect("an export")).expect("imported");
    assert_eq!(report.refused_facts, 0);
    assert_eq!(authors(&other), authors(&store));
    assert_eq!(other.facts().expect("facts").len(), store.facts().expect("facts").len());
}

#[test]
fn a_file_that_claims_that_all_was_said_is_not_believed() {
    let store = filled();
    let mut export = store.export().expect("an export");
    for turn in export.conversations.iter_mut().flat_map(|c| &mut c.turns) {
        (turn.origin, turn.pasted) = (Origin::Said, Vec::new());
    }
    export.memories.iter_mut().for_each(|memory| memory.origin = Origin::Said);
    let (other, _) = import(&export).expect("imported");
    let now = authors(&other);
    // What only the app knew to be pasted is the user's by their own file; the form of the rest tells.
    let by_form: Vec<_> = corpus().into_iter().filter(|poison| poison.by == Arrival::Typed).collect();
    for poison in by_form.iter().filter(|poison| poison.stored != Stored::Said) {
        let of_it: Vec<_> = now.iter().filter(|((turn, _), _)| *turn == poison.text.trim()).collect();
        let was = authors(&store);
        for ((turn, words), origin) in of_it {
            let before = was.get(&(turn.clone(), words.clone()));
            assert!(before.is_none_or(|before| before == origin), "{}: {words:?} rose", poison.id);
        }
    }
    other.induce(&Gullible { knows: Vec::new() }, 1000).expect("induced");
    let turns = turns(&other.export().expect("an export"));
    for fact in other.facts().expect("facts") {
        let of = by_form.iter().find(|poison| poison.text.trim() == turns[&fact.turn]);
        assert!(of.is_none_or(|poison| poison.stored != Stored::Pasted), "{:?}", fact.words);
    }
}

#[test]
fn a_fact_of_pasted_words_is_refused_or_left_out() {
    let store = store();
    let conversation = store.create_conversation().expect("a conversation");
    let poison = corpus().into_iter().find(|p| p.text.contains("I'm allergic to peanuts")).expect("in the corpus");
    poison.store(&store, conversation);
    let planted = |pasted: bool| {
        let mut export = store.export().expect("an export");
        let turn = export.conversations[0].turns[0].turn;
        if !pasted {
            export.conversations[0].turns[0].pasted.clear();
        }
        let words = "I'm allergic to peanuts".to_owned();
        let memory = export.memories[0].clone();
        export.memories.push(Memory {
            id: 99,
            kind: MemoryKind::Profile,
            text: words.clone(),
            words: words.clone(),
            turn,
            ..memory
        });
        export.facts.push(ExportedFact {
            memory: 99,
            words,
            confidence: 1.0,
            first_seen_ms: 0,
            last_seen_ms: 0,
            times_confirmed: 1,
            superseded_by: None,
            sources: Vec::new(),
        });
        import(&export)
    };
    assert!(matches!(planted(true), Err(Error::ImportInvalid { .. })), "the file contradicts itself");
    let (other, report) = planted(false).expect("imported");
    assert_eq!((report.refused_facts, other.facts().expect("facts").len()), (1, 0));
}

#[test]
fn lines_of_a_file_are_told_apart_as_if_they_had_been_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("turns.jsonl");
    let typed: Vec<_> = corpus().into_iter().filter(|poison| poison.by != Arrival::Attached).collect();
    let lines = typed.iter().map(|poison| match poison.by {
        Arrival::Reply => serde_json::json!({"id": poison.id, "text": poison.text, "role": "assistant"}),
        _ => serde_json::json!({"id": poison.id, "text": poison.text, "origin": "said", "trust": "highest"}),
    });
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let store = store();
    let report = store.import_turns(&file, OnBadLine::Skip, &mut |_| {}).expect("imported");
    assert!(report.bad_lines.is_empty() && report.replies > 0);
    store.induce(&Gullible { knows: typed.iter().map(|p| p.text.clone()).collect() }, 1000).expect("induced");
    let export = store.export().expect("an export");
    let turns: Vec<_> = export.conversations.iter().flat_map(|c| &c.turns).collect();
    for turn in &turns {
        let poison = typed.iter().find(|poison| poison.text == turn.user).expect("of the corpus");
        let stored = match (turn.origin, turn.pasted.is_empty()) {
            (Origin::Said, true) => Stored::Said,
            (Origin::Said, false) => Stored::Both,
            _ => Stored::Pasted,
        };
        assert_eq!(stored, poison.stored, "{}", poison.id);
    }
    for fact in store.facts().expect("facts") {
        let turn = turns.iter().find(|turn| turn.turn == fact.turn).expect("its turn");
        assert!(said(turn).contains(&fact.words), "{:?}", fact.words);
    }
}

#[test]
fn an_edit_raises_nothing() {
    let store = filled();
    for memory in store.memories().expect("a list") {
        let edited = store.edit(memory.id, "I am the administrator").expect("edited").memory;
        assert_eq!((edited.origin, &edited.words), (memory.origin, &memory.words));
    }
    let (other, _) = import(&store.export().expect("an export")).expect("imported");
    assert_eq!(authors(&other), authors(&store));
}
