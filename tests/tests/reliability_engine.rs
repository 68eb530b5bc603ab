//! The engine at its limits: full contexts, absurd parameters, closing in the middle, and what a cancelled shift leaves.

mod session_fixture;

use std::time::{Duration, Instant};

use aloekit::engine::{
    Constraint, Engine, EngineParams, FlashAttention, GenerateParams, Generated, KvType, SamplingParams, Sequence,
    StopReason,
};
use aloekit::{Error, Message};
use aloekit_tests::fixtures::{engine, engine_params, greedy};
use session_fixture::within;

fn params(max_tokens: usize) -> GenerateParams {
    GenerateParams { sampling: greedy(), max_tokens, ..GenerateParams::default() }
}

fn ask(sequence: &Sequence, messages: &[Message], params: GenerateParams) -> aloekit::Result<Generated> {
    sequence.generate(messages, params)?.blocking_finish()
}

fn question(text: &str) -> Vec<Message> {
    vec![Message::system("You are a helpful assistant."), Message::user(text)]
}

fn hello(engine: &Engine) -> String {
    ask(&engine.sequence(), &question("Say hello."), params(8)).expect("the engine is usable").text
}

/// A question whose prompt takes exactly this many tokens.
fn question_of(engine: &Engine, tokens: usize) -> Vec<Message> {
    let mut text = String::new();
    loop {
        let messages = question(&text);
        match engine.count_prompt_tokens(&messages).expect("it is counted") {
            count if count == tokens => return messages,
            count => assert!(count < tokens, "no prompt of exactly {tokens} tokens"),
        }
        text.push_str(" a");
    }
}

#[test]
fn the_greatest_number_of_sessions_opens_and_answers() {
    let params = EngineParams { n_sessions: 64, ..engine_params(512) };
    let engine = Engine::open(&params).expect("it opens, where llama.cpp once ended the process");
    let sampling = GenerateParams { max_tokens: 2, ..GenerateParams::default() };
    let reply = engine.sequence().generate(&[Message::user("Hi")], sampling).expect("asked").blocking_finish();
    assert_eq!(reply.expect("answered").stats.reply_tokens, 2);
}

#[test]
fn a_prompt_that_leaves_room_for_one_token_is_answered_and_a_longer_one_is_refused_with_both_sizes() {
    let engine = engine(512);
    let sequence = engine.sequence();
    let last = ask(&sequence, &question_of(&engine, 511), params(8)).expect("it fits");
    assert!(matches!(last.stop, StopReason::ContextFull | StopReason::EndOfTurn), "{last:?}");
    assert_eq!(last.stats.prompt_tokens, 511);
    for tokens in [512, 513, 700] {
        match ask(&sequence, &question_of(&engine, tokens), params(8)) {
            Err(Error::ContextExceeded { required_tokens, available_tokens: 511 }) => {
                assert_eq!(required_tokens, tokens);
            }
            other => panic!("{tokens}: {other:?}"),
        }
    }
    assert!(!hello(&engine).is_empty());
}

#[test]
fn a_reply_without_a_limit_of_its_own_ends_where_the_context_does() {
    let engine = engine(512);
    let endless = GenerateParams { constraint: Constraint::Gbnf("root ::= \"ab \"*".into()), ..params(usize::MAX) };
    let full = ask(&engine.sequence(), &question_of(&engine, 480), endless).expect("ends well");
    // A grammar that may end at any point may be ended by the model too.
    assert!(matches!(full.stop, StopReason::ContextFull | StopReason::EndOfTurn), "{full:?}");
    assert!(full.stats.reply_tokens <= 32);
    assert!(!hello(&engine).is_empty());
}

