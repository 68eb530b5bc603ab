//! What a memory store promises in ordinary use: the log, recall, forgetting's reach, odd input, changed embedders.

mod memory_fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aloekit::Error;
use aloekit::memory::{
    EmbedPurpose, Embedder, HashingEmbedder, MAX_TURN_BYTES, MemoryParams, MemoryStore, Origin, Remember, ReplyState,
    RetrieveLimits, SearchBy, StoredReply, Summary, TurnOptions, VectorStatus,
};
use memory_fixture::{Scratch, say};

#[test]
fn a_conversation_comes_back_word_for_word_after_a_restart() {
    let scratch = Scratch::new();
    let (conversation, turn) = {
        let store = scratch.open();
        let conversation = store.create_conversation().expect("a conversation");
        let turn = say(&store, conversation, "  I play the cello 🎻 in a quartet.\n").turn;
        store.attach_recalled(turn, "nothing known yet", &[]).expect("the block is kept");
        store.save_reply(turn, "How love", ReplyState::Partial).expect("a first piece");
        store.save_reply(turn, "How lovely!", ReplyState::Complete).expect("the whole");
        let summary = Summary { text: "They play.".into(), through_turn: turn };
        store.set_summary(conversation, &summary).expect("a summary");
        (conversation, turn)
    };
    let store = scratch.open();
    assert_eq!(store.latest_conversation().expect("it can be read"), Some(conversation));
    let transcript = store.transcript(conversation).expect("it can be read");
    assert_eq!(transcript.len(), 1);
    assert_eq!(transcript[0].turn, turn);
    assert_eq!(transcript[0].user, "  I play the cello 🎻 in a quartet.\n");
    assert_eq!(transcript[0].recalled_block.as_deref(), Some("nothing known yet"));
    let reply = StoredReply { text: "How lovely!".into(), state: ReplyState::Complete };
    assert_eq!(transcript[0].reply, Some(reply));
    assert_eq!(store.summary(conversation).expect("it can be read").expect("it was set").through_turn, turn);
    let next = say(&store, store.create_conversation().expect("another"), "Second conversation, third day").turn;
    assert_eq!(next, turn + 1);
}

#[test]
fn what_was_said_in_another_conversation_is_recalled_with_its_words_and_reason() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let first = store.create_conversation().expect("a conversation");
    say(&store, first, "My cello teacher lives in Altona.");
    say(&store, first, "The stew needs more paprika.");
    let second = store.create_conversation().expect("a conversation");
    let begun = say(&store, second, "Where does my cello teacher live?");
    let best = &begun.recalled[0];
    assert_eq!(best.words, "My cello teacher lives in Altona.");
    assert_eq!((best.turn, best.conversation), (1, first.0));
    assert!((0.0..=1.0).contains(&best.score));
    assert!(best.why.contains("meaning 0.") && best.why.contains("'cello'"), "{}", best.why);
    assert!(begun.recalled.iter().all(|other| other.turn != begun.turn), "a turn recalls itself");
}

#[test]
fn small_talk_recalls_nothing_and_is_never_recalled() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "hello there");
    say(&store, conversation, "I keep bees on the roof.");
    for text in ["hi", "Thanks!", "ok great", "good morning"] {
        assert!(say(&store, conversation, text).recalled.is_empty(), "{text}");
    }
    assert_eq!(store.memories().expect("a list").len(), 1);
    assert_eq!(store.transcript(conversation).expect("a transcript").len(), 6);
}

#[test]
fn a_statement_ranks_above_the_same_words_asked() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "Which cello strings sound warm?");
    say(&store, conversation, "The warm cello strings are the gut ones.");
    let found = store.retrieve("warm cello strings", &RetrieveLimits::default()).expect("a search");
    assert_eq!(found[0].words, "The warm cello strings are the gut ones.");
}

#[test]
fn a_thing_said_twice_is_recalled_once_as_said_last() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "My cat is called Miso.");
    say(&store, conversation, "my cat is called miso");
    let found = store.retrieve("What is my cat called?", &RetrieveLimits::default()).expect("a search");
    assert_eq!(found.iter().map(|memory| memory.turn).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_turn_not_to_be_remembered_stands_in_the_transcript_only() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let options = TurnOptions { remember: Remember::No, ..TurnOptions::default() };
    store.begin_turn(conversation, "The surprise party is on Friday.", &options).expect("the turn is stored");
    assert!(store.retrieve("surprise party", &RetrieveLimits::default()).expect("a search").is_empty());
    assert_eq!(store.transcript(conversation).expect("a transcript").len(), 1);
    assert_eq!(memory_fixture::counts(&scratch.path()), [1, 0, 0, 0]);
}

