//! Many replies at once against one at a time, decode alone and with prefill, drawn freely and under a JSON schema; and
//! against Python's llama-cpp-python on the same file.
//!
//! Replies at once share each pass over the weights. What that gives has a ceiling: prefill of one prompt already shares
//! them among its tokens, so its rate is the most that any number of sequences can reach, and is measured beside them.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
mod python;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod quiet;

use std::time::Instant;

use aloekit::Message;
use aloekit::engine::{Constraint, Engine, EngineParams, GenerateParams, SamplingParams};
use aloekit_tests::fixtures::model_path;
use measure::{Samples, Table, announce, rounds};
use python::{LLAMA, Peer};
use quiet::{Quiet, Usage};
use serde_json::json;

const REPLY_TOKENS: usize = 64;
const REPLIES: usize = 16;
const SYSTEM: &str = "You are a storyteller who never gives short answers.";

/// Objects with a long free text, as the roles of the pipeline answer.
const SCHEMA: &str = r#"{"type":"object","properties":{"profile":{"type":"string","minLength":400}},"required":["profile"],"additionalProperties":false}"#;

/// How replies are drawn.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    temperature: f32,
    constrained: bool,
    /// Words of the prompt besides its task.
    prompt_notes: usize,
}

const WAYS: [Way; 4] = [
    Way { name: "likeliest token, short prompt", temperature: 0.0, constrained: false, prompt_notes: 0 },
    Way { name: "drawn at 0.8, short prompt", temperature: 0.8, constrained: false, prompt_notes: 0 },
    Way { name: "drawn under a JSON schema", temperature: 0.8, constrained: true, prompt_notes: 0 },
    Way { name: "drawn at 0.8, 300 tokens of prompt", temperature: 0.8, constrained: false, prompt_notes: 14 },
];

fn main() {
    let rounds = rounds(3);
    announce("generation: many replies at once against one at a time");
    let mut python = Peer::start_with(&[LLAMA], "generate.py", &[&model_path()]);
    if let Err(reason) = &python {
        println!("skipped: the comparison with Python: {reason}");
    }
    for threads in [1, 2] {
        let engine = Engine::open(&EngineParams {
            n_ctx: 8192,
            n_sessions: 16,
            n_threads: Some(threads),
            ..EngineParams::new(model_path())
        });
        let engine = engine.expect("the default model opens");
        println!("\n{threads} thread(s), prefill of one prompt: {:.0} tok/s", prefill_tokens_per_s(&engine));
        for way in WAYS {
            compare(&engine, &mut python, threads, way, rounds);
        }
    }
}

fn compare(engine: &Engine, python: &mut Result<Peer, String>, threads: u32, way: Way, rounds: usize) {
    const AT_ONCE: [usize; 5] = [1, 2, 4, 8, 16];
    let mut rates: [Samples; 5] = Default::default();
    let mut per_cpu_s: [Samples; 5] = Default::default();
    let (mut theirs, mut quiet) = (Samples::default(), Quiet::default());
    for _ in 0..rounds {
        for (side, at_once) in AT_ONCE.into_iter().enumerate() {
            let (rate, per_cpu) = quiet.run(|| tokens_per_s(engine, way, at_once));
            rates[side].push(rate);
            per_cpu_s[side].push(per_cpu);
        }
        if let (Ok(python), false) = (python.as_mut(), way.constrained) {
            theirs.push(quiet.run(|| python_tokens_per_s(python, threads, way)));
        }
    }
    let caption = format!(
        "{threads} thread(s), {}, {REPLIES} replies of {REPLY_TOKENS} tokens, {rounds} rounds, {}",
        way.name,
        quiet.verdict()
    );
    let mut table = Table::new(caption, &["at once", "tok/s of all, prefill included", "ratio", "tok/CPU s", "ratio"]);
    for (side, at_once) in AT_ONCE.into_iter().enumerate() {
        let (rate, cpu) = (&rates[side], &per_cpu_s[side]);
        let ratios = [rate.over(&rates[0]).spread(2), cpu.over(&per_cpu_s[0]).spread(2)];
        let [ratio, cpu_ratio] = ratios;
        table.row([at_once.to_string(), rate.spread(1), ratio, cpu.spread(1), cpu_ratio]);
    }
    if !way.constrained && python.is_ok() {
        let ratio = theirs.over(&rates[0]).spread(2);
        table.row(["llama-cpp-python".into(), theirs.spread(1), ratio, String::new(), String::new()]);
    }
    table.print();
}

