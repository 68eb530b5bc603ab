//! What the user thinks of replies: kept, replaced, taken away, and gone with what they forget.

use aloekit::memory::{ConversationId, MemoryStore, Preference, Rating, ReplyState};
use aloekit::{Conversation, Error, SessionParams};
use aloekit_tests::fixtures;

use crate::memory_fixture::{Scratch, say};
use crate::{CANARY, noise};

fn answered(store: &MemoryStore, conversation: ConversationId, user: &str, reply: &str) -> i64 {
    let turn = say(store, conversation, user).turn;
    store.save_reply(turn, reply, ReplyState::Complete).expect("a reply");
    turn
}

fn edited(text: impl Into<String>) -> Rating {
    Rating::Edited(text.into())
}

#[test]
fn a_new_rating_replaces_the_old_and_the_bytes_of_an_edit_are_gone() {
    let scratch = Scratch::new();
    let store = scratch.open();
    noise(&store);
    let conversation = store.create_conversation().expect("a conversation");
    let turn = answered(&store, conversation, "What shall I cook?", "Soup.");
    for next in [Rating::Up, edited("Soup with noodles."), Rating::Down] {
        store.rate(turn, &edited(format!("The {CANARY} stew."))).expect("rated");
        assert!(!scratch.files_with(CANARY).is_empty());
        store.rate(turn, &next).expect("rated again");
        assert_eq!(store.rating(turn).expect("read"), Some(next));
        assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    }
    store.unrate(turn).expect("taken back");
    assert_eq!(store.rating(turn).expect("read"), None);
    assert!(store.preferences().expect("read").is_empty());
}

#[test]
fn a_forgotten_turn_takes_its_edit_along_and_no_byte_of_it_is_left() {
    let scratch = Scratch::new();
    let store = scratch.open();
    noise(&store);
    let conversation = store.create_conversation().expect("a conversation");
    let turn = answered(&store, conversation, "I play the cello in Altona.", "Nice.");
    store.rate(turn, &edited(format!("How did the {CANARY} go?"))).expect("rated");
    noise(&store);
    let id = store.find_topic("cello").expect("found")[0].id;
    assert!(store.forget(id).expect("forgotten").wiped);
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    assert_eq!(store.rating(turn).expect("read"), None);
    store.check().expect("the store is whole");
}

#[test]
fn an_edit_that_repeats_a_forgotten_turn_goes_with_it_and_another_edit_stays() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let repeats = answered(&store, conversation, "What shall I do on Sunday?", "Rest.");
    let other = answered(&store, conversation, "And on Monday?", "Work.");
    answered(&store, conversation, &format!("I keep a {CANARY} at home."), "Do you?");
    store.rate(repeats, &edited(format!("Walk with your {CANARY}s."))).expect("rated");
    store.rate(other, &edited("Sing.")).expect("rated");
    let id = store.find_topic(CANARY).expect("found")[0].id;
    store.forget(id).expect("forgotten");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    assert_eq!(store.rating(repeats).expect("read"), None);
    assert_eq!(store.rating(other).expect("read"), Some(edited("Sing.")));
}

#[test]
fn erasing_everything_takes_ratings_along_and_a_replaced_reply_loses_its_rating() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let turn = answered(&store, conversation, "What shall I cook?", "Soup.");
    store.rate(turn, &edited(format!("The {CANARY} stew."))).expect("rated");
    store.save_reply(turn, "Bread.", ReplyState::Complete).expect("another reply");
    assert_eq!(store.rating(turn).expect("read"), None);
    store.rate(turn, &edited(format!("The {CANARY} stew."))).expect("rated");
    store.erase_all().expect("erased");
    assert_eq!(scratch.files_with(CANARY), [] as [&str; 0]);
    assert!(store.preferences().expect("read").is_empty());
}

