//! Adapters that do not fit their base are refused before llama.cpp sees them.

use std::io::Cursor;
use std::path::Path;

use aloekit::Error;
use aloekit::engine::gguf::{AdapterHeader, Header};
use aloekit_tests::gguf_writer::{GgufWriter, MetaValue, TensorType};
use aloekit_tests::tiny_model::TinyModel;

fn base_of(tiny: &TinyModel) -> Header {
    let bytes = tiny.build().to_bytes();
    Header::from_reader(Cursor::new(&bytes), bytes.len() as u64, Path::new("base.gguf")).expect("a sound model")
}

fn adapter() -> GgufWriter {
    TinyModel::default().build_adapter(8, 16.0, 0.1, 1)
}

fn read(bytes: &[u8]) -> aloekit::Result<AdapterHeader> {
    let base = base_of(&TinyModel::default());
    AdapterHeader::from_reader(Cursor::new(bytes), bytes.len() as u64, Path::new("adapter.gguf"), &base)
}

#[track_caller]
fn assert_mismatch(change: impl FnOnce(&mut GgufWriter), words: &str) {
    let mut file = adapter();
    change(&mut file);
    match read(&file.to_bytes()) {
        Err(Error::AdapterMismatch { reason, .. }) => assert!(reason.contains(words), "{reason:?}: no {words:?}"),
        other => panic!("{:?}", other.map(|_| "read").map_err(|e| e.to_string())),
    }
}

#[test]
fn a_fitting_adapter_is_read() {
    let header = read(&adapter().to_bytes()).expect("fits");
    assert_eq!((header.rank(), header.alpha(), header.n_pairs()), (8, 16.0, 14));
    let mut no_alpha = adapter();
    no_alpha.unset("adapter.lora.alpha");
    assert_eq!(read(&no_alpha.to_bytes()).expect("fits").alpha(), 0.0);
}

#[test]
fn another_base_kind_or_architecture_is_a_mismatch() {
    let wider = TinyModel { n_embd: 96, n_head: 6, n_head_kv: 3, ..TinyModel::default() };
    assert_mismatch(|file| *file = wider.build_adapter(8, 16.0, 0.1, 1), "the base's is [64, 32]");
    let deeper = TinyModel { n_layer: 3, ..TinyModel::default() };
    assert_mismatch(|file| *file = deeper.build_adapter(8, 16.0, 0.1, 1), "the base has no tensor");
    assert_mismatch(
        |file| {
            file.set("general.architecture", "qwen2");
        },
        "qwen2",
    );
    assert_mismatch(
        |file| {
            file.set("general.type", "model");
        },
        "model",
    );
    assert_mismatch(
        |file| {
            file.unset("general.type");
        },
        "a model",
    );
    assert_mismatch(
        |file| {
            file.set("adapter.type", "control_vector");
        },
        "control_vector",
    );
    assert_mismatch(
        |file| {
            file.set("adapter.alora.invocation_tokens", vec![1_u32]);
        },
        "switched on",
    );
}

#[test]
fn halves_ranks_and_suffixes_must_agree() {
    assert_mismatch(|file| drop(file.tensors.remove(0)), "lacks");
    assert_mismatch(|file| file.tensors.clear(), "no tensors");
    assert_mismatch(|file| file.tensors[0].name = b"blk.0.attn_q.weight.lora_c".to_vec(), "neither");
    assert_mismatch(
        |file| {
            let other = TinyModel::default().build_adapter(4, 16.0, 0.1, 1);
            file.tensors[1] = other.tensors[1].clone();
        },
        "shapes",
    );
    assert_mismatch(
        |file| {
            file.tensor("output.weight.lora_a", &[64, 8], TensorType::F32, &[0.0; 512]);
            file.tensor("output.weight.lora_b", &[8, 283], TensorType::F32, &[0.0; 2264]);
        },
        "no tensor",
    );
}

#[test]
fn a_damaged_adapter_is_corrupt() {
    let bytes = adapter().to_bytes();
    let header = adapter().header_bytes().len();
    for cut in (0..header).chain((header..bytes.len() - 64).step_by(997)) {
        assert!(matches!(read(&bytes[..cut]), Err(Error::ModelCorrupt { .. })), "cut at {cut}");
    }
    for (key, value) in [
        ("adapter.lora.alpha", MetaValue::Text("16".into())),
        ("adapter.lora.alpha", MetaValue::F32(f32::NAN)),
        ("adapter.type", MetaValue::U32(1)),
        ("general.type", MetaValue::Bool(true)),
    ] {
        let mut file = adapter();
        file.set(key, value);
        assert!(matches!(read(&file.to_bytes()), Err(Error::ModelCorrupt { .. })), "{key}");
    }
    let base = base_of(&TinyModel::default());
    let missing = AdapterHeader::read("/nowhere/adapter.gguf", &base);
    assert!(matches!(missing, Err(Error::ModelMissing { what: "adapter", .. })));
}