fn prompt(way: Way, reply: usize) -> String {
    const SUBJECTS: [&str; 4] = ["a lighthouse", "a mountain train", "an old library", "a winter market"];
    let note = "The keeper writes down the wind, the tide and the names of the ships that pass. ";
    let subject = SUBJECTS[reply % SUBJECTS.len()];
    format!(
        "Number {reply}. {}Tell a very long story about {subject} and the people in it.",
        note.repeat(way.prompt_notes)
    )
}

/// Reply tokens a second of wall clock and of CPU; the latter hardly changes when others take turns with us.
fn tokens_per_s(engine: &Engine, way: Way, at_once: usize) -> (f64, f64) {
    engine.clear_idle();
    let (started, before) = (Instant::now(), Usage::now());
    let mut tokens = 0;
    let replies: Vec<usize> = (0..REPLIES).collect();
    for group in replies.chunks(at_once) {
        let running: Vec<_> = group.iter().map(|reply| begin(engine, way, *reply)).collect();
        for (_sequence, stream) in running {
            tokens += stream.blocking_finish().expect("the reply ends well").stats.reply_tokens;
        }
    }
    let cpu_s = before.zip(Usage::now()).map_or(f64::NAN, |(before, after)| after.own_s - before.own_s);
    (tokens as f64 / started.elapsed().as_secs_f64(), tokens as f64 / cpu_s)
}

fn begin(engine: &Engine, way: Way, reply: usize) -> (aloekit::engine::Sequence, aloekit::engine::TokenStream) {
    let sampling = match way.temperature {
        0.0 => SamplingParams::greedy(),
        temperature => SamplingParams { temperature, seed: Some(reply as u32), ..SamplingParams::default() },
    };
    let constraint = if way.constrained { Constraint::JsonSchema(SCHEMA.to_owned()) } else { Constraint::None };
    let params = GenerateParams { sampling, constraint, max_tokens: REPLY_TOKENS, ..GenerateParams::default() };
    let sequence = engine.sequence();
    let stream = sequence.generate(&[Message::system(SYSTEM), Message::user(prompt(way, reply))], params);
    (sequence, stream.expect("the prompt fits"))
}

fn prefill_tokens_per_s(engine: &Engine) -> f64 {
    engine.clear_idle();
    let way = Way { prompt_notes: 60, ..WAYS[0] };
    let params = GenerateParams { max_tokens: 1, sampling: SamplingParams::greedy(), ..GenerateParams::default() };
    let (sequence, started) = (engine.sequence(), Instant::now());
    let stream = sequence.generate(&[Message::user(prompt(way, 0))], params).expect("the prompt fits");
    stream.blocking_finish().expect("the reply ends well").stats.prompt_tokens as f64 / started.elapsed().as_secs_f64()
}

/// One reply after another, as its high-level API answers.
fn python_tokens_per_s(python: &mut Peer, threads: u32, way: Way) -> f64 {
    let prompts: Vec<_> = (0..REPLIES).map(|reply| prompt(way, reply)).collect();
    let request = json!({ "threads": threads, "system": SYSTEM, "prompts": prompts, "temperature": way.temperature, "max_tokens": REPLY_TOKENS });
    let answer = python.ask(&request).expect("the Python peer answers");
    answer["tokens"].as_f64().unwrap_or(f64::NAN) / answer["seconds"].as_f64().unwrap_or(f64::NAN)
}