#[test]
fn an_edit_becomes_a_pair_and_a_thumb_a_label_after_what_was_really_said() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let first = answered(&store, conversation, "I play the cello.", "Nice.");
    let second = answered(&store, conversation, "What do I play?", "The flute.");
    store.attach_recalled(second, "They said: I play the cello.", &[]).expect("quoted");
    store.rate(first, &Rating::Down).expect("rated");
    store.rate(second, &edited("The cello.")).expect("rated");
    let lines: Vec<_> = store.preferences().expect("read").iter().map(|p| serde_json::json!(p)).collect();
    let message = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
    let (asked, nice) = (message("user", "I play the cello."), message("assistant", "Nice."));
    let source = format!("conversation-{conversation}");
    assert_eq!(
        lines[0],
        serde_json::json!({"prompt": [asked], "completion": [nice], "label": false, "source": source})
    );
    let quoted = message("system", "They said: I play the cello.");
    assert_eq!(
        lines[1],
        serde_json::json!({"prompt": [asked, nice, quoted, message("user", "What do I play?")],
            "chosen": [message("assistant", "The cello.")], "rejected": [message("assistant", "The flute.")],
            "source": source})
    );
    assert_eq!(lines.len(), 2);
    let back: Preference = serde_json::from_value(lines[1].clone()).expect("it is read again");
    assert!(matches!(back, Preference::Pair { .. }));
}

#[test]
fn ratings_are_taken_away_and_brought_back_with_everything_else() {
    let (from, into) = (Scratch::new(), Scratch::new());
    let store = from.open();
    let conversation = store.create_conversation().expect("a conversation");
    let first = answered(&store, conversation, "I play the cello.", "Nice.");
    let second = answered(&store, conversation, "What do I play?", "The flute.");
    store.rate(first, &Rating::Up).expect("rated");
    store.rate(second, &edited("The cello.")).expect("rated");
    let mut export = store.export().expect("an export");
    let other = into.open();
    noise(&other);
    other.import(&export, &mut |_| {}).expect("imported");
    let thoughts = |store: &MemoryStore| -> Vec<Rating> {
        store.export().expect("an export").ratings.into_iter().map(|rated| rated.rating).collect()
    };
    assert_eq!(thoughts(&other), [Rating::Up, edited("The cello.")]);
    export.ratings[0].turn = 4711;
    assert!(matches!(into.open().import(&export, &mut |_| {}), Err(Error::ImportInvalid { .. })));
}

#[test]
fn a_rating_that_says_nothing_is_refused_and_changes_nothing() {
    let store = Scratch::new().open();
    let conversation = store.create_conversation().expect("a conversation");
    let silent = say(&store, conversation, "Is anybody there?").turn;
    let turn = answered(&store, conversation, "What shall I cook?", "Soup.");
    store.rate(turn, &Rating::Up).expect("rated");
    for rating in
        [edited(""), edited(" \n"), edited(" Soup. "), edited("x".repeat(aloekit::memory::MAX_TURN_BYTES + 1))]
    {
        assert!(matches!(store.rate(turn, &rating), Err(Error::InvalidInput { .. })));
    }
    assert!(matches!(store.rate(silent, &Rating::Up), Err(Error::InvalidInput { .. })));
    assert!(matches!(store.rate(4711, &Rating::Up), Err(Error::NotFound { .. })));
    assert_eq!(store.rating(turn).expect("read"), Some(Rating::Up));
}

#[test]
fn a_session_rates_its_newest_reply_and_none_that_is_under_way_or_another_s() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = fixtures::assistant(data.path(), 1024);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let open = || SessionParams { conversation: Conversation::New, ..fixtures::quick_session(8) };
    let mut session = assistant.session(open()).expect("the session opens");
    assert!(matches!(session.rate(None, Rating::Up), Err(Error::InvalidInput { .. })));
    let first = runtime.block_on(async { session.send("Hello.").await?.finish().await }).expect("the turn ends well");
    assert_eq!(session.rate(None, edited("Good day to you.")).expect("rated"), first.turn);
    let reply = runtime.block_on(session.send("Tell me more.")).expect("it begins");
    let second = reply.turn();
    let while_under_way = session.rate(None, Rating::Up);
    assert_eq!(session.rate(Some(first.turn), Rating::Down).expect("an older one may be rated"), first.turn);
    runtime.block_on(reply.finish()).expect("the turn ends well");
    // A quick machine may have ended it before it was asked.
    assert!(matches!(while_under_way, Err(Error::Busy)) || while_under_way.is_ok_and(|turn| turn == second));
    let other = assistant.session(open()).expect("the session opens");
    let answered = other.rate(Some(first.turn), Rating::Up);
    assert!(matches!(answered, Err(Error::InvalidInput { .. } | Error::NotFound { .. })));
    assert_eq!(assistant.memory().rating(first.turn).expect("read"), Some(Rating::Down));
}
