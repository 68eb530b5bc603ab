//! Messages as long as the context, to the token: answered whole or refused, and never cut.

mod session_fixture;

use aloekit::engine::{Constraint, Engine};
use aloekit::{Assistant, Error, Overflow, SessionParams, Turn};
use aloekit_tests::fixtures::engine;
use session_fixture::{SYSTEM, brief, brief_new, launch, say, session, transcript, try_say};

const N_CTX: u32 = 512;

/// A message of about this many tokens, different from its first word on.
fn message(tokens: usize) -> String {
    format!("{tokens}{}", " a".repeat(tokens))
}

/// The longest message that is taken, found from above: refusing costs nothing.
fn longest(assistant: &Assistant, engine: &Engine, params: impl Fn() -> SessionParams) -> Turn {
    // The model likes to end its turn at once here; a grammar makes it say something.
    let word = Constraint::Gbnf("root ::= [a-z]{3,9}".into());
    for tokens in (300..N_CTX as usize + 8).rev() {
        let mut talk = session(assistant, SessionParams { constraint: word.clone(), ..params() });
        let (before, text) = (transcript(assistant, &talk).len(), message(tokens));
        match try_say(&mut talk, &text) {
            Ok(turn) => {
                assert!(
                    turn.stats.prompt_tokens >= engine.count_tokens(&text),
                    "the message is whole: {:?}",
                    turn.stats
                );
                assert!(turn.stats.reply_tokens > 0);
                return turn;
            }
            Err(Error::ContextExceeded { required_tokens, available_tokens }) => {
                assert!(required_tokens > available_tokens);
                assert_eq!(transcript(assistant, &talk).len(), before, "a refused message is not stored");
            }
            Err(other) => panic!("{tokens}: {other:?}"),
        }
    }
    panic!("no message fits");
}

#[test]
fn the_longest_message_that_is_taken_is_whole_in_the_prompt_and_leaves_little_room_unused() {
    let engine = engine(N_CTX);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    for (system, reply) in [(SYSTEM, 1), (SYSTEM, 8), ("", 1)] {
        let params = || SessionParams { system_prompt: system.into(), ..brief_new(reply) };
        let turn = longest(&assistant, &engine, params);
        let used = turn.stats.prompt_tokens + reply;
        assert!((N_CTX as usize - 24..=N_CTX as usize).contains(&used), "{system:?} {reply}: {used}");
    }
}

#[test]
fn history_and_memories_make_room_for_the_newest_message() {
    let engine = engine(N_CTX);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    let mut talk = session(&assistant, brief_new(8));
    say(&mut talk, "I keep my cello in the attic, a a a a.");
    say(&mut talk, "We walked along the river.");
    let conversation = aloekit::Conversation::Id(talk.conversation());
    drop(talk);
    let alone = longest(&assistant, &engine, || SessionParams { recall: false, ..brief_new(8) });
    let beside = longest(&assistant, &engine, || SessionParams { conversation, ..brief(8) });
    assert_eq!(beside.user, alone.user, "as long as if nothing else were there");

    // In a conversation of its own, with a memory that matters to it.
    let about = |tokens: usize| format!("Where is my cello, the cello in the attic?{}", " a".repeat(tokens));
    let fits = alone.user.len() / 2;
    for tokens in (fits - 60..fits - 10).step_by(10) {
        let mut talk = session(&assistant, brief_new(8));
        match try_say(&mut talk, &about(tokens)) {
            Ok(turn) => assert!(turn.stats.prompt_tokens > tokens),
            Err(Error::ContextExceeded { .. }) => {
                let required = engine.count_tokens(&about(tokens)) + engine.count_tokens(SYSTEM) + 8;
                assert!(required > N_CTX as usize - 40, "refused at {required} of {N_CTX} tokens for its memories");
                assert!(transcript(&assistant, &talk).is_empty(), "a refused message is not stored");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn where_overflow_is_an_error_nothing_is_dropped_and_the_message_is_not_stored() {
    let engine = engine(N_CTX);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    say(&mut session(&assistant, brief(4)), "The cello that I play stands in the attic of the old house by the river.");
    let params = || SessionParams { overflow: Overflow::Error, ..brief_new(12) };
    let mut talk = session(&assistant, params());
    let mut told = 0;
    let refused = loop {
        // What is recalled only once the context is nearly full must not push a turn out.
        let text = if told < 420 { "Tell me about mountains." } else { "Does my cello in the attic like rain?" };
        match try_say(&mut talk, text) {
            Ok(turn) => told = turn.stats.prompt_tokens.max(told + 1),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, Error::ContextExceeded { required_tokens, available_tokens: 512 } if required_tokens > 512)
    );
    let stored = transcript(&assistant, &talk).len();
    assert!(told > 400 && stored > 5, "{told} tokens, {stored} turns");
    assert!(matches!(try_say(&mut talk, "Hello?"), Err(Error::ContextExceeded { .. }) | Ok(_)));
    assert_eq!(assistant.memory().summary(talk.conversation()).expect("readable"), None, "no turn left the prompt");
    assert!(say(&mut session(&assistant, params()), "Hi.").turn > 0);
}

#[test]
fn replies_longer_than_the_context_and_shares_that_are_no_numbers_are_refused_or_harmless() {
    let engine = engine(N_CTX);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    for max in [0, 512, usize::MAX] {
        let outcome = assistant.session(brief(max));
        assert!(matches!(outcome.err(), Some(Error::InvalidInput { what: "max_reply_tokens", .. })));
    }
    let missing =
        SessionParams { conversation: aloekit::Conversation::Id(aloekit::memory::ConversationId(99)), ..brief(8) };
    assert!(matches!(assistant.session(missing).err(), Some(Error::NotFound { .. })));
    for memory_share in [f32::NAN, -1.0, 9.0] {
        let mut talk = session(&assistant, SessionParams { memory_share, ..brief(8) });
        say(&mut talk, "My cello is in the attic.");
        say(&mut talk, "Where is my cello?");
    }
    // Instructions that fill the context leave no room for any message.
    let mut full = session(&assistant, SessionParams { system_prompt: message(600), ..brief_new(8) });
    assert!(matches!(try_say(&mut full, "Hello."), Err(Error::ContextExceeded { .. })));
}
