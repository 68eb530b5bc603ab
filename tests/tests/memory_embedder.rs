//! The ONNX embedder on the real model: meaning found, damaged and foreign files refused, memory open all the same.

mod memory_fixture;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use aloekit::Error;
use aloekit::memory::{
    EmbedPurpose, Embedder, MemoryParams, MemoryStore, OrtEmbedder, OrtEmbedderParams, Pooling, RetrieveLimits,
};
use memory_fixture::{Scratch, say};

fn set_by_set_up(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) => path.into(),
        None => panic!("{name} is not set: run the tests with `./dev test`, which fetches the embedding model"),
    }
}

fn params() -> OrtEmbedderParams {
    OrtEmbedderParams::minilm(set_by_set_up("ALOE_TEST_ORT_LIBRARY"), set_by_set_up("ALOE_TEST_EMBEDDER_DIR"))
}

static EMBEDDER: LazyLock<Arc<OrtEmbedder>> =
    LazyLock::new(|| Arc::new(OrtEmbedder::open(params()).expect("the model loads")));

fn embed(texts: &[&str]) -> Vec<Vec<f32>> {
    EMBEDDER.embed(texts, EmbedPurpose::Document).expect("it embeds")
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn near_meanings_get_near_vectors_of_length_one() {
    let vectors =
        embed(&["I play the cello in a quartet.", "Which instrument do I make music on?", "The stew burned."]);
    assert_eq!(EMBEDDER.dimension(), 384);
    for vector in &vectors {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
    }
    let (near, far) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
    assert!(near > 0.35 && far < 0.15, "near {near}, far {far}");
}

#[test]
fn a_text_gets_the_same_vector_alone_and_beside_a_longer_one() {
    let long = "a long story about the sea ".repeat(200);
    let texts: Vec<&str> = std::iter::once("I play the cello.").chain(std::iter::repeat_n(long.as_str(), 40)).collect();
    let (alone, beside) = (embed(&texts[..1]), embed(&texts));
    assert_eq!(beside.len(), 41);
    assert!(cosine(&alone[0], &beside[0]) > 0.9999, "{}", cosine(&alone[0], &beside[0]));
}

#[test]
fn odd_texts_get_a_vector_too() {
    let million = "word ".repeat(200_000);
    let texts = ["", " ", "\0", "🎻👩‍👩‍👧", "私はチェロを弾きます", "[CLS] [SEP] [PAD]", &"x".repeat(100_000), &million];
    assert!(embed(&texts).iter().flatten().all(|number| number.is_finite()));
}

#[test]
fn what_was_meant_is_found_though_no_word_is_shared() {
    let store = MemoryStore::open(MemoryParams::in_memory(), Some(EMBEDDER.clone())).expect("it opens");
    let conversation = store.create_conversation().expect("a conversation");
    for text in [
        "I play the cello in a string quartet every Tuesday.",
        "My daughter Mia just started school.",
        "I'm allergic to peanuts, they could kill me.",
        "We live in a small flat in Altona.",
        "I work night shifts as a nurse.",
    ] {
        say(&store, conversation, text);
    }
    for (question, turn) in [
        ("Which instrument do I make music on?", 1),
        ("How is my kid doing in class?", 2),
        ("Is there a snack I must stay away from?", 3),
        ("Which part of town is my home in?", 4),
        ("What is my job?", 5),
    ] {
        let found = store.retrieve(question, &RetrieveLimits::default()).expect("a search");
        assert_eq!(found.first().map(|memory| memory.turn), Some(turn), "{question}: {found:#?}");
    }
    for unrelated in ["hello!", "thanks a lot", "Write a haiku about a volcano", "What is 17 times 23?"] {
        let found = store.retrieve(unrelated, &RetrieveLimits::default()).expect("a search");
        assert!(found.is_empty(), "{unrelated}: {found:#?}");
    }
}

#[test]
fn missing_files_are_named_and_memory_opens_without_an_embedder() {
    let missing = |params: OrtEmbedderParams| match OrtEmbedder::open(params) {
        Err(Error::ModelMissing { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let nowhere = || PathBuf::from("/nowhere/at/all");
    assert_eq!(missing(OrtEmbedderParams { tokenizer: nowhere(), ..params() }), "tokenizer");
    assert_eq!(missing(OrtEmbedderParams { model: nowhere(), ..params() }), "embedder");
    let scratch = Scratch::new();
    let store = MemoryStore::open(scratch.params(), None).expect("memory opens all the same");
    let conversation = store.create_conversation().expect("a conversation");
    say(&store, conversation, "I keep bees.");
    assert_eq!(store.retrieve("bees", &RetrieveLimits::default()).expect("words find it").len(), 1);
}

#[test]
fn damaged_and_foreign_model_files_are_refused() {
    let scratch = Scratch::new();
    let whole = std::fs::read(params().model).expect("the model");
    let path = scratch.folder.path().join("model.onnx");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        OrtEmbedder::open(OrtEmbedderParams { model: path.clone(), ..params() })
    };
    for length in [0, 1, 7, 100, 4096, whole.len() / 2, whole.len() - 1] {
        let refused = open(&whole[..length]);
        assert!(matches!(refused, Err(Error::ModelCorrupt { .. })), "cut to {length}: {refused:?}");
    }
    let html = open(b"<html><body>404</body></html>");
    assert!(matches!(html, Err(Error::ModelCorrupt { .. })), "{html:?}");
    let pointer = open(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    assert!(matches!(pointer, Err(Error::ModelCorrupt { .. })), "{pointer:?}");
    let mut seed = 1_u64;
    for _ in 0..10 {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mut bytes = whole.clone();
        let place = (seed >> 16) as usize % 4096; // the graph's head; a flip among the weights is only seen by a hash
        bytes[place] ^= 1 << (seed % 8);
        match open(&bytes) {
            Ok(_) | Err(Error::ModelCorrupt { .. } | Error::ModelIncompatible { .. }) => {}
            Err(other) => panic!("byte {place}: {other:?}"),
        }
    }
}

#[test]
fn a_tokenizer_that_is_none_or_anothers_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.folder.path().join("tokenizer.json");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        OrtEmbedder::open(OrtEmbedderParams { tokenizer: path.clone(), ..params() })
    };
    let whole = std::fs::read(params().tokenizer).expect("the tokenizer");
    for bytes in [&b""[..], b"{}", b"[1, 2]", &whole[..whole.len() / 2]] {
        let refused = open(bytes);
        assert!(matches!(refused, Err(Error::ModelCorrupt { .. })), "{refused:?}");
    }
}

#[test]
fn settings_out_of_range_or_unfit_for_the_graph_are_refused() {
    for max_tokens in [0, 1, 7, 8193, usize::MAX] {
        let refused = OrtEmbedder::open(OrtEmbedderParams { max_tokens, ..params() });
        assert!(matches!(refused, Err(Error::InvalidInput { what: "max_tokens", .. })), "{refused:?}");
    }
    let refused = OrtEmbedder::open(OrtEmbedderParams { pooling: Pooling::InGraph, ..params() });
    assert!(matches!(refused, Err(Error::ModelIncompatible { .. })), "{refused:?}");
}

#[test]
fn another_pooling_or_prefix_is_another_embedder() {
    let prefixed = OrtEmbedderParams { query_prefix: "query: ".into(), ..params() };
    let prefixed = OrtEmbedder::open(prefixed).expect("it loads");
    assert_ne!(prefixed.fingerprint(), EMBEDDER.fingerprint());
    assert!(prefixed.distinguishes_purpose() && !EMBEDDER.distinguishes_purpose());
    let of = |purpose| prefixed.embed(&["the cello"], purpose).expect("it embeds").remove(0);
    assert!(cosine(&of(EmbedPurpose::Query), &of(EmbedPurpose::Document)) < 0.999);
}

#[test]
fn a_library_that_is_none_is_refused_before_anything_else_is_asked_of_it() {
    const CHILD: &str = "ALOE_TEST_WRONG_LIBRARY";
    if let Some(library) = std::env::var_os(CHILD) {
        let refused = OrtEmbedder::open(OrtEmbedderParams { runtime_library: library.into(), ..params() });
        let code = match refused {
            Err(Error::ModelMissing { what: "ONNX Runtime library", .. }) => 7,
            Err(Error::ModelIncompatible { .. }) => 8,
            _ => 1,
        };
        // And the right one still loads afterwards.
        std::process::exit(if OrtEmbedder::open(params()).is_ok() { code } else { 2 });
    }
    let scratch = Scratch::new();
    let text = scratch.folder.path().join("text.so");
    std::fs::write(&text, "not a library").expect("written");
    let libc = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let libc =
        libc.lines().filter_map(|line| line.split_ascii_whitespace().last()).find(|path| path.contains("libc.so"));
    let cases = [(PathBuf::from("/nowhere/lib.so"), 7), (text, 8), (PathBuf::from(libc.expect("a C library")), 8)];
    for (library, code) in cases {
        let status = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "a_library_that_is_none_is_refused_before_anything_else_is_asked_of_it"])
            .env(CHILD, &library)
            .output()
            .expect("the child runs")
            .status;
        assert_eq!(status.code(), Some(code), "{}", library.display());
    }
}
