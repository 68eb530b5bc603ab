//! A conversation on the real models: what is said early is known late, across launches, and shown with its source.

use aloekit::{Assistant, Conversation, Error, Session, SessionParams, Turn};
use aloekit_tests::fixtures::{assistant, quick_session};

const FACTS_OVER_EIGHT_TURNS: [&str; 8] = [
    "Hi! I'm Marta and I live in Lisbon.",
    "What a week, I need a holiday.",
    "My dog is called Biscuit, he is a beagle.",
    "I am allergic to peanuts.",
    "Tell me something nice.",
    "I play the cello in an amateur orchestra.",
    "My sister Joana is getting married in June.",
    "Thanks, that helps!",
];

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn say(session: &mut Session, text: &str) -> Turn {
    block_on(async { session.send(text).await?.finish().await }).expect("the turn ends well")
}

fn latest(assistant: &Assistant) -> Session {
    assistant.session(quick_session(16)).expect("the session opens")
}

#[test]
fn a_fact_told_before_a_restart_is_recalled_quoted_in_the_prompt_and_shown_in_the_users_words() {
    let data = tempfile::tempdir().expect("a folder");
    {
        let assistant = assistant(data.path(), 2048);
        let mut session = latest(&assistant);
        for (number, text) in (1..).zip(FACTS_OVER_EIGHT_TURNS) {
            assert_eq!(say(&mut session, text).turn, number);
        }
        session.close().expect("closes");
        assistant.close();
    }
    let assistant = assistant(data.path(), 2048);
    // A new conversation: nothing of the old one is in the prompt but what memory brings.
    let params = SessionParams { conversation: Conversation::New, ..quick_session(16) };
    let mut session = assistant.session(params).expect("the session opens");
    for (question, turn, words) in [
        ("What is the name of my dog?", 3, "Biscuit"),
        ("What am I allergic to?", 4, "peanuts"),
        ("Which instrument do I play?", 6, "cello"),
        ("When does my sister get married?", 7, "June"),
        ("In which city do I live?", 1, "Lisbon"),
    ] {
        let answered = say(&mut session, question);
        let best = answered.facts.first().unwrap_or_else(|| panic!("nothing recalled for {question:?}"));
        assert_eq!(best.turn, turn, "{question:?}: {:?}", answered.facts);
        assert!(FACTS_OVER_EIGHT_TURNS[turn as usize - 1].contains(&best.words), "not the user's own: {best:?}");
        assert!(!best.why.is_empty() && (0.0..=1.0).contains(&best.score), "{best:?}");
        let transcript = assistant.memory().transcript(session.conversation()).expect("the transcript");
        let block = transcript.last().and_then(|t| t.recalled_block.clone()).unwrap_or_default();
        let in_the_prompt = block.contains(words) || answered.persona.iter().any(|fact| fact.text.contains(words));
        assert!(in_the_prompt, "{words} is neither in {block:?} nor in {:?}", answered.persona);
    }
}

#[test]
fn the_second_turn_prefills_only_what_is_new_and_so_does_the_first_after_a_restart() {
    let data = tempfile::tempdir().expect("a folder");
    let whole = {
        let assistant = assistant(data.path(), 2048);
        let mut session = latest(&assistant);
        let first = say(&mut session, "Tell me about the sea.");
        let second = say(&mut session, "And about the mountains?");
        let known = first.stats.prompt_tokens + first.stats.reply_tokens;
        assert!(second.stats.cached_tokens + 1 >= known, "{:?} after {known} tokens", second.stats);
        session.close().expect("closes");
        second.stats.prompt_tokens + second.stats.reply_tokens
    };
    let assistant = assistant(data.path(), 2048);
    let third = say(&mut latest(&assistant), "And about the desert?");
    assert!(third.stats.cached_tokens + 1 >= whole, "{:?} after {whole} tokens", third.stats);
    assert!(third.stats.prompt_tokens - third.stats.cached_tokens < 32, "{:?}", third.stats);
}

#[test]
fn without_a_snapshot_the_conversation_is_resumed_from_its_text() {
    let data = tempfile::tempdir().expect("a folder");
    let conversation = {
        let assistant = assistant(data.path(), 2048);
        let mut session = latest(&assistant);
        say(&mut session, "My favourite colour is turquoise.");
        session.conversation()
    };
    std::fs::remove_dir_all(data.path().join("snapshots")).ok();
    let assistant = assistant(data.path(), 2048);
    let mut session = latest(&assistant);
    assert_eq!(session.conversation(), conversation);
    let turn = say(&mut session, "What did I just say?");
    assert_eq!((turn.turn, turn.stats.cached_tokens), (2, 0));
    assert!(turn.stats.prompt_tokens > 80, "the earlier turn is in the prompt: {:?}", turn.stats);
}

#[test]
fn a_forgotten_memory_leaves_store_prompt_and_snapshot() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = assistant(data.path(), 2048);
    let mut session = latest(&assistant);
    say(&mut session, "My secret hideout is called Quixanthal.");
    say(&mut session, "I like rain.");
    session.save_snapshot().expect("saved");
    let memory = &assistant.memory().memories().expect("memories")[0];
    assistant.forget(memory.id).expect("forgotten");
    let after = say(&mut session, "What is my hideout called?");
    assert!(after.facts.iter().all(|fact| !fact.words.contains("Quixanthal")), "{:?}", after.facts);
    assert!(!after.reply.contains("Quixanthal"), "{}", after.reply);
    session.close().expect("closes");
    assistant.close();
    for file in walk(data.path()) {
        let bytes = std::fs::read(&file).expect("readable");
        let found = bytes.windows(10).any(|window| window == b"Quixanthal");
        assert!(!found, "{} still holds the word", file.display());
    }
}

#[test]
fn after_everything_is_erased_an_open_session_begins_a_new_conversation() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = assistant(data.path(), 2048);
    let mut session = latest(&assistant);
    say(&mut session, "I collect stamps.");
    assistant.erase_all().expect("erased");
    assert!(assistant.memory().memories().expect("memories").is_empty());
    let turn = say(&mut session, "What do I collect?");
    assert!(turn.facts.is_empty(), "{:?}", turn.facts);
    assert!(turn.stats.prompt_tokens < 90, "{:?}", turn.stats);
}

#[test]
fn a_second_message_while_one_is_answered_is_refused_as_busy() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = assistant(data.path(), 2048);
    let mut session = assistant.session(quick_session(200)).expect("the session opens");
    let reply = block_on(session.send("Tell me a long story.")).expect("starts");
    assert!(matches!(block_on(session.send("And?")), Err(Error::Busy)));
    reply.cancel_handle().cancel();
    block_on(reply.finish()).expect("a cancelled reply is no error");
    say(&mut session, "Never mind.");
}

#[test]
fn what_is_said_with_memory_off_is_not_remembered() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = assistant(data.path(), 2048);
    let mut session = latest(&assistant);
    session.set_remember(false).expect("switched off");
    say(&mut session, "My PIN is four thousand and one.");
    session.close().expect("closed");
    let mut session = latest(&assistant);
    assert!(!session.remembers(), "the conversation keeps it");
    say(&mut session, "My password is hunter two.");
    session.set_remember(true).expect("switched on");
    say(&mut session, "I love old maps.");
    let memories = assistant.memory().memories().expect("memories");
    assert_eq!(memories.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["I love old maps."]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
