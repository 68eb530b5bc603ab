//! From the last layer to log-probabilities of the targets, and back.
//!
//! Only rows with targets come here. The vocabulary goes by in pieces, so that neither the matrix nor, for a large
//! batch, the logits are ever whole in memory; logits that are few enough are kept for the way back.

use std::ops::Range;

use rayon::prelude::*;

use super::Target;
use super::base::Base;
use super::shape::Shape;
use crate::error::Result;
use crate::train::ops::{Mat, Onto, exp, max_of, multiply, multiply_into, sum_of, vectorized};

/// Rows of the matrix that are dequantized at a time.
pub(crate) const PIECE: usize = 4096;
/// Logits that are kept rather than computed again, in bytes.
const MOST_KEPT_BYTES: usize = 256 << 20;

/// Whether the logits of so many rows stay in memory.
pub(crate) fn keeps_logits(rows: usize, shape: &Shape) -> bool {
    rows * shape.n_vocab * 4 <= MOST_KEPT_BYTES
}

/// What is known of each row while the vocabulary goes by.
#[derive(Debug, Clone, Copy)]
struct Row {
    max: f32,
    /// Sum of exp(logit - max).
    sum: f32,
    likeliest: u32,
}

/// The logits of a pass, reduced.
pub(super) struct Head {
    pub(super) log_probs: Vec<f32>,
    pub(super) hits: Vec<bool>,
    /// Input of the matrix, `[rows, n_embd]`.
    input: Vec<f32>,
    /// Logarithm of the sum of exp(logit), `[rows]`.
    log_sums: Vec<f32>,
    /// `[rows, n_vocab]`, if few enough.
    logits: Option<Vec<f32>>,
}

impl Head {
    /// `rows` are the batch's rows that stand in `input`, in order.
    pub(super) fn forward(base: &Base, input: Vec<f32>, rows: &[usize], targets: &[Target]) -> Result<Self> {
        let n_vocab = base.shape.n_vocab;
        let keeps = keeps_logits(rows.len(), &base.shape);
        let mut logits = vec![0.0; rows.len() * if keeps { n_vocab } else { PIECE }];
        let mut known = vec![Row { max: f32::NEG_INFINITY, sum: 0.0, likeliest: 0 }; rows.len()];
        let mut target_logits = vec![0.0; targets.len()];
        for piece in pieces(n_vocab) {
            let (stride, column) = if keeps { (n_vocab, piece.start) } else { (PIECE, 0) };
            piece_logits(base, &piece, &input, &mut logits[column..], stride)?;
            let part = |row: usize| &logits[row * stride + column..row * stride + column + piece.len()];
            known.par_iter_mut().enumerate().for_each(|(row, known)| known.see(part(row), piece.start as u32));
            for (target, logit) in targets.iter().zip(&mut target_logits) {
                if piece.contains(&(target.token as usize)) {
                    *logit = part(place(rows, target))[target.token as usize - piece.start];
                }
            }
        }
        let log_sums: Vec<f32> = known.iter().map(|row| row.max + row.sum.ln()).collect();
        let log_prob = |(target, logit): (&Target, &f32)| logit - log_sums[place(rows, target)];
        Ok(Self {
            log_probs: targets.iter().zip(&target_logits).map(log_prob).collect(),
            hits: targets.iter().map(|target| known[place(rows, target)].likeliest == target.token).collect(),
            input,
            log_sums,
            logits: keeps.then_some(logits),
        })
    }

    /// The gradient of the input from that of each target's log-probability: with probabilities `p` of a row,
    /// `d log p(t) / d logit(v) = [v = t] - p(v)`.
    pub(super) fn backward(
        mut self,
        base: &Base,
        rows: &[usize],
        targets: &[Target],
        d_log_probs: &[f32],
    ) -> Result<Vec<f32>> {
        let n_vocab = base.shape.n_vocab;
        let mut d_rows = vec![0.0_f32; rows.len()];
        for (target, d) in targets.iter().zip(d_log_probs) {
            d_rows[place(rows, target)] += d;
        }
        let keeps = self.logits.is_some();
        let mut logits = self.logits.take().unwrap_or_else(|| vec![0.0; rows.len() * PIECE]);
        let mut d_input = vec![0.0; self.input.len()];
        for piece in pieces(n_vocab) {
            let (stride, column) = if keeps { (n_vocab, piece.start) } else { (PIECE, 0) };
            let matrix = base.head_rows(&piece)?;
            if !keeps {
                let (a, b) = (Mat::new(&self.input, rows.len(), base.shape.n_embd), matrix_of(&matrix, &piece));
                multiply_into(&mut logits, stride, a, b.t(), 1.0, Onto::Replace);
            }
            let parts = logits.par_chunks_mut(stride).zip(d_rows.par_iter().zip(&self.log_sums));
            parts.for_each(|(logits, (d_row, log_sum))| {
                let part = &mut logits[column..column + piece.len()];
                vectorized(|| part.iter_mut().for_each(|logit| *logit = -d_row * exp(*logit - log_sum)));
            });
            for (target, d) in targets.iter().zip(d_log_probs) {
                if piece.contains(&(target.token as usize)) {
                    logits[place(rows, target) * stride + column + target.token as usize - piece.start] += d;
                }
            }
            let d_logits = Mat::strided(&logits[column..], rows.len(), piece.len(), stride);
            multiply(&mut d_input, d_logits, matrix_of(&matrix, &piece), 1.0, Onto::Add);
        }
        Ok(d_input)
    }
}

impl Row {
    fn see(&mut self, logits: &[f32], first: u32) {
        vectorized(|| {
            let max = max_of(logits);
            if max > self.max {
                self.sum *= exp(self.max - max);
                self.max = max;
                let at = logits.iter().position(|logit| *logit == max).unwrap_or_default();
                self.likeliest = first + at as u32;
            }
            let most = self.max;
            self.sum += sum_of(logits, logits, |logit, _| exp(logit - most));
        });
    }
}

/// The vocabulary, a piece after the other.
pub(crate) fn pieces(n_vocab: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_vocab).step_by(PIECE).map(move |start| start..(start + PIECE).min(n_vocab))
}

fn matrix_of<'a>(matrix: &'a [f32], piece: &Range<usize>) -> Mat<'a> {
    Mat::new(matrix, piece.len(), matrix.len() / piece.len())
}

fn piece_logits(base: &Base, piece: &Range<usize>, input: &[f32], out: &mut [f32], stride: usize) -> Result<()> {
    let n_embd = base.shape.n_embd;
    let matrix = base.head_rows(piece)?;
    let input = Mat::new(input, input.len() / n_embd, n_embd);
    multiply_into(out, stride, input, matrix_of(&matrix, piece).t(), 1.0, Onto::Replace);
    Ok(())
}

/// Which of these rows a target follows.
pub(crate) fn place(rows: &[usize], target: &Target) -> usize {
    rows.binary_search(&target.row).expect("the rows are those of the targets")
}
