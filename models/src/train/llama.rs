//! The Llama model, forward and backward, over a frozen base that stays in its file.
//!
//! Weights are dequantized a matrix at a time and forgotten; what is kept between the two ways is the activations, and
//! with block checkpoints only the input of each layer. The gradient goes to the adapter alone.

mod base;
mod head;
mod layer;
mod shape;

use std::ops::Range;

pub(crate) use base::Base;
pub(crate) use head::{PIECE, keeps_logits};
#[cfg(feature = "train-gpu")]
pub(super) use head::{pieces, place};
pub(crate) use shape::{Projection, Shape};

use self::head::Head;
use self::layer::{Kept, Pass};
use super::lora::{Dropout, LoraPlan};
use super::model::{Model, Predicted};
use super::ops::{Rotation, rms_norm, rms_norm_backward};
use super::token_tree::Packed;
use crate::error::Result;

/// An adapter as a pass through the model takes it.
#[derive(Clone, Copy)]
pub(crate) struct Lora<'a> {
    pub(crate) plan: &'a LoraPlan,
    pub(crate) numbers: &'a [f32],
    pub(crate) dropout: Option<Dropout>,
}

/// A token that is to be predicted after a row of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) row: usize,
    pub(crate) token: u32,
}

/// What is kept of a forward pass for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: there is no way back.
    Nothing,
    /// The input of each layer; a layer is computed again when its turn comes.
    LayerInputs,
    /// The activations too.
    Activations,
}

/// A forward pass.
pub(crate) struct Trace {
    inputs: Vec<(Vec<f32>, Option<Kept>)>,
    /// The last layer's output at the rows with targets, `[rows, n_embd]`.
    last: Vec<f32>,
    rows: Vec<usize>,
    tokens: usize,
    head: Head,
    keep: Keep,
}

impl Predicted for Trace {
    fn log_probs(&self) -> &[f32] {
        &self.head.log_probs
    }

    fn hits(&self) -> &[bool] {
        &self.head.hits
    }
}

impl Model for Base {
    type Trace = Trace;

    fn base(&self) -> &Base {
        self
    }

    fn forward(&self, batch: &Packed, targets: &[Target], lora: Option<Lora<'_>>, keep: Keep) -> Result<Trace> {
        let rotation = Rotation::new(&batch.positions, &self.shape.frequencies);
        let pass = Pass { base: self, blocks: &batch.blocks, rotation: &rotation, lora, tokens: batch.tokens.len() };
        let mut x = self.embed(&batch.tokens)?;
        let mut inputs = Vec::with_capacity(self.shape.n_layer);
        for layer in 0..self.shape.n_layer {
            let (out, kept) = pass.forward(layer, &x)?;
            let input = std::mem::replace(&mut x, out);
            match keep {
                Keep::Nothing => {}
                Keep::LayerInputs => inputs.push((input, None)),
                Keep::Activations => inputs.push((input, Some(kept))),
            }
        }
        let rows = rows_of(targets);
        let last = gather(&x, &rows, self.shape.n_embd);
        let normed = rms_norm(&last, &self.output_norm, self.shape.rms_eps);
        let head = Head::forward(self, normed, &rows, targets)?;
        Ok(Trace { inputs, last, rows, tokens: batch.tokens.len(), head, keep })
    }

    fn backward(
        &self,
        batch: &Packed,
        targets: &[Target],
        lora: Lora<'_>,
        trace: Trace,
        d_log_probs: &[f32],
        gradients: &mut [f32],
    ) -> Result<()> {
        debug_assert_ne!(trace.keep, Keep::Nothing);
        let n_embd = self.shape.n_embd;
        let rotation = Rotation::new(&batch.positions, &self.shape.frequencies);
        let pass =
            Pass { base: self, blocks: &batch.blocks, rotation: &rotation, lora: Some(lora), tokens: trace.tokens };
        let d_normed = trace.head.backward(self, &trace.rows, targets, d_log_probs)?;
        let mut d_last = vec![0.0; trace.last.len()];
        rms_norm_backward(&trace.last, &self.output_norm, self.shape.rms_eps, &d_normed, &mut d_last);
        let mut d_x = vec![0.0; trace.tokens * n_embd];
        for (row, d) in trace.rows.iter().zip(d_last.chunks_exact(n_embd)) {
            d_x[range(*row, n_embd)].copy_from_slice(d);
        }
        for (layer, (input, kept)) in trace.inputs.into_iter().enumerate().rev() {
            let kept = match kept {
                Some(kept) => kept,
                None => pass.recompute(layer, &input)?,
            };
            d_x = pass.backward(layer, &input, &kept, d_x, gradients)?;
        }
        Ok(())
    }
}

/// The rows with targets, each once and in order.
pub(super) fn rows_of(targets: &[Target]) -> Vec<usize> {
    let mut rows: Vec<usize> = targets.iter().map(|target| target.row).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn gather(x: &[f32], rows: &[usize], width: usize) -> Vec<f32> {
    rows.iter().flat_map(|row| x[range(*row, width)].iter().copied()).collect()
}

fn range(row: usize, width: usize) -> Range<usize> {
    row * width..(row + 1) * width
}

#[cfg(test)]
mod tests;
