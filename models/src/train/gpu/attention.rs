//! Attention over a tree of tokens, as `ops` has it, a tile of many query blocks at a time.
//!
//! A GPU is kept busy by large products, so blocks that stand beside each other are one tile: its keys are the ranges that
//! any of them sees, and a mask, made once a batch, hides from each row what is not on its path.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::arithmetic::upload;
use crate::train::memory::TILE_ROWS;
use crate::train::ops::QueryBlock;

/// What is added to a score that a row must not see: its weight becomes an exact 0, and no infinity is ever subtracted.
const HIDDEN: f32 = -1e30;

/// Rows that look at the same ranges of rows.
#[derive(Debug)]
pub(super) struct Tile {
    rows: Range<usize>,
    /// In order and apart from each other.
    seen: Vec<Range<usize>>,
    /// `[1, rows, seen]`: 0, or [`HIDDEN`].
    mask: Tensor<3>,
}

/// Queries, keys and values, `[heads, tokens, head_dim]` each; a key head serves `n_head / n_head_kv` query heads.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    pub(super) q: Tensor<3>,
    pub(super) k: Tensor<3>,
    pub(super) v: Tensor<3>,
}

/// The tiles of a batch.
pub(super) fn tiles(blocks: &[QueryBlock], device: &Device) -> Vec<Tile> {
    let mut groups: Vec<&[QueryBlock]> = Vec::new();
    let mut from = 0;
    for at in 0..blocks.len() {
        if blocks[at].rows.end - blocks[from].rows.start > TILE_ROWS && at > from {
            groups.push(&blocks[from..at]);
            from = at;
        }
    }
    groups.push(&blocks[from..]);
    groups.into_iter().filter(|group| !group.is_empty()).map(|group| Tile::new(group, device)).collect()
}

