//! Closing and dropping in the middle of everything, and many threads at once: no deadlock, and nothing said is lost.

mod session_fixture;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aloekit::engine::GenerateParams;
use aloekit::memory::ReplyState;
use aloekit::{Assistant, Error, Message, Reply, Session};
use aloekit_tests::fixtures::{engine, engine_params};
use session_fixture::{
    block_on, brief, brief_new, expect_sound, launch, memory, open, say, session, stored_reply, transcript, try_say,
    within,
};

const STORY: &str = "Tell me a very long story about the sea.";
const SOON: Duration = Duration::from_secs(10);

/// A reply under way, and what was read of it.
fn begun(talk: &mut Session, pieces: usize) -> (Reply, String) {
    let mut reply = block_on(talk.send(STORY)).expect("it is sent");
    let read = (0..pieces).map_while(|_| block_on(reply.next()).expect("a stream")).collect();
    (reply, read)
}

#[test]
fn everything_answers_closed_once_the_assistant_is_closed_however_often_it_is_asked() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = open(data.path(), engine_params(512));
    let mut talk = session(&assistant, brief(300));
    let sequence = assistant.engine().sequence();
    assistant.close();
    within(SOON, move || {
        assistant.close();
        assistant.engine().close();
        for _ in 0..3 {
            assert!(matches!(try_say(&mut talk, "Hello."), Err(Error::Closed)));
            assert!(matches!(talk.save_snapshot(), Err(Error::Closed)));
            assert!(matches!(talk.set_adapters(vec![]), Err(Error::Closed)));
            assert!(matches!(assistant.session(brief(8)).err(), Some(Error::Closed)));
        }
        let hello = [Message::user("Hello.")];
        assert!(matches!(sequence.generate(&hello, GenerateParams::default()).err(), Some(Error::Closed)));
        assert!(matches!(assistant.engine().blocking_score(&hello, vec!["Hi".into()], vec![]), Err(Error::Closed)));
        assert!(matches!(assistant.engine().blocking_load_adapter(Path::new("/none")), Err(Error::Closed)));
        assert!(matches!(talk.close(), Err(Error::Closed)));
    });
    assert!(memory(data.path()).conversations().expect("a list").len() <= 1);
}

#[test]
fn closing_in_the_middle_of_a_reply_keeps_what_was_said_of_it() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = open(data.path(), engine_params(1024));
    let mut talk = session(&assistant, brief(400));
    let (reply, read) = begun(&mut talk, 12);
    let asked = Instant::now();
    assistant.close();
    assert!(asked.elapsed() < Duration::from_secs(1), "took {:?}", asked.elapsed());
    assert!(matches!(block_on(reply.finish()), Err(Error::Closed)));
    drop((talk, assistant));

    let assistant = launch(data.path(), &engine(1024));
    let mut talk = session(&assistant, brief(8));
    let stored = transcript(&assistant, &talk);
    let (text, state) = stored_reply(&stored[0]).expect("the reply");
    assert_eq!((stored[0].user.as_str(), state), (STORY, ReplyState::Partial));
    assert!(text.starts_with(&read), "{read:?} was read and {text:?} is stored");
    assert_eq!(say(&mut talk, "Go on.").turn, 2);
}

#[test]
fn closing_from_two_threads_at_once_records_the_reply_all_the_same() {
    for _ in 0..6 {
        let data = tempfile::tempdir().expect("a folder");
        let assistant = open(data.path(), engine_params(512));
        let mut talk = session(&assistant, brief(300));
        let (reply, read) = begun(&mut talk, 3);
        let closers: Vec<_> = (0..3)
            .map(|_| {
                let assistant = assistant.clone();
                std::thread::spawn(move || assistant.close())
            })
            .collect();
        within(SOON, move || closers.into_iter().for_each(|closer| closer.join().expect("closes")));
        assert!(matches!(block_on(reply.finish()), Err(Error::Closed)));
        let stored = transcript(&assistant, &talk);
        let (text, _) = stored_reply(&stored[0]).expect("the reply was recorded");
        assert!(text.starts_with(&read), "{read:?} was read and {text:?} is stored");
    }
}

#[test]
fn whatever_is_dropped_first_in_the_middle_of_a_reply_the_rest_goes_soon_and_the_message_stays() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let data = tempfile::tempdir().expect("a folder");
        let assistant = open(data.path(), engine_params(512));
        let mut talk = session(&assistant, brief(300));
        let (reply, _) = begun(&mut talk, 2);
        within(SOON, move || {
            let (mut reply, mut talk, mut assistant) = (Some(reply), Some(talk), Some(assistant));
            for part in order {
                match part {
                    0 => drop(reply.take()),
                    1 => drop(talk.take()),
                    _ => drop(assistant.take()),
                }
            }
        });
        let store = memory(data.path());
        let conversation = store.latest_conversation().expect("a list").expect("one");
        assert_eq!(store.transcript(conversation).expect("a transcript")[0].user, STORY, "{order:?}");
    }
}

