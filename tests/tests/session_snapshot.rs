//! KV snapshots that are damaged, foreign, out of reach or out of date: never an error, never another answer.

mod session_fixture;

use std::fs;
use std::path::{Path, PathBuf};

use aloekit::engine::{Engine, EngineParams, FlashAttention, KvType};
use aloekit::{Assistant, Conversation, Error, Session, SessionParams, Turn};
use aloekit_tests::fixtures::{engine, engine_params};
use aloekit_tests::tiny_model::TinyModel;
use session_fixture::{brief, brief_new, launch, say, session, snapshot_tokens, transcript};

const QUESTION: &str = "Which animal did I mention?";

/// A folder in which a conversation of two turns was closed, and with it the snapshot.
struct Closed {
    folder: tempfile::TempDir,
}

impl Closed {
    fn new(engine: &Engine) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let assistant = launch(folder.path(), engine);
        let mut talk = session(&assistant, brief(16));
        say(&mut talk, "My parrot is called Otto.");
        say(&mut talk, "He likes grapes.");
        talk.close().expect("closes");
        Self { folder }
    }

    fn snapshot(&self) -> Vec<u8> {
        fs::read(snapshot_of(self.folder.path())).expect("the snapshot was written")
    }

    /// The same conversation in a folder of its own, with this in the place of its snapshot.
    fn with_snapshot(&self, bytes: Option<&[u8]>) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        for name in ["memory.db", "memory.db-wal"] {
            let file = self.folder.path().join(name);
            if file.exists() {
                fs::copy(file, copy.path().join(name)).expect("copied");
            }
        }
        fs::create_dir(copy.path().join("snapshots")).expect("a folder");
        if let Some(bytes) = bytes {
            fs::write(snapshot_of(copy.path()), bytes).expect("written");
        }
        copy
    }
}

fn snapshot_of(data: &Path) -> PathBuf {
    data.join("snapshots/conversation-1.kv")
}

fn ask(data: &Path, engine: &Engine) -> Turn {
    engine.clear_idle(); // what an earlier session left would serve this one
    let assistant = launch(data, engine);
    let mut talk = session(&assistant, brief(16));
    let turn = say(&mut talk, QUESTION);
    assert_eq!((turn.turn, transcript(&assistant, &talk).len()), (3, 3));
    turn
}

/// The answer is that of a conversation that never had a snapshot, and nothing of the given one was used.
fn expect_rebuilt(what: &str, answered: &Turn, expected: &Turn) {
    assert_eq!(answered.stats.cached_tokens, 0, "{what}");
    assert_eq!(answered.reply, expected.reply, "{what}");
}

#[test]
fn a_damaged_snapshot_is_ignored_and_the_answer_is_the_one_computed_from_text() {
    let engine = engine(1024);
    let closed = Closed::new(&engine);
    let from_text = ask(closed.with_snapshot(None).path(), &engine);
    let sound = closed.snapshot();
    assert!(ask(closed.with_snapshot(Some(&sound)).path(), &engine).stats.cached_tokens > 30);

    let tokens = 4 * snapshot_tokens(&snapshot_of(closed.folder.path())).len();
    let state = 44 + tokens + 8;
    for cut in [
        0,
        1,
        7,
        8,
        39,
        43,
        44 + tokens / 2,
        state - 1,
        state + 100,
        sound.len() / 2,
        sound.len() - 33,
        sound.len() - 1,
    ] {
        expect_rebuilt("cut", &ask(closed.with_snapshot(Some(&sound[..cut])).path(), &engine), &from_text);
    }
    for flipped in [0, 7, 8, 39, 40, 43, 44, 43 + tokens, state - 8, state, state + 4, sound.len() / 2, sound.len() - 1]
    {
        let mut bytes = sound.clone();
        bytes[flipped] ^= 0x40;
        expect_rebuilt("flipped", &ask(closed.with_snapshot(Some(&bytes)).path(), &engine), &from_text);
    }
    let longer = [sound.as_slice(), b"and more"].concat();
    let zeros = vec![0; sound.len()];
    for foreign in [longer.as_slice(), &zeros, b"not a snapshot", b"ALOEKV01", &sound[1..]] {
        expect_rebuilt("foreign", &ask(closed.with_snapshot(Some(foreign)).path(), &engine), &from_text);
    }
}

