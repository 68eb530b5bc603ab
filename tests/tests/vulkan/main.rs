//! The engine with its layers on a Vulkan device, compared with itself on the CPU.
//!
//! Opt-in: it needs the feature `vulkan`, a driver and minutes of building (CONTRIBUTING.md says how; Mesa's software
//! device will do). It checks plumbing and numbers, not speed. The model is the default one's first layers as F32:
//! with quantized weights the CPU also rounds activations, and the two would rightly differ.

mod first_layers;
mod landed;

use std::sync::OnceLock;

use aloekit::Message;
use aloekit::engine::{Engine, EngineParams, GenerateParams, Generated, Sequence};
use aloekit_tests::fixtures::{greedy, model_path};
use landed::Landing;

const LAYERS: u32 = 3;

/// The largest difference of a token's log-probability between the devices, in nats. Measured on Mesa's software device: 0.0194.
const TOLERANCE: f32 = 0.04;

struct Devices {
    cpu: Engine,
    gpu: Engine,
    landing: Landing,
    _folder: tempfile::TempDir,
}

/// Both engines, loaded once for all tests of this file.
fn devices() -> &'static Devices {
    static DEVICES: OnceLock<Devices> = OnceLock::new();
    DEVICES.get_or_init(|| {
        if !cfg!(feature = "vulkan") {
            panic!("run with `--features vulkan`: see CONTRIBUTING.md");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("first-layers.gguf");
        first_layers::write(&model_path(), &model, LAYERS);
        let open = |n_gpu_layers| {
            let params = EngineParams { n_ctx: 1024, n_gpu_layers, n_threads: Some(1), ..EngineParams::new(&model) };
            Engine::open(&params).expect("the small model opens")
        };
        let (cpu, on_cpu) = landed::watch(|| open(0));
        assert!(!on_cpu.mentions_device(), "with no layer offloaded, something went to the device");
        let (gpu, landing) = landed::watch(|| open(u32::MAX));
        Devices { cpu, gpu, landing, _folder: folder }
    })
}

fn conversation(text: &str) -> Vec<Message> {
    vec![Message::system("You are a helpful assistant."), Message::user(text)]
}

/// Longer than 32 tokens: from there on llama.cpp may take another path than for single tokens.
fn long_conversation() -> Vec<Message> {
    conversation(&"The keeper of the lighthouse writes down the wind and the names of the ships. ".repeat(12))
}

fn reply(sequence: &Sequence, messages: &[Message], max_tokens: usize) -> Generated {
    let params = GenerateParams { sampling: greedy(), max_tokens, ..GenerateParams::default() };
    sequence.generate(messages, params).expect("it starts").blocking_finish().expect("it ends well")
}

#[test]
#[ignore = "needs a Vulkan device: see CONTRIBUTING.md"]
fn every_layer_lands_on_the_device_with_its_cache() {
    // Or a silent fall-back to the CPU would pass every comparison.
    devices().landing.expect_all(LAYERS);
}

#[test]
#[ignore = "needs a Vulkan device: see CONTRIBUTING.md"]
fn the_device_finds_the_same_tokens_as_likely_as_the_cpu_does() {
    let continuations = || {
        ["The capital of France is Paris.", "No.", "Ships, wind and tide: that is all he ever wrote about, and more."]
    };
    for messages in [conversation("What is the capital of France?"), long_conversation()] {
        let scores = |engine: &Engine| {
            let texts = continuations().map(String::from).to_vec();
            engine.blocking_score(&messages, texts, Vec::new()).expect("it scores")
        };
        let (cpu, gpu) = (scores(&devices().cpu), scores(&devices().gpu));
        for (cpu, gpu) in cpu.iter().zip(&gpu) {
            assert_eq!(cpu.token_log_probs.len(), gpu.token_log_probs.len());
            let differences = cpu.token_log_probs.iter().zip(&gpu.token_log_probs).map(|(a, b)| (a - b).abs());
            let largest = differences.fold(0.0, f32::max);
            println!("{} tokens, largest difference {largest:.5} nats", cpu.token_log_probs.len());
            assert!(largest < TOLERANCE, "{largest}: {cpu:?} {gpu:?}");
        }
    }
}

#[test]
#[ignore = "needs a Vulkan device: see CONTRIBUTING.md"]
fn the_device_writes_the_same_greedy_text_as_the_cpu_alone_and_beside_others() {
    let messages = long_conversation();
    let cpu = reply(&devices().cpu.sequence(), &messages, 24).text;
    assert!(!cpu.is_empty());
    let gpu = &devices().gpu;
    assert_eq!(reply(&gpu.sequence(), &messages, 24).text, cpu);
    let sequences: Vec<_> = (0..3).map(|_| gpu.sequence()).collect();
    let streams: Vec<_> = sequences
        .iter()
        .map(|sequence| {
            let params = GenerateParams { sampling: greedy(), max_tokens: 24, ..GenerateParams::default() };
            sequence.generate(&messages, params).expect("it starts")
        })
        .collect();
    for stream in streams {
        assert_eq!(stream.blocking_finish().expect("it ends well").text, cpu);
    }
}

#[test]
#[ignore = "needs a Vulkan device: see CONTRIBUTING.md"]
fn a_snapshot_taken_from_the_device_goes_back_to_it() {
    let gpu = &devices().gpu;
    let messages = long_conversation();
    let sequence = gpu.sequence();
    let first = reply(&sequence, &messages, 12);
    let snapshot = sequence.blocking_snapshot().expect("the engine runs").expect("there is a cache to save");
    drop(sequence);
    gpu.clear_idle();
    let restored = gpu.sequence();
    let tokens = restored.blocking_restore(snapshot, Vec::new()).expect("the engine runs");
    assert!(tokens >= first.stats.prompt_tokens, "{tokens} of {}", first.stats.prompt_tokens);
    let again = reply(&restored, &messages, 12);
    assert_eq!((again.text, again.stats.cached_tokens), (first.text, first.stats.prompt_tokens - 1));
}
