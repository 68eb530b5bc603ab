//! Secrets of the user, followed through logs, errors and debug output: none of them comes out.
//!
//! One test in a process of its own: it takes the process's tracing subscriber.

mod session_fixture;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aloekit::memory::{
    Candidate, EmbedPurpose, Embedder, Export, ExtractiveInducer, HashingEmbedder, Inducer, MemoryKind, MemoryParams,
    MemoryStore, OnBadLine, PromptedInducer, TurnOptions, UserTurn,
};
use aloekit::{Assistant, AssistantParams, Error, Induction, Session, UserMessage};
use aloekit_tests::fixtures::{embedder, engine_params};
use session_fixture::{block_on, brief_new, session};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Said by the user, pasted by the user, and written by the app into an error of its own.
const SAID: &str = "zyxwombat";
const PASTED: &str = "sk-QQcanarykey77";
const SECRETS: [&str; 2] = [SAID, PASTED];

/// Everything that is logged, with its level and target.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<(Level, String, String)>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Captured {
    fn keep(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(format!("{} ", metadata.name()));
        record(&mut fields);
        let line = (*metadata.level(), metadata.target().to_owned(), fields.0);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Subscriber for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep(span.metadata(), |fields| span.record(fields));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Level::ERROR, "span".into(), fields.0));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), |fields| event.record(fields));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn expect_clean(what: &str, shown: &str) {
    for secret in SECRETS {
        assert!(!shown.to_lowercase().contains(&secret.to_lowercase()), "{what} tells {secret}: {shown}");
    }
}

/// An error as an app would log it.
fn expect_clean_error<T>(what: &str, outcome: Result<T, Error>) {
    let Err(error) = outcome else { panic!("{what} should have failed") };
    expect_clean(what, &format!("{error} {error:?} {:?}", std::error::Error::source(&error)));
}

/// Of the app's making: it quotes what it was given, or panics with it.
struct Telltale {
    panics: bool,
}

impl Embedder for Telltale {
    fn fingerprint(&self) -> &str {
        "telltale"
    }
    fn dimension(&self) -> usize {
        8
    }
    fn embed(&self, texts: &[&str], _: EmbedPurpose) -> aloekit::Result<Vec<Vec<f32>>> {
        match self.panics {
            true => std::panic::panic_any(vec![texts.concat()]), // no message that a hook could print: it is the app's
            false => Err(Error::CallbackFailed { reason: texts.concat() }),
        }
    }
}

struct Raving;

