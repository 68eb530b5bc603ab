//! LoRA adapters on a tiny model: loading, mixing, swapping between turns, and whatever does not fit.

mod session_fixture;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aloekit::engine::{AdapterId, Constraint, Engine, EngineParams, GenerateParams, Generated, Sequence, TokenStream};
use aloekit::{Error, Message, SessionParams};
use aloekit_tests::fixtures::greedy;
use aloekit_tests::tiny_model::TinyModel;
use session_fixture::{SYSTEM, block_on, brief, launch, say, session, within};

/// A tiny model, adapters for it and for another, in a folder.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let tiny = TinyModel::default();
        tiny.build().write(files.path("model")).expect("written");
        for (name, seed) in [("one", 1), ("two", 2), ("three", 3)] {
            tiny.build_adapter(8, 16.0, 0.5, seed).write(files.path(name)).expect("written");
        }
        tiny.build_adapter(8, 16.0, 0.0, 4).write(files.path("zero")).expect("written");
        let wider = TinyModel { n_embd: 96, n_head: 6, n_head_kv: 3, ..TinyModel::default() };
        wider.build_adapter(8, 16.0, 0.5, 1).write(files.path("wider")).expect("written");
        let whole = std::fs::read(files.path("one")).expect("readable");
        std::fs::write(files.path("cut"), &whole[..whole.len() / 2]).expect("written");
        std::fs::write(files.path("text"), "not an adapter").expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.gguf"))
    }

    fn engine(&self) -> Engine {
        let params = EngineParams { n_ctx: 1024, n_threads: Some(1), ..EngineParams::new(self.path("model")) };
        Engine::open(&params).expect("the tiny model opens")
    }
}

fn question() -> Vec<Message> {
    vec![Message::user("the sea and the hills")]
}

fn params(adapters: &[(AdapterId, f32)], max_tokens: usize) -> GenerateParams {
    // It speaks nonsense: the grammar keeps it talking, and its nonsense is comparable.
    let constraint = Constraint::Gbnf("root ::= [a-z ]{2000}".into());
    GenerateParams {
        sampling: greedy(),
        constraint,
        max_tokens,
        adapters: adapters.to_vec(),
        ..GenerateParams::default()
    }
}

fn ask(sequence: &Sequence, adapters: &[(AdapterId, f32)]) -> Generated {
    begin(sequence, adapters, 24).blocking_finish().expect("ends well")
}

fn begin(sequence: &Sequence, adapters: &[(AdapterId, f32)], max_tokens: usize) -> TokenStream {
    sequence.generate(&question(), params(adapters, max_tokens)).expect("starts")
}

/// Log-probability of something fixed: tells adapter sets apart where the drawn text happens to be the same.
fn log_prob(engine: &Engine, adapters: &[(AdapterId, f32)]) -> f64 {
    let scores = engine.blocking_score(&question(), vec!["and then the rest of it".into()], adapters.to_vec());
    scores.expect("scores")[0].log_prob()
}

#[test]
fn adapters_change_what_is_said_by_their_scale_together_and_between_turns_and_not_at_all_at_zero() {
    let files = Files::new();
    let engine = files.engine();
    let [one, two] = ["one", "two"].map(|name| engine.blocking_load_adapter(&files.path(name)).expect("it fits"));
    let base = log_prob(&engine, &[]);
    let sets: [&[(AdapterId, f32)]; 5] =
        [&[(one, 1.0)], &[(one, 0.5)], &[(two, 1.0)], &[(one, 0.5), (two, 0.5)], &[(one, -1.0)]];
    let scored: Vec<f64> = std::iter::once(base).chain(sets.map(|set| log_prob(&engine, set))).collect();
    for (i, a) in scored.iter().enumerate() {
        assert!(scored[i + 1..].iter().all(|b| (a - b).abs() > 1e-3), "all differ: {scored:?}");
    }
    assert!((log_prob(&engine, &[(one, 0.0)]) - base).abs() < 1e-4, "scale 0 is the base");
    assert!((log_prob(&engine, &[]) - base).abs() < 1e-4, "cleared, it is the base again");

    let texts = |sequence: &Sequence| -> Vec<String> { sets.iter().map(|set| ask(sequence, set).text).collect() };
    let fresh: Vec<_> = sets.iter().map(|set| ask(&engine.sequence(), set).text).collect();
    let plain = ask(&engine.sequence(), &[]).text;
    let swapping = engine.sequence();
    assert_eq!(texts(&swapping), fresh, "nothing of the set before is left in the cache");
    assert_eq!(ask(&swapping, &[]).text, plain);
    assert_eq!(ask(&swapping, &[]).stats.cached_tokens, ask(&swapping, &[]).stats.prompt_tokens - 1);
}

