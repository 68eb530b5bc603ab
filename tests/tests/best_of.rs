//! The alignment meter beside a reply, and the best of several by it: on the default model and on a script.

mod session_fixture;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aloekit::engine::{Engine, SamplingParams, Script, ScriptedReply};
use aloekit::memory::ReplyState;
use aloekit::session::MOST_CANDIDATES;
use aloekit::{Alignment, Assistant, Error, SessionParams, StopReason};
use aloekit_tests::fixtures;
use aloekit_tests::thin_adapter::for_default_model;
use session_fixture::{block_on, brief_new, launch, say, session, stored_reply, transcript, try_say, within};

fn adapter(folder: &Path, pattern: u64) -> PathBuf {
    let path = folder.join(format!("{pattern}.gguf"));
    for_default_model(pattern).write(&path).expect("written");
    path
}

/// Draws from few tokens, so that replies differ and stay short.
fn drawing(adapter: &Path, best_of: usize) -> SessionParams {
    let sampling = SamplingParams { temperature: 1.0, seed: Some(7), ..SamplingParams::default() };
    SessionParams { sampling, best_of, adapters: vec![(adapter.to_owned(), 1.0)], ..brief_new(12) }
}

fn close_to(one: &Alignment, other: &Alignment) -> bool {
    one.tokens == other.tokens && (one.nats - other.nats).abs() < 0.05
}

#[test]
fn the_default_model_gives_the_candidate_that_its_adapter_leans_towards_most_and_goes_on_with_it() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &fixtures::engine(1024));
    let mut talk = session(&assistant, drawing(&adapter(data.path(), 1), 4));
    for question in ["What shall I do on Sunday?", "And what if it rains?"] {
        let turn = say(&mut talk, question);
        println!("{:?} of {:?}", turn.alignment, turn.candidates);
        let chosen = turn.alignment.expect("it was chosen by it");
        assert_eq!(turn.candidates.len(), 4);
        assert!(turn.candidates.iter().all(|one| one.nats_per_token <= chosen.nats_per_token));
        assert!(turn.candidates.iter().any(|one| *one != chosen), "they are all the same: {:?}", turn.candidates);
        let again = block_on(talk.alignment(None)).expect("measured");
        assert!(close_to(&again, &chosen), "{again:?} and not {chosen:?}");
        let stored = transcript(&assistant, &talk);
        assert_eq!(stored_reply(stored.last().expect("a turn")), Some((turn.reply.as_str(), ReplyState::Complete)));
    }
    assert_eq!(transcript(&assistant, &talk).len(), 2, "what was not chosen is kept nowhere");
    talk.set_best_of(1).expect("in range");
    let plain = say(&mut talk, "Thank you.");
    assert!(plain.stats.cached_tokens > 20, "the conversation kept its place: {:?}", plain.stats);
    assert_eq!((plain.alignment, plain.candidates.len()), (None, 0));
}

#[test]
fn a_reply_that_is_measured_streams_as_ever_and_carries_what_its_session_measures_afterwards() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &fixtures::engine(1024));
    let params = SessionParams { measure_alignment: true, ..drawing(&adapter(data.path(), 2), 1) };
    let mut talk = session(&assistant, params);
    let pieces = block_on(async {
        let mut reply = talk.send("Tell me of the sea.").await.expect("it begins");
        let mut pieces = 0;
        while reply.next().await.expect("a piece").is_some() {
            pieces += 1;
        }
        let measured = reply.finish().await.expect("ends well").alignment.expect("measured");
        let again = talk.alignment(None).await.expect("measured");
        assert!(close_to(&again, &measured), "{again:?} and not {measured:?}");
        assert!(measured.nats.abs() > 1e-3, "the adapter says nothing: {measured:?}");
        pieces
    });
    assert!(pieces > 1, "the meter held the words back");
    talk.set_adapters(Vec::new()).expect("cleared");
    assert_eq!(say(&mut talk, "And the hills?").alignment, None);
}

#[test]
fn cancelling_after_the_last_word_ends_the_measuring_and_keeps_the_reply() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &fixtures::engine(1024));
    let params = SessionParams { measure_alignment: true, ..drawing(&adapter(data.path(), 1), 1) };
    let mut talk = session(&assistant, params);
    let turn = block_on(async {
        let mut reply = talk.send("Tell me of the sea.").await.expect("it begins");
        while reply.next().await.expect("a piece").is_some() {}
        reply.cancel_handle().cancel();
        reply.finish().await.expect("ends well")
    });
    assert!(turn.stop.is_natural() && !turn.reply.is_empty());
    assert_eq!(turn.alignment, None);
    assert!(block_on(talk.alignment(None)).is_ok());
}