impl Inducer for Raving {
    fn name(&self) -> &str {
        "raving"
    }
    fn induce(&self, turns: &[UserTurn<'_>]) -> aloekit::Result<Vec<Candidate>> {
        std::panic::panic_any(turns.iter().map(|turn| turn.text.to_owned()).collect::<Vec<_>>())
    }
}

fn secret_message() -> UserMessage {
    UserMessage::new(format!("My safe word is {SAID} and I live in Ghent.")).with_pasted(format!("api_key = {PASTED}"))
}

fn talk(assistant: &Assistant) -> Session {
    let mut talk = session(assistant, brief_new(6));
    let reply = block_on(talk.send(secret_message())).expect("it is sent");
    expect_clean("a reply", &format!("{reply:?}"));
    expect_clean_error("a second message", block_on(talk.send(format!("{SAID}?"))).map(|_| ()));
    block_on(reply.finish()).expect("the turn ends well");
    let mut again = session(assistant, brief_new(6));
    let reply = block_on(again.send(format!("What is my safe word, {SAID}?"))).expect("it is sent");
    assert!(!reply.facts().is_empty(), "the secret is recalled");
    block_on(reply.finish()).expect("the turn ends well");
    expect_clean_error("a text too long", block_on(again.send(format!("{SAID} ").repeat(3000))).map(|_| ()));
    expect_clean("a session", &format!("{talk:?} {again:?}"));
    talk.save_snapshot().expect("a snapshot");
    talk
}

fn exercise_rights(assistant: &Assistant, folder: &std::path::Path) {
    let memory = assistant.memory();
    memory.induce(&ExtractiveInducer::new(Some(embedder())).expect("an inducer"), 100).expect("induced");
    let prompted = PromptedInducer::new("m", |prompt| Ok(format!("not JSON: {:?}", prompt.messages)));
    memory.induce(&prompted, 100).expect("an answer that is nonsense is no error");
    expect_clean("an inducer", &format!("{prompted:?}"));
    expect_clean_error("an inducer that panics", memory.induce(&Raving, 100));
    let export = memory.export().expect("an export");
    let mut json = serde_json::to_string(&export).expect("JSON");
    assert!(json.contains(SAID) && json.contains(PASTED));
    expect_clean_error("half an export", Export::from_json(&json.as_bytes()[..json.len() / 2]));
    json = json.replace("\"said\"", &format!("\"{SAID}\""));
    expect_clean_error("an export with a wrong word", Export::from_json(json.as_bytes()));
    let mut planted = export.clone();
    planted.memories[0].kind = MemoryKind::Profile;
    expect_clean_error("an export that is no export", memory.import(&planted, &mut |_| {}));
    let file = folder.join("lines.jsonl");
    std::fs::write(&file, format!("{{\"id\": 1, \"text\": \"{SAID}\", \"role\": \"{SAID}\"}}\nno {PASTED}\n"))
        .expect("a file");
    expect_clean_error("a bad line", memory.import_turns(&file, OnBadLine::Refuse, &mut |_| {}));
    let report = memory.import_turns(&file, OnBadLine::Skip, &mut |_| {}).expect("imported");
    expect_clean("the report of an import", &format!("{report:?}"));
    expect_clean_error("an empty edit", memory.edit(export.memories[0].id, "  "));
    expect_clean_error("no such memory", memory.edit(9999, SAID));
    memory.edit(export.memories[0].id, &format!("The word is {SAID}")).expect("edited");
}

fn exercise_embedders() {
    for panics in [false, true] {
        let store = MemoryStore::open(MemoryParams::in_memory(), Some(Arc::new(Telltale { panics }))).expect("a store");
        let conversation = store.create_conversation().expect("a conversation");
        let begun = store.begin_turn(conversation, SAID, &TurnOptions::default()).expect("stored all the same");
        let failure = begun.embedding_failure.expect("it failed");
        if panics {
            expect_clean("an embedder that panics", &format!("{failure} {failure:?}"));
            expect_clean_error("embedding anew", store.reembed());
        }
    }
    let store = MemoryStore::open(MemoryParams::in_memory(), Some(Arc::new(HashingEmbedder::new(8)))).expect("a store");
    expect_clean("a store", &format!("{store:?}"));
}

/// A session whose embedder quotes what it was given: the error is the app's, the log is ours.
fn talk_with_telltale(folder: &std::path::Path) {
    let assistant = Assistant::open(AssistantParams {
        engine: engine_params(512),
        memory: MemoryParams::file(folder.join("telltale.db")),
        induction: Induction::default(),
        embedder: Some(Arc::new(Telltale { panics: false })),
        snapshots: None,
    });
    let assistant = assistant.expect("the assistant opens");
    let mut talk = session(&assistant, brief_new(2));
    block_on(async { talk.send(secret_message()).await?.finish().await }).expect("the turn ends well");
    // What is learnt afterwards meets the embedder too.
    let _ = assistant.settle();
}

#[test]
fn no_secret_of_the_user_comes_out_of_logs_errors_or_handles() {
    let captured = Captured::default();
    tracing::subscriber::set_global_default(captured.clone()).expect("nobody else takes it");
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("{info}");
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
    }));
    let data = tempfile::tempdir().expect("a folder");
    let params = AssistantParams {
        engine: engine_params(1024),
        memory: MemoryParams::file(data.path().join("memory.db")),
        embedder: Some(embedder()),
        snapshots: Some(data.path().join("snapshots")),
        induction: Induction::default(),
    };
    let assistant = Assistant::open(params).expect("the assistant opens");
    let talked = talk(&assistant);
    exercise_rights(&assistant, data.path());
    exercise_embedders();
    expect_clean("an assistant", &format!("{assistant:?} {:?} {:?}", assistant.memory(), assistant.engine()));
    let first = assistant.memory().memories().expect("a list")[0].id;
    expect_clean("the report of forgetting", &format!("{:?}", assistant.forget(first).expect("forgotten")));
    assistant.close();
    expect_clean_error("a closed session", talked.close());
    talk_with_telltale(data.path());

    // Copies: what is found panics, and a panic is kept under the lock.
    let panics = panics.lock().unwrap_or_else(PoisonError::into_inner).clone();
    panics.iter().for_each(|panic| expect_clean("a panic", panic));
    let lines = captured.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ours = lines.iter().filter(|(_, target, _)| target.starts_with("aloekit")).count();
    let above_debug = lines.iter().filter(|(level, ..)| *level <= Level::INFO).count();
    assert!(ours > 0, "something is logged");
    println!("{} lines captured, {ours} of them ours, {above_debug} above debug", lines.len());
    for (level, target, line) in lines.iter() {
        // Below, an error that the app itself made is repeated: `Telltale` put the text there.
        if *level <= Level::INFO || !line.contains("the app's listener failed") {
            expect_clean(&format!("{level} of {target}"), line);
        }
    }
}
