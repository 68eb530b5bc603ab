//! The memory estimate against llama.cpp's own numbers, and for requests beyond all reason.

use std::io::Cursor;
use std::path::Path;

use aloekit::Error;
use aloekit::engine::estimate::{MemoryEstimate, MemoryRequest};
use aloekit::engine::gguf::{GgmlType, Header};
use aloekit_tests::fixtures::model_path;
use aloekit_tests::tiny_model::TinyModel;

const REQUEST: MemoryRequest = MemoryRequest {
    n_ctx: 4096,
    n_ubatch: 512,
    n_outputs: 1,
    kv_type: GgmlType::F16,
    flash_attention: true,
    repack: true,
    budget_mib: None,
};

fn header_of(tiny: &TinyModel) -> Header {
    let bytes = tiny.build().to_bytes();
    Header::from_reader(Cursor::new(&bytes), bytes.len() as u64, Path::new("tiny.gguf")).expect("a sound model")
}

#[test]
fn the_real_model_takes_what_llama_cpp_prints() {
    let header = Header::read(model_path()).expect("a sound model");
    // n_ctx, n_ubatch, flash attention, q8_0, and MiB of KV cache and compute buffer as llama.cpp printed them with as
    // many outputs as tokens; the buffer that the logits are read from comes on top.
    let printed = [
        (2048, 512, true, false, 45.0, 104.77),
        (4096, 32, true, false, 90.0, 6.67),
        (4096, 128, true, false, 90.0, 26.69),
        (4096, 512, true, false, 90.0, 106.77),
        (4096, 512, true, true, 47.81, 106.80),
        (8192, 512, true, false, 180.0, 109.64),
        (4096, 128, false, false, 90.0, 27.60),
        (4096, 512, false, false, 90.0, 110.39),
        (8192, 512, false, false, 180.0, 167.52),
    ];
    for (n_ctx, n_ubatch, flash_attention, q8, kv, compute) in printed {
        let kv_type = if q8 { GgmlType::Q8_0 } else { GgmlType::F16 };
        let request = MemoryRequest { n_ctx, n_ubatch, flash_attention, kv_type, n_outputs: n_ubatch, ..REQUEST };
        let estimate = MemoryEstimate::new(&header, &request);
        let compute = compute + f64::from(n_ubatch) * 49_152.0 * 4.0 / f64::from(1 << 20);
        assert_eq!(estimate.weights_mib, 93, "Q4_1 has no repacked form");
        assert_eq!(estimate.kv_mib as f64, f64::ceil(kv), "{request:?}");
        let off = estimate.compute_mib as f64 - compute;
        assert!((0.0..1.0 + compute * 0.05).contains(&off), "{} for {compute}: {request:?}", estimate.compute_mib);
        estimate.check().expect("this machine has room for the small model");
    }
}

#[test]
fn a_context_of_a_million_is_refused_with_what_it_needs() {
    let header = header_of(&TinyModel { n_layer: 64, ..TinyModel::default() });
    let request = MemoryRequest { n_ctx: 1 << 20, budget_mib: Some(4000), flash_attention: false, ..REQUEST };
    let estimate = MemoryEstimate::new(&header, &request);
    // 64 layers x 2^20 tokens x (32 + 32) numbers x 2 bytes.
    assert_eq!(estimate.kv_mib, 8192);
    match estimate.check() {
        Err(Error::NotEnoughMemory { required_mib, available_mib: 4000 }) => {
            assert_eq!(required_mib, estimate.required_mib)
        }
        other => panic!("{other:?}"),
    }
    assert!(MemoryEstimate::new(&header, &MemoryRequest { n_ctx: 512, ..request }).check().is_ok());
}

#[test]
fn absurd_requests_do_not_overflow() {
    let header = header_of(&TinyModel::default());
    let absurd = MemoryRequest {
        n_ctx: u32::MAX,
        n_ubatch: u32::MAX,
        n_outputs: u32::MAX,
        flash_attention: false,
        budget_mib: Some(u64::MAX - 1),
        ..REQUEST
    };
    let estimate = MemoryEstimate::new(&header, &absurd);
    assert!(estimate.required_mib >= estimate.kv_mib && estimate.compute_mib > 1 << 40);
    let none = MemoryRequest { n_ctx: 0, n_ubatch: 0, n_outputs: 0, budget_mib: Some(0), ..REQUEST };
    assert!(matches!(
        MemoryEstimate::new(&header, &none).check(),
        Err(Error::NotEnoughMemory { available_mib: 0, .. })
    ));
}
