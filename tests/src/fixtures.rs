//! The real models that tests run on. `./dev test` sets the variables; a test that needs one never passes without it.

use std::path::PathBuf;

use aloekit::engine::{Engine, EngineParams, SamplingParams};

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
