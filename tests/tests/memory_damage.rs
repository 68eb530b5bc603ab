//! Stores that are damaged, foreign, newer, older, locked or read-only: the error an app can act on, and not a byte
//! changed.

mod memory_fixture;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use aloekit::Error;
use aloekit::memory::{MemoryParams, MemoryStore, OnDamage, RetrieveLimits};
use memory_fixture::{Scratch, beside, say};

/// A closed store with some turns in it.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    (0..120).for_each(|n| drop(say(&store, conversation, &format!("Story {n} of the lighthouse keeper's life"))));
    drop(store);
    scratch
}

/// Everything an app does; what comes out of a damaged store may be wrong, but never anything but a typed error.
fn use_it_all(store: &MemoryStore) -> Result<(), Error> {
    store.memories()?;
    store.export()?;
    store.retrieve("lighthouse story", &RetrieveLimits::default())?;
    let conversation = store.create_conversation()?;
    store.begin_turn(conversation, "One more story of the keeper", &Default::default())?;
    store.check()
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::StorageCorrupt { .. } | Error::StorageDenied { .. })
}

#[test]
fn a_flipped_page_is_named_as_damage_or_harmless() {
    let scratch = filled();
    let whole = std::fs::read(scratch.path()).expect("the file");
    let mut found = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(scratch.path(), &bytes).expect("written");
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&scratch.path(), suffix));
        }
        match scratch.try_open().and_then(|store| use_it_all(&store)) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => found += 1,
            Err(other) => panic!("page {page}: {other:?}"),
        }
    }
    assert!(found > whole.len() / 4096 / 2, "{found} of {} flips were seen", whole.len() / 4096);
}

#[test]
fn single_flipped_bytes_never_end_in_anything_but_a_typed_error() {
    let scratch = filled();
    let whole = std::fs::read(scratch.path()).expect("the file");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..120 {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mut bytes = whole.clone();
        let place = (seed >> 20) as usize % bytes.len();
        bytes[place] ^= 1 << (seed % 8);
        std::fs::write(scratch.path(), &bytes).expect("written");
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&scratch.path(), suffix));
        }
        if let Err(error) = scratch.try_open().and_then(|store| use_it_all(&store)) {
            assert!(is_damage(&error) || matches!(error, Error::SchemaTooNew { .. }), "byte {place}: {error:?}");
        }
    }
}

#[test]
fn half_a_write_ahead_log_keeps_every_turn_before_the_cut() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let conversation = store.create_conversation().expect("a conversation");
    let mut log_length = vec![];
    for n in 0..20 {
        say(&store, conversation, &format!("Acknowledged story {n}"));
        log_length.push(std::fs::metadata(beside(&scratch.path(), "-wal")).expect("a log").len());
    }
    let (db, log) =
        (std::fs::read(scratch.path()).expect("db"), std::fs::read(beside(&scratch.path(), "-wal")).expect("log"));
    for cut in (0..log.len()).step_by(3_001) {
        let other = Scratch::new();
        std::fs::write(other.path(), &db).expect("written");
        std::fs::write(beside(&other.path(), "-wal"), &log[..cut]).expect("written");
        let whole = log_length.iter().filter(|length| **length <= cut as u64).count();
        let store = other.open();
        let told = store.memories().expect("a list").len();
        assert_eq!(told, whole, "cut at {cut}");
        assert!(use_it_all(&store).is_ok());
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    for content in [b"<html>not found</html>".to_vec(), vec![0; 8192], vec![0xa5; 100_000], b"SQLite".to_vec()] {
        let scratch = Scratch::new();
        std::fs::write(scratch.path(), &content).expect("written");
        let before = scratch.bytes();
        let refused = scratch.try_open();
        assert!(matches!(refused, Err(Error::StorageCorrupt { .. })), "{refused:?}");
        assert_eq!(scratch.bytes(), before);
    }
}

#[test]
fn another_programs_database_is_refused_stays_as_it_is_and_is_not_set_aside() {
    let scratch = Scratch::new();
    rusqlite::Connection::open(scratch.path())
        .and_then(|db| db.execute_batch("CREATE TABLE bookmarks(url TEXT)"))
        .expect("another program's database");
    let before = scratch.bytes();
    for on_damage in [OnDamage::Fail, OnDamage::Quarantine] {
        let refused = MemoryStore::open(MemoryParams { on_damage, ..scratch.params() }, None);
        assert!(matches!(refused, Err(Error::StorageDenied { .. })), "{refused:?}");
        assert_eq!(scratch.bytes(), before);
    }
}