#[test]
fn a_snapshot_of_another_model_kv_type_or_attention_is_not_used() {
    let engine = engine(1024);
    let closed = Closed::new(&engine);
    let sound = closed.snapshot();
    let tiny = closed.folder.path().join("tiny.gguf");
    TinyModel::default().build().write(&tiny).expect("written");
    let others = [
        EngineParams { model: tiny, ..engine_params(2048) },
        EngineParams { kv_type: KvType::Q8_0, ..engine_params(1024) },
        EngineParams { flash_attention: FlashAttention::Off, ..engine_params(1024) },
    ];
    for other in others {
        let what = format!("{} {:?} {:?}", other.model.display(), other.kv_type, other.flash_attention);
        let other = Engine::open(&other).expect("opens");
        let from_text = ask(closed.with_snapshot(None).path(), &other);
        expect_rebuilt(&what, &ask(closed.with_snapshot(Some(&sound)).path(), &other), &from_text);
    }
}

#[test]
fn a_snapshot_longer_than_the_context_it_is_opened_with_is_not_used() {
    let large = engine(2048);
    let data = tempfile::tempdir().expect("a folder");
    {
        let mut talk = session(&launch(data.path(), &large), brief(16));
        say(&mut talk, &format!("A list of words: {}", "river mountain forest valley ".repeat(150)));
        talk.close().expect("closes");
    }
    assert!(snapshot_tokens(&snapshot_of(data.path())).len() > 512);
    let mut talk = session(&launch(data.path(), &engine(512)), brief(16));
    let turn = say(&mut talk, QUESTION);
    assert!(turn.stats.prompt_tokens < 512 && turn.stats.reply_tokens > 0, "{:?}", turn.stats);
}

#[test]
fn the_snapshot_of_another_conversation_lends_its_instructions_at_most() {
    let engine = engine(1024);
    let data = tempfile::tempdir().expect("a folder");
    let assistant = launch(data.path(), &engine);
    for text in ["My parrot is called Otto.", "The weather is fine today in the mountains."] {
        let mut talk = session(&assistant, brief_new(16));
        say(&mut talk, text);
        talk.close().expect("closes");
    }
    let (first, second) = (snapshot_of(data.path()), data.path().join("snapshots/conversation-2.kv"));
    fs::copy(second, first).expect("copied");
    let resumed = SessionParams { conversation: Conversation::Id(aloekit::memory::ConversationId(1)), ..brief(16) };
    let turn = say(&mut session(&assistant, resumed), QUESTION);
    assert!(turn.stats.cached_tokens < 20, "{:?}", turn.stats);
}

#[test]
fn a_snapshot_older_than_the_text_saves_the_prefill_of_what_it_holds() {
    let engine = engine(1024);
    let data = tempfile::tempdir().expect("a folder");
    let held = {
        let mut talk = session(&launch(data.path(), &engine), brief(16));
        let first = say(&mut talk, "My parrot is called Otto.");
        talk.save_snapshot().expect("saved");
        say(&mut talk, "He likes grapes.");
        first.stats.prompt_tokens + first.stats.reply_tokens
    };
    let turn = ask(data.path(), &engine);
    assert!((held - 1..=held + 8).contains(&turn.stats.cached_tokens), "{:?} of {held}", turn.stats);
}

/// Folders and files in the way stand for permissions, which do not hinder the root user that tests often run as.
#[test]
fn snapshots_that_can_be_neither_read_nor_written_cost_only_the_prefill() {
    let engine = engine(1024);
    let closed = Closed::new(&engine);
    let from_text = ask(closed.with_snapshot(None).path(), &engine);
    let file_for_folder = closed.with_snapshot(None);
    fs::remove_dir(file_for_folder.path().join("snapshots")).expect("removed");
    fs::write(file_for_folder.path().join("snapshots"), "a file").expect("written");
    let folder_for_file = closed.with_snapshot(None);
    fs::create_dir(snapshot_of(folder_for_file.path())).expect("made");
    let dangling = closed.with_snapshot(None);
    std::os::unix::fs::symlink("/nowhere/at/all", snapshot_of(dangling.path())).expect("linked");

    for data in [&file_for_folder, &folder_for_file] {
        expect_rebuilt("out of reach", &ask(data.path(), &engine), &from_text);
        let talk = answered(&launch(data.path(), &engine));
        assert!(matches!(talk.save_snapshot(), Err(Error::Io { .. })));
        assert!(matches!(talk.close(), Err(Error::Io { .. })));
        let leftovers = fs::read_dir(data.path()).expect("readable").flatten();
        assert!(leftovers.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
    }
    expect_rebuilt("dangling", &ask(dangling.path(), &engine), &from_text);
    answered(&launch(dangling.path(), &engine)).close().expect("a link that leads nowhere is replaced");
    assert!(ask_again(dangling.path(), &engine).stats.cached_tokens > 30);
}

fn answered(assistant: &Assistant) -> Session {
    let mut talk = session(assistant, brief(16));
    say(&mut talk, "Thank you.");
    talk
}

fn ask_again(data: &Path, engine: &Engine) -> Turn {
    say(&mut session(&launch(data, engine), brief(16)), QUESTION)
}
