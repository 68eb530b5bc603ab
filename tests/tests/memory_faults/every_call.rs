//! For each operation, every call by which it reaches the disk fails once: with an I/O error, with no room, half
//! written, for once or for good. And for each of these calls, the process ends just before it.
//!
//! Asked each time: is the error one that an app can act on, is all there that was, is nothing half there, and does the
//! next call work?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aloekit::memory::{Durability, MemoryParams, MemoryStore, OnDamage, ReplyState, RetrieveLimits};
use aloekit::{Error, Result};

use crate::contents::{Contents, canaries_in_files, expect_whole};
use crate::operation::{Operation, Random, canary, embedder, quick_folder};
use crate::system_calls::{CALLS, Call, Failure, Plan, copy_folder, copying, under};

/// Every failure at every call, in the place of one failure at each.
const ALL_ASKED: &str = "ALOE_TEST_EVERY_FAULT";
const DIMENSION: usize = 48;

/// A failure and what an app may be told of it.
const FAILURES: [Failure; 5] = [
    Failure::Once(libc::EIO),
    Failure::Once(libc::ENOSPC),
    Failure::HalfThenFull,
    Failure::FromThenOn(libc::EIO),
    Failure::FromThenOn(libc::ENOSPC),
];

/// A closed store with a life behind it, of which every trial gets a copy.
pub(crate) struct Template {
    folder: tempfile::TempDir,
}

impl Template {
    pub(crate) fn new() -> Self {
        let template = Self { folder: quick_folder() };
        let other = open(&template.path(), 64).expect("it opens");
        for operation in [Operation::Conversation, say(1, 60), say(2, 400), say(3, 0)] {
            operation.apply(&other).expect("nothing hinders it");
        }
        drop(other);
        let store = open(&template.path(), DIMENSION).expect("it opens");
        let reply = Operation::Reply { turn: 2, word: canary(2), filling: 200, state: ReplyState::Complete };
        let life = [say(4, 60), say(5, 3_000), reply, Operation::Induce, Operation::Conversation, say(6, 60)];
        let attach = Operation::Attach { turn: 6, ids: vec![1, 2] };
        let later = [attach, say(7, 60), say(8, 400), Operation::Pin { id: 1, pinned: true }];
        for operation in life.into_iter().chain(later) {
            operation.apply(&store).expect("nothing hinders it");
        }
        template
    }

    pub(crate) fn path(&self) -> PathBuf {
        store_in(self.folder.path())
    }

    pub(crate) fn copy_to(&self, folder: &Path) {
        copy_folder(self.folder.path(), folder);
    }
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("memory.db")
}

fn say(number: u64, filling: usize) -> Operation {
    Operation::Say { conversation: 1, number, filling, remember: true }
}

pub(crate) fn open(path: &Path, dimension: usize) -> Result<MemoryStore> {
    let params = MemoryParams { durability: Durability::PowerLoss, lock_wait_ms: 50, ..MemoryParams::file(path) };
    MemoryStore::open(params, Some(embedder(dimension)))
}

/// Each kind of call, on the template.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::Conversation,
        say(100, 0),
        say(101, 9_000),
        Operation::Reply { turn: 5, word: canary(5), filling: 20_000, state: ReplyState::Partial },
        Operation::Attach { turn: 7, ids: vec![3, 4] },
        Operation::Summarise { conversation: 1, through_turn: 3 },
        Operation::Induce,
        Operation::Edit { id: 5, number: 102 },
        Operation::Pin { id: 2, pinned: true },
        Operation::Forget { id: 2 },
        Operation::ForgetTopic { word: "mushrooms".into() },
        Operation::Import { number: 103 },
        Operation::Export,
        Operation::Erase,
        Operation::Reembed,
        Operation::Check,
        Operation::Wipe,
    ]
}

/// An operation with what it starts from and comes to when nothing hinders it.
struct Undisturbed {
    operation: Operation,
    before: Contents,
    after: Contents,
}

impl Undisturbed {
    fn of(template: &Template, operation: Operation) -> Self {
        let folder = quick_folder();
        template.copy_to(folder.path());
        let path = store_in(folder.path());
        let store = open(&path, DIMENSION).expect("it opens");
        let before = Contents::read(&path);
        operation.apply(&store).expect("nothing hinders it");
        Self { operation, before, after: Contents::read(&path) }
    }

    /// Whether a store is as before, as afterwards, or on an allowed way between.
    fn allows(&self, found: &Contents) -> bool {
        let on_its_way =
            || self.operation.may_leave_vectors_for_later() && found.is_on_its_way(&self.before, &self.after);
        *found == self.before || *found == self.after || on_its_way()
    }
}