#[test]
fn turns_that_stand_in_the_prompt_are_left_out() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "My cello is from Cremona.");
    say(&store, conversation, "My cello is insured.");
    let limits = RetrieveLimits { in_context: Some((conversation, 2)), ..RetrieveLimits::default() };
    let found = store.retrieve("my cello", &limits).expect("a search");
    assert_eq!(found.iter().map(|memory| memory.turn).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_was_pasted_says_so_and_ranks_below_what_was_said() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let pasted = TurnOptions { origin: Origin::Pasted, ..TurnOptions::default() };
    store.begin_turn(conversation, "The rehearsal hall is in Bremen, says Ann.", &pasted).expect("stored");
    say(&store, conversation, "The rehearsal hall is in Bremen, by the river.");
    let found = store.retrieve("Where is the rehearsal hall?", &RetrieveLimits::default()).expect("a search");
    assert_eq!(found[0].origin, Origin::Said);
    assert!(found[1..].iter().any(|memory| memory.origin == Origin::Pasted));
}

#[test]
fn a_clock_set_back_a_year_changes_no_order() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let year_ms = 365 * 24 * 3600 * 1000;
    for (text, at_ms) in [("first, on the farm", year_ms * 55), ("second, on the farm", year_ms * 54)] {
        let options = TurnOptions { at_ms: Some(at_ms), ..TurnOptions::default() };
        store.begin_turn(conversation, text, &options).expect("stored");
    }
    let transcript = store.transcript(conversation).expect("a transcript");
    assert_eq!(transcript.iter().map(|turn| turn.turn).collect::<Vec<_>>(), [1, 2]);
    let later = store.create_conversation().expect("a conversation");
    let past = TurnOptions { at_ms: Some(0), ..TurnOptions::default() };
    store.begin_turn(later, "third, long ago", &past).expect("stored");
    assert_eq!(store.latest_conversation().expect("it can be read"), Some(later));
}

#[test]
fn empty_and_endless_texts_are_refused_and_odd_ones_kept() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let endless = "x".repeat(MAX_TURN_BYTES + 1);
    for text in ["", " \n\t\u{3000}", &endless] {
        let refused = store.begin_turn(conversation, text, &TurnOptions::default());
        assert!(matches!(refused, Err(Error::InvalidInput { what: "message", .. })));
    }
    let million = "one million letters ".repeat(50_000);
    let odd =
        ["nul \0 inside", "\"quotes\" AND (NEAR OR NOT *", "🎻👩‍👩‍👧", "私はチェロを弾きます", "مرحبا بالعالم", &million];
    for text in odd {
        say(&store, conversation, text);
        store.retrieve(text, &RetrieveLimits::default()).expect("it can be searched for");
    }
    let kept = store.transcript(conversation).expect("a transcript");
    assert!(kept.iter().map(|turn| turn.user.as_str()).eq(odd), "every text is kept as it was");
}

#[test]
fn what_does_not_exist_is_not_found() {
    let store = Scratch::new().open();
    let nowhere = aloekit::memory::ConversationId(7);
    let not_found = |result: Result<(), Error>| assert!(matches!(result, Err(Error::NotFound { .. })), "{result:?}");
    not_found(store.begin_turn(nowhere, "words", &TurnOptions::default()).map(drop));
    not_found(store.transcript(nowhere).map(drop));
    not_found(store.summary(nowhere).map(drop));
    not_found(store.save_reply(7, "words", ReplyState::Complete));
    not_found(store.attach_recalled(7, "words", &[]));
    not_found(store.forget(7).map(drop));
    not_found(store.set_pinned(7, true));
    assert_eq!(store.latest_conversation().expect("it can be read"), None);
}

#[test]
fn what_stood_in_a_prompt_can_be_asked_for_after_a_restart() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I am allergic to walnuts.");
    let begun = say(&store, conversation, "Are walnuts all right for me?");
    let ids: Vec<i64> = begun.recalled.iter().map(|memory| memory.id).collect();
    store.attach_recalled(begun.turn, "Said earlier: …", &[ids.as_slice(), &[4711]].concat()).expect("attached");
    drop(store);
    let recalled = scratch.open().recalled_in(begun.turn).expect("it can be read");
    assert_eq!(recalled.iter().map(|memory| memory.id).collect::<Vec<_>>(), ids);
    assert_eq!(recalled[0].words, "I am allergic to walnuts.");
}

#[test]
fn an_export_holds_everything_and_survives_json() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let turn = say(&store, conversation, "I am left-handed.").turn;
    store.save_reply(turn, "Noted.", ReplyState::Cancelled).expect("a reply");
    let export = store.export().expect("an export");
    let json = serde_json::to_string(&export).expect("it is JSON");
    assert_eq!(serde_json::from_str::<aloekit::memory::Export>(&json).expect("and back"), export);
    assert_eq!(export.memories[0].words, "I am left-handed.");
    assert_eq!(export.conversations[0].turns[0].reply.as_ref().map(|reply| reply.text.as_str()), Some("Noted."));
}

type Symptom = fn(&[&str]) -> aloekit::Result<Vec<Vec<f32>>>;

