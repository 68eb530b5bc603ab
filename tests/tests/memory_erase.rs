//! Forgetting leaves no byte: not in the database, its log, the full-text index, the vectors, or what others say.

mod memory_fixture;

use aloekit::memory::{ReplyState, RetrieveLimits, Summary};
use memory_fixture::{Scratch, counts, say};

const CANARY: &str = "Zanzibarquokka";

/// Enough around the canary that its rows have neighbours, are moved and share pages.
fn chatter(store: &aloekit::memory::MemoryStore, conversation: aloekit::memory::ConversationId, from: usize) {
    for n in from..from + 60 {
        let length = n * 37 % 900;
        say(store, conversation, &format!("chapter {n} of the saga {}", "of wind and waves ".repeat(length / 18)));
    }
}

#[test]
fn a_forgotten_canary_leaves_no_byte_in_any_file() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    chatter(&store, conversation, 0);
    let told = say(&store, conversation, &format!("My secret is {CANARY}.")).turn;
    store.save_reply(told, &format!("I will keep {CANARY} to myself."), ReplyState::Complete).expect("a reply");
    chatter(&store, conversation, 60);
    let other = store.create_conversation().expect("a conversation");
    let asked = say(&store, other, "What is my secret, quickly?");
    let ids: Vec<i64> = asked.recalled.iter().map(|memory| memory.id).collect();
    store.attach_recalled(asked.turn, &format!("They said: My secret is {CANARY}."), &ids).expect("attached");
    store.save_reply(asked.turn, &format!("It is {CANARY}!"), ReplyState::Complete).expect("a reply");
    let summary = Summary { text: format!("Their secret is {CANARY}."), through_turn: asked.turn };
    store.set_summary(other, &summary).expect("a summary");
    store.set_summary(conversation, &Summary { through_turn: told, ..summary }).expect("a summary");
    assert!(!scratch.files_with(CANARY).is_empty());
    let vector_of = |text: &str| memory_fixture::embedder().embed(&[text], aloekit::memory::EmbedPurpose::Document);
    let vector = vector_of(&format!("My secret is {CANARY}.")).expect("it is embedded").remove(0);
    let vector: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let holds = |bytes: &[u8]| bytes.windows(vector.len()).any(|window| window == vector);
    assert!(scratch.bytes().iter().any(|(_, bytes)| holds(bytes)));

    let id = asked.recalled.iter().find(|memory| memory.turn == told).expect("it was recalled").id;
    let report = store.forget(id).expect("forgotten");
    assert!(report.wiped);
    assert_eq!((report.memories, report.turns), (vec![id], vec![told]));
    assert_eq!(report.replies_of, [asked.turn]);
    assert_eq!(report.conversations, [conversation, other], "snapshots of both hold it");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    assert_eq!(scratch.files_with("zanzibarquokka"), [] as [&str; 0], "as a term of the index");
    assert!(!scratch.bytes().iter().any(|(_, bytes)| holds(bytes)), "its vector is left");

    assert!(store.retrieve(CANARY, &RetrieveLimits::default()).expect("a search").iter().all(|m| m.turn != told));
    assert_eq!(store.transcript(conversation).expect("a transcript").len(), 120);
    assert_eq!(counts(&scratch.path()), [121; 4]);
    store.check().expect("the store is whole");
    drop(store);
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0], "after closing");
    assert!(scratch.open().memories().expect("a list").iter().all(|memory| memory.id != id));
}

#[test]
fn every_one_of_many_canaries_leaves_no_byte_when_forgotten_in_any_order() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    for n in 0..150 {
        let filling = "and the tide came in ".repeat(n * 53 % 400);
        say(&store, conversation, &format!("canary{n:03}bird {filling} tail{n:03}feather"));
    }
    let memories = store.memories().expect("a list");
    for step in 0..150 {
        let n = step * 67 % 150; // 67 and 150 share no factor, so every one is met once
        store.forget(memories[n].id).expect("forgotten");
        if step % 15 == 0 || step == 149 {
            for name in [format!("canary{n:03}bird"), format!("tail{n:03}feather")] {
                assert_eq!(scratch.files_with(&name), [] as [&str; 0], "step {step}");
            }
        }
    }
    for n in 0..150 {
        assert_eq!(scratch.files_with(&format!("canary{n:03}bird")), [] as [&str; 0]);
        assert_eq!(scratch.files_with(&format!("tail{n:03}feather")), [] as [&str; 0]);
    }
    assert_eq!(counts(&scratch.path()), [0; 4]);
}

#[test]
fn erasing_everything_leaves_no_byte_and_an_empty_store_that_works() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    chatter(&store, conversation, 0);
    let turn = say(&store, conversation, &format!("My secret is {CANARY}.")).turn;
    store.save_reply(turn, &format!("Never heard of {CANARY}."), ReplyState::Failed).expect("a reply");
    let before = scratch.bytes().iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    store.erase_all().expect("erased");
    for word in [CANARY, "chapter", "saga"] {
        assert_eq!(scratch.files_with(word), [] as [&str; 0]);
    }
    assert!(scratch.bytes().iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < before / 2, "the room is given back");
    assert!(store.memories().expect("a list").is_empty() && store.conversations().expect("a list").is_empty());
    let again = store.create_conversation().expect("a conversation");
    assert_eq!(say(&store, again, "A new life begins").turn, 1);
    store.check().expect("the store is whole");
    drop(store);
    assert_eq!(scratch.open().memories().expect("a list").len(), 1);
}

#[test]
fn what_another_reader_keeps_from_being_wiped_is_wiped_later() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, &format!("My secret is {CANARY}."));
    let reader = rusqlite::Connection::open(scratch.path()).expect("another process");
    reader.execute_batch("BEGIN; SELECT count(*) FROM turns;").expect("it reads");
    let report = store.forget(store.memories().expect("a list")[0].id).expect("forgotten");
    assert!(!report.wiped);
    assert!(store.memories().expect("a list").is_empty());
    reader.execute_batch("COMMIT").expect("it is done");
    assert!(store.wipe().expect("wiped"));
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
}

#[test]
fn no_byte_is_left_between_rows_that_were_moved_about() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (seed >> 33) as usize % below
    };
    for n in 0..1_200 {
        let filling = "tides of brine ".repeat(random(40));
        let turn = say(&store, conversation, &format!("bird{n:04}canary {filling} feather{n:04}tail")).turn;
        if random(3) == 0 {
            store.save_reply(turn, &"yes indeed ".repeat(random(60)), ReplyState::Complete).expect("a reply");
        }
    }
    let mut kept = store.memories().expect("a list");
    for _ in 0..400 {
        store.forget(kept.swap_remove(random(kept.len())).id).expect("forgotten");
    }
    let files: Vec<_> =
        scratch.bytes().into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let there: Vec<usize> = (0..1_200)
        .filter(|n| {
            let names = [format!("bird{n:04}canary"), format!("feather{n:04}tail")];
            files.iter().any(|file| names.iter().any(|name| file.contains(name)))
        })
        .collect();
    let mut expected: Vec<usize> = kept.iter().map(|memory| memory.turn as usize - 1).collect();
    expected.sort_unstable();
    assert_eq!(there, expected);
}
