//! From the last layer to log-probabilities of the targets, and back; the vocabulary goes by in pieces, as on the CPU.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::arithmetic::{read, upload, upload_indices};
use super::weights::Weights;
use crate::error::Result;
use crate::train::llama::{Base, Target, keeps_logits, pieces, place};

/// The logits of a pass, reduced.
pub(super) struct Head {
    pub(super) log_probs: Vec<f32>,
    pub(super) hits: Vec<bool>,
    /// Input of the matrix, `[rows, n_embd]`.
    input: Tensor<2>,
    /// Logarithm of the sum of exp(logit), `[rows, 1]`.
    log_sums: Vec<f32>,
    /// `[rows, piece]` each, if few enough.
    logits: Option<Vec<Tensor<2>>>,
}

/// Below every logit, and far enough from the end of `f32` that no difference overflows.
const LEAST: f32 = -1e30;

/// What is known of each row while the vocabulary goes by, `[rows, 1]`: the greatest logit, and the sum of exp(logit - it).
struct Known {
    max: Tensor<2>,
    sum: Tensor<2>,
}

impl Known {
    fn see(self, logits: &Tensor<2>) -> Self {
        let max = self.max.clone().max_pair(logits.clone().max_dim(1));
        let before = self.sum * (self.max - max.clone()).exp();
        Self { sum: before + (logits.clone() - max.clone()).exp().sum_dim(1), max }
    }
}

impl Head {
    /// `rows` are the batch's rows that stand in `input`, in order.
    pub(super) fn forward(
        base: &Base,
        weights: &Weights,
        input: Tensor<2>,
        rows: &[usize],
        targets: &[Target],
    ) -> Result<Self> {
        let keeps = keeps_logits(rows.len(), &base.shape);
        let device = weights.device();
        let column = |value: f32| Tensor::full([rows.len(), 1], value, device);
        let mut known = Known { max: column(LEAST), sum: column(0.0) };
        let (mut kept, mut of_targets, mut order) = (Vec::new(), Vec::new(), Vec::new());
        for (number, piece) in pieces(base.shape.n_vocab).enumerate() {
            let logits = input.clone().matmul(weights.head(base, number, &piece)?.transpose());
            known = known.see(&logits);
            let inside: Vec<usize> = (0..targets.len()).filter(|at| inside(&piece, &targets[*at])).collect();
            if !inside.is_empty() {
                let flat =
                    |at: &usize| place(rows, &targets[*at]) * piece.len() + targets[*at].token as usize - piece.start;
                let flat: Vec<usize> = inside.iter().map(flat).collect();
                of_targets.push(logits.clone().flatten::<1>(0, 1).select(0, upload_indices(&flat, device)));
                order.extend(inside);
            }
            if keeps {
                kept.push(logits);
            }
        }
        // One reading: each waits for the device.
        of_targets.splice(0..0, [known.max.flatten(0, 1), known.sum.flatten(0, 1)]);
        let told = read(Tensor::<1>::cat(of_targets, 0))?;
        let (max, rest) = told.split_at(rows.len());
        let (sum, in_order) = rest.split_at(rows.len());
        let log_sums: Vec<f32> = max.iter().zip(sum).map(|(max, sum)| max + sum.ln()).collect();
        let (mut log_probs, mut hits) = (vec![0.0; targets.len()], vec![false; targets.len()]);
        for (at, logit) in order.into_iter().zip(in_order) {
            let row = place(rows, &targets[at]);
            (log_probs[at], hits[at]) = (logit - log_sums[row], *logit >= max[row]);
        }
        Ok(Self { log_probs, hits, input, log_sums, logits: keeps.then_some(kept) })
    }

    /// As if there had been no room for them.
    #[cfg(test)]
    pub(super) fn forget_logits(&mut self) {
        self.logits = None;
    }

    /// The gradient of the input from that of each target's log-probability: with probabilities `p` of a row,
    /// `d log p(t) / d logit(v) = [v = t] - p(v)`.
    pub(super) fn backward(
        self,
        base: &Base,
        weights: &Weights,
        rows: &[usize],
        targets: &[Target],
        d_log_probs: &[f32],
    ) -> Result<Tensor<2>> {
        let device = weights.device();
        let mut d_rows = vec![0.0_f32; rows.len()];
        for (target, d) in targets.iter().zip(d_log_probs) {
            d_rows[place(rows, target)] += d;
        }
        let column = |numbers: Vec<f32>| upload(numbers, [rows.len(), 1], device);
        let (d_rows, log_sums) = (column(d_rows), column(self.log_sums));
        let mut d_input: Option<Tensor<2>> = None;
        for (number, piece) in pieces(base.shape.n_vocab).enumerate() {
            let matrix = weights.head(base, number, &piece)?;
            let logits = match &self.logits {
                Some(kept) => kept[number].clone(),
                None => self.input.clone().matmul(matrix.clone().transpose()),
            };
            let mut d_logits = (logits - log_sums.clone()).exp() * d_rows.clone().neg();
            for (tokens, d) in rounds(&piece, rows, targets, d_log_probs) {
                d_logits = d_logits + at_tokens(tokens, d, &piece, device);
            }
            let part = d_logits.matmul(matrix);
            d_input = Some(d_input.map_or(part.clone(), |sum| sum + part));
        }
        Ok(d_input.expect("a vocabulary has a token"))
    }
}

fn inside(piece: &Range<usize>, target: &Target) -> bool {
    piece.contains(&(target.token as usize))
}

/// The targets of a piece in rounds that have at most one of each row: token (-1 for none) and gradient, `[rows]`.
///
/// A row has several where a tree branches after it. Adding at places could go in any order on a GPU; a round is added
/// densely, and an order of rounds is an order.
fn rounds(piece: &Range<usize>, rows: &[usize], targets: &[Target], d_log_probs: &[f32]) -> Vec<(Vec<i32>, Vec<f32>)> {
    let mut rounds: Vec<(Vec<i32>, Vec<f32>)> = Vec::new();
    for (target, d) in targets.iter().zip(d_log_probs).filter(|(target, _)| inside(piece, target)) {
        let row = place(rows, target);
        let free = rounds.iter().position(|(tokens, _)| tokens[row] < 0).unwrap_or(rounds.len());
        if free == rounds.len() {
            rounds.push((vec![-1; rows.len()], vec![0.0; rows.len()]));
        }
        rounds[free].0[row] = (target.token as usize - piece.start) as i32;
        rounds[free].1[row] = *d;
    }
    rounds
}

/// Each row's number at its token, and nothing elsewhere, `[rows, piece]`.
fn at_tokens(tokens: Vec<i32>, d: Vec<f32>, piece: &Range<usize>, device: &Device) -> Tensor<2> {
    let (rows, columns) = (tokens.len(), piece.len());
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [rows, 1]), device);
    let all = Tensor::<1, Int>::arange(0..columns as i64, device).reshape([1, columns]);
    let hit = all.expand([rows, columns]).equal(tokens.expand([rows, columns]));
    hit.float() * upload(d, [rows, 1], device)
}
