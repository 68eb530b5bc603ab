//! Which examples a tree gives: the paths that the user answered, and the two replies at each turn.

mod opening;

use std::collections::HashSet;
use std::ops::Range;

use self::opening::Openings;
use crate::preset::{DatasetNumbers, Ties};
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
pub(crate) fn examples(tree: &ConversationTree, form: Form, numbers: &DatasetNumbers, seed: u64) -> Vec<Example> {
    let openings = Openings { tree, numbers, seed };
    match form {
        Form::Sft => sft(tree, &openings).into_iter().map(Example::Sft).collect(),
        Form::Preference => pairs(tree, &openings).into_iter().map(Example::Preference).collect(),
    }
}

/// Whole paths with loss on preferred replies, each of which is learned exactly once.
///
/// A path holds what the user answered. Where that was a rejected reply it stays in the history without loss, and the
/// preferred one is an example of its own with the same history.
fn sft(tree: &ConversationTree, openings: &Openings<'_>) -> Vec<SftExample> {
    let mut learned = HashSet::new();
    let mut found: Vec<_> =
        tree.leaves().into_iter().flat_map(|leaf| path_examples(tree, leaf, &mut learned, openings)).collect();
    let left: Vec<_> = (0..tree.nodes.len()).filter(|place| !learned.contains(place)).collect();
    found.extend(left.into_iter().flat_map(|place| {
        let mut messages = tree.history(place);
        messages.push(ChatMessage::assistant(tree.nodes[place].reply(Branch::Preferred)));
        let mut loss_mask = vec![false; messages.len()];
        if let Some(last) = loss_mask.last_mut() {
            *last = true;
        }
        parted(tree, &tree.path_to(place), &messages, &loss_mask, openings)
    }));
    found
}

fn path_examples(
    tree: &ConversationTree,
    leaf: usize,
    learned: &mut HashSet<usize>,
    openings: &Openings<'_>,
) -> Vec<SftExample> {
    let mut messages = tree.history(leaf);
    messages.push(ChatMessage::assistant(tree.nodes[leaf].reply(Branch::Preferred)));
    let path = tree.path_to(leaf);
    let mut loss_mask = Vec::with_capacity(messages.len());
    for (at, place) in path.iter().enumerate() {
        let followed = path.get(at + 1).and_then(|next| tree.nodes[*next].parent).map(|(_, branch)| branch);
        let preferred = followed != Some(Branch::Rejected);
        loss_mask.extend([false, preferred && learned.insert(*place)]);
    }
    parted(tree, &path, &messages, &loss_mask, openings)
}

/// The conversations of a path: one, or two where the app is started again in between; none without a reply to learn.
fn parted(
    tree: &ConversationTree,
    path: &[usize],
    messages: &[ChatMessage],
    loss_mask: &[bool],
    openings: &Openings<'_>,
) -> Vec<SftExample> {
    let launch = openings.launch(path).unwrap_or(path.len());
    let conversation = |turns: Range<usize>| {
        let mut said: Vec<_> = openings.instructions(path, turns.start).into_iter().collect();
        let mut learned = vec![false; said.len()];
        let here = 2 * turns.start..2 * turns.end;
        said.extend_from_slice(&messages[here.clone()]);
        learned.extend_from_slice(&loss_mask[here]);
        learned.contains(&true).then(|| example(tree, said, learned))
    };
    [0..launch, launch..path.len()].into_iter().filter_map(conversation).collect()
}

fn example(tree: &ConversationTree, messages: Vec<ChatMessage>, loss_mask: Vec<bool>) -> SftExample {
    debug_assert!(messages.iter().zip(&loss_mask).all(|(message, on)| !on || message.role == Speaker::Assistant));
    SftExample { messages, loss_mask, source: source(tree), scripted: tree.scripted }
}

fn pairs(tree: &ConversationTree, openings: &Openings<'_>) -> Vec<PreferencePair> {
    let mut found = Vec::new();
    for (place, node) in tree.nodes.iter().enumerate() {
        let tie = node.verdict.as_ref().is_some_and(Verdict::is_tie);
        let same = node.preferred.text.trim() == node.rejected.text.trim();
        if same || (tie && openings.numbers.ties == Ties::Drop) {
            continue;
        }
        let path = tree.path_to(place);
        let turn = openings.launch(&path).unwrap_or_default();
        let said = tree.history(place).split_off(2 * turn);
        found.push(PreferencePair {
            prompt: openings.instructions(&path, turn).into_iter().chain(said).collect(),
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