#[test]
fn a_damaged_store_is_set_aside_whole_and_a_new_one_begun() {
    let scratch = filled();
    let mut bytes = std::fs::read(scratch.path()).expect("the file");
    bytes[..4096].fill(0);
    std::fs::write(scratch.path(), &bytes).expect("written");
    std::fs::write(beside(&scratch.path(), "-wal"), b"what was in the log").expect("written");
    assert!(matches!(scratch.try_open(), Err(Error::StorageCorrupt { .. })));
    let params = MemoryParams { on_damage: OnDamage::Quarantine, ..scratch.params() };
    let store = MemoryStore::open(params, None).expect("a new store");
    let aside = store.set_aside().expect("the old one is named").to_path_buf();
    assert_eq!(std::fs::read(&aside).expect("it is there"), bytes);
    assert_eq!(std::fs::read(beside(&aside, "-wal")).expect("its log too"), b"what was in the log");
    assert!(use_it_all(&store).is_ok());
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let scratch = filled();
    {
        let newer = rusqlite::Connection::open(scratch.path()).expect("it opens");
        newer.pragma_update(None, "user_version", 999).expect("a later schema");
    }
    let before = scratch.bytes();
    for on_damage in [OnDamage::Fail, OnDamage::Quarantine] {
        let refused = MemoryStore::open(MemoryParams { on_damage, ..scratch.params() }, None);
        assert!(matches!(refused, Err(Error::SchemaTooNew { found: 999, .. })), "{refused:?}");
        assert_eq!(scratch.bytes(), before);
    }
}

#[test]
fn a_newer_version_known_only_to_the_log_is_refused_too() {
    let scratch = filled();
    let newer = rusqlite::Connection::open(scratch.path()).expect("it opens");
    newer.pragma_update(None, "user_version", 999).expect("a later schema");
    let other = Scratch::new(); // a copy while the newer version runs, as its crash would leave it
    for suffix in ["", "-wal"] {
        std::fs::copy(beside(&scratch.path(), suffix), beside(&other.path(), suffix)).expect("copied");
    }
    let before = other.bytes();
    assert!(matches!(other.try_open(), Err(Error::SchemaTooNew { .. })));
    for (path, bytes) in before {
        assert_eq!(std::fs::read(&path).expect("still there"), bytes, "{}", path.display());
    }
}

/// The first schema as it was when it was laid, with a turn in it: it must open for ever.
const FIRST_SCHEMA: &str = include_str!("memory_fixture/schema_1.sql");

#[test]
fn a_store_of_the_first_schema_opens_with_all_that_is_in_it() {
    let scratch = Scratch::new();
    rusqlite::Connection::open(scratch.path()).and_then(|db| db.execute_batch(FIRST_SCHEMA)).expect("an old store");
    let store = scratch.open();
    let found = store.retrieve("cello", &RetrieveLimits::default()).expect("a search");
    assert_eq!(found[0].words, "I play the cello.");
    assert!(use_it_all(&store).is_ok());
    let shape = |path: &std::path::Path| {
        let db = rusqlite::Connection::open(path).expect("it opens");
        let mut names = db.prepare("SELECT type || ' ' || name FROM sqlite_master ORDER BY 1").expect("a query");
        let names = names.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        names.collect::<Result<Vec<_>, _>>().expect("texts")
    };
    assert_eq!(shape(&scratch.path()), shape(&filled().path()));
}

#[test]
fn a_lock_held_elsewhere_is_named_and_released_later() {
    let scratch = filled();
    let other = rusqlite::Connection::open(scratch.path()).expect("another process");
    other.execute_batch("BEGIN IMMEDIATE").expect("it holds the lock");
    let store = scratch.open();
    let refused = store.create_conversation();
    assert!(matches!(refused, Err(Error::StorageLocked { .. })), "{refused:?}");
    assert_eq!(store.memories().expect("reading goes on").len(), 120);
    other.execute_batch("COMMIT").expect("it lets go");
    assert!(use_it_all(&store).is_ok());
}

const READ_ONLY_CHILD: &str = "ALOE_TEST_READ_ONLY_STORE";

#[test]
fn a_read_only_file_or_folder_is_denied_and_stays_as_it_is() {
    if let Ok(path) = std::env::var(READ_ONLY_CHILD) {
        let refused = MemoryStore::open(MemoryParams::file(path), None);
        std::process::exit(if matches!(refused, Err(Error::StorageDenied { .. })) { 7 } else { 1 });
    }
    for (folder_mode, file_mode) in [(0o777, 0o444), (0o555, 0o666)] {
        let scratch = filled();
        let mode = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
        };
        mode(&scratch.path(), file_mode);
        mode(scratch.folder.path(), folder_mode);
        let before = scratch.bytes();
        // A child that is not root, whom no mode stops; its program is a copy where it may read it.
        let programs =
            tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().expect("a folder");
        let program = programs.path().join("child");
        std::fs::copy(std::env::current_exe().expect("this test"), &program).expect("copied");
        let mut child = Command::new(program);
        child.args(["--exact", "a_read_only_file_or_folder_is_denied_and_stays_as_it_is"]);
        child.env(READ_ONLY_CHILD, scratch.path());
        if is_root() {
            child.uid(65534).gid(65534);
        }
        let status = child.output().expect("the child runs").status;
        assert_eq!(status.code(), Some(7), "folder {folder_mode:o}, file {file_mode:o}");
        assert_eq!(scratch.bytes(), before);
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("Linux")) == 0
}

#[test]
fn a_store_is_readable_by_its_owner_only() {
    let scratch = filled();
    let mode = std::fs::metadata(scratch.path()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
