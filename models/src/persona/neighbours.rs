//! The nearest member of a pool by cosine, each text embedded once.
//!
//! The paper's script encodes the whole pool again for each candidate. Here the pool is one matrix, and a batch of
//! candidates one product with it.

use super::rules::bare;
use super::{Embed, Text};
use crate::error::Result;

/// The vectors of a pool: `[members, dimension]`, rows of length 1.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    rows: Vec<f32>,
    dimension: usize,
    pub(super) embedded: usize,
}

/// A member that is near, with its cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    pub(super) member: usize,
    pub(super) cosine: f32,
}

impl Matrix {
    /// The vectors of these texts, in order.
    pub(super) fn of(texts: &[String], embed: &Embed<'_>) -> Result<Self> {
        let mut matrix = Self::default();
        for vector in embed(texts)? {
            matrix.push(&vector);
        }
        matrix.embedded = texts.len();
        Ok(matrix)
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        self.dimension = vector.len();
        self.rows.extend_from_slice(vector);
    }

    pub(super) fn row(&self, member: usize) -> &[f32] {
        &self.rows[member * self.dimension..(member + 1) * self.dimension]
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// For each of `candidates` (`[n, dimension]`) its nearest among the members.
    pub(super) fn nearest(&self, candidates: &Self) -> Vec<Option<Nearest>> {
        let mut nearest: Vec<Option<Nearest>> = vec![None; candidates.len()];
        // Members outside, candidates inside: a row of the pool is read from memory once for the whole batch.
        for member in 0..self.len() {
            let row = self.row(member);
            for (at, best) in nearest.iter_mut().enumerate() {
                let cosine = dot(row, candidates.row(at));
                if best.is_none_or(|best| cosine > best.cosine) {
                    *best = Some(Nearest { member, cosine });
                }
            }
        }
        nearest
    }
}

/// Cosine of two rows of length 1.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side: the compiler makes vector instructions of them.
    let mut sums = [0.0f32; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_parts.zip(b_parts) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + tail
}

/// Groups of texts that are nearer to each other than `cosine`, directly or through others: group of each text.
pub(super) fn groups(texts: &[Text], cosine: f32, embed: &Embed<'_>) -> Result<Vec<usize>> {
    let all: Vec<_> = texts.iter().map(|text| text.text.clone()).collect();
    let matrix = Matrix::of(&all, embed)?;
    let mut group: Vec<usize> = (0..texts.len()).collect();
    for a in 0..texts.len() {
        for b in 0..a {
            let same = dot(matrix.row(a), matrix.row(b)) > cosine || bare(&all[a]) == bare(&all[b]);
            if same && group[a] != group[b] {
                let (from, to) = (group[a].max(group[b]), group[a].min(group[b]));
                group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_member_is_found_by_one_product() {
        let mut pool = Matrix::default();
        pool.push(&[1.0, 0.0, 0.0]);
        pool.push(&[0.0, 1.0, 0.0]);
        let mut candidates = Matrix::default();
        candidates.push(&[0.6, 0.8, 0.0]);
        candidates.push(&[0.8, 0.6, 0.0]);
        let found: Vec<_> = pool.nearest(&candidates).into_iter().flatten().map(|n| n.member).collect();
        assert_eq!(found, [1, 0]);
        assert_eq!(Matrix::default().nearest(&candidates), [None, None]);
    }

    #[test]
    fn a_product_of_any_length_is_the_sum_of_its_parts() {
        for len in [0, 1, 7, 8, 9, 384] {
            let row: Vec<f32> = (0..len).map(|at| at as f32 / 10.0).collect();
            let plain: f32 = row.iter().map(|x| x * x).sum();
            assert!((dot(&row, &row) - plain).abs() <= plain * 1e-5);
        }
    }
}