/// What an app is told of a failure must be what happened.
fn is_told_rightly(error: &Error, failure: Failure) -> bool {
    match failure {
        Failure::Once(libc::EIO) | Failure::FromThenOn(libc::EIO) => matches!(error, Error::Io { .. }),
        _ => matches!(error, Error::StorageFull { .. } | Error::Io { .. }),
    }
}

/// Whether a trial met its fault.
fn trial(template: &Template, undisturbed: &Undisturbed, call: Call, nth: u32, failure: Failure) -> bool {
    let Undisturbed { operation, before, after } = undisturbed;
    let told = format!("{operation:?}, {call:?} {nth}, {failure:?}");
    let folder = quick_folder();
    template.copy_to(folder.path());
    let path = store_in(folder.path());
    let store = open(&path, DIMENSION).expect("it opens");
    let (done, met) = under(Plan::Fail { call, nth, failure }, || operation.apply(&store));
    let found = Contents::read(&path);
    match &done {
        Ok(_) if operation.may_leave_vectors_for_later() => assert!(undisturbed.allows(&found), "{told}"),
        Ok(_) => assert_eq!(found.difference(after), None, "{told}"),
        Err(error) => {
            assert!(is_told_rightly(error, failure), "{told}: {error:?}");
            let as_allowed = match operation.may_be_done_though_refused() {
                true => undisturbed.allows(&found),
                false => found == *before,
            };
            assert!(as_allowed, "{told}: {:?}", found.difference(before));
        }
    }
    expect_it_goes_on(store, &path, &told);
    met > 0
}

/// The next calls work, in the same process and after reopening, and what is not in the rows is not in the files.
fn expect_it_goes_on(store: MemoryStore, path: &Path, told: &str) {
    let conversation = store.create_conversation().unwrap_or_else(|error| panic!("{told}: then {error:?}"));
    let again = Operation::Say { conversation: conversation.0, number: 900, filling: 30, remember: true };
    again.apply(&store).unwrap_or_else(|error| panic!("{told}: then {error:?}"));
    let everything = RetrieveLimits { max_count: 50, min_score: 0.0, ..RetrieveLimits::default() };
    let found = store.retrieve(&canary(900), &everything).unwrap_or_else(|error| panic!("{told}: then {error:?}"));
    assert!(found.iter().any(|memory| memory.text.contains(&canary(900))), "{told}: what was said then is not found");
    let contents = Contents::read(path);
    drop(store);
    let store = open(path, DIMENSION).unwrap_or_else(|error| panic!("{told}: reopened: {error:?}"));
    assert_eq!(Contents::read(path).difference(&contents), None, "{told}: reopened");
    store.check().unwrap_or_else(|error| panic!("{told}: reopened: {error:?}"));
    expect_whole(path);
    assert!(store.wipe().expect("nothing hinders it"));
    let expected = contents.canaries();
    let files = canaries_in_files(path.parent().expect("a folder"));
    let left: Vec<_> = files.iter().filter(|(canary, _)| !expected.contains(*canary)).collect();
    assert!(left.is_empty(), "{told}: forgotten or never stored, and still there: {left:?}");
}

#[test]
fn whatever_call_to_the_disk_fails_nothing_is_lost_or_half_there_and_the_next_works() {
    let template = Template::new();
    let all = std::env::var_os(ALL_ASKED).is_some();
    let mut random = Random(22);
    let (mut trials, mut met_by) = (0, BTreeSet::new());
    for operation in operations() {
        let undisturbed = Undisturbed::of(&template, operation);
        for call in CALLS {
            let mut nth = 1;
            loop {
                let chosen = FAILURES[random.below(FAILURES.len())];
                let failures = FAILURES.iter().filter(|failure| all || **failure == chosen);
                let met = failures.filter(|failure| trial(&template, &undisturbed, call, nth, **failure)).count();
                trials += met;
                if met == 0 {
                    break;
                }
                met_by.insert((call, undisturbed.operation.kind()));
                nth += 1;
            }
        }
    }
    println!("{trials} faults met, by {met_by:?}");
    assert!(trials > 200, "only {trials} faults were met");
}

