//! Damaged, foreign and hostile files end in a typed error: in no panic, no abort and no allocation they ask for.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use aloekit::engine::gguf::Header;
use aloekit::{Error, Result};
use aloekit_tests::gguf_writer::{GgufWriter, MetaValue};
use aloekit_tests::tiny_model::{TinyModel, Tokenizer};
use proptest::prelude::*;

fn read_as(bytes: &[u8], length: u64) -> Result<Header> {
    Header::from_reader(Cursor::new(bytes), length, Path::new("model.gguf"))
}

fn read(bytes: &[u8]) -> Result<Header> {
    read_as(bytes, bytes.len() as u64)
}

fn tiny() -> GgufWriter {
    TinyModel::default().build()
}

/// The reason why a file is refused as damaged.
fn corrupt(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(Error::ModelCorrupt { reason, .. }) => reason,
        other => panic!("not refused as damaged: {:?}", other.map(|_| "read").map_err(|e| e.to_string())),
    }
}

/// The reason why a file is refused as unsupported.
fn incompatible(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(Error::ModelIncompatible { reason, .. }) => reason,
        other => panic!("not refused as unsupported: {:?}", other.map(|_| "read").map_err(|e| e.to_string())),
    }
}

/// What the file says after one change to it.
fn changed(change: impl FnOnce(&mut GgufWriter)) -> Vec<u8> {
    let mut file = tiny();
    change(&mut file);
    file.to_bytes()
}

fn with_key(key: &str, value: impl Into<MetaValue>) -> Vec<u8> {
    changed(|file| {
        file.set(key, value);
    })
}

#[track_caller]
fn assert_says(reason: &str, words: &str) {
    assert!(reason.contains(words), "{reason:?} does not say {words:?}");
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let mut small = TinyModel { n_layer: 1, n_embd: 32, n_head: 1, n_head_kv: 1, n_ff: 32, ..TinyModel::default() };
    small.seed = 3;
    let file = small.build();
    let (bytes, header) = (file.to_bytes(), file.header_bytes().len());
    for cut in (0..header).chain((header..bytes.len() - 128).step_by(509)) {
        corrupt(&bytes[..cut]);
    }
    let end = bytes.len() as u64 - 1;
    assert!(read_as(&bytes, end).is_err(), "one byte short of the last tensor's end");
}

#[test]
fn the_real_file_cut_at_every_4_kib_is_refused() {
    let Some(path) = std::env::var_os("ALOE_TEST_MODEL").map(PathBuf::from) else { return };
    let whole = std::fs::metadata(&path).expect("there").len();
    let header = Header::read(&path).expect("sound").data_offset() as usize;
    let mut bytes = vec![0; header];
    std::fs::File::open(&path).and_then(|mut file| file.read_exact(&mut bytes)).expect("read");
    (0..header).step_by(4096).for_each(|cut| drop(corrupt(&bytes[..cut])));
    // The data is not read, so that its cuts need only the length; every 4 KiB of them where time does not matter.
    let step = if std::env::var_os("ALOE_TEST_THOROUGH").is_some() { 4096 } else { 1 << 20 };
    for length in (header as u64..whole).step_by(step).chain([whole - 1]) {
        assert!(matches!(read_as(&bytes, length), Err(Error::ModelCorrupt { .. })), "{length}");
    }
    assert!(read_as(&bytes, whole).is_ok());
}

#[test]
fn foreign_files_are_named_for_what_they_are() {
    assert_says(&corrupt(b""), "empty");
    assert_says(&corrupt(b"GG"), "magic");
    assert_says(&corrupt(&[0; 5000]), "magic");
    assert_says(&corrupt(b"<!DOCTYPE html><html><body>404</body></html>"), "HTML");
    assert_says(&corrupt(b"\n  <html lang=en>"), "HTML");
    assert_says(&corrupt(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), "Git LFS");
    assert_says(&incompatible(b"FUGG\0\0\0\x03"), "big-endian");
    assert_says(&incompatible(b"tjgg\0\0\0\x03"), "before GGUF");
}

#[test]
fn only_versions_2_and_3_are_read() {
    let version = |version| changed(|file| file.version = version);
    assert!(read(&version(2)).is_ok() && read(&version(3)).is_ok());
    assert_says(&corrupt(&version(0)), "version is 0");
    assert_says(&incompatible(&version(1)), "version is 1");
    assert_says(&incompatible(&version(999)), "999");
    assert_says(&incompatible(&version(3_u32.swap_bytes())), "big-endian");
}

