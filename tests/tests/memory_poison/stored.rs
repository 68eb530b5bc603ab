//! What becomes of the corpus in the store, with the real chat model, the real embedder and the real inducer.

use std::collections::HashMap;

use aloekit::memory::{
    ConversationId, ExtractiveInducer, Memory, MemoryKind, MemoryStore, Origin, ReplyState, RetrieveLimits, StoredTurn,
};
use aloekit::{Assistant, SessionParams};
use aloekit_tests::fixtures::{assistant, embedder};

use crate::corpus::{Arrival, Gullible, MayBeFact, Poison, Stored, corpus, said};
use crate::session_fixture::{block_on, brief_new, session};

struct Kept {
    poison: Poison,
    turn: StoredTurn,
    memories: Vec<Memory>,
}

/// Sends every text in a conversation of its own.
fn send_all(assistant: &Assistant) -> Vec<(Poison, ConversationId, i64)> {
    let mut sent = Vec::new();
    for poison in corpus() {
        // What is recalled is not looked at here, and would cost most of the time.
        let mut talk = session(assistant, SessionParams { recall: false, ..brief_new(1) });
        let message = poison.message();
        let turn = block_on(async { talk.send(message).await?.finish().await }).expect("the turn ends well");
        if poison.by == Arrival::Reply {
            assistant.memory().save_reply(turn.turn, &poison.text, ReplyState::Complete).expect("a reply");
        }
        sent.push((poison, talk.conversation(), turn.turn));
    }
    sent
}

fn kept(store: &MemoryStore, sent: Vec<(Poison, ConversationId, i64)>) -> Vec<Kept> {
    let memories = store.memories().expect("a list");
    let of = |turn: i64| memories.iter().filter(|memory| memory.turn == turn).cloned().collect();
    let kept = sent.into_iter().map(|(poison, conversation, number)| {
        let turn = store.transcript(conversation).expect("a transcript").pop().expect("the turn");
        Kept { poison, turn, memories: of(number) }
    });
    kept.collect()
}

fn check_stored(kept: &Kept) {
    let Kept { poison, turn, memories } = kept;
    let origins: Vec<Origin> = memories.iter().map(|memory| memory.origin).collect();
    let text = poison.text.trim();
    let name = format!("{} {text:?}", poison.id);
    match poison.by {
        Arrival::Typed => assert_eq!(turn.user, text, "{name}: word for word"),
        Arrival::Attached => assert!(turn.user.ends_with(text), "{name}: word for word"),
        Arrival::Reply => {
            assert_eq!(turn.reply.as_ref().map(|reply| reply.text.as_str()), Some(&*poison.text), "{name}");
            assert!(memories.iter().all(|memory| !memory.text.contains(text)), "{name}: a reply became a memory");
        }
    }
    match poison.stored {
        Stored::Said => assert!(turn.pasted.is_empty() && !origins.contains(&Origin::Pasted), "{name}"),
        Stored::Pasted => {
            assert!(turn.origin == Origin::Pasted && origins.iter().all(|origin| *origin == Origin::Pasted), "{name}");
        }
        Stored::Both => {
            assert!(turn.origin == Origin::Said && !turn.pasted.is_empty(), "{name}");
            let of_user = memories.iter().filter(|memory| memory.origin == Origin::Said);
            let own = said(turn);
            let foreign: Vec<_> = of_user.flat_map(|memory| memory.text.lines()).filter(|l| !own.contains(l)).collect();
            assert!(foreign.is_empty(), "{name}: {foreign:?} was not said");
        }
        Stored::Reply => {}
    }
}

/// No fact but of the user's own words, and none where the corpus says so; answers with how many there are.
fn check_facts(store: &MemoryStore, kept: &[Kept], strict: bool) -> usize {
    let by_turn: HashMap<i64, &Kept> = kept.iter().map(|kept| (kept.turn.turn, kept)).collect();
    let facts = store.export().expect("an export").facts;
    for source in facts.iter().flat_map(|fact| &fact.sources) {
        let Kept { poison, turn, .. } = by_turn[&source.turn];
        let name = format!("{} {:?}", poison.id, source.words);
        assert!(turn.origin == Origin::Said, "{name}: a fact from a pasted turn");
        assert!(said(turn).contains(&source.words), "{name}: a fact from pasted words");
        assert!(!strict || poison.fact == MayBeFact::Own, "{name}: {:?} is no fact", poison.kind);
    }
    let memories = store.memories().expect("a list");
    assert!(memories.iter().all(|memory| memory.kind == MemoryKind::Episode || memory.origin == Origin::Said));
    facts.len()
}

#[test]
fn no_text_rises_above_its_source() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = assistant(data.path(), 2048);
    let store = assistant.memory();
    let kept = kept(store, send_all(&assistant));
    kept.iter().for_each(check_stored);

    let before = origins(store);
    let careful = ExtractiveInducer::new(Some(embedder())).expect("the inducer");
    assert!(careful.uses_meaning());
    store.induce(&careful, 1000).expect("induced");
    let few = check_facts(store, &kept, true);
    let gullible = Gullible { knows: kept.iter().map(|kept| kept.poison.text.clone()).collect() };
    store.induce(&gullible, 1000).expect("induced");
    let many = check_facts(store, &kept, false);
    // Once more: what is known is confirmed or left, and nothing else changes.
    store.induce(&gullible, 1000).expect("induced");
    assert_eq!(check_facts(store, &kept, false), many);
    let after = origins(store);
    assert!(before.iter().all(|(id, origin)| after[id] == *origin), "consolidation changed an origin");
    println!("{} texts, {few} facts by the extractive inducer, {many} by one that believes everything", kept.len());
    check_recall(store, &kept);
}

fn origins(store: &MemoryStore) -> HashMap<i64, Origin> {
    store.memories().expect("a list").into_iter().map(|memory| (memory.id, memory.origin)).collect()
}

/// What is found again says truly whose it is.
fn check_recall(store: &MemoryStore, kept: &[Kept]) {
    let by_turn: HashMap<i64, &Kept> = kept.iter().map(|kept| (kept.turn.turn, kept)).collect();
    let mut pasted = 0;
    for Kept { poison, .. } in kept {
        for found in store.retrieve(&poison.text, &RetrieveLimits::default()).expect("found") {
            let Kept { turn, poison: source, .. } = by_turn[&found.turn];
            let own = said(turn);
            let is_said = found.words.lines().all(|line| own.contains(line));
            assert!(found.origin == Origin::Pasted || is_said, "{}: {:?} was not said", source.id, found.words);
            pasted += usize::from(found.origin == Origin::Pasted);
        }
    }
    println!("{pasted} recalls of pasted text, all marked");
    assert!(pasted > 0);
}
