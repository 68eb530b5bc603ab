//! An adapter that was trained to find facts: on the model while it reads, off it while it talks.

mod session_fixture;

use std::path::Path;
use std::time::{Duration, Instant};

use aloekit::engine::{Constraint, Engine, EngineParams};
use aloekit::memory::PromptedInducer;
use aloekit::{Assistant, Error, Induction, SessionParams};
use aloekit_tests::tiny_model::TinyModel;
use session_fixture::{brief, memory, say, session};

const SAID: [&str; 3] = ["I live in Ghent with my wife.", "I hate mushrooms.", "the sea and the hills"];

/// A tiny model and adapters for it and for another.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let tiny = TinyModel::default();
    tiny.build().write(folder.path().join("model.gguf")).expect("written");
    for (name, seed) in [("chat.gguf", 1), ("induce.gguf", 2)] {
        tiny.build_adapter(8, 16.0, 0.5, seed).write(folder.path().join(name)).expect("written");
    }
    let wider = TinyModel { n_embd: 96, n_head: 6, n_head_kv: 3, ..TinyModel::default() };
    wider.build_adapter(8, 16.0, 0.5, 1).write(folder.path().join("wider.gguf")).expect("written");
    folder
}

fn assistant(data: &Path, engine: &Engine, induction: Induction) -> aloekit::Result<Assistant> {
    Assistant::from_parts(engine.clone(), memory(data), None, induction)
}

fn adapted(adapter: &Path) -> Induction {
    Induction::Adapted { adapter: adapter.to_owned(), idle_after: Duration::from_millis(20) }
}

#[test]
fn an_adapter_reads_while_nobody_talks_and_the_conversation_keeps_its_own() {
    let files = files();
    let path = |name: &str| files.path().join(name);
    // Its vocabulary is letters, so the instructions take thousands of tokens.
    let params = EngineParams { n_ctx: 12_288, n_threads: Some(1), ..EngineParams::new(path("model.gguf")) };
    let engine = Engine::open(&params).expect("the tiny model opens");
    let talk_params = || SessionParams {
        constraint: Constraint::Gbnf("root ::= [a-z ]{2000}".into()),
        adapters: vec![(path("chat.gguf"), 1.0)],
        ..brief(16)
    };
    let (quiet, reading) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let alone = assistant(quiet.path(), &engine, Induction::Off).expect("starts");
    let with_it = assistant(reading.path(), &engine, adapted(&path("induce.gguf"))).expect("starts");
    let (mut first, mut second) = (session(&alone, talk_params()), session(&with_it, talk_params()));
    let model = engine.info().fingerprint.clone();
    let hash = blake3::hash(&std::fs::read(path("induce.gguf")).expect("readable")).to_hex();
    let unread = |name: &str| {
        let inducer = PromptedInducer::new(name, |_| Err(Error::Cancelled));
        with_it.memory().induce(&inducer, 8).is_err()
    };
    for text in SAID {
        let (expected, found) = (say(&mut first, text), say(&mut second, text));
        assert_eq!(found.reply, expected.reply, "the reader's adapter was left on the model");
        let limit = Instant::now() + Duration::from_secs(60);
        while unread(&format!("{model}+{hash}")) {
            assert!(Instant::now() < limit, "it never finished reading");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(unread(&model), "the bare model would read what the adapted one has read");
}

#[test]
fn an_adapter_that_does_not_fit_is_refused_when_the_assistant_opens() {
    let files = files();
    let engine =
        Engine::open(&EngineParams { n_threads: Some(1), ..EngineParams::new(files.path().join("model.gguf")) });
    let engine = engine.expect("the tiny model opens");
    let open = |name: &str| {
        let data = tempfile::tempdir().expect("a folder");
        assistant(data.path(), &engine, adapted(&files.path().join(name))).map(drop)
    };
    assert!(matches!(open("none.gguf"), Err(Error::ModelMissing { .. })), "{:?}", open("none.gguf"));
    assert!(matches!(open("wider.gguf"), Err(Error::AdapterMismatch { .. })), "{:?}", open("wider.gguf"));
}
