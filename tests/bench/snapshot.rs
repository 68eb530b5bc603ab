//! What a KV snapshot saves at the next launch: restoring a conversation of 1,500 tokens against computing it again.
//!
//! The peer is llama.cpp's own session file, which has no checksum and ends the process on a cut file.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod direct;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod quiet;

use aloekit::Message;
use aloekit::engine::{Engine, EngineParams, GenerateParams, KvType, SamplingParams, Sequence};
use aloekit_tests::fixtures::model_path;
use direct::Direct;
use llama_cpp_2::context::params::KvCacheType;
use measure::{Samples, Table, announce, rounds, timed};
use quiet::Quiet;

const N_CTX: u32 = 2048;
const N_THREADS: u32 = 1;
const CONVERSATION_TOKENS: usize = 1500;
const SYSTEM: &str = "You are a friend who listens.";

fn main() {
    let rounds = rounds(5);
    announce("snapshot: restoring a conversation against computing it again");
    for kv_type in [KvType::F16, KvType::Q8_0] {
        compare(kv_type, rounds);
    }
}

/// Milliseconds of each step, a number a round.
#[derive(Default)]
struct Steps {
    prefill: Samples,
    save: Samples,
    restore: Samples,
}

fn compare(kv_type: KvType, rounds: usize) {
    let engine = Engine::open(&EngineParams {
        n_ctx: N_CTX,
        n_threads: Some(N_THREADS),
        kv_type,
        ..EngineParams::new(model_path())
    });
    let engine = engine.expect("the default model opens");
    let model = direct::load(&model_path());
    let mut by_hand = Direct::new(&model, N_CTX, N_THREADS, as_raw(kv_type));
    let conversation = conversation(&engine);
    let folder = tempfile::tempdir().expect("a folder");
    let mut quiet = Quiet::default();
    let (mut ours, mut theirs, mut bytes) = (Steps::default(), Steps::default(), [0, 0]);
    let prompt = direct::chat_prompt(&model, SYSTEM, &conversation[1].content);
    for _ in 0..rounds {
        bytes[0] = through_engine(&engine, &conversation, &folder.path().join("ours"), &mut ours, &mut quiet);
        bytes[1] = through_llama(&mut by_hand, &prompt, &folder.path().join("theirs"), &mut theirs, &mut quiet);
    }
    let tokens = engine.count_prompt_tokens(&conversation).expect("the template takes them");
    let caption = format!(
        "{kv_type:?} cache, {tokens} tokens, {N_THREADS} thread, {rounds} rounds, {}; ms, median (least-greatest)",
        quiet.verdict()
    );
    let mut table =
        Table::new(caption, &["", "prefill", "save", "restore", "restore is faster by", "MB", "bytes/token"]);
    for (name, steps, bytes) in [("AloeKit", &ours, bytes[0]), ("llama.cpp's file", &theirs, bytes[1])] {
        let times = steps.prefill.over(&steps.restore).spread(0);
        let (megabytes, per_token) = (format!("{:.1}", bytes as f64 / 1e6), format!("{}", bytes / tokens));
        let [prefill, save, restore] = [(&steps.prefill, 0), (&steps.save, 1), (&steps.restore, 1)]
            .map(|(samples, digits)| samples.spread(digits));
        table.row([name.into(), prefill, save, restore, times, megabytes, per_token]);
    }
    table.print();
    engine.close();
}

fn as_raw(kv_type: KvType) -> KvCacheType {
    match kv_type {
        KvType::F16 => KvCacheType::F16,
        KvType::Q8_0 => KvCacheType::Q8_0,
    }
}

fn conversation(engine: &Engine) -> Vec<Message> {
    let mut text = String::new();
    while engine.count_tokens(&text) < CONVERSATION_TOKENS {
        text.push_str("We spoke of the garden, of the cello that my sister plays, and of the train to the coast. ");
    }
    vec![Message::system(SYSTEM), Message::user(text)]
}

/// One round through a file, as a launch of the app does it; answers with the size of the snapshot.
fn through_engine(
    engine: &Engine,
    conversation: &[Message],
    file: &std::path::Path,
    steps: &mut Steps,
    quiet: &mut Quiet,
) -> usize {
    let (computed, prefill_ms) = quiet.run(|| {
        engine.clear_idle();
        let sequence = engine.sequence();
        let ((), took) = timed(|| first_token(&sequence, conversation, 0));
        (sequence, took)
    });
    steps.prefill.push(prefill_ms);
    let (size, save_ms) = quiet.run(|| timed(|| save(&computed, file)));
    steps.save.push(save_ms);
    drop(computed);
    let (restored, restore_ms) = quiet.run(|| {
        engine.clear_idle();
        let sequence = engine.sequence();
        let (tokens, took) = timed(|| restore(&sequence, file));
        assert!(tokens > CONVERSATION_TOKENS, "only {tokens} tokens were restored");
        (sequence, took)
    });
    steps.restore.push(restore_ms);
    first_token(&restored, conversation, CONVERSATION_TOKENS);
    size
}

/// Answers with one token; at least `cached` tokens of the prompt must not have been computed.
fn first_token(sequence: &Sequence, conversation: &[Message], cached: usize) {
    let params = GenerateParams { sampling: SamplingParams::greedy(), max_tokens: 1, ..GenerateParams::default() };
    let stream = sequence.generate(conversation, params).expect("the prompt fits");
    let stats = stream.blocking_finish().expect("the reply ends well").stats;
    assert!(stats.cached_tokens >= cached && (cached > 0 || stats.cached_tokens == 0), "{stats:?}");
}

fn save(sequence: &Sequence, file: &std::path::Path) -> usize {
    let bytes = sequence.blocking_snapshot().expect("the engine runs").expect("there is something to save");
    std::fs::write(file, &bytes).expect("the folder is writable");
    bytes.len()
}

fn restore(sequence: &Sequence, file: &std::path::Path) -> usize {
    let bytes = std::fs::read(file).expect("it was written before");
    sequence.blocking_restore(bytes, Vec::new()).expect("the engine runs")
}

fn through_llama(
    by_hand: &mut Direct<'_>,
    prompt: &str,
    file: &std::path::Path,
    steps: &mut Steps,
    quiet: &mut Quiet,
) -> usize {
    steps.prefill.push(quiet.run(|| timed(|| by_hand.answer(prompt, 1)).1));
    steps.save.push(quiet.run(|| timed(|| by_hand.save(prompt, file)).1));
    steps.restore.push(quiet.run(|| timed(|| by_hand.restore(file)).1));
    std::fs::metadata(file).map_or(0, |found| usize::try_from(found.len()).unwrap_or(usize::MAX))
}
