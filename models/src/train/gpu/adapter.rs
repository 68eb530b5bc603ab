//! An adapter on the device, a layer at a time: its numbers as they stand in the slice, and its gradients in the same order.

use burn::tensor::{Device, Tensor};

use super::arithmetic::upload;
use crate::train::llama::{Lora, Projection};
use crate::train::lora::{Dropout, LoraPlan, Pair};

/// The pairs of one layer.
#[derive(Debug)]
pub(super) struct LayerAdapter {
    pairs: [Option<DevicePair>; 7],
    device: Device,
}

/// `A` is `[rank, in]`, `B` is `[out, rank]`.
#[derive(Debug)]
struct DevicePair {
    a: Tensor<2>,
    b: Tensor<2>,
    scale: f32,
    /// Where the pair stands in the plan, and which inputs it leaves out.
    pair: Pair,
    dropout: Option<Dropout>,
}

/// Gradients of a layer's pairs as they arise: those of `A` and of `B`.
#[derive(Debug, Default)]
pub(super) struct Gradients([Option<[Tensor<2>; 2]>; 7]);

impl LayerAdapter {
    /// The layer's part of an adapter; empty where there is none.
    pub(super) fn new(lora: Option<Lora<'_>>, layer: usize, device: &Device) -> Self {
        let of = |lora: Lora<'_>, projection| {
            let pair = lora.plan.pair(layer, projection)?;
            Some(DevicePair::new(lora, pair, device))
        };
        let pairs = Projection::ALL.map(|projection| lora.and_then(|lora| of(lora, projection)));
        Self { pairs, device: device.clone() }
    }

    /// What the adapter adds to `W x`, and `A x` for the way back.
    pub(super) fn forward(&self, projection: Projection, x: &Tensor<2>) -> Option<(Tensor<2>, Tensor<2>)> {
        let pair = self.pairs[projection as usize].as_ref()?;
        let a_x = pair.narrowed(&pair.dropped(x, &self.device).0);
        Some((a_x.clone().matmul(pair.b.clone().transpose()) * pair.scale, a_x))
    }

    /// What the adapter adds to the gradient of its input, given that input, `A x` if it was kept, and the gradient of the
    /// output; its own go into `gradients`.
    pub(super) fn backward(
        &self,
        projection: Projection,
        (x, a_x, d_y): (&Tensor<2>, Option<Tensor<2>>, &Tensor<2>),
        gradients: &mut Gradients,
    ) -> Option<Tensor<2>> {
        let pair = self.pairs[projection as usize].as_ref()?;
        let (x, factors) = pair.dropped(x, &self.device);
        let a_x = a_x.unwrap_or_else(|| pair.narrowed(&x));
        let d_b = d_y.clone().transpose().matmul(a_x) * pair.scale;
        let d_a_x = d_y.clone().matmul(pair.b.clone()) * pair.scale;
        let d_a = d_a_x.clone().transpose().matmul(x);
        gradients.0[projection as usize] = Some([d_a, d_b]);
        let d_x = d_a_x.matmul(pair.a.clone());
        Some(match factors {
            Some(factors) => d_x * factors,
            None => d_x,
        })
    }
}

impl DevicePair {
    fn new(lora: Lora<'_>, pair: &Pair, device: &Device) -> Self {
        let Lora { plan, numbers, dropout } = lora;
        let rank = plan.config.rank;
        let part = |range: &std::ops::Range<usize>| numbers[range.clone()].to_vec();
        Self {
            a: upload(part(&pair.a), [rank, pair.n_in], device),
            b: upload(part(&pair.b), [pair.n_out, rank], device),
            scale: LoraPlan::scale(plan),
            pair: pair.clone(),
            dropout: dropout.filter(|dropout| dropout.share > 0.0),
        }
    }

    fn narrowed(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone().matmul(self.a.clone().transpose())
    }

    /// The inputs that `A` sees, and what each was multiplied with. Drawn on the CPU from the seed, so that the same ones are
    /// left out as there, and drawn again on the way back instead of kept.
    fn dropped(&self, x: &Tensor<2>, device: &Device) -> (Tensor<2>, Option<Tensor<2>>) {
        let Some(dropout) = self.dropout else { return (x.clone(), None) };
        let ([rows, width], kept) = (x.dims(), dropout.kept());
        let mut left_out = dropout.left_out(&self.pair);
        let factors = (0..rows * width).map(|_| if left_out() { 0.0 } else { kept }).collect();
        let factors = upload(factors, [rows, width], device);
        (x.clone() * factors.clone(), Some(factors))
    }
}

impl Gradients {
    /// All of a layer as they stand in the adapter's slice; nothing where the layer has no pair.
    pub(super) fn flat(self) -> Option<Tensor<1>> {
        let parts: Vec<_> = self.0.into_iter().flatten().flatten().map(|part| part.flatten(0, 1)).collect();
        (!parts.is_empty()).then(|| Tensor::cat(parts, 0))
    }
}
