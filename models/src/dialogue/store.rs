//! The trees of a run on disk: appended as they end, put in order when the stage does.
//!
//! Threads end in any order, and a killed run ends in another. The two logs keep each conversation as it ends; at the
//! stage's end they are merged into `trees.jsonl` and `rejected.jsonl`, sorted. So these say the same whatever happened.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::record::{ConversationTree, RejectedTree};
use crate::run_dir::{AppendLog, Lines, StageDir, replace_with};

/// The files of this stage in the run directory.
pub(crate) const FOLDER: &str = "trees";
pub(crate) const TREES: &str = "trees.jsonl";
pub(crate) const REJECTED: &str = "rejected.jsonl";
pub(crate) const TREES_LOG: &str = "trees.log.jsonl";
pub(crate) const REJECTED_LOG: &str = "rejected.log.jsonl";

/// Conversation and attempt: what a record is known by.
type Key = (u64, u32);

#[derive(Deserialize)]
struct TreeKey {
    id: u64,
    attempt: u32,
}

#[derive(Deserialize)]
struct RejectedKey {
    tree: TreeKey,
}

/// The trees of a run.
pub(crate) struct TreeStore {
    folder: StageDir,
    trees: AppendLog,
    rejected: AppendLog,
    done: HashSet<u64>,
}

impl TreeStore {
    /// The store in this folder; `attempts` rejections of a conversation are its end.
    pub(crate) fn open(folder: &StageDir, attempts: u32) -> Result<Self> {
        let (trees, rejected) =
            (AppendLog::open(&folder.file(TREES_LOG))?, AppendLog::open(&folder.file(REJECTED_LOG))?);
        let mut done = HashSet::new();
        for name in [TREES, TREES_LOG] {
            keys(&folder.file(name), tree_key, |key, _, _| {
                done.insert(key.0);
            })?;
        }
        for name in [REJECTED, REJECTED_LOG] {
            keys(&folder.file(name), rejected_key, |(id, attempt), _, _| {
                if attempt + 1 >= attempts {
                    done.insert(id);
                }
            })?;
        }
        Ok(Self { folder: folder.clone(), trees, rejected, done })
    }

    /// Whether this conversation has ended, well or not.
    pub(crate) fn is_done(&self, id: u64) -> bool {
        self.done.contains(&id)
    }

    /// Keeps a tree that can be imported again, without waiting for the disk each time.
    pub(super) fn bring(&mut self, tree: &ConversationTree) -> Result<()> {
        self.trees.append_soon(tree)?;
        self.done.insert(tree.id);
        Ok(())
    }

    /// Keeps what became of one conversation.
    pub(crate) fn keep(&mut self, rejected: &[RejectedTree], accepted: Option<&ConversationTree>) -> Result<()> {
        // The acceptance last: before it stands, the conversation is made again, and its rejections are known by number.
        for tree in rejected {
            self.rejected.append(tree)?;
        }
        let id = accepted.map(|tree| tree.id).or(rejected.last().map(|rejected| rejected.tree.id));
        if let Some(tree) = accepted {
            self.trees.append(tree)?;
        }
        self.done.extend(id);
        Ok(())
    }

    /// Merges the logs into the sorted files; answers with how many trees and rejected ones there are.
    pub(crate) fn finish(self) -> Result<(usize, usize)> {
        let Self { folder, trees, rejected, .. } = self;
        drop((trees, rejected));
        let kept = merge(&folder, TREES, TREES_LOG, tree_key)?;
        let refused = merge(&folder, REJECTED, REJECTED_LOG, rejected_key)?;
        Ok((kept, refused))
    }
}

fn tree_key(line: &[u8]) -> Option<Key> {
    serde_json::from_slice::<TreeKey>(line).ok().map(|key| (key.id, key.attempt))
}

fn rejected_key(line: &[u8]) -> Option<Key> {
    serde_json::from_slice::<RejectedKey>(line).ok().map(|key| (key.tree.id, key.tree.attempt))
}

/// Goes through the records of a file that may not be there: key, offset, length.
fn keys(path: &Path, key: fn(&[u8]) -> Option<Key>, mut with: impl FnMut(Key, u64, usize)) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut lines: Lines<serde_json::Value> = Lines::open(path)?;
    while let Some(line) = lines.next_line() {
        let (number, bytes) = line?;
        let reason = || "it has no number".to_owned();
        let key = key(&bytes).ok_or_else(|| Error::RecordInvalid {
            path: path.to_owned(),
            line: number,
            reason: reason(),
        })?;
        with(key, lines.start(), bytes.len());
    }
    Ok(())
}

/// Sorts a file and its log into the file. Places are kept in memory, lines are not.
fn merge(folder: &StageDir, name: &str, log: &str, key: fn(&[u8]) -> Option<Key>) -> Result<usize> {
    let sources: [PathBuf; 2] = [folder.file(name), folder.file(log)];
    let mut places: BTreeMap<Key, (usize, u64, usize)> = BTreeMap::new();
    for (source, path) in sources.iter().enumerate() {
        keys(path, key, |key, offset, len| {
            places.entry(key).or_insert((source, offset, len));
        })?;
    }
    let mut files: Vec<Option<File>> = sources.iter().map(|path| File::open(path).ok()).collect();
    replace_with(&folder.file(name), |out| {
        let mut out = BufWriter::new(out);
        for (source, offset, len) in places.values() {
            let file = files[*source].as_mut().ok_or_else(|| std::io::Error::other("a file went away"))?;
            let mut line = vec![0; *len];
            file.seek(SeekFrom::Start(*offset))?;
            file.read_exact(&mut line)?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    })?;
    // The log may go only now; should it stay, its records are known by their numbers.
    folder.remove(log)?;
    Ok(places.len())
}
