//! Which examples a tree gives: the paths that the user answered, and the two replies at each turn.

use std::collections::HashSet;

use crate::preset::Ties;
use crate::record::{Branch, ChatMessage, ConversationTree, Example, PreferencePair, SftExample, Speaker, Verdict};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Sft,
    Preference,
}

impl Form {
    /// The name in flags and files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Preference => "dpo",
        }
    }
}

/// The examples of a tree, in the order of its nodes.
pub(crate) fn examples(tree: &ConversationTree, form: Form, ties: Ties) -> Vec<Example> {
    match form {
        Form::Sft => sft(tree).into_iter().map(Example::Sft).collect(),
        Form::Preference => pairs(tree, ties).into_iter().map(Example::Preference).collect(),
    }
}

/// Whole paths with loss on preferred replies, each of which is learned exactly once.
///
/// A path holds what the user answered. Where that was a rejected reply it stays in the history without loss, and the
/// preferred one is an example of its own with the same history.
fn sft(tree: &ConversationTree) -> Vec<SftExample> {
    let mut learned = HashSet::new();
    let mut found: Vec<_> =
        tree.leaves().into_iter().filter_map(|leaf| path_example(tree, leaf, &mut learned)).collect();
    let left: Vec<_> = (0..tree.nodes.len()).filter(|place| !learned.contains(place)).collect();
    found.extend(left.into_iter().filter_map(|place| {
        let mut messages = tree.history(place);
        messages.push(ChatMessage::assistant(tree.nodes[place].reply(Branch::Preferred)));
        let mut loss_mask = vec![false; messages.len()];
        *loss_mask.last_mut()? = true;
        Some(example(tree, messages, loss_mask))
    }));
    found
}

fn path_example(tree: &ConversationTree, leaf: usize, learned: &mut HashSet<usize>) -> Option<SftExample> {
    let mut messages = tree.history(leaf);
    messages.push(ChatMessage::assistant(tree.nodes[leaf].reply(Branch::Preferred)));
    let path = tree.path_to(leaf);
    let mut loss_mask = Vec::with_capacity(messages.len());
    for (at, place) in path.iter().enumerate() {
        let followed = path.get(at + 1).and_then(|next| tree.nodes[*next].parent).map(|(_, branch)| branch);
        let preferred = followed != Some(Branch::Rejected);
        loss_mask.extend([false, preferred && learned.insert(*place)]);
    }
    loss_mask.contains(&true).then(|| example(tree, messages, loss_mask))
}

fn example(tree: &ConversationTree, messages: Vec<ChatMessage>, loss_mask: Vec<bool>) -> SftExample {
    debug_assert!(messages.iter().zip(&loss_mask).all(|(message, on)| !on || message.role == Speaker::Assistant));
    SftExample { messages, loss_mask, source: source(tree), scripted: tree.scripted }
}

fn pairs(tree: &ConversationTree, ties: Ties) -> Vec<PreferencePair> {
    let mut found = Vec::new();
    for (place, node) in tree.nodes.iter().enumerate() {
        let tie = node.verdict.as_ref().is_some_and(Verdict::is_tie);
        let same = node.preferred.text.trim() == node.rejected.text.trim();
        if same || (tie && ties == Ties::Drop) {
            continue;
        }
        found.push(PreferencePair {
            prompt: tree.history(place),
            chosen: vec![ChatMessage::assistant(node.reply(Branch::Preferred))],
            rejected: vec![ChatMessage::assistant(node.reply(Branch::Rejected))],
            source: source(tree),
            scripted: tree.scripted,
        });
    }
    found
}

fn source(tree: &ConversationTree) -> String {
    format!("tree-{}", tree.id)
}

#[cfg(test)]
mod properties;
