//! Attention over a tree of tokens: each token sees itself and its ancestors, and nothing beside its path.
//!
//! Rows stand in depth-first order, so what a run of rows sees is a few ranges of rows before it and the run itself. A
//! block of queries is multiplied with these ranges one after the other, and no mask is ever made. Scores are computed
//! again on the way back: they would be the one thing whose memory grows with the square of the length.

use std::ops::Range;

use rayon::prelude::*;

use super::elementwise::{exp, max_of, sum_of, vectorized};
use super::matmul::{Mat, Onto, multiply_here};

/// Rows that see the same rows before them, and each other as far as they stand before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryBlock {
    pub(crate) rows: Range<usize>,
    /// In order; the last one ends with `rows`.
    pub(crate) seen: Vec<Range<usize>>,
}

/// The heads of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) n_head: usize,
    /// Each serves `n_head / n_head_kv` query heads.
    pub(crate) n_head_kv: usize,
    pub(crate) head_dim: usize,
}

/// What went in, `[heads, tokens, head_dim]` each.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
}

/// One query head with the keys and values that it looks at, `[tokens, head_dim]` each.
struct Head<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    dim: usize,
}

impl Heads {
    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    fn head<'a>(&self, inputs: Inputs<'a>, head: usize) -> Head<'a> {
        let len = inputs.q.len() / self.n_head;
        let kv = head * self.n_head_kv / self.n_head * len;
        let (k, v) = (&inputs.k[kv..kv + len], &inputs.v[kv..kv + len]);
        Head { q: &inputs.q[head * len..(head + 1) * len], k, v, dim: self.head_dim }
    }

    /// `softmax(q kᵀ / sqrt(head_dim)) v`, `[n_head, tokens, head_dim]`.
    pub(crate) fn attend(&self, inputs: Inputs<'_>, blocks: &[QueryBlock]) -> Vec<f32> {
        let mut out = vec![0.0; inputs.q.len()];
        let len = inputs.q.len() / self.n_head;
        out.par_chunks_mut(len).enumerate().for_each(|(head, out)| {
            let head = self.head(inputs, head);
            let mut weights = Vec::new();
            for block in blocks {
                let n = head.weights(block, self.scale(), &mut weights);
                let out = &mut out[block.rows.start * head.dim..block.rows.end * head.dim];
                let mut onto = Onto::Replace;
                for (columns, seen) in columns_of(block) {
                    let values = &head.v[seen.start * head.dim..seen.end * head.dim];
                    let weights = Mat::strided(&weights[columns..], block.rows.len(), seen.len(), n);
                    multiply_here(out, head.dim, weights, Mat::new(values, seen.len(), head.dim), 1.0, onto);
                    onto = Onto::Add;
                }
            }
        });
        out
    }

    /// Gradients of queries, keys and values from that of the output, in the layout of each.
    pub(crate) fn backward(
        &self,
        inputs: Inputs<'_>,
        out: &[f32],
        d_out: &[f32],
        blocks: &[QueryBlock],
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let len = inputs.q.len() / self.n_head;
        let mut d_q = vec![0.0; inputs.q.len()];
        // By query head, and summed afterwards in their order: so no two threads add to the same numbers.
        let (mut d_k, mut d_v) = (vec![0.0; inputs.q.len()], vec![0.0; inputs.q.len()]);
        let gradients = d_q.par_chunks_mut(len).zip(d_k.par_chunks_mut(len)).zip(d_v.par_chunks_mut(len));
        gradients.zip(out.par_chunks(len).zip(d_out.par_chunks(len))).enumerate().for_each(
            |(head, (((d_q, d_k), d_v), (out, d_out)))| {
                let head = self.head(inputs, head);
                let mut scratch = Scratch::default();
                for block in blocks {
                    head.backward(block, self.scale(), out, d_out, [&mut *d_q, &mut *d_k, &mut *d_v], &mut scratch);
                }
            },
        );
        (d_q, self.sum_of_groups(&d_k, len), self.sum_of_groups(&d_v, len))
    }

    fn sum_of_groups(&self, by_head: &[f32], len: usize) -> Vec<f32> {
        let group = self.n_head / self.n_head_kv;
        let mut sums = vec![0.0; len * self.n_head_kv];
        for (sum, heads) in sums.chunks_exact_mut(len).zip(by_head.chunks_exact(len * group)) {
            sum.copy_from_slice(&heads[..len]);
            heads[len..].chunks_exact(len).for_each(|head| super::add(sum, head));
        }
        sums
    }
}

#[derive(Default)]
struct Scratch {
    weights: Vec<f32>,
    d_weights: Vec<f32>,
}

/// The ranges that a block sees, each with the column of the block's weights at which it begins.
fn columns_of(block: &QueryBlock) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    let begin = |at: &mut usize, seen: &Range<usize>| {
        *at += seen.len();
        Some((*at - seen.len(), seen.clone()))
    };
    block.seen.iter().scan(0, begin)
}