#[test]
fn a_choice_of_the_default_model_is_given_up_at_any_time_and_leaves_an_empty_reply() {
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &fixtures::engine(1024));
    let params = SessionParams { max_reply_tokens: 60, ..drawing(&adapter(data.path(), 1), MOST_CANDIDATES) };
    let mut talk = session(&assistant, params);
    within(Duration::from_secs(120), move || {
        for wait_ms in [0, 3, 40, 200, 700] {
            let reply = block_on(talk.send("Tell me a long story.")).expect("it begins");
            std::thread::sleep(Duration::from_millis(wait_ms));
            let asked = Instant::now();
            reply.cancel_handle().cancel();
            let turn = block_on(reply.finish()).expect("ends well");
            println!("given up after {wait_ms} ms, over {:?} later", asked.elapsed());
            assert_eq!((turn.reply.as_str(), turn.stop), ("", StopReason::Cancelled));
            assert_eq!(turn.alignment, None);
        }
        drop(block_on(talk.send("Tell me another.")).expect("it begins"));
        talk.set_best_of(2).expect("in range");
        assert_eq!(say(&mut talk, "Hello.").candidates.len(), 2);
        let turns = transcript(&assistant, &talk);
        let cancelled = |turn| stored_reply(turn) == Some(("", ReplyState::Cancelled));
        assert_eq!(turns.iter().filter(|turn| cancelled(turn)).count(), 6);
    });
}

fn scripted(data: &Path, replies: Vec<ScriptedReply>) -> (Assistant, PathBuf) {
    let adapter = data.join("adapter.gguf");
    std::fs::write(&adapter, "to a script any file is an adapter").expect("written");
    let engine = Engine::scripted(Script { replies, n_ctx: 512, uses_gpu: false }).expect("a script");
    (launch(data, &engine), adapter)
}

fn line(words: &str, alignment_nats: f64) -> ScriptedReply {
    ScriptedReply { pieces: vec![words.into()], alignment_nats, ..ScriptedReply::default() }
}

#[test]
fn a_candidate_that_fails_fails_the_reply_and_the_next_message_is_answered() {
    let data = tempfile::tempdir().expect("a folder");
    let fails = ScriptedReply { fails_with: Some(Arc::new(|| Error::Backgrounded)), ..line("so far", 1.0) };
    let (assistant, adapter) =
        scripted(data.path(), vec![line("one", 1.0), fails, line("two", 2.0), line("three", 3.0)]);
    let mut talk = session(&assistant, drawing(&adapter, 2));
    assert!(matches!(try_say(&mut talk, "go"), Err(Error::Backgrounded)));
    assert_eq!(say(&mut talk, "again").reply, "three");
    let states: Vec<_> = transcript(&assistant, &talk).iter().map(|turn| stored_reply(turn).map(|(_, s)| s)).collect();
    assert_eq!(states, [Some(ReplyState::Failed), Some(ReplyState::Complete)]);
}

#[test]
fn closing_the_assistant_ends_a_choice() {
    let data = tempfile::tempdir().expect("a folder");
    let slow = ScriptedReply { piece_delay: Duration::from_millis(400), ..line("slow", 1.0) };
    let (assistant, adapter) = scripted(data.path(), vec![slow]);
    within(Duration::from_secs(20), move || {
        let mut talk = session(&assistant, drawing(&adapter, MOST_CANDIDATES));
        let reply = block_on(talk.send("go")).expect("it begins");
        assistant.close();
        assert!(matches!(block_on(reply.finish()), Err(Error::Closed)));
    });
}

#[test]
fn a_choice_that_nobody_could_make_is_refused_before_its_message_is_kept() {
    let data = tempfile::tempdir().expect("a folder");
    let (assistant, adapter) = scripted(data.path(), vec![line("one", 1.0)]);
    for best_of in [0, MOST_CANDIDATES + 1] {
        let refused = assistant.session(drawing(&adapter, best_of)).err();
        assert!(matches!(refused, Some(Error::InvalidInput { what: "best_of", .. })), "{refused:?}");
    }
    let mut talk = session(&assistant, drawing(&adapter, 2));
    talk.set_sampling(SamplingParams::greedy()).expect("in range");
    assert!(matches!(try_say(&mut talk, "go"), Err(Error::InvalidInput { what: "best_of", .. })));
    talk.set_sampling(SamplingParams::default()).expect("in range");
    talk.set_adapters(Vec::new()).expect("cleared");
    assert!(matches!(try_say(&mut talk, "go"), Err(Error::InvalidInput { what: "best_of", .. })));
    assert!(transcript(&assistant, &talk).is_empty());
    assert!(matches!(talk.set_best_of(0), Err(Error::InvalidInput { what: "best_of", .. })));
    talk.set_best_of(1).expect("in range");
    assert_eq!(say(&mut talk, "go").reply, "one");
}
