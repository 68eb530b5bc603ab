//! The conversations of a run, by place: a summary of each in memory, the texts on the disk.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::overview::{Outcome, Overview};
use crate::dialogue::{FOLDER, REJECTED, REJECTED_LOG, TREES, TREES_LOG};
use crate::error::{Error, Result};
use crate::record::{ConversationTree, RejectedTree, Rejection, TreeOrigin};
use crate::run_dir::Lines;

/// A title is the beginning of the profile.
const TITLE_LETTERS: usize = 90;

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    id: u64,
    attempt: u32,
    persona: String,
    title: String,
    turns: usize,
    /// Ends of its paths: more than one where both replies were followed.
    leaves: usize,
    swapped: usize,
    ties: usize,
    imported: bool,
    scripted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<Rejection>,
}

/// The conversations that were taken, then those that were not; each known by its place.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    summaries: Vec<Summary>,
    places: Vec<Place>,
    /// Whether it was rejected, number and attempt.
    known: HashSet<(bool, u64, u32)>,
    overview: Overview,
}

/// Where the texts of a conversation lie: file, offset, length.
type Place = (Arc<Path>, u64, usize);

impl Conversations {
    /// Goes through the files of the stage, also while it is at work; half a line at a log's end is not there yet.
    pub(crate) fn open(run: &Path) -> Result<Self> {
        let mut all = Self::default();
        let folder = run.join(FOLDER);
        for name in [TREES, TREES_LOG] {
            each_line(&folder.join(name), |place, bytes| all.take(place, bytes))?;
        }
        for name in [REJECTED, REJECTED_LOG] {
            each_line(&folder.join(name), |place, bytes| all.take_rejected(place, bytes))?;
        }
        Ok(all)
    }

    /// A summary of each, by place.
    pub(crate) fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    pub(crate) fn overview(&self) -> &Overview {
        &self.overview
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The conversation at this place, from the disk.
    ///
    /// # Errors
    /// [`Error::RecordInvalid`] where the file is no longer what was listed.
    pub(crate) fn read(&self, place: usize) -> Result<ConversationTree> {
        let (path, start, len) = self.places.get(place).ok_or_else(|| Error::internal("no such conversation"))?;
        let failed = |error| Error::io(&**path, error);
        let mut file = File::open(path.as_ref()).map_err(failed)?;
        let mut bytes = vec![0; *len];
        file.seek(SeekFrom::Start(*start)).map_err(failed)?;
        file.read_exact(&mut bytes).map_err(failed)?;
        let rejected = self.summaries[place].rejection.is_some();
        let tree = if rejected {
            serde_json::from_slice::<RejectedTree>(&bytes).map(|rejected| rejected.tree)
        } else {
            serde_json::from_slice(&bytes)
        };
        let changed = || "it has changed; load the page again".to_owned();
        let tree = tree.ok().filter(|tree| tree.id == self.summaries[place].id);
        tree.ok_or_else(|| Error::RecordInvalid { path: path.to_path_buf(), line: place as u64 + 1, reason: changed() })
    }

    /// Places of conversations that hold all of these words, in any text of theirs.
    pub(crate) fn search(&self, words: &str) -> Result<Vec<usize>> {
        let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
        let mut found = Vec::new();
        for place in 0..self.places.len() {
            let text = spoken(&self.read(place)?).to_lowercase();
            if words.iter().all(|word| text.contains(word)) {
                found.push(place);
            }
        }
        Ok(found)
    }

    fn take(&mut self, place: Place, bytes: &[u8]) -> bool {
        let Some(tree) = serde_json::from_slice::<ConversationTree>(bytes).ok().filter(ConversationTree::is_sound)
        else {
            return false;
        };
        // A kill between merging and removing the log leaves a conversation in both.
        if self.known.insert((false, tree.id, tree.attempt)) {
            self.overview.add(&tree);
            self.summaries.push(summary(&tree, None));
            self.places.push(place);
        }
        true
    }

    fn take_rejected(&mut self, place: Place, bytes: &[u8]) -> bool {
        let Ok(RejectedTree { rejection, tree }) = serde_json::from_slice(bytes) else { return false };
        if self.known.insert((true, tree.id, tree.attempt)) {
            self.overview.reject(&rejection);
            self.summaries.push(summary(&tree, Some(rejection)));
            self.places.push(place);
        }
        true
    }
}

fn each_line(path: &Path, mut with: impl FnMut(Place, &[u8]) -> bool) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file: Arc<Path> = Arc::from(path);
    let mut lines: Lines<serde_json::Value> = Lines::open(path)?;
    while let Some(line) = lines.next_line() {
        let (number, bytes) = line?;
        let whole = with((Arc::clone(&file), lines.start(), bytes.len()), &bytes);
        if !whole && !is_log(path) {
            let reason = "it is no conversation".to_owned();
            return Err(Error::RecordInvalid { path: path.to_owned(), line: number, reason });
        }
    }
    Ok(())
}

fn is_log(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".log.jsonl")
}

fn summary(tree: &ConversationTree, rejection: Option<Rejection>) -> Summary {
    let ties = tree.nodes.iter().filter(|node| Outcome::of(node) == Outcome::Tie).count();
    Summary {
        id: tree.id,
        attempt: tree.attempt,
        persona: tree.persona.id.clone(),
        title: tree.persona.profile.chars().take(TITLE_LETTERS).collect(),
        turns: tree.nodes.len(),
        leaves: tree.leaves().len(),
        swapped: tree.nodes.iter().filter(|node| node.swapped).count(),
        ties,
        imported: tree.origin == TreeOrigin::Imported,
        scripted: tree.scripted,
        rejection,
    }
}

fn spoken(tree: &ConversationTree) -> String {
    let turns = tree.nodes.iter().flat_map(|node| [&node.user.text, &node.preferred.text, &node.rejected.text]);
    let texts = [&tree.persona.id, &tree.persona.profile, &tree.persona.personality].into_iter().chain(turns);
    texts.map(String::as_str).collect::<Vec<_>>().join("\n")
}