#[test]
fn impossible_tensors_are_refused() {
    let tensor = |change: fn(&mut aloekit_tests::gguf_writer::TensorData)| {
        corrupt(&changed(|file| change(file.tensor_mut("blk.0.attn_q.weight"))))
    };
    assert_says(&tensor(|t| t.shape[0] = 0), "shape");
    assert_says(&tensor(|t| t.shape = vec![]), "dimensions");
    assert_says(&tensor(|t| t.shape = vec![1; 5]), "dimensions");
    assert_says(&tensor(|t| t.shape = vec![1 << 40, 1 << 40]), "shape");
    assert_says(&tensor(|t| t.name.clear()), "0 bytes");
    assert_says(&tensor(|t| t.name = vec![b'a'; 64]), "64 bytes");
    assert_says(&tensor(|t| t.name = b"blk\0".to_vec()), "not a text");
    assert_says(&tensor(|t| t.name = vec![0xFF, 0xFE]), "not a text");
    assert_says(&tensor(|t| t.name = b"token_embd.weight".to_vec()), "twice");
    assert_says(&tensor(|t| t.claimed_offset = Some(0)), "begin at 0");
    assert_says(&tensor(|t| t.claimed_offset = Some(u64::MAX - 3)), "begin at");
    assert_says(&tensor(|t| drop(t.name.splice(..5, *b"blk.9"))), "block_count");
    assert_says(&corrupt(&changed(|file| file.tensors.retain(|t| !t.name.starts_with(b"blk.1.")))), "layer 1");
    assert_says(&corrupt(&changed(|file| drop(file.tensors.remove(0)))), "token_embd");
    assert_says(&corrupt(&changed(|file| file.tensors.clear())), "token_embd");
    let number = |name: &str, number| changed(|file| file.tensor_mut(name).number = number);
    assert_says(&incompatible(&number("blk.0.attn_q.weight", 4)), "type 4");
    assert_says(&incompatible(&number("blk.0.attn_q.weight", 26)), "I32");
    assert_says(&incompatible(&number("output_norm.weight", 26)), "I32");
}

#[test]
fn keys_that_are_no_text_or_there_twice_are_refused() {
    let key = |name: &[u8]| corrupt(&changed(|file| file.metadata.push((name.to_vec(), MetaValue::U32(1)))));
    assert_says(&key(b""), "0 bytes");
    assert_says(&key(b"a\0b"), "not a text");
    assert_says(&key(&[0xC3, 0x28]), "not a text");
    assert_says(&key(&[b'k'; 70_000]), "70000 bytes");
    assert_says(&key(b"general.architecture"), "twice");
    assert_says(&corrupt(&with_key("a", MetaValue::Raw(13, vec![]))), "type 13");
    assert_says(&corrupt(&with_key("general.alignment", 24_u32)), "alignment");
    assert_says(&corrupt(&with_key("general.alignment", "32")), "wrong type");
}

#[test]
fn what_llama_cpp_would_abort_on_or_misread_is_refused() {
    assert_says(&incompatible(&with_key("general.architecture", "mamba")), "mamba");
    assert_says(&incompatible(&with_key("llama.block_count", 0_u32)), "block_count");
    assert_says(&incompatible(&with_key("llama.block_count", 513_u32)), "513");
    assert_says(&corrupt(&with_key("llama.block_count", "2")), "wrong type");
    assert_says(&corrupt(&with_key("llama.block_count", 3_u32)), "layer 2");
    assert_says(&corrupt(&with_key("llama.embedding_length", 65_u32)), "heads");
    assert_says(&corrupt(&with_key("llama.embedding_length", 128_u32)), "heads disagree");
    assert_says(&corrupt(&with_key("llama.attention.head_count_kv", 3_u32)), "multiple");
    assert_says(&corrupt(&with_key("llama.attention.head_count_kv", 0_u32)), "outside");
    assert_says(&corrupt(&with_key("llama.attention.head_count_kv", 4_u32)), "attn_k.weight");
    assert_says(&corrupt(&with_key("llama.attention.head_count_kv", vec![2_u32; 3])), "one number a layer");
    assert!(read(&with_key("llama.attention.head_count_kv", vec![2_u32, 2])).is_ok());
    assert_says(&corrupt(&with_key("llama.attention.key_length", 32_u32)), "heads disagree");
    assert_says(&corrupt(&with_key("llama.rope.dimension_count", 15_u32)), "rope");
    assert_says(&corrupt(&with_key("llama.rope.freq_base", f32::NAN)), "freq_base");
    assert_says(&incompatible(&with_key("llama.rope.scaling.type", "spiral")), "spiral");
    assert_says(&corrupt(&with_key("llama.attention.layer_norm_rms_epsilon", -1.0_f32)), "epsilon");
    assert_says(&corrupt(&with_key("llama.context_length", 0_u32)), "context_length");
    assert_says(&corrupt(&with_key("llama.context_length", u32::MAX)), "context_length");
    assert_says(&corrupt(&with_key("llama.feed_forward_length", 0_u32)), "feed_forward");
    assert_says(&corrupt(&with_key("llama.expert_count", 4_u32)), "experts");
    assert_says(&incompatible(&with_key("split.count", 3_u16)), "3 shards");
    assert_says(&incompatible(&with_key("general.type", "adapter")), "adapter");
    assert_says(&incompatible(&with_key("general.type", "mmproj")), "mmproj");
}

