//! The frozen weights on the device: uploaded once where there is room for them, else a matrix whenever a layer needs it.
//!
//! In `f32` both ways, as the CPU computes with them, so a run has the same bits with and without room. Half precision would
//! take half the room and round what the quantized file says.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::arithmetic::upload;
use crate::error::Result;
use crate::train::llama::{Base, Projection, pieces};

/// Norms, and the matrices if they are resident.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[1, n_embd]` each.
    pub(super) attention_norms: Vec<Tensor<2>>,
    pub(super) feed_forward_norms: Vec<Tensor<2>>,
    pub(super) output_norm: Tensor<2>,
    resident: Option<Resident>,
    device: Device,
}

#[derive(Debug)]
struct Resident {
    /// `[out, in]` each, in the order of [`Projection::ALL`].
    layers: Vec<Vec<Tensor<2>>>,
    /// The matrix to logits in pieces: whole, that of a large vocabulary exceeds what one buffer may hold.
    head: Vec<Tensor<2>>,
}

impl Weights {
    /// Uploads the norms, and with `resident` everything.
    pub(super) fn open(base: &Base, device: &Device, resident: bool) -> Result<Self> {
        let row = |norm: &Vec<f32>| upload(norm.clone(), [1, norm.len()], device);
        let resident = resident.then(|| Resident::open(base, device)).transpose()?;
        Ok(Self {
            attention_norms: base.attention_norms.iter().map(row).collect(),
            feed_forward_norms: base.feed_forward_norms.iter().map(row).collect(),
            output_norm: row(&base.output_norm),
            resident,
            device: device.clone(),
        })
    }

    /// A matrix of a layer, `[out, in]`.
    pub(super) fn matrix(&self, base: &Base, layer: usize, projection: Projection) -> Result<Tensor<2>> {
        match &self.resident {
            Some(resident) => Ok(resident.layers[layer][projection as usize].clone()),
            None => matrix(base, layer, projection, &self.device),
        }
    }

    /// Some rows of the matrix to logits: one of the [`pieces`] of the vocabulary.
    pub(super) fn head(&self, base: &Base, place: usize, piece: &Range<usize>) -> Result<Tensor<2>> {
        match &self.resident {
            Some(resident) => Ok(resident.head[place].clone()),
            None => head(base, piece, &self.device),
        }
    }

    /// The device that they are on.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }
}

impl Resident {
    fn open(base: &Base, device: &Device) -> Result<Self> {
        let of_layer = |layer| -> Result<Vec<_>> {
            Projection::ALL.into_iter().map(|projection| matrix(base, layer, projection, device)).collect()
        };
        Ok(Self {
            layers: (0..base.shape.n_layer).map(of_layer).collect::<Result<_>>()?,
            head: pieces(base.shape.n_vocab).map(|piece| head(base, &piece, device)).collect::<Result<_>>()?,
        })
    }
}

fn matrix(base: &Base, layer: usize, projection: Projection, device: &Device) -> Result<Tensor<2>> {
    let (n_in, n_out) = base.shape.in_and_out(projection);
    Ok(upload(base.matrix(layer, projection)?, [n_out, n_in], device))
}

fn head(base: &Base, piece: &Range<usize>, device: &Device) -> Result<Tensor<2>> {
    Ok(upload(base.head_rows(piece)?, [piece.len(), base.shape.n_embd], device))
}