#[test]
fn an_adapter_that_does_not_fit_is_told_apart_and_the_base_stays_usable() {
    let files = Files::new();
    let engine = files.engine();
    let before = ask(&engine.sequence(), &[]).text;
    let load = |path: &Path| engine.blocking_load_adapter(path).err();
    assert!(matches!(load(&files.path("wider")), Some(Error::AdapterMismatch { .. })));
    assert!(matches!(load(&files.path("model")), Some(Error::AdapterMismatch { .. } | Error::ModelCorrupt { .. })));
    assert!(matches!(load(&files.path("cut")), Some(Error::ModelCorrupt { .. })));
    assert!(matches!(load(&files.path("text")), Some(Error::ModelCorrupt { .. })));
    assert!(matches!(load(&files.path("none")), Some(Error::ModelMissing { .. })));
    assert!(load(files.folder.path()).is_some());
    assert_eq!(ask(&engine.sequence(), &[]).text, before);
    engine.blocking_load_adapter(&files.path("one")).expect("a fitting one still loads");
}

#[test]
fn an_adapter_in_use_is_busy_and_one_that_was_unloaded_is_invalid_input() {
    let files = Files::new();
    let engine = files.engine();
    let one = engine.blocking_load_adapter(&files.path("one")).expect("it fits");
    let sequence = engine.sequence();
    let stream = begin(&sequence, &[(one, 1.0)], 600); // unread, it pauses and stays under way
    assert!(matches!(block_on(engine.unload_adapter(one)), Err(Error::Busy)));
    drop(stream);
    let unloaded = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        block_on(engine.unload_adapter(one)).is_ok()
    });
    assert!(unloaded, "it is free once the reply is dropped");

    let running = begin(&engine.sequence(), &[], 40);
    let outcome = begin(&sequence, &[(one, 1.0)], 8).blocking_finish();
    assert!(matches!(outcome, Err(Error::InvalidInput { what: "adapters", .. })), "{outcome:?}");
    let scores = engine.blocking_score(&question(), vec!["x".into()], vec![(one, 1.0)]);
    assert!(matches!(scores, Err(Error::InvalidInput { what: "adapters", .. })), "{scores:?}");
    running.blocking_finish().expect("a reply without it is not disturbed");
    assert_eq!(ask(&engine.sequence(), &[]).stats.reply_tokens, 24);
}

#[test]
fn a_scale_that_is_no_number_is_invalid_input() {
    let files = Files::new();
    let engine = files.engine();
    let one = engine.blocking_load_adapter(&files.path("one")).expect("it fits");
    for scale in [f32::NAN, f32::INFINITY] {
        let refused = engine.sequence().generate(&question(), params(&[(one, scale)], 8));
        let refused = refused.and_then(TokenStream::blocking_finish);
        assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{refused:?}");
    }
    let data = tempfile::tempdir().expect("a folder");
    let mut talk = session(&launch(data.path(), &engine), brief(8));
    let refused = talk.set_adapters(vec![(files.path("one"), f32::NAN)]);
    assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{refused:?}");
    say(&mut talk, "the sea");
}

