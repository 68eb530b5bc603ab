//! One layer: attention and feed-forward network, each around a residual, with an adapter on its matrices.

use super::Lora;
use super::base::Base;
use super::shape::Projection;
use crate::error::Result;
use crate::train::lora;
use crate::train::ops::{
    Heads, Inputs, Mat, Onto, QueryBlock, Rotation, add, from_heads, multiply, rms_norm, rms_norm_backward, swiglu,
    swiglu_backward, to_heads,
};

/// What is the same for all layers of a pass.
pub(super) struct Pass<'a> {
    pub(super) base: &'a Base,
    pub(super) blocks: &'a [QueryBlock],
    pub(super) rotation: &'a Rotation,
    pub(super) lora: Option<Lora<'a>>,
    pub(super) tokens: usize,
}

/// What the way back needs and what is not cheap to compute again.
pub(super) struct Kept {
    /// Rotated, `[heads, tokens, head_dim]`.
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// `[tokens, n_head * head_dim]`.
    attended: Vec<f32>,
    /// Between the two halves, `[tokens, n_embd]`.
    middle: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// `A x` of each matrix, `[tokens, rank]`.
    a_x: [Vec<f32>; 7],
}

impl Pass<'_> {
    /// The layer's output, `[tokens, n_embd]`.
    pub(super) fn forward(&self, layer: usize, x: &[f32]) -> Result<(Vec<f32>, Kept)> {
        let mut kept = self.recompute(layer, x)?;
        let act = swiglu(&kept.gate, &kept.up);
        let mut out = self.project(layer, Projection::Down, &act, &mut kept)?;
        add(&mut out, &kept.middle);
        Ok((out, kept))
    }

    /// All of a layer but its last product.
    pub(super) fn recompute(&self, layer: usize, x: &[f32]) -> Result<Kept> {
        let (base, tokens, dim) = (self.base, self.tokens, self.base.shape.head_dim);
        let none = Vec::new;
        let mut kept = Kept {
            q: none(),
            k: none(),
            v: none(),
            attended: none(),
            middle: none(),
            gate: none(),
            up: none(),
            a_x: Default::default(),
        };
        let normed = rms_norm(x, &base.attention_norms[layer], base.shape.rms_eps);
        let q = self.project(layer, Projection::Q, &normed, &mut kept)?;
        kept.q = to_heads(&q, tokens, dim, Some(self.rotation));
        let k = self.project(layer, Projection::K, &normed, &mut kept)?;
        kept.k = to_heads(&k, tokens, dim, Some(self.rotation));
        let v = self.project(layer, Projection::V, &normed, &mut kept)?;
        kept.v = to_heads(&v, tokens, dim, None);
        let attended = self.heads().attend(kept.inputs(), self.blocks);
        kept.attended = from_heads(&attended, tokens, dim, None);
        let attended = std::mem::take(&mut kept.attended);
        kept.middle = self.project(layer, Projection::O, &attended, &mut kept)?;
        kept.attended = attended;
        add(&mut kept.middle, x);
        let normed = rms_norm(&kept.middle, &base.feed_forward_norms[layer], base.shape.rms_eps);
        kept.gate = self.project(layer, Projection::Gate, &normed, &mut kept)?;
        kept.up = self.project(layer, Projection::Up, &normed, &mut kept)?;
        Ok(kept)
    }

    /// The gradient of the layer's input from that of its output; those of the adapter are added to `gradients`.
    pub(super) fn backward(
        &self,
        layer: usize,
        x: &[f32],
        kept: &Kept,
        d_out: Vec<f32>,
        gradients: &mut [f32],
    ) -> Result<Vec<f32>> {
        let d_middle = self.feed_forward_backward(layer, kept, d_out, gradients)?;
        self.attention_backward(layer, x, kept, d_middle, gradients)
    }

    fn feed_forward_backward(
        &self,
        layer: usize,
        kept: &Kept,
        mut d_out: Vec<f32>,
        gradients: &mut [f32],
    ) -> Result<Vec<f32>> {
        let (norm, eps) = (&self.base.feed_forward_norms[layer], self.base.shape.rms_eps);
        let act = swiglu(&kept.gate, &kept.up);
        let mut d_act = vec![0.0; act.len()];
        let mut back = |projection, x: &[f32], d_y: &[f32], d_x: &mut [f32], onto| {
            self.project_backward(layer, projection, (x, &kept.a_x[projection as usize], d_y), d_x, onto, gradients)
        };
        back(Projection::Down, &act, &d_out, &mut d_act, Onto::Replace)?;
        let (d_gate, d_up) = swiglu_backward(&kept.gate, &kept.up, &d_act);
        let normed = rms_norm(&kept.middle, norm, eps);
        let mut d_normed = vec![0.0; normed.len()];
        back(Projection::Gate, &normed, &d_gate, &mut d_normed, Onto::Replace)?;
        back(Projection::Up, &normed, &d_up, &mut d_normed, Onto::Add)?;
        rms_norm_backward(&kept.middle, norm, eps, &d_normed, &mut d_out);
        Ok(d_out)
    }

    fn attention_backward(
        &self,
        layer: usize,
        x: &[f32],
        kept: &Kept,
        mut d_middle: Vec<f32>,
        gradients: &mut [f32],
    ) -> Result<Vec<f32>> {
        let (tokens, dim) = (self.tokens, self.base.shape.head_dim);
        let (norm, eps) = (&self.base.attention_norms[layer], self.base.shape.rms_eps);
        let mut back = |projection, x: &[f32], d_y: &[f32], d_x: &mut [f32], onto| {
            self.project_backward(layer, projection, (x, &kept.a_x[projection as usize], d_y), d_x, onto, gradients)
        };
        let mut d_attended = vec![0.0; kept.attended.len()];
        back(Projection::O, &kept.attended, &d_middle, &mut d_attended, Onto::Replace)?;
        let attended = to_heads(&kept.attended, tokens, dim, None);
        let d_attended = to_heads(&d_attended, tokens, dim, None);
        let (d_q, d_k, d_v) = self.heads().backward(kept.inputs(), &attended, &d_attended, self.blocks);
        let normed = rms_norm(x, norm, eps);
        let mut d_normed = vec![0.0; normed.len()];
        let d_q = from_heads(&d_q, tokens, dim, Some(self.rotation));
        back(Projection::Q, &normed, &d_q, &mut d_normed, Onto::Replace)?;
        let d_k = from_heads(&d_k, tokens, dim, Some(self.rotation));
        back(Projection::K, &normed, &d_k, &mut d_normed, Onto::Add)?;
        let d_v = from_heads(&d_v, tokens, dim, None);
        back(Projection::V, &normed, &d_v, &mut d_normed, Onto::Add)?;
        rms_norm_backward(x, norm, eps, &d_normed, &mut d_middle);
        Ok(d_middle)
    }

    fn heads(&self) -> Heads {
        let shape = &self.base.shape;
        Heads { n_head: shape.n_head, n_head_kv: shape.n_head_kv, head_dim: shape.head_dim }
    }

    /// `W x`, and what the adapter adds to it.
    fn project(&self, layer: usize, projection: Projection, x: &[f32], kept: &mut Kept) -> Result<Vec<f32>> {
        let (n_in, n_out) = self.base.shape.in_and_out(projection);
        let matrix = self.base.matrix(layer, projection)?;
        let mut y = vec![0.0; self.tokens * n_out];
        multiply(&mut y, Mat::new(x, self.tokens, n_in), Mat::new(&matrix, n_out, n_in).t(), 1.0, Onto::Replace);
        let target = self.lora.and_then(|lora| Some((lora, lora.plan.pair(layer, projection)?)));
        if let Some((lora, pair)) = target {
            let dropped = lora::dropped(x, pair, lora.dropout);
            let x = dropped.as_deref().unwrap_or(x);
            kept.a_x[projection as usize] = lora::forward(lora.plan, pair, lora.numbers, x, &mut y);
        }
        Ok(y)
    }

    /// What [`Pass::project`] makes of a gradient, given its input, `A x` and the gradient of its output.
    fn project_backward(
        &self,
        layer: usize,
        projection: Projection,
        (x, a_x, d_y): (&[f32], &[f32], &[f32]),
        d_x: &mut [f32],
        onto: Onto,
        gradients: &mut [f32],
    ) -> Result<()> {
        let (n_in, n_out) = self.base.shape.in_and_out(projection);
        let matrix = self.base.matrix(layer, projection)?;
        multiply(d_x, Mat::new(d_y, self.tokens, n_out), Mat::new(&matrix, n_out, n_in), 1.0, onto);
        let target = self.lora.and_then(|lora| Some((lora, lora.plan.pair(layer, projection)?)));
        let Some((lora, pair)) = target else { return Ok(()) };
        let dropped = lora::dropped(x, pair, lora.dropout);
        // A layer that was computed again stopped before its last product.
        let again =
            a_x.is_empty().then(|| lora::narrowed(lora.plan, pair, lora.numbers, dropped.as_deref().unwrap_or(x)));
        let a_x = again.as_deref().unwrap_or(a_x);
        match dropped {
            None => lora::backward(lora.plan, pair, lora.numbers, gradients, (x, a_x, d_y), d_x),
            Some(dropped) => {
                let mut d_dropped = vec![0.0; d_x.len()];
                lora::backward(lora.plan, pair, lora.numbers, gradients, (&dropped, a_x, d_y), &mut d_dropped);
                let share = lora.dropout.map_or(0.0, |dropout| dropout.share);
                for ((d_x, d), (x, dropped)) in d_x.iter_mut().zip(d_dropped).zip(x.iter().zip(dropped)) {
                    *d_x += if dropped == 0.0 && *x != 0.0 { 0.0 } else { d / (1.0 - share) };
                }
            }
        }
        Ok(())
    }
}

impl Kept {
    fn inputs(&self) -> Inputs<'_> {
        Inputs { q: &self.q, k: &self.k, v: &self.v }
    }
}
