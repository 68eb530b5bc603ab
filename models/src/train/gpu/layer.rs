//! One layer on the device: the forward and backward of `llama`'s layer, product for product.

use burn::tensor::Tensor;

use super::Layout;
use super::adapter::{Gradients, LayerAdapter};
use super::arithmetic::{from_heads, rms_norm, rms_norm_backward, swiglu, swiglu_backward, to_heads};
use super::attention::{Inputs, attend, backward};
use super::weights::Weights;
use crate::error::Result;
use crate::train::llama::{Base, Projection};

/// What is the same for all layers of a pass.
pub(super) struct Pass<'a> {
    pub(super) base: &'a Base,
    pub(super) weights: &'a Weights,
    pub(super) layout: &'a Layout,
}

/// What the way back needs and what is not cheap to compute again; as on the CPU.
#[derive(Debug)]
pub(super) struct Kept {
    heads: Inputs,
    /// `[tokens, n_head * head_dim]`.
    attended: Tensor<2>,
    /// Between the two halves, `[tokens, n_embd]`.
    middle: Tensor<2>,
    gate: Tensor<2>,
    up: Tensor<2>,
    a_x: NarrowedInputs,
}

/// `A x` of each matrix, `[tokens, rank]`.
type NarrowedInputs = [Option<Tensor<2>>; 7];

impl Pass<'_> {
    /// The layer's output, `[tokens, n_embd]`.
    pub(super) fn forward(&self, layer: usize, adapter: &LayerAdapter, x: &Tensor<2>) -> Result<(Tensor<2>, Kept)> {
        let mut kept = self.recompute(layer, adapter, x)?;
        let act = swiglu(&kept.gate, &kept.up);
        let out = self.project(layer, adapter, Projection::Down, &act, &mut kept.a_x)?;
        Ok((out + kept.middle.clone(), kept))
    }

    /// All of a layer but its last product.
    pub(super) fn recompute(&self, layer: usize, adapter: &LayerAdapter, x: &Tensor<2>) -> Result<Kept> {
        let (shape, rotation) = (&self.base.shape, &self.layout.rotation);
        let mut a_x = NarrowedInputs::default();
        let mut project = |projection, x: &Tensor<2>| self.project(layer, adapter, projection, x, &mut a_x);
        let normed = rms_norm(x, &self.weights.attention_norms[layer], shape.rms_eps);
        let heads = Inputs {
            q: to_heads(project(Projection::Q, &normed)?, shape.head_dim, Some(rotation)),
            k: to_heads(project(Projection::K, &normed)?, shape.head_dim, Some(rotation)),
            v: to_heads(project(Projection::V, &normed)?, shape.head_dim, None),
        };
        let attended = from_heads(attend(&heads, &self.layout.tiles), None);
        let middle = project(Projection::O, &attended)? + x.clone();
        let normed = rms_norm(&middle, &self.weights.feed_forward_norms[layer], shape.rms_eps);
        let (gate, up) = (project(Projection::Gate, &normed)?, project(Projection::Up, &normed)?);
        Ok(Kept { heads, attended, middle, gate, up, a_x })
    }

    /// The gradient of the layer's input from that of its output, and those of the adapter.
    pub(super) fn backward(
        &self,
        layer: usize,
        adapter: &LayerAdapter,
        x: &Tensor<2>,
        mut kept: Kept,
        d_out: Tensor<2>,
    ) -> Result<(Tensor<2>, Option<Tensor<1>>)> {
        let mut gradients = Gradients::default();
        let a_x = std::mem::take(&mut kept.a_x);
        let mut back = |projection, x: &Tensor<2>, d_y: &Tensor<2>| {
            let given = (x, a_x[projection as usize].clone(), d_y);
            self.project_backward(layer, adapter, projection, given, &mut gradients)
        };
        let d_middle = self.feed_forward_backward(layer, &kept, d_out, &mut back)?;
        let d_x = self.attention_backward(layer, x, &kept, d_middle, &mut back)?;
        Ok((d_x, gradients.flat()))
    }

    fn feed_forward_backward(
        &self,
        layer: usize,
        kept: &Kept,
        d_out: Tensor<2>,
        back: &mut impl FnMut(Projection, &Tensor<2>, &Tensor<2>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        let (norm, eps) = (&self.weights.feed_forward_norms[layer], self.base.shape.rms_eps);
        let d_act = back(Projection::Down, &swiglu(&kept.gate, &kept.up), &d_out)?;
        let (d_gate, d_up) = swiglu_backward(&kept.gate, &kept.up, d_act);
        let normed = rms_norm(&kept.middle, norm, eps);
        let d_normed = back(Projection::Gate, &normed, &d_gate)? + back(Projection::Up, &normed, &d_up)?;
        Ok(rms_norm_backward(&kept.middle, norm, eps, d_normed) + d_out)
    }

    fn attention_backward(
        &self,
        layer: usize,
        x: &Tensor<2>,
        kept: &Kept,
        d_middle: Tensor<2>,
        back: &mut impl FnMut(Projection, &Tensor<2>, &Tensor<2>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        let (dim, rotation) = (self.base.shape.head_dim, &self.layout.rotation);
        let (norm, eps) = (&self.weights.attention_norms[layer], self.base.shape.rms_eps);
        let d_attended = to_heads(back(Projection::O, &kept.attended, &d_middle)?, dim, None);
        let attended = to_heads(kept.attended.clone(), dim, None);
        let d_heads = backward(&kept.heads, &attended, &d_attended, &self.layout.tiles);
        let normed = rms_norm(x, norm, eps);
        let d_normed = back(Projection::Q, &normed, &from_heads(d_heads.q, Some(rotation)))?
            + back(Projection::K, &normed, &from_heads(d_heads.k, Some(rotation)))?
            + back(Projection::V, &normed, &from_heads(d_heads.v, None))?;
        Ok(rms_norm_backward(x, norm, eps, d_normed) + d_middle)
    }

    /// `W x`, and what the adapter adds to it.
    fn project(
        &self,
        layer: usize,
        adapter: &LayerAdapter,
        projection: Projection,
        x: &Tensor<2>,
        a_x: &mut NarrowedInputs,
    ) -> Result<Tensor<2>> {
        let matrix = self.weights.matrix(self.base, layer, projection)?;
        let y = x.clone().matmul(matrix.transpose());
        let Some((added, narrowed)) = adapter.forward(projection, x) else { return Ok(y) };
        a_x[projection as usize] = Some(narrowed);
        Ok(y + added)
    }

    /// What [`Pass::project`] makes of a gradient, given its input, `A x` and the gradient of its output.
    fn project_backward(
        &self,
        layer: usize,
        adapter: &LayerAdapter,
        projection: Projection,
        given: (&Tensor<2>, Option<Tensor<2>>, &Tensor<2>),
        gradients: &mut Gradients,
    ) -> Result<Tensor<2>> {
        let matrix = self.weights.matrix(self.base, layer, projection)?;
        let d_x = given.2.clone().matmul(matrix);
        Ok(match adapter.backward(projection, given, gradients) {
            Some(added) => d_x + added,
            None => d_x,
        })
    }
}
