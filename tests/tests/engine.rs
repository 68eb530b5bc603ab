//! The engine on the real default model: streams, prefix reuse, cancellation, sampling, constraints, scoring.

use std::time::{Duration, Instant};

use aloekit::engine::{Constraint, Engine, GenerateParams, SamplingParams, Sequence, StopReason};
use aloekit::{Error, Message};
use aloekit_tests::fixtures::{engine, engine_params, greedy};

fn params(max_tokens: usize) -> GenerateParams {
    GenerateParams { sampling: greedy(), max_tokens, ..GenerateParams::default() }
}

fn conversation(turns: &[&str]) -> Vec<Message> {
    let system = Message::system("You are a helpful assistant.");
    let turn = |(i, text): (usize, &&str)| if i % 2 == 0 { Message::user(*text) } else { Message::assistant(*text) };
    std::iter::once(system).chain(turns.iter().enumerate().map(turn)).collect()
}

fn reply(sequence: &Sequence, messages: &[Message], max_tokens: usize) -> aloekit::engine::Generated {
    sequence.generate(messages, params(max_tokens)).expect("starts").blocking_finish().expect("ends well")
}

/// A prompt of about `tokens` tokens.
fn long_text(engine: &Engine, tokens: usize) -> String {
    let mut text = String::new();
    while engine.count_tokens(&text) < tokens {
        text.push_str("The quick brown fox jumps over the lazy dog near the old stone bridge. ");
    }
    text
}

#[test]
fn the_pieces_of_a_stream_join_to_the_final_text() {
    let engine = engine(1024);
    let sequence = engine.sequence();
    let mut stream = sequence.generate(&conversation(&["What is the capital of France?"]), params(40)).expect("starts");
    let mut joined = String::new();
    while let Some(piece) = stream.blocking_next() {
        joined.push_str(&piece);
    }
    let generated = stream.blocking_finish().expect("ends well");
    assert_eq!(joined, generated.text);
    assert!(generated.text.contains("Paris"), "{}", generated.text);
    assert_eq!(generated.stop, StopReason::EndOfTurn);
}

#[test]
fn the_second_turn_prefills_only_what_is_new() {
    let engine = engine(1024);
    let sequence = engine.sequence();
    let first = reply(&sequence, &conversation(&["Tell me about the sea."]), 40);
    let second = reply(&sequence, &conversation(&["Tell me about the sea.", &first.text, "And the sky?"]), 8);
    let whole = first.stats.prompt_tokens + first.stats.reply_tokens;
    // The last token drawn was never decoded, so it is new to the cache; so are the template's marks and the message.
    assert!(second.stats.cached_tokens + 1 >= whole, "{:?} after {whole}", second.stats);
    assert!(second.stats.prompt_tokens - second.stats.cached_tokens < 24, "{:?}", second.stats);
}

