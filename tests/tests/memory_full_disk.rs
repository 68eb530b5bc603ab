//! A disk that fills up at any operation: the error says so, what was acknowledged stays, and writes work again once
//! there is room.

mod memory_fixture;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use aloekit::Error;
use aloekit::memory::{MemoryParams, MemoryStore, ReplyState, TurnOptions};
use memory_fixture::embedder;

/// A small file system of its own; mounting one needs root.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(folder.path()).status();
        let mounted = mounted.expect("mount is there").success();
        assert!(mounted, "no small disk could be mounted: run this test as root, with --ignored");
        Self { folder }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
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
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

fn open(path: &Path) -> aloekit::Result<MemoryStore> {
    MemoryStore::open(MemoryParams::file(path), Some(embedder()))
}

fn is_full<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::StorageFull { .. })), "{result:?}");
}

#[test]
#[ignore = "mounts a small disk, which needs root; CI runs it"]
fn a_full_disk_is_named_loses_nothing_and_hinders_nothing_once_there_is_room() {
    for left in [0, 4096, 20_000, 70_000] {
        let disk = SmallDisk::mount();
        let path = disk.folder.path().join("memory.db");
        disk.leave(left.min(20_000));
        is_full(open(&path).map(drop));
        disk.free();
        let store = open(&path).expect("it opens once there is room");
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
        let turn =
            store.begin_turn(conversation, "There is room again", &TurnOptions::default()).expect("it works").turn;
        assert_eq!(turn, kept + 1);
        store.check().expect("the store is whole");
        drop(store);
        assert_eq!(open(&path).expect("it opens").memories().expect("a list").len() as i64, kept + 1);
    }
}
