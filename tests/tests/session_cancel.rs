//! Cancelling at every point, and readers that do not read: what was generated is recorded, and the session goes on.

mod session_fixture;

use std::path::Path;
use std::time::{Duration, Instant};

use aloekit::engine::{Engine, Script, ScriptedReply};
use aloekit::memory::ReplyState;
use aloekit::{Assistant, Error, Reply, StopReason};
use aloekit_tests::fixtures::engine;
use session_fixture::{
    block_on, brief, brief_new, expect_sound, launch, say, session, stored_reply, transcript, within,
};

const STORY: &str = "Tell me a very long story about the sea.";

fn next(reply: &mut Reply) -> Option<String> {
    block_on(reply.next()).expect("a stream")
}

fn read_all(reply: &mut Reply) -> String {
    std::iter::from_fn(|| next(reply)).collect()
}

/// Forty words, two milliseconds apart.
fn scripted(data: &Path) -> Assistant {
    let pieces = (0..40).map(|i| format!("w{i} ")).collect();
    let replies =
        vec![ScriptedReply { pieces, piece_delay: Duration::from_millis(2), fails_with: None, alignment_nats: 0.0 }];
    let engine = Engine::scripted(Script { replies, n_ctx: 2048, uses_gpu: false });
    launch(data, &engine.expect("an engine"))
}

#[test]
fn a_hundred_replies_cancelled_at_every_token_are_recorded_as_far_as_they_went() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(768));
    let mut talk = session(&assistant, brief(24));
    for round in 0..100 {
        let mut reply = block_on(talk.send("Count from one to thirty in words.")).expect("it is sent");
        let handle = reply.cancel_handle();
        let seen: String = (0..round % 20).map_while(|_| next(&mut reply)).collect();
        handle.cancel();
        if round % 3 == 0 {
            handle.cancel();
        }
        let turn = block_on(reply.finish()).expect("a cancelled reply is no error");
        handle.cancel();
        assert!(turn.reply.starts_with(&seen), "round {round}");
        let stored = transcript(&assistant, &talk);
        let state = if turn.stop == StopReason::Cancelled { ReplyState::Cancelled } else { ReplyState::Complete };
        let newest = stored.last().expect("the turn");
        assert_eq!(
            (newest.turn, stored_reply(newest)),
            (turn.turn, Some((turn.reply.as_str(), state))),
            "round {round}"
        );
    }
    let after = say(&mut talk, "What is the capital of France?");
    assert_eq!(after.turn, 101);
    assert!(after.stats.reply_tokens > 0);
    expect_sound(&assistant);
}

#[test]
fn cancelling_inside_a_long_prefill_ends_it_at_once_and_keeps_the_message() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(4096));
    let mut talk = session(&assistant, brief(24));
    let long = "We walked along the river and rested by the old mill. ".repeat(200);
    for patience in [0, 40, 400] {
        let reply = block_on(talk.send(&long)).expect("it is sent");
        std::thread::sleep(Duration::from_millis(patience));
        let asked = Instant::now();
        reply.cancel_handle().cancel();
        let turn = block_on(reply.finish()).expect("a cancelled reply is no error");
        assert!(asked.elapsed() < Duration::from_millis(500), "took {:?}", asked.elapsed());
        assert_eq!((turn.stop, turn.reply.as_str()), (StopReason::Cancelled, ""));
    }
    let stored = transcript(&assistant, &talk);
    assert!(stored.iter().all(|turn| turn.user == long.trim()), "three messages, word for word");
    assert_eq!(stored.iter().map(stored_reply).collect::<Vec<_>>(), [Some(("", ReplyState::Cancelled)); 3]);
    expect_sound(&assistant);
}

#[test]
fn a_reply_dropped_at_any_point_is_recorded_as_cancelled_and_the_next_message_waits_for_that() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(1024));
    let mut talk = session(&assistant, brief(40));
    for round in 0..8 {
        let mut reply = block_on(talk.send(STORY)).expect("it is sent");
        let seen: String = (0..round).map_while(|_| next(&mut reply)).collect();
        drop(reply);
        say(&mut talk, "Go on.");
        let stored = transcript(&assistant, &talk);
        let (text, state) = stored_reply(&stored[2 * round]).expect("the dropped reply");
        assert_eq!(state, ReplyState::Cancelled);
        assert!(text.starts_with(&seen));
    }
}

