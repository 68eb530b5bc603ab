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
        Form::Sft => sft(&openings).into_iter().map(Example::Sft).collect(),
        Form::Preference => pairs(&openings).into_iter().map(Example::Preference).collect(),
    }
}

/// Whole paths with loss on preferred replies, each of which is learned exactly once.
///
/// A path holds what the user answered. Where that was a rejected reply it stays in the history without loss, and the
/// preferred one is an example of its own with the same history.
fn sft(openings: &Openings<'_>) -> Vec<SftExample> {
    let tree = openings.tree;
    let mut learned = HashSet::new();
    let mut found: Vec<_> =
        tree.leaves().into_iter().flat_map(|leaf| path_examples(openings, leaf, &mut learned)).collect();
    let left: Vec<_> = (0..tree.nodes.len()).filter(|place| !learned.contains(place)).collect();
    found.extend(left.into_iter().flat_map(|place| parted(openings, place, |at| at == place)));
    found
}

fn path_examples(openings: &Openings<'_>, leaf: usize, learned: &mut HashSet<usize>) -> Vec<SftExample> {
    let nodes = &openings.tree.nodes;
    let path = openings.tree.path_to(leaf);
    let rejected = |next: &usize| matches!(nodes[*next].parent, Some((_, Branch::Rejected)));
    let left: HashSet<usize> = path.windows(2).filter(|pair| rejected(&pair[1])).map(|pair| pair[0]).collect();
    parted(openings, leaf, |place| !left.contains(&place) && learned.insert(place))
}

/// The conversations of the path to a node, with loss on the replies of the turns that are `learned`: one, or two where the
/// app is started again in between; none without a reply to learn.
fn parted(openings: &Openings<'_>, place: usize, mut learned: impl FnMut(usize) -> bool) -> Vec<SftExample> {
    let tree = openings.tree;
    let mut messages = tree.history(place);
    messages.push(ChatMessage::assistant(tree.nodes[place].reply(Branch::Preferred)));
    let path = tree.path_to(place);
    let loss_mask: Vec<bool> = path.iter().flat_map(|at| [false, learned(*at)]).collect();
    let launch = openings.launch(&path).unwrap_or(path.len());
    let conversation = |turns: Range<usize>| {
        let mut said: Vec<_> = openings.instructions(&path, turns.start).into_iter().collect();
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

fn pairs(openings: &Openings<'_>) -> Vec<PreferencePair> {
    let tree = openings.tree;
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
