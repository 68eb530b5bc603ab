//! A disk of a few megabytes that is full when an operation comes: the error says so, what was there stays, and writes
//! work again once there is room.
//!
//! The disk is a tmpfs, mounted in a name space of the child's own (`unshare`), which most systems let anyone do.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aloekit::Error;
use aloekit::memory::{ReplyState, TurnOptions};

use crate::contents::{Contents, expect_whole};
use crate::every_call::{Template, open, operations};

/// Set for the child, whose name space is its own: a folder to mount on.
const FOLDER: &str = "ALOE_TEST_SMALL_DISK";

/// Runs a test in a name space where it may mount; says why when that cannot be had.
fn in_own_name_space(test: &str) {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("Linux")) == 0;
    let ways = [["--mount", "--map-root-user"], ["--mount", "--propagation=private"]];
    let works = |way: &&[&str; 2]| {
        let mut tried = Command::new("unshare");
        tried.args(**way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        tried.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let Some(way) = ways.iter().filter(|way| is_root || way[1] == "--map-root-user").find(works) else {
        // Past the test harness, which keeps the words of a test that passes to itself.
        let reason =
            "no small disk can be mounted: neither root nor user name spaces (unshare --mount --map-root-user)";
        writeln!(std::io::stderr(), "\nSKIPPED {test}: {reason}").expect("somebody reads it");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new("unshare");
    child.args(way).arg(std::env::current_exe().expect("this test")).args(["--exact", test, "--nocapture"]);
    // Kept from the output, where a second result line would be counted as another test's.
    let done = child.env(FOLDER, folder.path()).output().expect("unshare is there");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "in a name space of its own: {said}");
}

/// A small file system, mounted until it is dropped.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path, mebibytes: u32) -> Self {
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status();
        assert!(mounted.expect("mount is there").success(), "it was tried before");
        Self { folder: folder.to_path_buf() }
    }

    fn store(&self) -> PathBuf {
        self.folder.join("memory.db")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes all the room but so many bytes.
    fn leave(&self, bytes: u64) {
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[1; 1024]).is_ok() {}
        let length = ballast.metadata().expect("its length").len();
        ballast.set_len(length.saturating_sub(bytes)).expect("it is cut");
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("removed");
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,bind,{how}")]).arg(&self.folder).status();
        assert!(done.expect("mount is there").success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}

fn is_full<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::StorageFull { .. })), "{result:?}");
}

#[test]
fn a_disk_that_is_full_at_any_operation_is_named_loses_nothing_and_hinders_nothing_later() {
    const THIS: &str =
        "small_disk::a_disk_that_is_full_at_any_operation_is_named_loses_nothing_and_hinders_nothing_later";
    let Some(folder) = std::env::var_os(FOLDER) else { return in_own_name_space(THIS) };
    let template = Template::new();
    let (mut refused, mut done_all_the_same) = (0, 0);
    for (operation, left) in
        operations().into_iter().flat_map(|o| [0, 4_096, 20_000, 70_000].map(|left| (o.clone(), left)))
    {
        let disk = SmallDisk::mount(Path::new(&folder), 2);
        template.copy_to(&disk.folder);
        let store = open(&disk.store(), 48).expect("it opens");
        let before = Contents::read(&disk.store());
        disk.leave(left);
        let told = format!("{operation:?} with {left} bytes left");
        match operation.apply(&store) {
            Ok(_) => done_all_the_same += 1,
            Err(Error::StorageFull { .. }) => {
                refused += 1;
                let kept = Contents::read(&disk.store()).difference(&before);
                assert!(kept.is_none() || operation.may_be_done_though_refused(), "{told}: {kept:?}");
            }
            Err(other) => panic!("{told}: {other:?}"),
        }
        assert!(store.memories().is_ok() && store.export().is_ok(), "{told}: reading goes on");
        disk.free();
        operation.apply(&store).map(drop).or_else(not_found_twice).unwrap_or_else(|error| panic!("{told}: {error:?}"));
        store.check().expect("the store is whole");
        let after = Contents::read(&disk.store());
        drop(store);
        drop(open(&disk.store(), 48).expect("it opens"));
        assert_eq!(Contents::read(&disk.store()).difference(&after), None, "{told}");
        expect_whole(&disk.store());
    }
    println!("{refused} operations refused, {done_all_the_same} done all the same");
    assert!(refused > 20);
}

/// What was done in spite of the full disk is not there for a second time.
fn not_found_twice(error: Error) -> Result<(), Error> {
    if matches!(error, Error::NotFound { .. }) { Ok(()) } else { Err(error) }
}

#[test]
fn a_disk_that_fills_up_turn_by_turn_keeps_every_turn_that_was_acknowledged() {
    const THIS: &str = "small_disk::a_disk_that_fills_up_turn_by_turn_keeps_every_turn_that_was_acknowledged";
    let Some(folder) = std::env::var_os(FOLDER) else { return in_own_name_space(THIS) };
    for left in [0, 4_096, 20_000, 70_000] {
        let disk = SmallDisk::mount(Path::new(&folder), 2);
        disk.leave(left.min(20_000));
        is_full(open(&disk.store(), 48).map(drop));
        disk.free();
        let store = open(&disk.store(), 48).expect("it opens once there is room");
        let conversation = store.create_conversation().expect("a conversation");
        disk.leave(left);
        let mut kept = 0;
        let failed = loop {
            let text = format!("story {kept} {}", "of a very full harbour ".repeat(40));
            match store.begin_turn(conversation, &text, &TurnOptions::default()) {
                Ok(begun) => kept = begun.turn,
                Err(error) => break error,
            }
        };
        is_full::<()>(Err(failed));
        if kept > 0 {
            is_full(store.save_reply(kept, &"x".repeat(900_000), ReplyState::Partial));
        }
        assert_eq!(store.memories().expect("reading goes on").len() as i64, kept, "{left} bytes left");
        disk.free();
        let again = store.begin_turn(conversation, "There is room again", &TurnOptions::default());
        assert_eq!(again.expect("it works").turn, kept + 1);
        store.check().expect("the store is whole");
        drop(store);
        assert_eq!(open(&disk.store(), 48).expect("it opens").memories().expect("a list").len() as i64, kept + 1);
    }
}

#[test]
fn a_read_only_file_system_is_denied_and_stays_as_it_is() {
    const THIS: &str = "small_disk::a_read_only_file_system_is_denied_and_stays_as_it_is";
    let Some(folder) = std::env::var_os(FOLDER) else { return in_own_name_space(THIS) };
    let disk = SmallDisk::mount(Path::new(&folder), 2);
    Template::new().copy_to(&disk.folder);
    let before = std::fs::read(disk.store()).expect("the file");
    disk.remount("ro");
    let denied = open(&disk.store(), 48);
    assert!(matches!(denied, Err(Error::StorageDenied { .. })), "{denied:?}");
    let denied = open(&disk.folder.join("new/memory.db"), 48);
    assert!(matches!(denied, Err(Error::StorageDenied { .. })), "{denied:?}");
    assert_eq!(std::fs::read(disk.store()).expect("the file"), before);
    disk.remount("rw");
    assert!(open(&disk.store(), 48).expect("it opens").check().is_ok());
}