/// A context has one set of adapters at a time: replies with other sets take turns, and none waits for another's end.
#[test]
fn replies_with_three_adapter_sets_all_go_on_at_once() {
    let files = Files::new();
    let engine = files.engine();
    let ids = ["one", "two"].map(|name| engine.blocking_load_adapter(&files.path(name)).expect("it fits"));
    let sets: [&[(AdapterId, f32)]; 3] = [&[], &[(ids[0], 1.0)], &[(ids[1], 1.0)]];
    let alone = sets.map(|set| ask(&engine.sequence(), set).text);
    let sequences = sets.map(|_| engine.sequence());
    let streams: Vec<_> = sequences.iter().zip(sets).map(|(sequence, set)| begin(sequence, set, 300)).collect();
    let read = Arc::new([0, 1, 2].map(|_| AtomicUsize::new(0)));
    let readers = streams.into_iter().enumerate().map(|(own, mut stream)| {
        let read = Arc::clone(&read);
        std::thread::spawn(move || {
            let mut others_at_first = None;
            while stream.blocking_next().is_some() {
                read[own].fetch_add(1, Ordering::SeqCst);
                others_at_first.get_or_insert_with(|| [0, 1, 2].map(|i| read[i].load(Ordering::SeqCst)));
            }
            others_at_first.expect("it said something")
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        let at_first = reader.join().expect("no panic");
        assert!(at_first.iter().all(|&pieces| pieces < 100), "one began when the others were at {at_first:?}");
    }
    assert_eq!(sets.map(|set| ask(&engine.sequence(), set).text), alone);
}

#[test]
fn a_session_swaps_adapters_between_turns_and_its_snapshot_is_bound_to_them() {
    let files = Files::new();
    let engine = files.engine();
    let data = tempfile::tempdir().expect("a folder");
    let with = |adapters: &[(PathBuf, f32)]| SessionParams { adapters: adapters.to_vec(), ..brief(12) };
    let set = vec![(files.path("one"), 1.0)];
    {
        let mut talk = session(&launch(data.path(), &engine), with(&set));
        say(&mut talk, "the sea");
        talk.set_adapters(vec![(files.path("two"), 0.5), (files.path("one"), 0.5)]).expect("both fit");
        say(&mut talk, "the hills");
        assert!(matches!(talk.set_adapters(vec![(files.path("wider"), 1.0)]), Err(Error::AdapterMismatch { .. })));
        say(&mut talk, "the woods");
        talk.set_adapters(vec![]).expect("cleared");
        say(&mut talk, "the town");
        talk.set_adapters(set.clone()).expect("it fits");
        assert!(say(&mut talk, "the end").stats.reply_tokens > 0);
        talk.close().expect("closes");
    }
    let resume = |adapters: &[(PathBuf, f32)]| {
        engine.clear_idle();
        let mut talk = session(&launch(data.path(), &engine), with(adapters));
        say(&mut talk, "and then").stats.cached_tokens
    };
    assert_eq!(resume(&[]), 0);
    assert_eq!(resume(&[(files.path("one"), 0.5)]), 0);
    assert_eq!(resume(&[(files.path("two"), 1.0)]), 0);
    assert!(resume(&set) > 30);
    let missing = launch(data.path(), &engine).session(with(&[(files.path("none"), 1.0)]));
    assert!(matches!(missing.err(), Some(Error::ModelMissing { .. })));
}

#[test]
fn closing_with_adapters_loaded_and_in_use_frees_everything() {
    let files = Files::new();
    let engine = files.engine();
    let one = engine.blocking_load_adapter(&files.path("one")).expect("it fits");
    let sequence = engine.sequence();
    let stream = begin(&sequence, &[(one, 1.0)], 600);
    within(Duration::from_secs(10), move || {
        engine.close();
        assert!(matches!(stream.blocking_finish(), Err(Error::Closed)));
        assert!(matches!(block_on(engine.unload_adapter(one)), Err(Error::Closed)));
    });
    let again = files.engine();
    assert_eq!(ask(&again.sequence(), &[]).stats.reply_tokens, 24);
}

#[test]
fn the_alignment_of_a_reply_is_what_the_engine_scores_with_and_without_the_adapter_and_nothing_for_a_zero_one() {
    let files = Files::new();
    let engine = files.engine();
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    let mut talk = session(&assistant, brief(12));
    assert!(matches!(block_on(talk.alignment(None)), Err(Error::InvalidInput { what: "adapters", .. })));
    talk.set_adapters(vec![(files.path("one"), 0.5)]).expect("it fits");
    assert!(matches!(block_on(talk.alignment(None)), Err(Error::InvalidInput { what: "turn", .. })));
    let first = say(&mut talk, "the sea");
    let second = say(&mut talk, "the hills");
    let one = engine.blocking_load_adapter(&files.path("one")).expect("it fits");
    let mut prompt = vec![Message::system(SYSTEM), Message::user("the sea")];
    let mut expected = Vec::new();
    for turn in [&first, &second] {
        let score = |adapters: Vec<(AdapterId, f32)>| {
            engine.blocking_score(&prompt, vec![turn.reply.clone()], adapters).expect("scored").remove(0)
        };
        let (with, without) = (score(vec![(one, 0.5)]), score(Vec::new()));
        expected.push((with.log_prob() - without.log_prob(), with.token_log_probs.len()));
        prompt.extend([Message::assistant(&*turn.reply), Message::user("the hills")]);
    }
    for (turn, (nats, tokens)) in [first.turn, second.turn].into_iter().zip(&expected) {
        let measured = block_on(talk.alignment(Some(turn))).expect("measured");
        assert!((measured.nats - nats).abs() < 1e-3, "{measured:?} and not {nats}");
        assert_eq!(measured.tokens, *tokens);
        assert!((measured.nats_per_token - nats / *tokens as f64).abs() < 1e-3);
        assert!(measured.nats.abs() > 0.1, "the adapter says nothing: {measured:?}");
    }
    let newest = block_on(talk.alignment(None)).expect("measured");
    assert!((newest.nats - expected[1].0).abs() < 1e-3);
    talk.set_adapters(vec![(files.path("zero"), 1.0)]).expect("it fits");
    assert!(block_on(talk.alignment(None)).expect("measured").nats.abs() < 1e-6);
    assert!(matches!(block_on(talk.alignment(Some(4711))), Err(Error::NotFound { id: 4711, .. })));
}

#[test]
fn measuring_alignment_takes_no_conversation_out_of_the_cache() {
    let files = Files::new();
    let engine = files.engine();
    let data = tempfile::tempdir().expect("a folder");
    let mut talk =
        session(&launch(data.path(), &engine), SessionParams { adapters: vec![(files.path("one"), 1.0)], ..brief(12) });
    let mut long = String::from("the sea");
    while engine.count_tokens(&long) < 600 {
        long.push_str(" and the hills");
    }
    say(&mut talk, &long);
    assert!(matches!(block_on(talk.alignment(None)), Err(Error::Busy)), "there is no room for it twice");
    assert!(say(&mut talk, "the end").stats.cached_tokens > 600, "the conversation lost its place");
}