#[test]
fn a_process_that_ends_before_any_call_to_the_disk_leaves_all_or_nothing_of_what_it_was_doing() {
    let template = Template::new();
    let mut images = 0;
    for operation in operations() {
        let undisturbed = Undisturbed::of(&template, operation);
        let folder = quick_folder();
        let (live, copies) = (folder.path().join("live"), folder.path().join("copies"));
        template.copy_to(&live);
        let store = open(&store_in(&live), DIMENSION).expect("it opens");
        let work = || undisturbed.operation.apply(&store);
        let (done, count) = copying(Plan::Photograph, &live, &copies, work);
        done.expect("nothing hinders it");
        for number in 1..=count {
            let path = store_in(&copies.join(number.to_string()));
            let told = format!("{:?}, ended before call {number} of {count}", undisturbed.operation);
            let store = open(&path, DIMENSION).unwrap_or_else(|error| panic!("{told}: {error:?}"));
            assert!(undisturbed.allows(&Contents::read(&path)), "{told}");
            expect_it_goes_on(store, &path, &told);
        }
        images += count;
    }
    println!("{images} ends");
    assert!(images > 100, "only {images} calls were met");
}

#[test]
fn with_durability_against_power_loss_an_acknowledged_write_needs_only_what_was_flushed() {
    let template = Template::new();
    for operation in operations() {
        let undisturbed = Undisturbed::of(&template, operation);
        let folder = quick_folder();
        let (live, flushed) = (folder.path().join("live"), folder.path().join("flushed"));
        template.copy_to(&live);
        template.copy_to(&flushed);
        let work = || {
            let store = open(&store_in(&live), DIMENSION).expect("it opens");
            undisturbed.operation.apply(&store).expect("nothing hinders it");
            std::mem::forget(store); // closing would flush: the power is gone before
        };
        copying(Plan::KeepFlushed, &live, &flushed, work);
        let path = store_in(&flushed);
        let store = open(&path, DIMENSION).expect("it opens");
        let found = Contents::read(&path);
        assert_eq!(found.difference(&undisturbed.after), None, "{:?}", undisturbed.operation);
        store.check().expect("the store is whole");
        expect_whole(&path);
    }
}

/// Makes a folder ready to be opened.
type MakeReady = fn(&Template, &Path);

const OPENINGS: [(&str, MakeReady); 4] = [
    ("a new store", |_, _| {}),
    ("a store whose log a crash left", |template, folder| {
        template.copy_to(folder);
        let crashed = open(&store_in(folder), DIMENSION).expect("it opens");
        Operation::Forget { id: 2 }.apply(&crashed).expect("nothing hinders it");
        say(100, 3_000).apply(&crashed).expect("nothing hinders it");
        let copy = folder.join("crashed");
        copy_folder(folder, &copy);
        drop(crashed);
        copy_folder(&copy, folder);
        std::fs::remove_dir_all(copy).expect("removed");
    }),
    ("a store of the first schema", |_, folder| {
        let old = rusqlite::Connection::open(store_in(folder)).expect("it opens");
        old.execute_batch(include_str!("../memory_fixture/schema_1.sql")).expect("an old store");
    }),
    ("a damaged store", |template, folder| {
        template.copy_to(folder);
        let mut bytes = std::fs::read(store_in(folder)).expect("the file");
        bytes[..4096].fill(7);
        std::fs::write(store_in(folder), bytes).expect("written");
        std::fs::write(folder.join("memory.db-wal"), [7; 500]).expect("written");
    }),
];

#[test]
fn whatever_call_to_the_disk_fails_while_opening_the_store_opens_the_next_time() {
    let template = Template::new();
    let mut trials = 0;
    for (name, make_ready) in OPENINGS {
        for (call, failure) in CALLS.iter().flat_map(|call| FAILURES.iter().map(move |failure| (*call, *failure))) {
            for nth in 1.. {
                let folder = quick_folder();
                make_ready(&template, folder.path());
                let path = store_in(folder.path());
                let reopen = || {
                    let params = MemoryParams { on_damage: OnDamage::Quarantine, ..MemoryParams::file(&path) };
                    MemoryStore::open(params, Some(embedder(DIMENSION)))
                };
                let (opened, met) = under(Plan::Fail { call, nth, failure }, reopen);
                let told = format!("{name}, {call:?} {nth}, {failure:?}");
                if let Err(error) = opened {
                    assert!(is_told_rightly(&error, failure), "{told}: {error:?}");
                }
                let store = reopen().unwrap_or_else(|error| panic!("{told}: then {error:?}"));
                let turns = Contents::read(&path).count("turns");
                let expected = match name {
                    "a store whose log a crash left" => 8,
                    "a store of the first schema" => 1,
                    _ => 0,
                };
                assert_eq!(turns, expected, "{told}");
                expect_it_goes_on(store, &path, &told);
                trials += met;
                if met == 0 {
                    break;
                }
            }
        }
    }
    println!("{trials} faults met while opening");
    assert!(trials > 100, "only {trials} faults were met");
}