/// No call between cancelling and sending waits for anything: the session does.
#[test]
fn a_session_is_cancelled_and_used_again_a_hundred_times_without_a_pause() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = scripted(data.path());
    let mut talk = session(&assistant, brief(400));
    for round in 0..100 {
        let mut reply = block_on(talk.send("talk")).expect("a cancelled reply keeps nobody out");
        for _ in 0..round % 3 {
            next(&mut reply).expect("it goes on for long");
        }
        match round % 4 {
            0 => drop(reply),
            1 => reply.cancel_handle().cancel(),
            // To its last piece and no further: what ends it is being recorded.
            2 => while next(&mut reply).is_some() {},
            _ => {
                reply.cancel_handle().cancel();
                block_on(reply.finish()).expect("ends well");
            }
        }
    }
    assert_eq!(say(&mut talk, "talk").turn, 101);
    let stored = transcript(&assistant, &talk);
    assert_eq!(stored.len(), 101);
    assert!(stored.iter().all(|turn| turn.reply.is_some()), "each was recorded");
}

#[test]
fn a_session_that_closes_keeps_nobody_waiting_for_a_cancelled_reply() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = scripted(data.path());
    let mut talk = session(&assistant, brief(400));
    let reply = block_on(talk.send("talk")).expect("it is sent");
    reply.cancel_handle().cancel();
    assistant.close();
    let sent = within(Duration::from_secs(10), move || block_on(talk.send("talk")).map(drop));
    assert!(matches!(sent, Err(Error::Closed)), "{sent:?}");
}

#[test]
fn a_second_message_while_the_first_is_answered_is_busy_and_not_stored() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(1024));
    let mut talk = session(&assistant, brief(200));
    let reply = block_on(talk.send(STORY)).expect("it is sent");
    assert!(matches!(block_on(talk.send("Are you there?")), Err(Error::Busy)));
    assert!(matches!(talk.set_adapters(vec![]), Err(Error::Busy)));
    reply.cancel_handle().cancel();
    block_on(reply.finish()).expect("ends well");
    assert_eq!(transcript(&assistant, &talk).len(), 1);
    assert_eq!(say(&mut talk, "Are you there?").turn, 2);
}

/// A future that is dropped after its first poll: the job it started goes on without it.
#[test]
fn a_send_that_its_caller_gave_up_keeps_the_message_and_frees_the_session() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(1024));
    let mut talk = session(&assistant, brief(200));
    block_on(async {
        let mut send = std::pin::pin!(talk.send(STORY));
        std::future::poll_fn(|cx| {
            let _ = send.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    });
    let turn = say(&mut talk, "Hello.");
    let stored = transcript(&assistant, &talk);
    assert_eq!((turn.turn, stored.len()), (2, 2));
    assert_eq!(stored[0].user, STORY);
    assert!(matches!(stored_reply(&stored[0]), Some((_, ReplyState::Cancelled))), "{:?}", stored[0].reply);
}

#[test]
fn a_reader_that_does_not_read_stops_nobody_else_and_finds_its_text_whole_later() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine(2048));
    let (mut slow, mut quick) = (session(&assistant, brief_new(240)), session(&assistant, brief_new(60)));
    let mut unread = block_on(slow.send(STORY)).expect("it is sent");
    for _ in 0..4 {
        let mut reply = block_on(quick.send("Tell me about mountains.")).expect("it is sent");
        let turn = within(Duration::from_secs(30), move || {
            let joined = read_all(&mut reply);
            (joined, block_on(reply.finish()).expect("ends well"))
        });
        assert_eq!(turn.0, turn.1.reply);
        assert!(turn.1.stats.reply_tokens > 4);
    }
    let (joined, turn) = within(Duration::from_secs(30), move || {
        let joined = read_all(&mut unread);
        (joined, block_on(unread.finish()).expect("ends well"))
    });
    assert_eq!(joined, turn.reply);
    assert!(turn.stats.reply_tokens > 100, "it had filled its channel: {:?}", turn.stats);
    let stored = transcript(&assistant, &slow);
    assert_eq!(stored_reply(&stored[0]), Some((turn.reply.as_str(), ReplyState::Complete)));
}
