//! The memory estimate against what llama.cpp reports and against absurd requests.

use aloekit::Error;
use aloekit::engine::{Engine, EngineParams, KvType};
use aloekit_tests::fixtures::engine_params;

#[test]
fn the_default_models_estimate_names_its_parts() {
    let engine = Engine::open(&EngineParams { repack: false, ..engine_params(2048) }).expect("opens");
    let memory = engine.info().memory;
    // The tensors of a 98 MB file; 30 layers x 2048 tokens x 3 heads x 64 x (2 + 2) bytes.
    assert_eq!((memory.weights_mib, memory.kv_mib, memory.repacked_mib), (93, 45, 0));
    assert!((20..200).contains(&memory.compute_mib), "{memory:?}");
}

#[test]
fn a_quantized_cache_takes_about_half() {
    let quantized = Engine::open(&EngineParams { kv_type: KvType::Q8_0, ..engine_params(2048) }).expect("opens");
    assert_eq!(quantized.info().memory.kv_mib, 24);
}

#[test]
fn too_much_is_refused_with_both_figures_before_anything_is_loaded() {
    let tight = EngineParams { memory_budget_mib: Some(100), ..engine_params(2048) };
    match Engine::open(&tight) {
        Err(Error::NotEnoughMemory { required_mib, available_mib: 100 }) => assert!(required_mib > 150),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_context_longer_than_the_model_was_trained_with_is_not_given() {
    let engine = Engine::open(&engine_params(1 << 20)).expect("opens");
    assert_eq!(engine.n_ctx(), engine.info().n_ctx_train as usize);
}
