//! The paper's conversations.jsonl, in and out, a record at a time.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::TreeStore;
use crate::error::Result;
use crate::record::{Branch, ConversationTree, Induced, Node, Persona, Revelation, Split, TreeOrigin, Utterance};
use crate::run_dir::{Lines, replace_with};

/// Imported conversations are numbered from here: grown ones stay below.
const FIRST_IMPORTED: u64 = 1 << 40;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PaperConversation {
    profile: String,
    personality: String,
    conversations: Vec<PaperTurn>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PaperTurn {
    user: String,
    assistant: PaperReplies,
    chosen: Branch,
    #[serde(default)]
    inferred_profile: Option<String>,
    #[serde(default)]
    inferred_personality: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PaperReplies {
    preferred: String,
    rejected: String,
}

/// What an import brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ImportReport {
    pub(crate) imported: usize,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A line that is no conversation. Says nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) line: u64,
    pub(crate) reason: &'static str,
}

/// Reads the `file`th imported file (from 0) into the store, or only checks it where there is none.
///
/// A conversation is numbered by file and line, so an import that was killed and begun again brings none twice.
pub(crate) fn import(
    path: &Path,
    file: u64,
    mut store: Option<&mut TreeStore>,
    progress: &dyn Fn(usize),
) -> Result<ImportReport> {
    let mut report = ImportReport::default();
    let mut lines: Lines<PaperConversation> = Lines::open(path)?;
    while let Some(line) = lines.next_line() {
        let (number, bytes) = line?;
        let id = FIRST_IMPORTED + (file << 32) + number;
        match read(&bytes, id) {
            Ok(tree) => {
                if let Some(store) = store.as_deref_mut().filter(|store| !store.is_done(id)) {
                    store.bring(&tree)?;
                }
                report.imported += 1;
                progress(report.imported);
            }
            Err(reason) => report.left_out.push(LeftOut { line: number, reason }),
        }
    }
    Ok(report)
}

fn read(line: &[u8], id: u64) -> Result<ConversationTree, &'static str> {
    let paper: PaperConversation = serde_json::from_slice(line).map_err(|_| "it is no conversation of this format")?;
    if paper.conversations.is_empty() {
        return Err("it has no turns");
    }
    let empty = |text: &str| text.trim().is_empty();
    let texts = |turn: &PaperTurn| {
        [&turn.user, &turn.assistant.preferred, &turn.assistant.rejected].iter().any(|text| empty(text))
    };
    if paper.conversations.iter().any(texts) {
        return Err("a message is empty");
    }
    if paper.conversations.iter().any(|turn| turn.assistant.preferred == turn.assistant.rejected) {
        return Err("two replies are the same");
    }
    Ok(tree_of(paper, id))
}

fn tree_of(paper: PaperConversation, id: u64) -> ConversationTree {
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..12].to_owned();
    let (profile_id, personality_id) = (hash(&paper.profile), hash(&paper.personality));
    let persona = Persona {
        id: format!("imported-{profile_id}-{personality_id}"),
        split: Split::Train,
        profile_id: format!("profile-{profile_id}"),
        personality_id: format!("personality-{personality_id}"),
        profile: paper.profile,
        personality: paper.personality,
        scripted: false,
    };
    let chosen: Vec<_> = paper.conversations.iter().map(|turn| turn.chosen).collect();
    let said = |text: String| Utterance { text, writer: None, seed: 0 };
    let known = |text: Option<String>| text.filter(|text| !matches!(text.trim(), "" | "None" | "none"));
    let node = |(place, turn): (usize, PaperTurn)| Node {
        parent: place.checked_sub(1).map(|before| (before, chosen[before])),
        user: said(turn.user),
        induced: Induced {
            profile: known(turn.inferred_profile),
            personality: known(turn.inferred_personality),
            writer: None,
            seed: 0,
        },
        preferred: said(turn.assistant.preferred),
        rejected: said(turn.assistant.rejected),
        contrast: None,
        swapped: false,
        verdict: None,
        chosen: turn.chosen,
    };
    ConversationTree {
        id,
        origin: TreeOrigin::Imported,
        persona,
        seed: 0,
        attempt: 0,
        writers: Vec::new(),
        nodes: paper.conversations.into_iter().enumerate().map(node).collect(),
        revelation: Revelation::default(),
        scripted: false,
    }
}

/// Writes the drawn path of every tree in the paper's format; answers with how many.
pub(crate) fn export(trees: &Path, out: Option<&Path>, progress: &dyn Fn(usize)) -> Result<usize> {
    let mut count = 0;
    let mut step = |tree: Result<ConversationTree>| -> Result<PaperConversation> {
        count += 1;
        progress(count);
        tree.map(|tree| paper_of(&tree))
    };
    let Some(out) = out else {
        for tree in Lines::open(trees)? {
            step(tree)?;
        }
        return Ok(count);
    };
    let mut failed = None;
    replace_with(out, |file| {
        let mut file = BufWriter::new(file);
        for tree in Lines::open(trees).map_err(|error| std::io::Error::other(error.to_string()))? {
            let record = match step(tree) {
                Ok(record) => record,
                Err(error) => {
                    failed = Some(error);
                    return Err(std::io::Error::other("a record could not be read"));
                }
            };
            serde_json::to_writer(&mut file, &record)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    })
    .map_err(|error| failed.take().unwrap_or(error))?;
    Ok(count)
}

fn paper_of(tree: &ConversationTree) -> PaperConversation {
    let none = || "None".to_owned();
    let turn = |place: usize| {
        let node = &tree.nodes[place];
        PaperTurn {
            user: node.user.text.clone(),
            assistant: PaperReplies { preferred: node.preferred.text.clone(), rejected: node.rejected.text.clone() },
            chosen: node.chosen,
            inferred_profile: Some(node.induced.profile.clone().unwrap_or_else(none)),
            inferred_personality: Some(node.induced.personality.clone().unwrap_or_else(none)),
        }
    };
    PaperConversation {
        profile: tree.persona.profile.clone(),
        personality: tree.persona.personality.clone(),
        conversations: tree.drawn_path().into_iter().map(turn).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"profile":"P","personality":"Q","conversations":[{"user":"a","assistant":{"preferred":"b","rejected":"c"},"chosen":"rejected","inferred_profile":"None","inferred_personality":"x"},{"user":"d","assistant":{"preferred":"e","rejected":"f"},"chosen":"preferred","inferred_profile":"y","inferred_personality":"x"}]}"#;

    #[test]
    fn a_conversation_comes_out_as_it_went_in() {
        let tree = read(LINE.as_bytes(), 7).expect("read");
        assert_eq!(tree.nodes[1].parent, Some((0, Branch::Rejected)));
        let history: Vec<_> = tree.history(1).into_iter().map(|message| message.content).collect();
        assert_eq!(history, ["a", "c", "d"]);
        assert_eq!(serde_json::to_string(&paper_of(&tree)).expect("written"), LINE);
    }

    #[test]
    fn what_could_not_be_trained_on_is_left_out() {
        assert!(read(b"[]", 0).is_err());
        assert!(read(LINE.replace("\"preferred\":\"b\"", "\"preferred\":\"c\"").as_bytes(), 0).is_err());
        assert!(read(LINE.replace("\"user\":\"d\"", "\"user\":\" \"").as_bytes(), 0).is_err());
        assert!(read(LINE.replace("\"chosen\":\"rejected\"", "\"chosen\":\"maybe\"").as_bytes(), 0).is_err());
    }
}
