//! From examples to batches: which go together, and what of the batch is whose.

use super::llama::Target;
use super::token_tree::{Packed, TokenTree};
use crate::random::Draws;

/// A tokenized conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) tokens: Vec<u32>,
    /// One for each token: whether it is to be learned.
    pub(crate) learned: Vec<bool>,
}

/// What one line of a dataset asks: a conversation, or a chosen and a rejected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenizedExample {
    /// The line of its file, from 1: what a message about it names.
    pub(crate) line: u64,
    /// Examples of one conversation tree have the same.
    pub(crate) group: usize,
    /// One, or two of a pair.
    pub(crate) sequences: Vec<Sequence>,
}

impl Sequence {
    /// Tokens with loss: the first of a sequence has nothing before it to be predicted from.
    pub(crate) fn learned_tokens(&self) -> usize {
        self.learned.iter().skip(1).filter(|learned| **learned).count()
    }
}

/// Examples that go through the model together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) packed: Packed,
    pub(crate) targets: Vec<Target>,
    /// The examples, by their place in the dataset.
    pub(crate) examples: Vec<usize>,
    /// `[examples][sequences]`: places in `targets`.
    pub(crate) parts: Vec<Vec<Vec<usize>>>,
}

impl Batch {
    /// Lays the examples of these places out as one tree.
    pub(crate) fn new(all: &[TokenizedExample], examples: &[usize]) -> Self {
        let mut tree = TokenTree::default();
        let paths: Vec<Vec<Vec<usize>>> = examples
            .iter()
            .map(|place| all[*place].sequences.iter().map(|sequence| tree.insert(&sequence.tokens)).collect())
            .collect();
        let (packed, rows) = tree.pack();
        let wanted = |sequence: &Sequence, path: &[usize]| -> Vec<Target> {
            let learned = (1..path.len()).filter(|at| sequence.learned[*at]);
            learned.map(|at| Target { row: rows[path[at - 1]], token: sequence.tokens[at] }).collect()
        };
        let wanted: Vec<Vec<Vec<Target>>> = examples
            .iter()
            .zip(&paths)
            .map(|(place, paths)| {
                all[*place].sequences.iter().zip(paths).map(|(sequence, path)| wanted(sequence, path)).collect()
            })
            .collect();
        let mut targets: Vec<Target> = wanted.iter().flatten().flatten().copied().collect();
        targets.sort_unstable();
        targets.dedup();
        let place = |target: &Target| targets.binary_search(target).expect("all of them were taken");
        let parts = wanted
            .iter()
            .map(|sequences| sequences.iter().map(|part| part.iter().map(place).collect()).collect())
            .collect();
        Self { packed, targets, examples: examples.to_vec(), parts }
    }

    /// Tokens that are computed.
    pub(crate) fn tokens(&self) -> usize {
        self.packed.tokens.len()
    }
}

/// The order of an epoch: groups drawn, the examples of a group as they stand.
pub(crate) fn order(examples: &[TokenizedExample], seed: u64, epoch: usize) -> Vec<usize> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (place, example) in examples.iter().enumerate() {
        let group = *places.entry(example.group).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(place);
    }
    Draws::new(seed, "epoch", epoch as u64).shuffle(&mut groups);
    groups.concat()
}

/// Cuts examples into batches of at most `most_tokens` tokens, each at least one example.
pub(crate) fn pack(all: &[TokenizedExample], examples: &[usize], most_tokens: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tree = TokenTree::default();
    for place in examples {
        let mut grown = tree.clone();
        all[*place].sequences.iter().for_each(|sequence| drop(grown.insert(&sequence.tokens)));
        match batches.last_mut().filter(|_| grown.len() <= most_tokens) {
            Some(batch) => {
                batch.push(*place);
                tree = grown;
            }
            None => {
                tree = TokenTree::default();
                all[*place].sequences.iter().for_each(|sequence| drop(tree.insert(&sequence.tokens)));
                batches.push(vec![*place]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(group: usize, sequences: &[&[u32]]) -> TokenizedExample {
        let sequence = |tokens: &&[u32]| Sequence {
            tokens: tokens.to_vec(),
            learned: (0..tokens.len()).map(|at| at + 2 >= tokens.len()).collect(),
        };
        TokenizedExample { line: 0, group, sequences: sequences.iter().map(sequence).collect() }
    }

    #[test]
    fn a_pair_shares_its_prompt_and_each_reply_has_its_targets() {
        let all = [example(0, &[&[1, 2, 3, 4, 5], &[1, 2, 3, 6, 5]])];
        let batch = Batch::new(&all, &[0]);
        assert_eq!(batch.tokens(), 7);
        let tokens = |part: &[usize]| part.iter().map(|at| batch.targets[*at].token).collect::<Vec<_>>();
        assert_eq!((tokens(&batch.parts[0][0]), tokens(&batch.parts[0][1])), (vec![4, 5], vec![6, 5]));
        let rows = |part: &[usize]| part.iter().map(|at| batch.targets[*at].row).collect::<Vec<_>>();
        assert_eq!(rows(&batch.parts[0][0])[0], rows(&batch.parts[0][1])[0], "both follow the prompt's last token");
    }

    #[test]
    fn batches_hold_as_much_as_fits_and_an_order_is_drawn_by_groups() {
        let all: Vec<_> = (0..9).map(|at| example(at / 3, &[&[1, 2, 3, at as u32 + 10]])).collect();
        let order = order(&all, 1, 0);
        assert!(order.chunks(3).all(|group| group.iter().all(|place| place / 3 == group[0] / 3)));
        let batches = pack(&all, &order, 6);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3]);
        assert_eq!(pack(&all, &order, 1).len(), 9);
    }
}
