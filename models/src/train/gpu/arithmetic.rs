//! The arithmetic of a layer on tensors, each with its gradient: what `ops` is on slices, minus products and attention.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::border::failed;
use crate::error::Result;

/// Numbers on the device.
pub(super) fn upload<const D: usize>(numbers: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Places on the device, for a choice of rows.
pub(super) fn upload_indices(places: &[usize], device: &Device) -> Tensor<1, Int> {
    let places: Vec<i32> = places.iter().map(|place| *place as i32).collect();
    let shape = [places.len()];
    Tensor::from_data(TensorData::new(places, shape), device)
}

/// Numbers from the device, after waiting for it.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|error| failed("the device", format!("{error:?}")))?;
    data.try_into_vec::<f32>().map_err(|error| failed("the device", format!("{error:?}")))
}

/// Root mean square normalization of rows: `x / sqrt(mean(x²) + eps) * weight`.
pub(super) fn rms_norm(x: &Tensor<2>, weight: &Tensor<2>, eps: f32) -> Tensor<2> {
    x.clone() * inverse_rms(x, eps) * weight.clone()
}

/// The gradient of its input from that of its output.
pub(super) fn rms_norm_backward(x: &Tensor<2>, weight: &Tensor<2>, eps: f32, d_out: Tensor<2>) -> Tensor<2> {
    let scale = inverse_rms(x, eps);
    let weighted = d_out * weight.clone();
    let shared = (weighted.clone() * x.clone()).mean_dim(1) * scale.clone() * scale.clone();
    (weighted - x.clone() * shared) * scale
}

fn inverse_rms(x: &Tensor<2>, eps: f32) -> Tensor<2> {
    ((x.clone() * x.clone()).mean_dim(1) + eps).sqrt().recip()
}

fn sigmoid(x: &Tensor<2>) -> Tensor<2> {
    (x.clone().neg().exp() + 1.0).recip()
}

/// `silu(gate) * up`.
pub(super) fn swiglu(gate: &Tensor<2>, up: &Tensor<2>) -> Tensor<2> {
    gate.clone() * sigmoid(gate) * up.clone()
}

/// Gradients of gate and up from that of [`swiglu`].
pub(super) fn swiglu_backward(gate: &Tensor<2>, up: &Tensor<2>, d_out: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let sigmoid = sigmoid(gate);
    let d_up = d_out.clone() * gate.clone() * sigmoid.clone();
    let slope = sigmoid.clone() * (gate.clone() * (sigmoid.neg() + 1.0) + 1.0);
    (d_out * up.clone() * slope, d_up)
}

/// The angles of each position of a batch, `[tokens, 1, head_dim / 2, 1]`; neighbouring elements are a pair (see `ops`).
pub(super) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotation {
    /// Angles `position * frequency`.
    pub(super) fn new(positions: &[u32], frequencies: &[f64], device: &Device) -> Self {
        let of = |turn: fn(f64) -> f64| {
            let angles = positions.iter().flat_map(|position| frequencies.iter().map(|f| f64::from(*position) * f));
            let numbers = angles.map(|angle| turn(angle) as f32).collect();
            upload(numbers, [positions.len(), 1, frequencies.len(), 1], device)
        };
        Self { cos: of(f64::cos), sin: of(f64::sin) }
    }

    /// Turns `[tokens, heads, head_dim]`; backwards for a gradient.
    fn turn(&self, x: Tensor<3>, backwards: bool) -> Tensor<3> {
        let [tokens, heads, dim] = x.dims();
        let pairs = x.reshape([tokens, heads, dim / 2, 2]);
        let (first, second) = (pairs.clone().narrow(3, 0, 1), pairs.narrow(3, 1, 1));
        let sin = if backwards { self.sin.clone().neg() } else { self.sin.clone() };
        let turned = vec![
            first.clone() * self.cos.clone() - second.clone() * sin.clone(),
            first * sin + second * self.cos.clone(),
        ];
        Tensor::cat(turned, 3).reshape([tokens, heads, dim])
    }
}

/// `[tokens, heads * head_dim]` as `[heads, tokens, head_dim]`, rotated where there is a rotation.
pub(super) fn to_heads(x: Tensor<2>, head_dim: usize, rotation: Option<&Rotation>) -> Tensor<3> {
    let [tokens, width] = x.dims();
    let x = x.reshape([tokens, width / head_dim, head_dim]);
    match rotation {
        Some(rotation) => rotation.turn(x, false).swap_dims(0, 1),
        None => x.swap_dims(0, 1),
    }
}

/// The way back of [`to_heads`]; with a rotation it takes gradients back.
pub(super) fn from_heads(x: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<2> {
    let [heads, tokens, head_dim] = x.dims();
    let x = x.swap_dims(0, 1);
    let x = rotation.map_or_else(|| x.clone(), |rotation| rotation.turn(x.clone(), true));
    x.reshape([tokens, heads * head_dim])
}
