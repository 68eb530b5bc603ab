//! What a step asks of a model: log-probabilities, and the way back to the adapter's numbers.
//!
//! The seam behind which the device is. Loss, optimizer, clipping, checkpoints and figures stand above it and see slices of
//! numbers alone, so they are the same whoever computed.

use super::llama::{Base, Keep, Lora, Target};
use super::token_tree::Packed;
use crate::error::Result;

/// A frozen base on the device that computes with it.
pub(crate) trait Model {
    /// A forward pass, as far as the way back needs it.
    type Trace: Predicted;

    /// The weights in their file.
    fn base(&self) -> &Base;

    /// Log-probabilities of the targets, `[targets]`, and what is needed to go back.
    fn forward(&self, batch: &Packed, targets: &[Target], lora: Option<Lora<'_>>, keep: Keep) -> Result<Self::Trace>;

    /// Adds to `gradients` those of the adapter's numbers, given the gradient of each target's log-probability.
    fn backward(
        &self,
        batch: &Packed,
        targets: &[Target],
        lora: Lora<'_>,
        trace: Self::Trace,
        d_log_probs: &[f32],
        gradients: &mut [f32],
    ) -> Result<()>;
}

/// What a forward pass says of its targets.
pub(crate) trait Predicted {
    /// Natural logarithm of the probability of each target.
    fn log_probs(&self) -> &[f32];

    /// Whether each target was the likeliest token.
    fn hits(&self) -> &[bool];
}
