//! The real models that tests run on. `./dev test` sets the variables; a test that needs one never passes without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aloekit::engine::{Engine, EngineParams, SamplingParams};
use aloekit::memory::{Embedder, MemoryParams, OrtEmbedder, OrtEmbedderParams};
use aloekit::{Assistant, AssistantParams, Induction, SessionParams};

/// The default chat model (GGUF).
///
/// # Panics
/// When `ALOE_TEST_MODEL` does not name a file.
#[must_use]
pub fn model_path() -> PathBuf {
    required_file("ALOE_TEST_MODEL")
}

/// The ONNX Runtime library.
///
/// # Panics
/// When `ALOE_TEST_ORT_LIBRARY` does not name a file.
#[must_use]
pub fn ort_library() -> PathBuf {
    required_file("ALOE_TEST_ORT_LIBRARY")
}

/// A file of the default embedder: `model.onnx` or `tokenizer.json`.
///
/// # Panics
/// When `ALOE_TEST_EMBEDDER_DIR` does not hold it.
#[must_use]
pub fn embedder_file(name: &str) -> PathBuf {
    let folder = std::env::var_os("ALOE_TEST_EMBEDDER_DIR").map(PathBuf::from).unwrap_or_default();
    let file = folder.join(name);
    assert!(file.is_file(), "ALOE_TEST_EMBEDDER_DIR holds no {name}: run the tests with `./dev test`");
    file
}

fn required_file(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from).unwrap_or_default();
    assert!(path.is_file(), "{variable} names no file: run the tests with `./dev test`");
    path
}

/// One thread: tests run beside each other, and two engines of two threads on two cores starve each other.
#[must_use]
pub fn engine_params(n_ctx: u32) -> EngineParams {
    EngineParams { n_ctx, n_threads: Some(1), ..EngineParams::new(model_path()) }
}

/// An engine on the default model.
///
/// # Panics
/// When it does not open.
#[must_use]
pub fn engine(n_ctx: u32) -> Engine {
    Engine::open(&engine_params(n_ctx)).expect("the default model opens")
}

/// Drawing that gives the same text every time.
#[must_use]
pub fn greedy() -> SamplingParams {
    SamplingParams::greedy()
}

/// The default embedder.
///
/// # Panics
/// When it does not open.
#[must_use]
pub fn embedder() -> Arc<dyn Embedder> {
    let folder = embedder_file("model.onnx");
    let folder = folder.parent().expect("a file has a folder");
    Arc::new(OrtEmbedder::open(OrtEmbedderParams::minilm(ort_library(), folder)).expect("the default embedder opens"))
}

/// An assistant on the default models whose data is in `data`.
///
/// # Panics
/// When it does not open.
#[must_use]
pub fn assistant(data: &Path, n_ctx: u32) -> Assistant {
    let params = AssistantParams {
        engine: engine_params(n_ctx),
        memory: MemoryParams::file(data.join("memory.db")),
        embedder: Some(embedder()),
        snapshots: Some(data.join("snapshots")),
        induction: Induction::default(),
    };
    Assistant::open(params).expect("the assistant opens")
}

/// A session whose replies are short and the same every time.
#[must_use]
pub fn quick_session(max_reply_tokens: usize) -> SessionParams {
    SessionParams { sampling: greedy(), max_reply_tokens, ..SessionParams::default() }
}
