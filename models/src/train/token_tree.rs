//! Sequences that share their beginnings as one tree of tokens, laid out so that every token is computed once.
//!
//! Nothing has to know where a conversation branched: whatever sequences begin with the same tokens share them. The
//! replies of a pair share their prompt, the turns of a conversation what was said before.

use std::collections::HashMap;

use super::ops::QueryBlock;

/// Queries that are multiplied with their keys at once: more would compute more of what a causal mask throws away.
const MOST_ROWS: usize = 128;

/// A tree in the making. Node 0 is the empty beginning.
#[derive(Debug, Clone)]
pub(crate) struct TokenTree {
    nodes: Vec<Node>,
    children: HashMap<(usize, u32), usize>,
}

#[derive(Debug, Clone)]
struct Node {
    token: u32,
    parent: usize,
    depth: u32,
}

/// A batch: the tokens of a tree in depth-first order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) tokens: Vec<u32>,
    /// Tokens before each on its own path.
    pub(crate) positions: Vec<u32>,
    pub(crate) blocks: Vec<QueryBlock>,
}

impl Default for TokenTree {
    fn default() -> Self {
        Self { nodes: vec![Node { token: 0, parent: 0, depth: 0 }], children: HashMap::new() }
    }
}

impl TokenTree {
    /// Adds a sequence; answers with the node of each of its tokens.
    pub(crate) fn insert(&mut self, tokens: &[u32]) -> Vec<usize> {
        let mut at = 0;
        let mut path = Vec::with_capacity(tokens.len());
        for token in tokens {
            at = match self.children.get(&(at, *token)) {
                Some(child) => *child,
                None => {
                    let child = self.nodes.len();
                    self.nodes.push(Node { token: *token, parent: at, depth: self.nodes[at].depth + 1 });
                    self.children.insert((at, *token), child);
                    child
                }
            };
            path.push(at);
        }
        path
    }

    /// Tokens in the tree.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// The batch, and the row of each node.
    pub(crate) fn pack(&self) -> (Packed, Vec<usize>) {
        let order = self.depth_first();
        let mut rows = vec![usize::MAX; self.nodes.len()];
        order.iter().enumerate().for_each(|(row, node)| rows[*node] = row);
        let tokens = order.iter().map(|node| self.nodes[*node].token).collect();
        let positions = order.iter().map(|node| self.nodes[*node].depth - 1).collect();
        let parents: Vec<Option<usize>> = order
            .iter()
            .map(|node| self.nodes[*node].parent)
            .map(|parent| (parent != 0).then(|| rows[parent]))
            .collect();
        (Packed { tokens, positions, blocks: blocks(&parents) }, rows)
    }

    /// Larger branches first: a path that goes on without a gap is one range to look at.
    fn depth_first(&self) -> Vec<usize> {
        let mut sizes = vec![1_usize; self.nodes.len()];
        let mut branches: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for node in (1..self.nodes.len()).rev() {
            sizes[self.nodes[node].parent] += sizes[node];
            branches[self.nodes[node].parent].push(node);
        }
        let mut order = Vec::with_capacity(self.len());
        let mut waiting = vec![0];
        while let Some(node) = waiting.pop() {
            if node != 0 {
                order.push(node);
            }
            // The last one that waits goes first.
            branches[node].sort_by_key(|child| (sizes[*child], std::cmp::Reverse(*child)));
            waiting.append(&mut branches[node]);
        }
        order
    }
}

/// Runs of rows in which each follows its parent, cut into blocks.
fn blocks(parents: &[Option<usize>]) -> Vec<QueryBlock> {
    let mut blocks: Vec<QueryBlock> = Vec::new();
    // For each row the run that it is in, and for each run where it begins and what it sees before.
    let mut run_of: Vec<usize> = Vec::with_capacity(parents.len());
    let mut runs: Vec<(usize, Vec<std::ops::Range<usize>>)> = Vec::new();
    for (row, parent) in parents.iter().enumerate() {
        if row == 0 || *parent != Some(row - 1) {
            let seen = parent.map_or_else(Vec::new, |parent| {
                let (start, before) = &runs[run_of[parent]];
                let mut seen = before.clone();
                seen.push(*start..parent + 1);
                seen
            });
            runs.push((row, seen));
        }
        run_of.push(runs.len() - 1);
    }
    for (at, (start, before)) in runs.iter().enumerate() {
        let end = runs.get(at + 1).map_or(parents.len(), |next| next.0);
        for from in (*start..end).step_by(MOST_ROWS) {
            let rows = from..(from + MOST_ROWS).min(end);
            let mut seen = before.clone();
            seen.push(*start..rows.end);
            blocks.push(QueryBlock { rows, seen: joined(seen) });
        }
    }
    blocks
}

fn joined(ranges: Vec<std::ops::Range<usize>>) -> Vec<std::ops::Range<usize>> {
    let mut whole: Vec<std::ops::Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match whole.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => whole.push(range),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sequences_share_is_there_once() {
        let mut tree = TokenTree::default();
        let first = tree.insert(&[1, 2, 3, 4]);
        let second = tree.insert(&[1, 2, 5]);
        assert_eq!((tree.len(), &first[..2]), (5, &second[..2]));
        let (packed, rows) = tree.pack();
        assert_eq!(packed.tokens, [1, 2, 3, 4, 5]);
        assert_eq!(packed.positions, [0, 1, 2, 3, 2]);
        assert_eq!(rows[second[2]], 4);
        assert_eq!(packed.blocks[1], QueryBlock { rows: 4..5, seen: vec![0..2, 4..5] });
    }

    proptest::proptest! {
        #[test]
        fn each_row_sees_its_path_and_nothing_else(
            sequences in proptest::collection::vec(proptest::collection::vec(0_u32..3, 1..200), 1..8)
        ) {
            let mut tree = TokenTree::default();
            let paths: Vec<_> = sequences.iter().map(|tokens| tree.insert(tokens)).collect();
            let (packed, rows) = tree.pack();
            let mut covered = 0;
            for block in &packed.blocks {
                covered += block.rows.len();
                for row in block.rows.clone() {
                    let seen: Vec<_> = block.seen.iter().flat_map(Clone::clone).filter(|key| *key <= row).collect();
                    let on_paths = |path: &Vec<usize>| path.iter().any(|node| rows[*node] == row);
                    let path = paths.iter().find(|path| on_paths(path)).expect("every row is on a path");
                    let path: Vec<_> = path.iter().map(|node| rows[*node]).take_while(|key| *key <= row).collect();
                    proptest::prop_assert_eq!(&seen, &path);
                    proptest::prop_assert_eq!(packed.positions[row] as usize, path.len() - 1);
                }
            }
            proptest::prop_assert_eq!(covered, tree.len());
        }
    }
}
