//! A store under a key: nothing of it can be read without, a wrong key changes no byte, and keys can be changed.

mod session_fixture;

use std::fs;
use std::path::{Path, PathBuf};

use aloekit::engine::Engine;
use aloekit::memory::{MemoryParams, MemoryStore, OnDamage, StoreKey, TurnOptions, encrypt_store};
use aloekit::{Assistant, Conversation, Error, Induction, SessionParams};
use aloekit_tests::fixtures::engine_params;
use session_fixture::{brief, say, session};

const CANARY: &str = "zebrafinch";

fn key(n: u8) -> StoreKey {
    StoreKey::new([n; 32])
}

fn params(path: &Path, key: Option<StoreKey>) -> MemoryParams {
    MemoryParams { key, ..MemoryParams::file(path) }
}

fn open(path: &Path, key: Option<StoreKey>) -> aloekit::Result<MemoryStore> {
    MemoryStore::open(params(path, key), None)
}

fn remember(store: &MemoryStore, text: &str) {
    let conversation = store.create_conversation().expect("a conversation");
    store.begin_turn(conversation, text, &TurnOptions::default()).expect("stored");
}

fn texts(store: &MemoryStore) -> Vec<String> {
    store.memories().expect("memories").into_iter().map(|memory| memory.text).collect()
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![(path.clone(), fs::read(path).expect("read"))] })
        .collect();
    files.sort();
    files
}

fn shows(folder: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    files(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

#[test]
fn what_is_remembered_under_a_key_shows_in_no_file_and_is_there_at_the_next_opening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.db");
    let store = open(&path, Some(key(1))).expect("a new store");
    remember(&store, &format!("My {CANARY} sings."));
    assert_eq!(shows(folder.path(), CANARY), Vec::<PathBuf>::new(), "while it is open, its log included");
    drop(store);
    assert_eq!(shows(folder.path(), CANARY), Vec::<PathBuf>::new());
    assert!(shows(folder.path(), "sqlite format").is_empty());
    let again = open(&path, Some(key(1))).expect("the key fits");
    assert_eq!(texts(&again), [format!("My {CANARY} sings.")]);
    assert_eq!(again.retrieve("What does my zebrafinch do?", &Default::default()).expect("a search").len(), 1);
}

#[test]
fn a_wrong_key_none_and_one_for_a_plain_store_are_refused_with_every_byte_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let (secret, plain) = (folder.path().join("secret.db"), folder.path().join("plain.db"));
    remember(&open(&secret, Some(key(1))).expect("a new store"), "I keep bees.");
    remember(&open(&plain, None).expect("a new store"), "I keep goats.");
    let before = files(folder.path());
    for (path, wrong) in [(&secret, Some(key(2))), (&secret, None), (&plain, Some(key(1)))] {
        for on_damage in [OnDamage::Fail, OnDamage::Quarantine] {
            let refused = MemoryStore::open(MemoryParams { on_damage, ..params(path, wrong.clone()) }, None);
            assert!(matches!(&refused, Err(Error::WrongKey { path: named }) if named == path), "{refused:?}");
        }
        assert_eq!(files(folder.path()), before, "a refusal changes nothing");
    }
    assert_eq!(texts(&open(&secret, Some(key(1))).expect("the key fits")), ["I keep bees."]);
}

#[test]
fn damage_behind_the_first_page_is_damage_and_not_a_wrong_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.db");
    let store = open(&path, Some(key(1))).expect("a new store");
    (0..200).for_each(|n| remember(&store, &format!("Fact number {n}: I keep {n} bees in hive {n}.")));
    drop(store);
    let mut bytes = fs::read(&path).expect("read");
    let pages = bytes.len() / 4096;
    for page in pages / 2..pages {
        bytes[page * 4096 + 2000] ^= 0xFF;
    }
    fs::write(&path, &bytes).expect("written");
    let found = open(&path, Some(key(1))).and_then(|store| store.check().and_then(|()| store.memories().map(|_| ())));
    assert!(matches!(found, Err(Error::StorageCorrupt { .. })), "{found:?}");
}