impl Head<'_> {
    fn rows<'a>(&self, of: &'a [f32], rows: &Range<usize>) -> Mat<'a> {
        Mat::new(&of[rows.start * self.dim..rows.end * self.dim], rows.len(), self.dim)
    }

    /// Attention weights of a block, `[rows, seen]`; answers with the number of columns.
    fn weights(&self, block: &QueryBlock, scale: f32, weights: &mut Vec<f32>) -> usize {
        let m = block.rows.len();
        let n: usize = block.seen.iter().map(Range::len).sum();
        weights.clear();
        weights.resize(m * n, 0.0);
        for (columns, seen) in columns_of(block) {
            let (q, k) = (self.rows(self.q, &block.rows), self.rows(self.k, &seen));
            multiply_here(&mut weights[columns..], n, q, k.t(), scale, Onto::Replace);
        }
        for (row, scores) in weights.chunks_exact_mut(n).enumerate() {
            let (seen, later) = scores.split_at_mut(n - m + row + 1);
            later.fill(0.0);
            vectorized(|| softmax(seen));
        }
        n
    }

    fn backward(
        &self,
        block: &QueryBlock,
        scale: f32,
        out: &[f32],
        d_out: &[f32],
        [d_q, d_k, d_v]: [&mut [f32]; 3],
        scratch: &mut Scratch,
    ) {
        let n = self.weights(block, scale, &mut scratch.weights);
        let (m, dim) = (block.rows.len(), self.dim);
        let own = block.rows.start * dim..block.rows.end * dim;
        let (out, d_out) = (&out[own.clone()], &d_out[own.clone()]);
        let d_out_rows = Mat::new(d_out, m, dim);
        scratch.d_weights.clear();
        scratch.d_weights.resize(m * n, 0.0);
        for (columns, seen) in columns_of(block) {
            let values = self.rows(self.v, &seen);
            multiply_here(&mut scratch.d_weights[columns..], n, d_out_rows, values.t(), 1.0, Onto::Replace);
            let weights = Mat::strided(&scratch.weights[columns..], m, seen.len(), n);
            let d_v = &mut d_v[seen.start * dim..seen.end * dim];
            multiply_here(d_v, dim, weights.t(), d_out_rows, 1.0, Onto::Add);
        }
        let rows = scratch.d_weights.chunks_exact_mut(n).zip(scratch.weights.chunks_exact(n));
        for ((d_weights, weights), (out, d_out)) in rows.zip(out.chunks_exact(dim).zip(d_out.chunks_exact(dim))) {
            vectorized(|| {
                let shared = sum_of(out, d_out, |a, b| a * b);
                d_weights.iter_mut().zip(weights).for_each(|(d, w)| *d = w * (*d - shared) * scale);
            });
        }
        let d_q = &mut d_q[own];
        let mut onto = Onto::Replace;
        for (columns, seen) in columns_of(block) {
            let d_scores = Mat::strided(&scratch.d_weights[columns..], m, seen.len(), n);
            multiply_here(d_q, dim, d_scores, self.rows(self.k, &seen), 1.0, onto);
            onto = Onto::Add;
            let d_k = &mut d_k[seen.start * dim..seen.end * dim];
            multiply_here(d_k, dim, d_scores.t(), self.rows(self.q, &block.rows), 1.0, Onto::Add);
        }
    }
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let max = max_of(scores);
    scores.iter_mut().for_each(|s| *s = exp(*s - max));
    let sum = sum_of(scores, scores, |s, _| s);
    let scale = 1.0 / sum;
    scores.iter_mut().for_each(|s| *s *= scale);
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::{check, noise};
    use super::*;

    const HEADS: Heads = Heads { n_head: 4, n_head_kv: 2, head_dim: 6 };

    /// Seven tokens: 0-1-2, then 3-4 after 1, then 5-6 after 4.
    fn blocks() -> Vec<QueryBlock> {
        let block = |rows: Range<usize>, seen: &[Range<usize>]| QueryBlock { rows, seen: seen.to_vec() };
        vec![block(0..3, std::slice::from_ref(&(0..3))), block(3..5, &[0..2, 3..5]), block(5..7, &[0..2, 3..7])]
    }

    fn inputs(x: &[f32]) -> Inputs<'_> {
        let (q, rest) = x.split_at(4 * 7 * 6);
        let (k, v) = rest.split_at(2 * 7 * 6);
        Inputs { q, k, v }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        check(
            8 * 7 * 6,
            |x| HEADS.attend(inputs(x), &blocks()),
            |x, d_out| {
                let out = HEADS.attend(inputs(x), &blocks());
                let (d_q, d_k, d_v) = HEADS.backward(inputs(x), &out, d_out, &blocks());
                [d_q, d_k, d_v].concat()
            },
        );
    }

    #[test]
    fn a_token_does_not_see_what_is_beside_its_path() {
        let x = noise(8 * 7 * 6, 3);
        let before = HEADS.attend(inputs(&x), &blocks());
        let mut moved = x.clone();
        // Token 2 of every key and value head.
        for head in 4..8 {
            moved[(head * 7 + 2) * 6..(head * 7 + 3) * 6].fill(9.0);
        }
        let after = HEADS.attend(inputs(&moved), &blocks());
        for (at, (before, after)) in before.chunks(6).zip(after.chunks(6)).enumerate() {
            assert_eq!(before == after, at % 7 != 2, "token {}", at % 7);
        }
    }
}
