//! The same passes on a GPU, written once over burn's tensors: CUDA, Metal and Vulkan differ in the device alone.
//!
//! Forward and backward are those of the CPU, layer by layer and by hand (`llama`), so there is no graph and nothing is kept
//! that the way back does not need. Numbers of the adapter go in and gradients come out as slices: whatever stands above
//! [`Model`] does not know of burn. What burn panics with becomes an error at this border.

mod adapter;
mod arithmetic;
mod attention;
mod border;
mod find;
mod head;
mod layer;
mod weights;

use burn::tensor::{Device, Tensor};

pub(crate) use find::Gpu;

use self::adapter::LayerAdapter;
use self::arithmetic::{Rotation, read, rms_norm, rms_norm_backward, upload, upload_indices};
use self::attention::{Tile, tiles};
use self::border::at_border;
use self::head::Head;
use self::layer::{Kept, Pass};
use self::weights::Weights;
use super::llama::{Base, Keep, Lora, Target, rows_of};
use super::model::{Model, Predicted};
use super::token_tree::Packed;
use crate::error::Result;

/// A base whose passes run on a GPU.
#[derive(Debug)]
pub(crate) struct GpuModel<'a> {
    base: &'a Base,
    device: Device,
    /// For messages.
    name: String,
    weights: Weights,
}

/// What is the same for all layers of a pass.
struct Layout {
    rotation: Rotation,
    tiles: Vec<Tile>,
}

/// A forward pass.
pub(crate) struct Trace {
    inputs: Vec<(Tensor<2>, Option<Kept>)>,
    adapters: Vec<LayerAdapter>,
    layout: Layout,
    last: Tensor<2>,
    rows: Vec<usize>,
    head: Head,
}

impl Predicted for Trace {
    fn log_probs(&self) -> &[f32] {
        &self.head.log_probs
    }

    fn hits(&self) -> &[bool] {
        &self.head.hits
    }
}

impl<'a> GpuModel<'a> {
    /// The base on a device that was found; with `resident` its weights are uploaded now and once.
    ///
    /// # Errors
    /// [`DeviceFailed`](crate::error::Error::DeviceFailed) where the device has no room for them.
    pub(crate) fn open(base: &'a Base, gpu: &Gpu, resident: bool) -> Result<Self> {
        let weights = at_border(gpu.name(), || Weights::open(base, &gpu.device, resident))?;
        Ok(Self { base, device: gpu.device.clone(), name: gpu.name().to_owned(), weights })
    }

    fn layout(&self, batch: &Packed) -> Layout {
        let rotation = Rotation::new(&batch.positions, &self.base.shape.frequencies, &self.device);
        Layout { rotation, tiles: tiles(&batch.blocks, &self.device) }
    }

    fn run_forward(&self, batch: &Packed, targets: &[Target], lora: Option<Lora<'_>>, keep: Keep) -> Result<Trace> {
        let (shape, layout) = (&self.base.shape, self.layout(batch));
        let pass = Pass { base: self.base, weights: &self.weights, layout: &layout };
        let mut x = upload(self.base.embed(&batch.tokens)?, [batch.tokens.len(), shape.n_embd], &self.device);
        let (mut inputs, mut adapters) = (Vec::new(), Vec::new());
        for layer in 0..shape.n_layer {
            let adapter = LayerAdapter::new(lora, layer, &self.device);
            let (out, kept) = pass.forward(layer, &adapter, &x)?;
            let input = std::mem::replace(&mut x, out);
            match keep {
                Keep::Nothing => continue,
                Keep::LayerInputs => inputs.push((input, None)),
                Keep::Activations => inputs.push((input, Some(kept))),
            }
            adapters.push(adapter);
        }
        let rows = rows_of(targets);
        let last = x.select(0, upload_indices(&rows, &self.device));
        let normed = rms_norm(&last, &self.weights.output_norm, shape.rms_eps);
        let head = Head::forward(self.base, &self.weights, normed, &rows, targets)?;
        Ok(Trace { inputs, adapters, layout, last, rows, head })
    }

    fn run_backward(&self, tokens: usize, targets: &[Target], trace: Trace, d_log_probs: &[f32]) -> Result<Vec<f32>> {
        let Trace { inputs, adapters, layout, last, rows, head } = trace;
        let pass = Pass { base: self.base, weights: &self.weights, layout: &layout };
        let d_normed = head.backward(self.base, &self.weights, &rows, targets, d_log_probs)?;
        let d_last = rms_norm_backward(&last, &self.weights.output_norm, self.base.shape.rms_eps, d_normed);
        let mut d_x = self.to_all_rows(d_last, &rows, tokens);
        let mut gradients = Vec::with_capacity(adapters.len());
        for (layer, ((input, kept), adapter)) in inputs.into_iter().zip(&adapters).enumerate().rev() {
            let kept = match kept {
                Some(kept) => kept,
                None => pass.recompute(layer, adapter, &input)?,
            };
            let (d_input, gradient) = pass.backward(layer, adapter, &input, kept, d_x)?;
            d_x = d_input;
            gradients.extend(gradient);
        }
        gradients.reverse();
        // Read only now: each reading waits for the device.
        Ok(gradients.into_iter().map(read).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Rows where they stand in the batch, and nothing elsewhere: a choice of rows, because adding at places may go in any
    /// order on a GPU.
    fn to_all_rows(&self, of_targets: Tensor<2>, rows: &[usize], tokens: usize) -> Tensor<2> {
        let mut places = vec![rows.len(); tokens];
        rows.iter().enumerate().for_each(|(place, row)| places[*row] = place);
        let nothing = Tensor::zeros([1, of_targets.dims()[1]], &self.device);
        Tensor::cat(vec![of_targets, nothing], 0).select(0, upload_indices(&places, &self.device))
    }
}

impl Model for GpuModel<'_> {
    type Trace = Trace;

    fn base(&self) -> &Base {
        self.base
    }

    fn forward(&self, batch: &Packed, targets: &[Target], lora: Option<Lora<'_>>, keep: Keep) -> Result<Trace> {
        at_border(&self.name, || self.run_forward(batch, targets, lora, keep))
    }

    fn backward(
        &self,
        batch: &Packed,
        targets: &[Target],
        _lora: Lora<'_>,
        trace: Trace,
        d_log_probs: &[f32],
        gradients: &mut [f32],
    ) -> Result<()> {
        // The adapter went to the device with the forward pass, and stayed there with its trace.
        let added = at_border(&self.name, || self.run_backward(batch.tokens.len(), targets, trace, d_log_probs))?;
        gradients.iter_mut().zip(added).for_each(|(gradient, added)| *gradient += added);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