#[test]
fn broken_tokenizers_are_refused() {
    let tokens = |change: fn(&mut Vec<String>)| {
        corrupt(&changed(|file| {
            for (key, value) in &mut file.metadata {
                if let (b"tokenizer.ggml.tokens", MetaValue::Texts(tokens)) = (key.as_slice(), value) {
                    change(tokens);
                }
            }
        }))
    };
    assert_says(&tokens(|t| t[20] = t[30].clone()), "twice");
    assert_says(&tokens(|t| (t[20], t[21]) = ("[EMPTY_21]".into(), String::new())), "twice");
    assert_says(&tokens(|t| (t[20], t[21]) = ("ab\0c".into(), "ab\0d".into())), "twice");
    assert_says(&tokens(|t| drop(t.pop())), "token_embd");
    assert_says(&tokens(Vec::clear), "0 elements");
    let without = |key: &str| {
        corrupt(&changed(|file| {
            file.unset(key);
        }))
    };
    assert_says(&without("tokenizer.ggml.tokens"), "missing");
    assert_says(&without("tokenizer.ggml.model"), "missing");
    assert_says(&without("tokenizer.ggml.merges"), "missing");
    assert_says(&without("tokenizer.ggml.eos_token_id"), "missing");
    assert_says(&corrupt(&with_key("tokenizer.ggml.tokens", vec![1_u32; 9])), "U32");
    assert_says(&corrupt(&with_key("tokenizer.ggml.tokens", "a")), "wrong type");
    assert_says(&corrupt(&with_key("tokenizer.ggml.merges", vec![1_u32])), "U32");
    assert_says(&corrupt(&with_key("tokenizer.ggml.scores", vec![0.5_f32])), "elements");
    assert_says(&corrupt(&with_key("tokenizer.ggml.token_type", vec![1_i32])), "elements");
    assert_says(&corrupt(&with_key("tokenizer.ggml.eos_token_id", 90_000_u32)), "90000");
    assert_says(&corrupt(&with_key("tokenizer.ggml.bos_token_id", u32::MAX)), "bos_token_id");
    assert_says(&incompatible(&with_key("tokenizer.ggml.model", "rwkv")), "rwkv");
    let no_bos = changed(|file| {
        file.set("tokenizer.ggml.add_bos_token", true).unset("tokenizer.ggml.bos_token_id");
    });
    assert_says(&corrupt(&no_bos), "bos_token_id");
    let pieces = TinyModel { tokenizer: Tokenizer::SentencePiece, ..TinyModel::default() }.build();
    assert!(read(&pieces.to_bytes()).is_ok());
    let mut no_byte = pieces;
    for (key, value) in &mut no_byte.metadata {
        if let (b"tokenizer.ggml.tokens", MetaValue::Texts(tokens)) = (key.as_slice(), value) {
            tokens[3 + 0x41] = "<0xgg>".into();
        }
    }
    assert_says(&corrupt(&no_byte.to_bytes()), "0x41");
}

#[test]
fn missing_files_and_folders_have_their_own_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(Header::read(folder.path().join("none")), Err(Error::ModelMissing { what: "model", .. })));
    assert!(matches!(Header::read(folder.path()), Err(Error::ModelCorrupt { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(read(&bytes).is_err());
        let after_magic = [b"GGUF\x03\0\0\0".as_slice(), &bytes].concat();
        prop_assert!(read(&after_magic).is_err());
    }

    #[test]
    fn several_damaged_bytes_never_panic(edits in proptest::collection::vec((0_usize..12_000, any::<u8>()), 1..24)) {
        let mut bytes = tiny().to_bytes();
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let _ = read(&bytes);
    }
}
