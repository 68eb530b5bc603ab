//! The frozen weights: norms in memory, matrices in their file until a layer needs them.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::shape::{Projection, Shape};
use crate::error::Result;
use crate::weights::{GgufFile, Tensor};

/// A base model.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) file: GgufFile,
    pub(crate) shape: Shape,
    pub(in crate::train) attention_norms: Vec<Vec<f32>>,
    pub(in crate::train) feed_forward_norms: Vec<Vec<f32>>,
    pub(in crate::train) output_norm: Vec<f32>,
}

impl Base {
    /// Opens the file and checks that it can be trained.
    ///
    /// # Errors
    /// Those of the core for the file, [`BaseUnfit`](crate::error::Error::BaseUnfit) for what cannot be trained.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = GgufFile::open(path)?;
        let shape = Shape::read(&file)?;
        let vector = |name: &str| file.whole(file.expect(name)?);
        let of_layers = |part: &str| -> Result<Vec<_>> {
            (0..shape.n_layer).map(|layer| vector(&format!("blk.{layer}.{part}.weight"))).collect()
        };
        Ok(Self {
            attention_norms: of_layers("attn_norm")?,
            feed_forward_norms: of_layers("ffn_norm")?,
            output_norm: vector("output_norm.weight")?,
            shape,
            file,
        })
    }

    /// The rows of the embedding of these tokens, `[tokens, n_embd]`.
    pub(in crate::train) fn embed(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let table = self.file.expect("token_embd.weight")?;
        let mut x = vec![0.0; tokens.len() * self.shape.n_embd];
        x.par_chunks_mut(self.shape.n_embd).zip(tokens).try_for_each(|(x, token)| {
            let row = *token as usize;
            self.file.rows(table, row..row + 1, x)
        })?;
        Ok(x)
    }

    /// A matrix of a layer, `[out, in]`.
    pub(in crate::train) fn matrix(&self, layer: usize, projection: Projection) -> Result<Vec<f32>> {
        self.file.whole(self.file.expect(&projection.tensor(layer))?)
    }

    /// Some rows of the matrix from the last layer to logits, `[piece, n_embd]`.
    pub(in crate::train) fn head_rows(&self, piece: &Range<usize>) -> Result<Vec<f32>> {
        let mut rows = vec![0.0; piece.len() * self.shape.n_embd];
        self.file.rows(self.head()?, piece.clone(), &mut rows)?;
        Ok(rows)
    }

    /// That matrix: its own, or that of the embeddings.
    fn head(&self) -> Result<&Tensor> {
        match self.file.tensor("output.weight") {
            Some(tensor) => Ok(tensor),
            None => self.file.expect("token_embd.weight"),
        }
    }
}
