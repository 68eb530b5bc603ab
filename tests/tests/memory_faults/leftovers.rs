//! What is forgotten leaves no byte, wherever SQLite moved its rows in the meantime.

use aloekit::memory::{MemoryParams, MemoryStore};

use crate::contents::{Contents, canaries_in_files};
use crate::operation::{Operation, Random, draw, embedder, quick_folder};

/// Rows that grow, as a turn does with its reply, push their neighbours to other pages; deleting them there does not
/// reach the copies in the pages that they left.
#[test]
fn copies_of_rows_that_sqlite_moved_are_wiped_with_the_rows() {
    for seed in 0..12 {
        let folder = quick_folder();
        let path = folder.path().join("memory.db");
        let store = MemoryStore::open(MemoryParams::file(&path), Some(embedder(48))).expect("it opens");
        let mut random = Random(seed);
        for step in 0..250 {
            let operation = draw(&store, &mut random);
            operation.apply(&store).expect("nothing hinders it");
            if !matches!(operation, Operation::Forget { .. } | Operation::ForgetTopic { .. } | Operation::Edit { .. }) {
                continue;
            }
            let expected = Contents::read(&path).canaries();
            let files = canaries_in_files(folder.path());
            let left: Vec<_> = files.iter().filter(|(canary, _)| !expected.contains(*canary)).collect();
            assert!(left.is_empty(), "seed {seed}, step {step}: {left:?}");
        }
        store.check().expect("the store is whole");
    }
}