#[test]
fn a_reply_outlives_its_session_and_its_assistant() {
    let data = tempfile::tempdir().expect("a folder");
    let turn = {
        let assistant = open(data.path(), engine_params(512));
        let mut talk = session(&assistant, brief(24));
        let (reply, _) = begun(&mut talk, 1);
        drop((talk, assistant));
        block_on(reply.finish()).expect("ends well")
    };
    assert_eq!(turn.stats.reply_tokens, 24);
    let store = memory(data.path());
    let conversation = store.latest_conversation().expect("a list").expect("one");
    let stored = store.transcript(conversation).expect("a transcript");
    assert_eq!(stored_reply(&stored[0]), Some((turn.reply.as_str(), ReplyState::Complete)));
}

#[test]
fn a_session_closed_in_the_middle_of_its_reply_leaves_the_reply_to_its_reader() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(512));
    let mut talk = session(&assistant, brief(24));
    let (reply, read) = begun(&mut talk, 2);
    within(SOON, move || talk.close()).expect("closes");
    let turn = block_on(reply.finish()).expect("ends well");
    assert!(turn.reply.starts_with(&read));
    assert_eq!(say(&mut session(&assistant, brief(8)), "Go on.").turn, 2);
}

const THREADS: usize = 8;
const CALLS: usize = 25;

/// Calls that were refused, and messages that were acknowledged.
#[derive(Default)]
struct Seen {
    closed: AtomicUsize,
    sent: Mutex<Vec<i64>>,
}

impl Seen {
    /// Takes note of an outcome; everything but a closed assistant and a session in use is a defect.
    fn note<T>(&self, outcome: aloekit::Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Error::Closed) => {
                self.closed.fetch_add(1, Ordering::SeqCst);
                None
            }
            Err(Error::Busy | Error::Cancelled) => None,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// One call of a kind that depends on thread and number, so that the mixture is the same every time.
fn call(kind: usize, assistant: &Assistant, talk: &Mutex<Session>, seen: &Seen) {
    let send = || {
        let sent = block_on(talk.lock().expect("no panic").send("Tell me about ships."));
        let reply = seen.note(sent)?;
        seen.sent.lock().expect("no panic").push(reply.turn());
        Some(reply)
    };
    match kind {
        0 | 1 => drop(send().map(|reply| seen.note(block_on(reply.finish())))),
        2 => drop(send().map(|reply| {
            reply.cancel_handle().cancel();
            seen.note(block_on(reply.finish()))
        })),
        3 => drop(send()),
        4 => drop(send().map(|mut reply| block_on(reply.next()))),
        5 => drop(seen.note(talk.lock().expect("no panic").save_snapshot())),
        6 => drop(seen.note(assistant.session(brief_new(4))).map(|other| seen.note(other.close()))),
        7 => drop(seen.note(assistant.engine().blocking_score(&[Message::user("Hello")], vec!["Hi".into()], vec![]))),
        8 => assistant.engine().clear_idle(),
        _ => drop(seen.note(assistant.session(brief_new(4)).and_then(|mut other| try_say(&mut other, "Hello.")))),
    }
}

#[test]
fn two_hundred_calls_from_eight_threads_neither_block_each_other_for_ever_nor_lose_a_message() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = open(data.path(), engine_params(2048));
    let talks: Arc<Vec<_>> = Arc::new((0..4).map(|_| Mutex::new(session(&assistant, brief_new(6)))).collect());
    let seen = Arc::new(Seen::default());
    let work = |closing: bool| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (assistant, talks, seen) = (assistant.clone(), Arc::clone(&talks), Arc::clone(&seen));
                std::thread::spawn(move || {
                    for number in 0..CALLS {
                        if closing && thread == 0 && number == 3 {
                            assistant.close();
                        }
                        call((thread * 7 + number * 3) % 10, &assistant, &talks[(thread + number) % 4], &seen);
                    }
                })
            })
            .collect();
        within(Duration::from_secs(400), move || threads.into_iter().for_each(|t| t.join().expect("no panic")));
    };
    work(false);
    assert_eq!(seen.closed.load(Ordering::SeqCst), 0);
    expect_sound(&assistant);
    work(true);
    assert!(seen.closed.load(Ordering::SeqCst) > 0, "it was closed under them");

    let _unused_from_here = work; // its clones of the sessions go with it
    drop((talks, assistant));
    let store = memory(data.path());
    store.check().expect("the store is whole");
    let stored: Vec<i64> = (store.conversations().expect("a list").iter())
        .flat_map(|conversation| store.transcript(conversation.id).expect("a transcript"))
        .map(|turn| turn.turn)
        .collect();
    let sent = seen.sent.lock().expect("no panic");
    assert!(sent.len() > 20, "{} messages", sent.len());
    assert!(sent.iter().all(|turn| stored.contains(turn)), "every acknowledged message is there");
}
