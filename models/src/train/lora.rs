//! Low-rank adapters (Hu et al. 2021): `y = W x + alpha / rank * B A x`, with `A` and `B` trained and `W` not.
//!
//! All numbers of an adapter lie in one slice, so that the optimizer, clipping and checkpoints see nothing but numbers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::llama::{Projection, Shape};
use super::ops::{Mat, Onto, multiply};
use crate::error::{Error, Result};
use crate::random::Draws;

/// What an adapter is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoraConfig {
    pub(crate) rank: usize,
    pub(crate) alpha: f32,
    /// Share of the inputs of `A` that are left out while training.
    pub(crate) dropout: f32,
    pub(crate) targets: Vec<Projection>,
}

/// Where the two matrices of a pair lie in the slice: `A` is `[rank, in]`, `B` is `[out, rank]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) layer: usize,
    pub(crate) projection: Projection,
    pub(crate) a: Range<usize>,
    pub(crate) b: Range<usize>,
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
}

/// The plan of an adapter for one base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoraPlan {
    pub(crate) config: LoraConfig,
    pub(crate) pairs: Vec<Pair>,
    /// `[layer][projection]`: the place of its pair.
    places: Vec<[Option<usize>; 7]>,
    /// Numbers in all.
    pub(crate) len: usize,
}

/// Which inputs of `A` are left out in this pass: the same ones whenever it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    pub(crate) seed: u64,
    pub(crate) share: f32,
}

impl Dropout {
    /// What the inputs that stay are multiplied with.
    pub(super) fn kept(self) -> f32 {
        1.0 / (1.0 - self.share)
    }

    /// Says of one input of a pair's `A` after the other whether it is left out.
    pub(super) fn left_out(self, pair: &Pair) -> impl FnMut() -> bool {
        let mut draws = Draws::new(self.seed, "dropout", (pair.layer * 7 + pair.projection as usize) as u64);
        let bound = (f64::from(self.share) * 2.0_f64.powi(64)) as u64;
        move || draws.number() < bound
    }
}

impl LoraPlan {
    /// Lays the pairs out, layer by layer.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rank of 0, a dropout outside 0 to 1, or no targets.
    pub(crate) fn new(config: &LoraConfig, shape: &Shape) -> Result<Self> {
        let LoraConfig { rank, dropout, alpha, .. } = *config;
        if rank == 0 || rank > shape.n_embd {
            return Err(Error::usage(format!("a rank of {rank} does not fit"), "--rank 16 is common"));
        }
        if !(0.0..1.0).contains(&dropout) || !alpha.is_finite() || config.targets.is_empty() {
            return Err(Error::usage("dropout, alpha or targets make no adapter", "correct it with --set train.…"));
        }
        let (mut pairs, mut places, mut len) = (Vec::new(), vec![[None; 7]; shape.n_layer], 0);
        for (layer, places) in places.iter_mut().enumerate() {
            for projection in Projection::ALL.into_iter().filter(|projection| config.targets.contains(projection)) {
                let (n_in, n_out) = shape.in_and_out(projection);
                let a = len..len + rank * n_in;
                let b = a.end..a.end + n_out * rank;
                len = b.end;
                places[projection as usize] = Some(pairs.len());
                pairs.push(Pair { layer, projection, a, b, n_in, n_out });
            }
        }
        Ok(Self { config: config.clone(), pairs, places, len })
    }

    /// What `B A x` is multiplied with.
    pub(crate) fn scale(&self) -> f32 {
        self.config.alpha / self.config.rank as f32
    }

    /// The pair of a matrix, if it is a target.
    pub(crate) fn pair(&self, layer: usize, projection: Projection) -> Option<&Pair> {
        self.places[layer][projection as usize].map(|place| &self.pairs[place])
    }

    /// Where training begins: `A` drawn evenly within `1 / sqrt(in)` (Kaiming, as PEFT does), `B` nothing.
    pub(crate) fn initial(&self, seed: u64) -> Vec<f32> {
        let mut numbers = vec![0.0; self.len];
        for (place, pair) in self.pairs.iter().enumerate() {
            let mut draws = Draws::new(seed, "lora", place as u64);
            let bound = 1.0 / (pair.n_in as f32).sqrt();
            let draw = |x: &mut f32| *x = bound * ((draws.number() >> 40) as f32 / (1 << 23) as f32 - 1.0);
            numbers[pair.a.clone()].iter_mut().for_each(draw);
        }
        numbers
    }
}

/// The inputs that `A` sees: scaled up for those that are left out.
pub(super) fn dropped(x: &[f32], pair: &Pair, dropout: Option<Dropout>) -> Option<Vec<f32>> {
    let dropout = dropout.filter(|dropout| dropout.share > 0.0)?;
    let (kept, mut left_out) = (dropout.kept(), dropout.left_out(pair));
    Some(x.iter().map(|x| if left_out() { 0.0 } else { x * kept }).collect())
}

/// Adds `scale B A x` to `y`; answers with `A x`, `[tokens, rank]`, for the way back.
pub(super) fn forward(plan: &LoraPlan, pair: &Pair, numbers: &[f32], x: &[f32], y: &mut [f32]) -> Vec<f32> {
    let (rank, tokens) = (plan.config.rank, x.len() / pair.n_in);
    let a_x = narrowed(plan, pair, numbers, x);
    let b = Mat::new(&numbers[pair.b.clone()], pair.n_out, rank);
    multiply(y, Mat::new(&a_x, tokens, rank), b.t(), plan.scale(), Onto::Add);
    a_x
}

/// `A x`, `[tokens, rank]`.
pub(super) fn narrowed(plan: &LoraPlan, pair: &Pair, numbers: &[f32], x: &[f32]) -> Vec<f32> {
    let (rank, tokens) = (plan.config.rank, x.len() / pair.n_in);
    let mut a_x = vec![0.0; tokens * rank];
    let a = Mat::new(&numbers[pair.a.clone()], rank, pair.n_in);
    multiply(&mut a_x, Mat::new(x, tokens, pair.n_in), a.t(), 1.0, Onto::Replace);
    a_x
}

/// Adds to the gradients of `A` and `B`, and to that of their input, `[tokens, in]`.
pub(super) fn backward(
    plan: &LoraPlan,
    pair: &Pair,
    numbers: &[f32],
    gradients: &mut [f32],
    (x, a_x, d_y): (&[f32], &[f32], &[f32]),
    d_x: &mut [f32],
) {
    let (rank, tokens) = (plan.config.rank, d_y.len() / pair.n_out);
    let (x, a_x, d_y) =
        (Mat::new(x, tokens, pair.n_in), Mat::new(a_x, tokens, rank), Mat::new(d_y, tokens, pair.n_out));
    multiply(&mut gradients[pair.b.clone()], d_y.t(), a_x, plan.scale(), Onto::Add);
    let mut d_a_x = vec![0.0; tokens * rank];
    multiply(&mut d_a_x, d_y, Mat::new(&numbers[pair.b.clone()], pair.n_out, rank), plan.scale(), Onto::Replace);
    let d_a_x = Mat::new(&d_a_x, tokens, rank);
    multiply(&mut gradients[pair.a.clone()], d_a_x.t(), x, 1.0, Onto::Add);
    multiply(d_x, d_a_x, Mat::new(&numbers[pair.a.clone()], rank, pair.n_in), 1.0, Onto::Add);
}