#[test]
fn absurd_parameters_are_refused_before_anything_is_loaded() {
    let small = engine_params(100);
    let no_batch = EngineParams { n_batch: 0, ..engine_params(512) };
    let no_threads = EngineParams { n_threads: Some(0), ..engine_params(512) };
    let many_sessions = EngineParams { n_sessions: 10_000, ..engine_params(512) };
    let unfused = EngineParams { kv_type: KvType::Q8_0, flash_attention: FlashAttention::Off, ..engine_params(512) };
    for (what, refused) in [
        ("n_ctx", small),
        ("n_ctx", engine_params(u32::MAX)),
        ("n_batch", no_batch),
        ("n_threads", no_threads),
        ("n_sessions", many_sessions),
        ("kv_type", unfused),
    ] {
        match Engine::open(&refused) {
            Err(Error::InvalidInput { what: named, .. }) => assert_eq!(named, what),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn an_absurd_context_is_refused_with_both_sizes_or_cut_to_what_the_model_was_trained_with() {
    let absurd = |memory_budget_mib| EngineParams { memory_budget_mib, ..engine_params(1 << 20) };
    match Engine::open(&absurd(Some(200))) {
        Err(Error::NotEnoughMemory { required_mib, available_mib: 200 }) => assert!(required_mib > 200),
        other => panic!("{other:?}"),
    }
    let cut = Engine::open(&absurd(Some(2_000))).expect("it opens with a smaller context");
    assert_eq!(cut.n_ctx(), cut.info().n_ctx_train as usize);
    assert!(!hello(&cut).is_empty());
}

#[test]
fn sampling_out_of_range_is_invalid_input_and_at_the_edge_of_its_range_it_still_answers() {
    let engine = engine(512);
    let sequence = engine.sequence();
    let sampling = SamplingParams { seed: Some(1), ..SamplingParams::default() };
    let with =
        |sampling: SamplingParams| ask(&sequence, &question("Say hello."), GenerateParams { sampling, ..params(6) });
    for bad in [
        SamplingParams { temperature: f32::NAN, ..sampling.clone() },
        SamplingParams { temperature: -0.1, ..sampling.clone() },
        SamplingParams { top_p: 1.5, ..sampling.clone() },
        SamplingParams { repetition_penalty: 0.0, ..sampling.clone() },
        SamplingParams { presence_penalty: f32::INFINITY, ..sampling.clone() },
    ] {
        assert!(matches!(with(bad), Err(Error::InvalidInput { .. })));
    }
    for extreme in [
        SamplingParams { temperature: f32::MIN_POSITIVE, ..sampling.clone() },
        SamplingParams { temperature: 10.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..sampling.clone() },
        SamplingParams { temperature: 10.0, top_k: u32::MAX, top_p: 0.0, min_p: 1.0, ..sampling.clone() },
        SamplingParams { repetition_penalty: 0.01, frequency_penalty: -10.0, ..sampling.clone() },
        SamplingParams { temperature: 0.0, repetition_penalty: 10.0, presence_penalty: 10.0, ..sampling.clone() },
        SamplingParams { penalty_window: 0, ..sampling.clone() },
    ] {
        assert!(with(extreme.clone()).expect("it answers").stats.reply_tokens > 0, "{extreme:?}");
    }
}

#[test]
fn a_penalty_window_longer_than_any_reply_takes_no_memory_of_its_own() {
    let engine = engine(512);
    hello(&engine);
    let before = peak_mib();
    let sampling = SamplingParams { penalty_window: u32::MAX, seed: Some(1), ..SamplingParams::default() };
    ask(&engine.sequence(), &question("Say hello."), GenerateParams { sampling, ..params(6) }).expect("ends well");
    assert!(peak_mib() - before < 512, "{} MiB, {before} before", peak_mib());
}

/// Greatest resident size so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("it is listed");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

#[test]
fn no_message_or_nothing_but_an_empty_one_is_answered_or_refused_but_never_fatal() {
    let engine = engine(512);
    for messages in [vec![], vec![Message::user("")], vec![Message::system("")], vec![Message::assistant("Hello")]] {
        match ask(&engine.sequence(), &messages, params(4)) {
            Ok(_) | Err(Error::InvalidInput { .. } | Error::ModelIncompatible { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let none = ask(&engine.sequence(), &question("Hello"), params(0));
    assert!(matches!(none, Err(Error::InvalidInput { what: "max_tokens", .. })));
    assert!(!hello(&engine).is_empty());
}

#[test]
fn seed_constraint_and_stop_string_give_the_same_text_after_the_engine_was_opened_anew() {
    let text = |seed| {
        let engine = engine(512);
        let drawn = GenerateParams {
            sampling: SamplingParams { temperature: 1.5, seed: Some(seed), ..SamplingParams::default() },
            constraint: Constraint::Gbnf("root ::= [a-z ]{60,80}".into()),
            stop: vec!["zzz".into(), "the end".into()],
            ..params(40)
        };
        let text = ask(&engine.sequence(), &question("Write some words."), drawn).expect("ends well").text;
        engine.close();
        text
    };
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn a_quantized_kv_cache_answers_as_well_and_shifts_too() {
    let log_prob = |engine: &Engine| {
        let paris = vec!["The capital of France is Paris.".to_owned()];
        engine.blocking_score(&question("What is the capital of France?"), paris, vec![]).expect("scores")[0].log_prob()
    };
    let engine = Engine::open(&EngineParams { kv_type: KvType::Q8_0, ..engine_params(1024) }).expect("opens");
    let difference = log_prob(&engine) - log_prob(&aloekit_tests::fixtures::engine(1024));
    assert!(difference.abs() < 0.5, "{difference} nats over eight tokens"); // measured: 0.14
    let sequence = engine.sequence();
    ask(&sequence, &story(&engine, 0), params(2)).expect("ends well");
    let shifted = ask(&sequence, &story(&engine, 6), params(24)).expect("ends well");
    assert!(shifted.stats.cached_tokens > 200, "{:?}", shifted.stats);
    assert!(shifted.text.contains("Lisbon"), "{}", shifted.text);
}

/// A long conversation from its turn `from` on; it ends with a question about its last turn.
fn story(engine: &Engine, from: usize) -> Vec<Message> {
    let mut messages = vec![Message::system("You are a helpful assistant.")];
    for turn in from..12 {
        messages.push(Message::user(format!(
            "Day {turn}: we walked along the river, past mill number {turn}, and rested."
        )));
        messages.push(Message::assistant(format!(
            "That sounds like a fine day {turn}, with a mill and a river to rest by."
        )));
    }
    messages.push(Message::user("Today we are in Lisbon."));
    messages.push(Message::assistant("Lisbon is a lovely city."));
    messages.push(Message::user("In which city are we today? Answer in one word."));
    assert!(engine.count_prompt_tokens(&messages).expect("counted") < 900);
    messages
}

#[test]
fn a_broken_constraint_on_a_shifted_conversation_leaves_shifting_and_scoring_usable() {
    let engine = engine(1024);
    let sequence = engine.sequence();
    ask(&sequence, &story(&engine, 0), params(2)).expect("ends well");
    let broken = GenerateParams { constraint: Constraint::Gbnf("root ::= missing".into()), ..params(4) };
    assert!(matches!(ask(&sequence, &story(&engine, 6), broken), Err(Error::InvalidInput { what: "constraint", .. })));
    let scores = engine.blocking_score(&question("Hello"), vec!["Hi".into()], vec![]);
    assert_eq!(scores.expect("scoring has its sequence").len(), 1);
    ask(&sequence, &story(&engine, 0), params(2)).expect("ends well");
    let shifted = ask(&sequence, &story(&engine, 6), params(2)).expect("ends well");
    assert!(shifted.stats.cached_tokens > 200, "{:?}", shifted.stats);
}

#[test]
fn interrupting_a_context_shift_does_not_change_what_is_answered() {
    let reply = |interrupted: bool| {
        let engine = engine(1024);
        let sequence = engine.sequence();
        ask(&sequence, &story(&engine, 0), params(2)).expect("ends well");
        let stream = sequence.generate(&story(&engine, 6), params(16)).expect("starts");
        // They wait for their own sequence's turn, so that nothing but their cancelling reaches the decode.
        let waiting: Vec<_> = (0..if interrupted { 400 } else { 0 })
            .map(|_| sequence.generate(&question("Never answered."), params(4)).expect("is queued"))
            .collect();
        for cancelled in &waiting {
            cancelled.cancel_handle().cancel();
            std::thread::sleep(Duration::from_micros(150));
        }
        let generated = stream.blocking_finish().expect("ends well");
        assert!(generated.stats.cached_tokens > 200, "it did not shift: {:?}", generated.stats);
        generated.text
    };
    assert_eq!(reply(true), reply(false));
}

#[test]
fn cancelling_a_reply_that_has_ended_disturbs_nobody() {
    let engine = engine(512);
    let sequence = engine.sequence();
    let ended = sequence.generate(&question("Say hello."), params(2)).expect("starts");
    let handle = ended.cancel_handle();
    ended.blocking_finish().expect("ends well");
    let other = engine.sequence().generate(&question("Count to twenty."), params(20)).expect("starts");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let until = std::sync::Arc::clone(&stop);
    let nuisance = std::thread::spawn(move || {
        while !until.load(std::sync::atomic::Ordering::SeqCst) {
            handle.cancel();
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    let generated = within(Duration::from_secs(20), move || other.blocking_finish());
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    nuisance.join().expect("it ends");
    assert_eq!(generated.expect("ends well").stats.reply_tokens, 20);
}

#[test]
fn a_reply_that_was_cancelled_unread_and_then_dropped_gives_its_place_back() {
    let engine = Engine::open(&EngineParams { n_sessions: 1, ..engine_params(512) }).expect("opens");
    let sequence = engine.sequence();
    let endless = GenerateParams { constraint: Constraint::Gbnf("root ::= [a-z]{400}".into()), ..params(400) };
    let unread = sequence.generate(&question("Write."), endless).expect("starts");
    std::thread::sleep(Duration::from_secs(3)); // it fills its channel and pauses
    unread.cancel_handle().cancel();
    std::thread::sleep(Duration::from_millis(200));
    drop(unread);
    let other = engine.clone();
    assert!(!within(Duration::from_secs(10), move || hello(&other)).is_empty());
}

#[test]
fn closing_ends_a_long_score_at_once() {
    let engine = engine(4096);
    let scoring = engine.clone();
    let score = std::thread::spawn(move || {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(300);
        scoring.blocking_score(&question(&text), vec!["Yes".into()], vec![])
    });
    std::thread::sleep(Duration::from_millis(600));
    let asked = Instant::now();
    engine.close();
    let outcome = score.join().expect("no panic");
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    assert!(asked.elapsed() < Duration::from_secs(1), "took {:?}", asked.elapsed());
    assert!(matches!(engine.blocking_score(&question("x"), vec!["y".into()], vec![]), Err(Error::Closed)));
}

#[test]
fn closing_inside_a_long_prefill_takes_effect_at_once() {
    let engine = engine(4096);
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(300);
    let stream = engine.sequence().generate(&question(&text), params(8)).expect("starts");
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    engine.close();
    assert!(matches!(stream.blocking_finish(), Err(Error::Closed)));
    assert!(asked.elapsed() < Duration::from_secs(1), "took {:?}", asked.elapsed());
}

#[test]
fn an_engine_dropped_while_its_sequences_answer_ends_without_waiting_for_them() {
    let opened = engine(512);
    let sequence = opened.sequence();
    let stream = sequence.generate(&question("Write a very long story."), params(400)).expect("starts");
    let handle = stream.cancel_handle();
    within(Duration::from_secs(5), move || {
        drop(opened);
        drop(stream);
        drop(sequence);
    });
    handle.cancel();
    assert!(!hello(&engine(512)).is_empty());
}