/// Ranges joined where they touch.
fn union(blocks: &[QueryBlock]) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = blocks.iter().flat_map(|block| block.seen.iter().cloned()).collect();
    all.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in all {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// What the rows of some blocks see of these ranges, `[rows, seen]`.
fn mask(blocks: &[QueryBlock], seen: &[Range<usize>]) -> Vec<f32> {
    let width: usize = seen.iter().map(Range::len).sum();
    let column = |row: usize| {
        let before = seen.iter().take_while(|range| range.end <= row).map(Range::len).sum::<usize>();
        before + row - seen.iter().find(|range| range.contains(&row)).map_or(row, |range| range.start)
    };
    let mut mask = Vec::new();
    for (block, row) in blocks.iter().flat_map(|block| block.rows.clone().map(move |row| (block, row))) {
        let start = mask.len();
        mask.resize(start + width, HIDDEN);
        for range in &block.seen {
            // Of its own run a row sees what stands before it, and itself.
            let len = range.end.min(row + 1).saturating_sub(range.start);
            let from = start + column(range.start);
            mask[from..from + len].fill(0.0);
        }
    }
    mask
}

impl Tile {
    fn new(blocks: &[QueryBlock], device: &Device) -> Self {
        let rows = blocks[0].rows.start..blocks[blocks.len() - 1].rows.end;
        let seen = union(blocks);
        let shape = [1, rows.len(), seen.iter().map(Range::len).sum()];
        Self { mask: upload(mask(blocks, &seen), shape, device), rows, seen }
    }

    /// The tile's rows.
    fn own(&self, x: &Tensor<3>) -> Tensor<3> {
        x.clone().narrow(1, self.rows.start, self.rows.len())
    }

    /// The rows that it sees.
    fn seen(&self, x: &Tensor<3>) -> Tensor<3> {
        let parts: Vec<_> = self.seen.iter().map(|range| x.clone().narrow(1, range.start, range.len())).collect();
        if parts.len() == 1 { parts.into_iter().collect::<Vec<_>>().remove(0) } else { Tensor::cat(parts, 1) }
    }

    /// The way back of [`Tile::seen`]: rows that it does not see get nothing.
    fn to_all(&self, of_seen: Tensor<3>, tokens: usize) -> Tensor<3> {
        let ([heads, _, dim], device) = (of_seen.dims(), of_seen.device());
        let gap = |from: usize, to: usize| (to > from).then(|| Tensor::zeros([heads, to - from, dim], &device));
        let (mut parts, mut at, mut column) = (Vec::new(), 0, 0);
        for range in &self.seen {
            parts.extend(gap(at, range.start));
            parts.push(of_seen.clone().narrow(1, column, range.len()));
            (at, column) = (range.end, column + range.len());
        }
        parts.extend(gap(at, tokens));
        Tensor::cat(parts, 1)
    }

    /// Attention weights, `[n_head, rows, seen]`.
    fn weights(&self, q: &Tensor<3>, k: &Tensor<3>) -> Tensor<3> {
        let [_, _, dim] = q.dims();
        let scores = ungroup(group(q.clone(), k).matmul(k.clone().swap_dims(1, 2)), q);
        let scores = scores * scale(dim) + self.mask.clone();
        let exp = (scores.clone() - scores.max_dim(2)).exp();
        exp.clone() / exp.sum_dim(2)
    }
}

fn scale(dim: usize) -> f32 {
    1.0 / (dim as f32).sqrt()
}

/// The query heads of a key head below each other: `[n_head_kv, group * rows, ..]`.
fn group(x: Tensor<3>, of: &Tensor<3>) -> Tensor<3> {
    let ([heads, rows, width], kv) = (x.dims(), of.dims()[0]);
    x.reshape([kv, heads / kv * rows, width])
}

/// The way back of [`group`], to the heads and rows of `like`.
fn ungroup(x: Tensor<3>, like: &Tensor<3>) -> Tensor<3> {
    let ([heads, rows, _], width) = (like.dims(), x.dims()[2]);
    x.reshape([heads, rows, width])
}

/// `softmax(q kᵀ / sqrt(head_dim)) v`, `[n_head, tokens, head_dim]`.
pub(super) fn attend(inputs: &Inputs, tiles: &[Tile]) -> Tensor<3> {
    let of = |tile: &Tile| {
        let (q, k, v) = (tile.own(&inputs.q), tile.seen(&inputs.k), tile.seen(&inputs.v));
        let weights = tile.weights(&q, &k);
        ungroup(group(weights, &k).matmul(v), &q)
    };
    Tensor::cat(tiles.iter().map(of).collect(), 1)
}

/// Gradients of queries, keys and values from that of the output, in the layout of each.
pub(super) fn backward(inputs: &Inputs, out: &Tensor<3>, d_out: &Tensor<3>, tiles: &[Tile]) -> Inputs {
    let tokens = inputs.q.dims()[1];
    let (mut d_q, mut d_kv): (Vec<_>, Option<[Tensor<3>; 2]>) = (Vec::new(), None);
    for tile in tiles {
        let (q, k, v) = (tile.own(&inputs.q), tile.seen(&inputs.k), tile.seen(&inputs.v));
        let weights = tile.weights(&q, &k);
        let (out, d_out) = (tile.own(out), tile.own(d_out));
        let shared = (out * d_out.clone()).sum_dim(2);
        let d_out = group(d_out, &k);
        let d_weights = ungroup(d_out.clone().matmul(v.swap_dims(1, 2)), &q);
        let d_scores = group(weights.clone() * (d_weights - shared) * scale(q.dims()[2]), &k);
        d_q.push(ungroup(d_scores.clone().matmul(k.clone()), &q));
        let d_k = tile.to_all(d_scores.swap_dims(1, 2).matmul(group(q, &k)), tokens);
        let d_v = tile.to_all(group(weights, &k).swap_dims(1, 2).matmul(d_out), tokens);
        d_kv = Some(match d_kv {
            None => [d_k, d_v],
            Some([k, v]) => [k + d_k, v + d_v],
        });
    }
    let [k, v] = d_kv.expect("a batch has rows");
    Inputs { q: Tensor::cat(d_q, 1), k, v }
}
