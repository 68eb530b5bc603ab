//! Another process holds the store: writing is refused in bounded time and by name, reading goes on, and once the other
//! is gone, killed even, everything works.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aloekit::Error;
use aloekit::memory::{ConversationId, RetrieveLimits};

use crate::contents::Contents;
use crate::every_call::{Template, open, operations};
use crate::operation::{Operation, quick_folder};

/// Set for the child: the store that it holds, and how.
const HELD: &str = "ALOE_TEST_HELD_STORE";
const HOW: &str = "ALOE_TEST_HELD_HOW";
const FOR_WRITING: &str = "BEGIN IMMEDIATE; INSERT INTO conversations(started_ms) VALUES (1);";
const ALONE: &str =
    "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; INSERT INTO conversations(started_ms) VALUES (1);";

/// Holds the store until it is killed.
struct Holder(Child);

impl Holder {
    fn of_child() -> Option<(PathBuf, String)> {
        Some((std::env::var_os(HELD)?.into(), std::env::var(HOW).ok()?))
    }

    fn hold((path, how): (PathBuf, String)) -> ! {
        let store = rusqlite::Connection::open(path).expect("it opens");
        store.execute_batch(&how).expect("nobody else holds it");
        println!("\nheld");
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    fn spawn(test: &str, path: &Path, how: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--exact", test, "--nocapture"]).env(HELD, path).env(HOW, how).stdout(Stdio::piped());
        let mut child = child.spawn().expect("the child starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "held"), "the child holds nothing");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("it ended");
    }
}

#[test]
fn while_another_process_writes_reading_goes_on_and_writing_is_refused_by_name_and_in_time() {
    const THIS: &str =
        "locked::while_another_process_writes_reading_goes_on_and_writing_is_refused_by_name_and_in_time";
    if let Some(store) = Holder::of_child() {
        Holder::hold(store);
    }
    let template = Template::new();
    let folder = quick_folder();
    template.copy_to(folder.path());
    let path = folder.path().join("memory.db");
    let store = open(&path, 48).expect("it opens");
    let before = Contents::read(&path);
    let holder = Holder::spawn(THIS, &path, FOR_WRITING);
    for operation in operations() {
        let began = Instant::now();
        let done = operation.apply(&store);
        assert!(began.elapsed() < Duration::from_secs(3), "{operation:?} took {:?}", began.elapsed());
        match operation {
            Operation::Export => assert!(done.is_ok(), "{operation:?}: {done:?}"),
            Operation::Wipe => assert!(done.is_ok(), "nothing is to be wiped: {done:?}"),
            _ => assert!(matches!(done, Err(Error::StorageLocked { .. })), "{operation:?}: {done:?}"),
        }
    }
    assert!(!store.memories().expect("reading goes on").is_empty());
    assert!(!store.facts().expect("reading goes on").is_empty());
    assert!(!store.transcript(ConversationId(1)).expect("reading goes on").is_empty());
    assert!(!store.find_topic("mushrooms").expect("reading goes on").is_empty());
    assert!(store.vector_status().expect("reading goes on").current > 0);
    store.retrieve("What do I hate?", &RetrieveLimits::default()).expect("reading goes on");
    drop(open(&path, 48).expect("opening is reading"));
    assert_eq!(Contents::read(&path).difference(&before), None);
    drop(holder);
    for operation in operations().into_iter().filter(|operation| *operation != Operation::Erase) {
        match operation.apply(&store) {
            // Of two ways to forget, one finds that the other was there.
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => panic!("{operation:?}: {error:?}"),
        }
    }
}

#[test]
fn a_store_that_another_process_holds_for_itself_is_refused_by_name_until_that_process_ends() {
    const THIS: &str =
        "locked::a_store_that_another_process_holds_for_itself_is_refused_by_name_until_that_process_ends";
    if let Some(store) = Holder::of_child() {
        Holder::hold(store);
    }
    let template = Template::new();
    let folder = quick_folder();
    template.copy_to(folder.path());
    let path = folder.path().join("memory.db");
    let before = Contents::read(&path);
    let holder = Holder::spawn(THIS, &path, ALONE);
    let began = Instant::now();
    let refused = open(&path, 48);
    assert!(matches!(refused, Err(Error::StorageLocked { .. })), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
    drop(holder);
    let store = open(&path, 48).expect("it opens");
    assert_eq!(Contents::read(&path).difference(&before), None);
    store.check().expect("the store is whole");
}
