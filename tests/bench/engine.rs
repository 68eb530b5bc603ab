//! Prefill and decode through `Session` and `Engine`, against llama.cpp driven by hand in the same process.
//!
//! All three answer the same prompt on the same model with the same threads, greedily, from an empty cache, one after
//! the other in every round. Times are taken outside, by who reads the text.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod direct;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod quiet;

use std::time::{Duration, Instant};

use aloekit::engine::{Engine, EngineParams, GenerateParams, SamplingParams};
use aloekit::memory::MemoryParams;
use aloekit::{Assistant, AssistantParams, Conversation, Induction, Message, SessionParams};
use aloekit_tests::fixtures::model_path;
use direct::Direct;
use llama_cpp_2::context::params::KvCacheType;
use llama_cpp_2::model::LlamaModel;
use measure::{Samples, Table, announce, ms, rounds};
use quiet::{Quiet, Usage};

const N_CTX: u32 = 4096;
const REPLY_TOKENS: usize = 96;
const SYSTEM: &str = "You are a storyteller who never gives short answers.";
const SIDES: [&str; 3] = ["llama.cpp by hand", "Engine", "Session"];

/// What somebody who waits for the text sees.
struct Seen {
    text: String,
    prompt_tokens: usize,
    reply_tokens: usize,
    first_token: Duration,
    whole: Duration,
    /// CPU seconds of all threads; NaN where the system does not tell.
    cpu_s: f64,
}

impl Seen {
    fn prefill_tokens_per_s(&self) -> f64 {
        self.prompt_tokens as f64 / self.first_token.as_secs_f64()
    }

    fn decode_tokens_per_s(&self) -> f64 {
        (self.reply_tokens - 1) as f64 / (self.whole - self.first_token).as_secs_f64()
    }
}

fn main() {
    let rounds = rounds(7);
    announce("engine: the same reply by hand, through Engine and through Session");
    for n_threads in [1, 2] {
        compare(n_threads, rounds);
    }
    for n_threads in [1, 2] {
        replies_at_once(n_threads, rounds.div_ceil(2));
    }
}

fn compare(n_threads: u32, rounds: usize) {
    let assistant = assistant(n_threads);
    let model = direct::load(&model_path());
    let mut by_hand = Direct::new(&model, N_CTX, n_threads, KvCacheType::F16);
    let prompt = prompt();
    answer_by_hand(&mut by_hand, &model, &prompt); // warms the caches of the machine
    answer_by_session(&assistant, &prompt);
    let mut runs: [Vec<Seen>; 3] = Default::default();
    let mut quiet = Quiet::default();
    for _ in 0..rounds {
        let seen = [
            quiet.run(|| with_cpu_time(|| answer_by_hand(&mut by_hand, &model, &prompt))),
            quiet.run(|| with_cpu_time(|| answer_by_engine(assistant.engine(), &prompt))),
            quiet.run(|| with_cpu_time(|| answer_by_session(&assistant, &prompt))),
        ];
        expect_the_same_work(&seen);
        runs.iter_mut().zip(seen).for_each(|(runs, seen)| runs.push(seen));
    }
    print_comparison(n_threads, &runs, &quiet);
    assistant.close();
}