#[test]
fn another_key_takes_the_place_of_the_old_one_and_wiping_still_wipes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.db");
    let store = open(&path, Some(key(1))).expect("a new store");
    remember(&store, "I keep bees.");
    store.rekey(&key(2)).expect("another key");
    remember(&store, "I keep goats.");
    drop(store);
    assert!(matches!(open(&path, Some(key(1))), Err(Error::WrongKey { .. })));
    let store = open(&path, Some(key(2))).expect("the new key fits");
    assert_eq!(texts(&store), ["I keep bees.", "I keep goats."]);
    store.check().expect("sound");
    let bees = store.memories().expect("memories")[0].id;
    assert!(store.forget(bees).expect("forgotten").wiped);
    assert_eq!(texts(&store), ["I keep goats."]);
    let plain = MemoryStore::open(MemoryParams::in_memory(), None).expect("a plain store");
    assert!(matches!(plain.rekey(&key(3)), Err(Error::InvalidInput { what: "key", .. })));
}

#[test]
fn a_plain_store_is_encrypted_whole_and_its_plain_file_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.db");
    let store = open(&path, None).expect("a new store");
    remember(&store, &format!("My {CANARY} sings."));
    let pinned = store.memories().expect("memories")[0].id;
    store.set_pinned(pinned, true).expect("pinned");
    let export = store.export().expect("an export");
    assert!(matches!(encrypt_store(&path, &key(1)), Err(Error::StorageLocked { .. })), "while it is open");
    drop(store);
    encrypt_store(&path, &key(1)).expect("encrypted");
    assert_eq!(shows(folder.path(), CANARY), Vec::<PathBuf>::new());
    assert!(matches!(encrypt_store(&path, &key(1)), Err(Error::WrongKey { .. })), "it is encrypted already");
    let store = open(&path, Some(key(1))).expect("the key fits");
    assert_eq!(store.export().expect("an export"), export);
    store.check().expect("sound");
    remember(&store, "I keep bees.");
    assert_eq!(texts(&store).len(), 2);
}

#[test]
fn a_conversation_under_a_key_is_sealed_in_its_snapshot_and_goes_on_from_it() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let known = {
        let assistant = launch(data.path(), &engine, key(1)).expect("a new store");
        let mut talk = session(&assistant, brief(12));
        let told = say(&mut talk, &format!("Tell me about the {CANARY}."));
        talk.close().expect("closes");
        told.stats.prompt_tokens + told.stats.reply_tokens
    };
    assert!(files(data.path()).iter().any(|(path, _)| path.extension().is_some_and(|kv| kv == "kv")));
    assert_eq!(shows(data.path(), CANARY), Vec::<PathBuf>::new());
    assert!(shows(data.path(), "GGML").is_empty());
    let assistant = launch(data.path(), &engine, key(1)).expect("the key fits");
    let mut talk = session(&assistant, brief(12));
    let next = say(&mut talk, "And?");
    assert!(next.stats.cached_tokens + 1 >= known, "{:?} after {known}", next.stats);
    talk.close().expect("closes");

    assistant.rekey(&key(2)).expect("another key");
    assert!(!files(data.path()).iter().any(|(path, _)| path.extension().is_some_and(|kv| kv == "kv")));
    let params = SessionParams { conversation: Conversation::Latest, ..brief(12) };
    session(&assistant, params).close().expect("closes");
    drop(assistant);
    assert!(matches!(launch(data.path(), &engine, key(1)), Err(Error::WrongKey { .. })));
    let assistant = launch(data.path(), &engine, key(2)).expect("the new key fits");
    assert_eq!(say(&mut session(&assistant, brief(12)), "So?").turn, 3);
}

fn engine() -> Engine {
    Engine::open(&engine_params(512)).expect("the engine opens")
}

fn launch(data: &Path, engine: &Engine, key: StoreKey) -> aloekit::Result<Assistant> {
    let memory = open(&data.join("memory.db"), Some(key))?;
    Assistant::from_parts(engine.clone(), memory, Some(data.join("snapshots")), Induction::default())
}