/// Fails on demand, as a model under memory pressure might; or panics, or returns nonsense.
struct Moody {
    inner: HashingEmbedder,
    ill: Arc<AtomicBool>,
    symptom: Symptom,
}

impl Embedder for Moody {
    fn fingerprint(&self) -> &str {
        self.inner.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn embed(&self, texts: &[&str], purpose: EmbedPurpose) -> aloekit::Result<Vec<Vec<f32>>> {
        if self.ill.load(Ordering::Relaxed) { (self.symptom)(texts) } else { self.inner.embed(texts, purpose) }
    }
}

#[test]
fn a_turn_is_kept_when_the_embedder_fails_and_gets_its_vector_later() {
    let symptoms: [Symptom; 5] = [
        |_| Err(Error::Cancelled),
        |_| panic!("out of memory"),
        |_| Ok(vec![]),
        |texts| Ok(vec![vec![1.0; 3]; texts.len()]),
        |texts| Ok(vec![vec![f32::NAN; 64]; texts.len()]),
    ];
    for symptom in symptoms {
        let ill = Arc::new(AtomicBool::new(true));
        let moody = Moody { inner: HashingEmbedder::new(64), ill: ill.clone(), symptom };
        let store = MemoryStore::open(MemoryParams::in_memory(), Some(Arc::new(moody))).expect("it opens");
        let conversation = store.create_conversation().expect("a conversation");
        let begun = say(&store, conversation, "I collect old maps.");
        assert!(begun.embedding_failure.is_some());
        let found = store.retrieve("old maps", &RetrieveLimits::default()).expect("words still find it");
        assert_eq!(found.len(), 1);
        ill.store(false, Ordering::Relaxed);
        assert_eq!(store.vector_status().expect("a status").missing, 1);
        assert_eq!(store.reembed().expect("it is embedded"), 1);
        let by_meaning = RetrieveLimits { by: SearchBy::Meaning, ..RetrieveLimits::default() };
        assert_eq!(store.retrieve("old maps", &by_meaning).expect("a search").len(), 1);
    }
}

#[test]
fn a_store_embedded_by_another_model_still_finds_words_and_offers_to_embed_anew() {
    let scratch = Scratch::new();
    {
        let store = scratch.open();
        let conversation = store.create_conversation().expect("a conversation");
        (0..70).for_each(|n| drop(say(&store, conversation, &format!("My locker number {n} is by the pool."))));
    }
    let other: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new(32));
    let store = MemoryStore::open(scratch.params(), Some(other)).expect("it opens");
    assert_eq!(store.vector_status().expect("a status"), VectorStatus { current: 0, stale: 70, missing: 0 });
    let found = store.retrieve("locker number 42", &RetrieveLimits::default()).expect("words find it");
    assert_eq!(found[0].words, "My locker number 42 is by the pool.");
    let by_meaning = RetrieveLimits { by: SearchBy::Meaning, ..RetrieveLimits::default() };
    let refused = store.retrieve("locker", &by_meaning);
    assert!(matches!(refused, Err(Error::EmbedderChanged { .. })), "{refused:?}");
    assert_eq!(store.reembed().expect("it embeds anew"), 70);
    assert_eq!(store.vector_status().expect("a status"), VectorStatus { current: 70, stale: 0, missing: 0 });
    assert!(!store.retrieve("locker number 42", &by_meaning).expect("meaning works again").is_empty());
}

#[test]
fn without_an_embedder_words_find_and_meaning_is_refused() {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("it opens");
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I sail on the lake.");
    assert_eq!(store.retrieve("sailing", &RetrieveLimits::default()).expect("a search").len(), 1);
    let by_meaning = RetrieveLimits { by: SearchBy::Meaning, ..RetrieveLimits::default() };
    assert!(matches!(store.retrieve("sailing", &by_meaning), Err(Error::InvalidInput { .. })));
    assert!(matches!(store.reembed(), Err(Error::InvalidInput { .. })));
}

#[test]
fn two_handles_in_two_places_see_what_the_other_stored() {
    let scratch = Scratch::new();
    let (here, there) = (scratch.open(), scratch.open());
    let conversation = here.create_conversation().expect("a conversation");
    say(&here, conversation, "I grow tomatoes.");
    let by_meaning = RetrieveLimits { by: SearchBy::Meaning, ..RetrieveLimits::default() };
    assert_eq!(there.retrieve("growing tomatoes", &by_meaning).expect("a search").len(), 1);
    let id = there.memories().expect("a list")[0].id;
    there.forget(id).expect("forgotten");
    assert!(here.retrieve("growing tomatoes", &by_meaning).expect("a search").is_empty());
}

#[test]
fn many_threads_lose_no_turn() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                (0..25).for_each(|n| drop(say(&store, conversation, &format!("thread {thread} tells story {n}"))));
            });
        }
    });
    drop(store);
    assert_eq!(memory_fixture::counts(&scratch.path()), [200; 4]);
}