/// A column of the comparison: its name, what it shows, its digits, and whether more of it is better.
type Measure = (&'static str, fn(&Seen) -> f64, usize, bool);

const MEASURES: [Measure; 4] = [
    ("prefill tok/s", Seen::prefill_tokens_per_s, 1, true),
    ("decode tok/s", Seen::decode_tokens_per_s, 1, true),
    ("whole reply ms", |seen| ms(seen.whole), 0, false),
    ("CPU s", |seen| seen.cpu_s, 2, false),
];

fn print_comparison(n_threads: u32, runs: &[Vec<Seen>; 3], quiet: &Quiet) {
    let first = &runs[0][0];
    println!(
        "\n{n_threads} thread(s), prompt of {} tokens, reply of {}, {} rounds, {}; median (least-greatest); a ratio \
         above 1 is better than by hand",
        first.prompt_tokens,
        first.reply_tokens,
        runs[0].len(),
        quiet.verdict()
    );
    for (name, measure, digits, more_is_better) in MEASURES {
        let mut table = Table::new("", &["", name, "ratio"]);
        let of = |side: usize| runs[side].iter().map(measure).collect::<Samples>();
        for (side, side_name) in SIDES.into_iter().enumerate() {
            let ratio = if more_is_better { of(side).over(&of(0)) } else { of(0).over(&of(side)) };
            table.row([side_name.to_owned(), of(side).spread(digits), ratio.spread(3)]);
        }
        table.print();
    }
}

/// CPU time hardly changes when other programs take turns with us, so on a busy machine it is the better witness; with
/// two threads it counts their waiting for each other too.
fn with_cpu_time(answer: impl FnOnce() -> Seen) -> Seen {
    let before = Usage::now();
    let seen = answer();
    let cpu_s = before.zip(Usage::now()).map_or(f64::NAN, |(before, after)| after.own_s - before.own_s);
    Seen { cpu_s, ..seen }
}

/// Rates may be compared only where as much was computed.
fn expect_the_same_work(seen: &[Seen; 3]) {
    let work = |seen: &Seen| (seen.prompt_tokens, seen.reply_tokens);
    for (side, name) in seen.iter().zip(SIDES).skip(1) {
        assert_eq!(work(side), work(&seen[0]), "{name} answered another prompt or at another length");
        if side.text != seen[0].text {
            println!("note: {name} wrote another text than llama.cpp by hand");
        }
    }
}

fn assistant(n_threads: u32) -> Assistant {
    let engine = EngineParams { n_ctx: N_CTX, n_threads: Some(n_threads), ..EngineParams::new(model_path()) };
    let memory = MemoryParams::in_memory();
    let params = AssistantParams { engine, memory, embedder: None, snapshots: None, induction: Induction::Off };
    Assistant::open(params).expect("the default model opens")
}

/// About 270 tokens with a task that takes a long answer.
fn prompt() -> String {
    let note = "The lighthouse keeper writes down the wind, the tide and the names of the ships that pass. ";
    format!("{}\nTell a long story about the people who appear in these notes.", note.repeat(12))
}

fn generate_params() -> GenerateParams {
    GenerateParams { sampling: SamplingParams::greedy(), max_tokens: REPLY_TOKENS, ..GenerateParams::default() }
}

fn answer_by_hand(by_hand: &mut Direct<'_>, model: &LlamaModel, prompt: &str) -> Seen {
    let answer = by_hand.answer(&direct::chat_prompt(model, SYSTEM, prompt), REPLY_TOKENS);
    Seen {
        text: answer.text,
        prompt_tokens: answer.prompt_tokens,
        reply_tokens: answer.reply_tokens,
        first_token: answer.first_token,
        whole: answer.whole,
        cpu_s: f64::NAN,
    }
}

fn answer_by_engine(engine: &Engine, prompt: &str) -> Seen {
    engine.clear_idle();
    let sequence = engine.sequence();
    let started = Instant::now();
    let messages = [Message::system(SYSTEM), Message::user(prompt)];
    let mut stream = sequence.generate(&messages, generate_params()).expect("the prompt fits");
    let mut first_token = None;
    while stream.blocking_next().is_some() {
        first_token.get_or_insert_with(|| started.elapsed());
    }
    let whole = started.elapsed();
    let generated = stream.blocking_finish().expect("the reply ends well");
    assert_eq!(generated.stats.cached_tokens, 0, "the cache was not empty");
    Seen {
        text: generated.text,
        prompt_tokens: generated.stats.prompt_tokens,
        reply_tokens: generated.stats.reply_tokens,
        first_token: first_token.unwrap_or(whole),
        whole,
        cpu_s: f64::NAN,
    }
}

fn answer_by_session(assistant: &Assistant, prompt: &str) -> Seen {
    assistant.engine().clear_idle();
    let params = SessionParams {
        conversation: Conversation::New,
        system_prompt: SYSTEM.to_owned(),
        sampling: SamplingParams::greedy(),
        max_reply_tokens: REPLY_TOKENS,
        recall: false, // or the same message of the round before would be quoted in the prompt
        ..SessionParams::default()
    };
    let mut session = assistant.session(params).expect("a new conversation");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let started = Instant::now();
        let mut reply = session.send(prompt).await.expect("the prompt fits");
        let mut first_token = None;
        while reply.next().await.expect("a piece").is_some() {
            first_token.get_or_insert_with(|| started.elapsed());
        }
        let whole = started.elapsed();
        let turn = reply.finish().await.expect("the reply ends well");
        assert_eq!(turn.stats.cached_tokens, 0, "the cache was not empty");
        Seen {
            text: turn.reply,
            prompt_tokens: turn.stats.prompt_tokens,
            reply_tokens: turn.stats.reply_tokens,
            first_token: first_token.unwrap_or(whole),
            whole,
            cpu_s: f64::NAN,
        }
    })
}

/// Four replies one after another, and four at once: what sharing each pass over the weights gives.
fn replies_at_once(n_threads: u32, rounds: usize) {
    let assistant = assistant(n_threads);
    let engine = assistant.engine();
    let (mut alone, mut at_once, mut quiet) = (Samples::default(), Samples::default(), Quiet::default());
    for _ in 0..rounds {
        alone.push(quiet.run(|| tokens_per_s(engine, 1)));
        at_once.push(quiet.run(|| tokens_per_s(engine, 4)));
    }
    let caption =
        format!("{n_threads} thread(s), four replies of {REPLY_TOKENS} tokens, {rounds} rounds, {}", quiet.verdict());
    let mut table = Table::new(caption, &["", "tok/s of all, prefill included", "ratio"]);
    table.row(["one after another".into(), alone.spread(1), "1".into()]);
    table.row(["at once".into(), at_once.spread(1), at_once.over(&alone).spread(2)]);
    table.print();
    assistant.close();
}

/// Reply tokens a second over four replies, `at_once` of them running beside each other.
fn tokens_per_s(engine: &Engine, at_once: usize) -> f64 {
    let subjects = ["a lighthouse", "a mountain train", "an old library", "a winter market"];
    engine.clear_idle();
    let started = Instant::now();
    let mut tokens = 0;
    for group in subjects.chunks(at_once) {
        let begin = |subject: &&str| {
            let task = Message::user(format!("Tell a very long story about {subject} and the people in it."));
            let sequence = engine.sequence();
            let messages = [Message::system(SYSTEM), task];
            let stream = sequence.generate(&messages, generate_params()).expect("the prompt fits");
            (sequence, stream)
        };
        let running: Vec<_> = group.iter().map(begin).collect();
        for (_sequence, stream) in running {
            tokens += stream.blocking_finish().expect("the reply ends well").stats.reply_tokens;
        }
    }
    tokens as f64 / started.elapsed().as_secs_f64()
}