#[test]
fn the_same_seed_gives_the_same_text_and_another_gives_another() {
    let engine = engine(1024);
    let text = |seed| {
        let sampling = SamplingParams { temperature: 1.0, seed: Some(seed), ..SamplingParams::default() };
        let params = GenerateParams { sampling, max_tokens: 30, ..GenerateParams::default() };
        let sequence = engine.sequence();
        let stream = sequence.generate(&conversation(&["Invent a name for a boat."]), params).expect("starts");
        stream.blocking_finish().expect("ends well").text
    };
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn cancelling_inside_a_long_prefill_takes_effect_at_once_and_leaves_the_engine_usable() {
    let engine = engine(4096);
    let sequence = engine.sequence();
    let text = long_text(&engine, 3000);
    let before = reply(&engine.sequence(), &conversation(&["Say hello."]), 12).text;
    let stream = sequence.generate(&conversation(&[&text]), params(8)).expect("starts");
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    stream.cancel_handle().cancel();
    let generated = stream.blocking_finish().expect("a cancelled reply is no error");
    assert_eq!((generated.stop, generated.text.as_str()), (StopReason::Cancelled, ""));
    assert!(asked.elapsed() < Duration::from_millis(250), "took {:?}", asked.elapsed());
    assert_eq!(reply(&engine.sequence(), &conversation(&["Say hello."]), 12).text, before);
}

#[test]
fn a_reply_cancelled_at_each_token_in_turn_ends_there_and_the_next_reply_is_unharmed() {
    let engine = engine(1024);
    let messages = conversation(&["Count from one to twenty in words."]);
    let whole = reply(&engine.sequence(), &messages, 24).text;
    let sequence = engine.sequence();
    for cut in 0..12 {
        let mut stream = sequence.generate(&messages, params(24)).expect("starts");
        let mut seen = String::new();
        for _ in 0..cut {
            seen.extend(stream.blocking_next());
        }
        stream.cancel_handle().cancel();
        let generated = stream.blocking_finish().expect("a cancelled reply is no error");
        assert!(generated.text.starts_with(&seen) && whole.starts_with(&generated.text), "cut at {cut}");
    }
    assert_eq!(reply(&sequence, &messages, 24).text, whole);
}

#[test]
fn a_dropped_stream_frees_its_place_even_when_nobody_read_it() {
    let engine = Engine::open(&aloekit::engine::EngineParams { n_sessions: 1, ..engine_params(1024) }).expect("opens");
    for _ in 0..3 {
        let sequence = engine.sequence();
        drop(sequence.generate(&conversation(&["Write a very long story."]), params(400)).expect("starts"));
    }
    let sequence = engine.sequence();
    let mut unread = sequence.generate(&conversation(&["Write a very long story."]), params(400)).expect("starts");
    unread.blocking_next();
    std::thread::sleep(Duration::from_millis(1500)); // it fills its channel and pauses
    drop(unread);
    assert!(!reply(&engine.sequence(), &conversation(&["Say hello."]), 8).text.is_empty());
}

#[test]
fn a_request_that_may_not_evict_leaves_the_caches_of_others_alone() {
    let engine = Engine::open(&aloekit::engine::EngineParams { n_sessions: 2, ..engine_params(512) }).expect("opens");
    let modest = |max_tokens| GenerateParams { may_evict: false, ..params(max_tokens) };
    let (talk, reader) = (engine.sequence(), engine.sequence());
    let messages = conversation(&["What is the capital of France?"]);
    let first = reply(&talk, &messages, 8);
    let read = |max_tokens| {
        reader.generate(&conversation(&["Say hello."]), modest(max_tokens)).and_then(|stream| stream.blocking_finish())
    };
    assert!(read(8).is_ok(), "there was room");
    assert!(matches!(read(512), Err(aloekit::Error::Busy)));
    let again = reply(&talk, &messages, 8);
    assert_eq!((again.stats.cached_tokens, again.text), (first.stats.prompt_tokens - 1, first.text));
    let third = engine.sequence().generate(&messages, modest(8)).and_then(|stream| stream.blocking_finish());
    assert!(matches!(third, Err(aloekit::Error::Busy)), "both places are taken");
}

#[test]
fn several_sessions_talk_at_once_and_answer_as_if_alone() {
    let engine = engine(2048);
    let questions =
        ["What is the capital of France?", "What is two plus two?", "What colour is the sky?", "Who are you?"];
    let alone: Vec<_> =
        questions.iter().map(|q| reply(&engine.sequence(), &conversation(&[q]), 12).stats.prompt_tokens).collect();
    let sequences: Vec<_> = questions.iter().map(|_| engine.sequence()).collect();
    let streams: Vec<_> = sequences
        .iter()
        .zip(questions)
        .map(|(sequence, q)| sequence.generate(&conversation(&[q]), params(12)).expect("starts"))
        .collect();
    let together: Vec<_> = streams.into_iter().map(|s| s.blocking_finish().expect("ends well")).collect();
    assert!(together[0].text.contains("Paris"), "{}", together[0].text);
    assert_eq!(together.iter().map(|g| g.stats.prompt_tokens).collect::<Vec<_>>(), alone);
}

#[test]
fn more_sessions_than_places_take_turns() {
    let engine = Engine::open(&aloekit::engine::EngineParams { n_sessions: 2, ..engine_params(1024) }).expect("opens");
    let sequences: Vec<_> = (0..6).map(|_| engine.sequence()).collect();
    let streams: Vec<_> = sequences
        .iter()
        .map(|s| s.generate(&conversation(&["What is the capital of France?"]), params(12)).expect("starts"))
        .collect();
    for stream in streams {
        assert!(stream.blocking_finish().expect("ends well").text.contains("Paris"));
    }
}

#[test]
fn a_json_schema_is_satisfied() {
    let engine = engine(1024);
    let schema = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":120}},"required":["name","age"],"additionalProperties":false}"#;
    let constrained = GenerateParams { constraint: Constraint::JsonSchema(schema.into()), ..params(80) };
    let sequence = engine.sequence();
    let stream = sequence.generate(&conversation(&["Describe a person as JSON."]), constrained).expect("starts");
    let text = stream.blocking_finish().expect("ends well").text;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert!(value["name"].is_string() && value["age"].is_u64(), "{text}");
}

#[test]
fn a_grammar_is_kept_and_a_broken_one_is_invalid_input() {
    let engine = engine(1024);
    let sequence = engine.sequence();
    let with = |grammar: &str| {
        let constrained = GenerateParams { constraint: Constraint::Gbnf(grammar.into()), ..params(20) };
        sequence.generate(&conversation(&["Is water wet?"]), constrained).expect("starts").blocking_finish()
    };
    let text = with("root ::= \"yes\" | \"no\"").expect("ends well").text;
    assert!(text == "yes" || text == "no", "{text}");
    for broken in ["answer ::= \"x\"", "root ::= missing", "root ::= root \"a\"", "\0"] {
        assert!(matches!(with(broken), Err(Error::InvalidInput { what: "constraint", .. })), "{broken:?}");
    }
    let bad_schema = GenerateParams { constraint: Constraint::JsonSchema("{".into()), ..params(20) };
    let outcome = sequence.generate(&conversation(&["x"]), bad_schema).expect("starts").blocking_finish();
    assert!(matches!(outcome, Err(Error::InvalidInput { what: "constraint", .. })));
}

#[test]
fn a_stop_string_ends_the_reply_before_it() {
    let engine = engine(1024);
    let messages = conversation(&["What is the capital of France?"]);
    let whole = reply(&engine.sequence(), &messages, 30).text;
    let stop = whole[4..12].to_owned();
    let stopping = GenerateParams { stop: vec![stop.clone()], ..params(30) };
    let sequence = engine.sequence();
    let cut = sequence.generate(&messages, stopping).expect("starts").blocking_finish().expect("ends well");
    assert_eq!((cut.stop, cut.text.as_str()), (StopReason::StopString, &whole[..whole.find(&stop).expect("there")]));
}

#[test]
fn a_likely_continuation_scores_above_an_unlikely_one_however_they_are_ordered() {
    let engine = engine(1024);
    let messages = conversation(&["What is the capital of France?"]);
    let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let paris = "The capital of France is Paris.";
    let scores = engine
        .blocking_score(&messages, texts(&[paris, "The capital of France is Oslo.", ""]), vec![])
        .expect("scores");
    assert!(scores[0].log_prob() > scores[1].log_prob() + 2.0, "{scores:?}");
    assert!(scores[2].token_log_probs.is_empty());
    let again = engine.blocking_score(&messages, texts(&["Oslo.", paris]), vec![]).expect("scores");
    assert!(
        (again[1].log_prob() - scores[0].log_prob()).abs() < 0.05,
        "{} {}",
        again[1].log_prob(),
        scores[0].log_prob()
    );
}

#[test]
fn a_message_longer_than_the_context_is_refused_with_both_sizes() {
    let engine = engine(512);
    let text = long_text(&engine, 600);
    let sequence = engine.sequence();
    let outcome = sequence.generate(&conversation(&[&text]), params(8)).expect("starts").blocking_finish();
    match outcome {
        Err(Error::ContextExceeded { required_tokens, available_tokens: 511 }) => assert!(required_tokens > 600),
        other => panic!("{other:?}"),
    }
    assert!(!reply(&sequence, &conversation(&["Say hello."]), 8).text.is_empty());
}

#[test]
fn a_closed_engine_answers_closed() {
    let engine = engine(512);
    let sequence = engine.sequence();
    let running = sequence.generate(&conversation(&["Write a very long story."]), params(300)).expect("starts");
    engine.close();
    engine.close();
    assert!(matches!(running.blocking_finish(), Err(Error::Closed)));
    assert!(matches!(sequence.generate(&conversation(&["Hello"]), params(4)).err(), Some(Error::Closed)));
}
