//! Vectors of a pool and which of them are near: one matrix product for a whole batch of candidates.
//!
//! No index: at 50,000 texts the product for twenty candidates took 28 ms (384 dimensions, one core of an EPYC), and
//! embedding the twenty takes longer than that.

use std::collections::HashMap;

use ndarray::{ArrayView2, s};

use super::rules::bare;
use super::{Embed, Text};
use crate::error::Result;

/// Rows that are multiplied at once: the product of two such blocks stays in a core's cache.
const BLOCK: usize = 512;

/// A row's nearest one among others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    pub(super) member: usize,
    pub(super) cosine: f32,
}

/// Vectors of length 1, one a row: `[n, dimension]`.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    rows: Vec<f32>,
    dimension: usize,
    /// Texts that were embedded for it.
    pub(super) embedded: usize,
}

impl Matrix {
    /// Embeds texts, each once.
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

    /// The same as a matrix of a library that multiplies fast.
    pub(super) fn view(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.len(), self.dimension), &self.rows).expect("rows are pushed whole")
    }

    /// For each of `candidates` (`[n, dimension]`) its nearest among the members.
    pub(super) fn nearest(&self, candidates: &Self) -> Vec<Option<Nearest>> {
        let mut nearest: Vec<Option<Nearest>> = vec![None; candidates.len()];
        for_each_cosine(
            self,
            candidates,
            |_| true,
            |member, at, cosine| {
                if nearest[at].is_none_or(|best| cosine > best.cosine) {
                    nearest[at] = Some(Nearest { member, cosine });
                }
            },
        );
        nearest
    }
}

/// Calls `with` with a row of `a`, a row of `b` and their cosine, for all pairs in the blocks that are `wanted` by the
/// places of their first rows.
pub(super) fn for_each_cosine(
    a: &Matrix,
    b: &Matrix,
    wanted: impl Fn((usize, usize)) -> bool,
    mut with: impl FnMut(usize, usize, f32),
) {
    for (from_a, block_a) in blocks(a) {
        for (from_b, block_b) in blocks(b).filter(|(from_b, _)| wanted((from_a, *from_b))) {
            let cosines = block_a.dot(&block_b.t());
            for (at, row) in cosines.outer_iter().enumerate() {
                for (other, cosine) in row.iter().enumerate() {
                    with(from_a + at, from_b + other, *cosine);
                }
            }
        }
    }
}

fn blocks(matrix: &Matrix) -> impl Iterator<Item = (usize, ArrayView2<'_, f32>)> {
    let all = matrix.view();
    let cut = move |from: usize| (from, all.slice_move(s![from..(from + BLOCK).min(matrix.len()), ..]));
    (0..matrix.len()).step_by(BLOCK).map(cut)
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

/// Groups of texts that are nearer to each other than `cosine`, directly or through others: for each text the first of
/// its group.
pub(super) fn groups(texts: &[Text], cosine: f32, embed: &Embed<'_>) -> Result<Vec<usize>> {
    let all: Vec<_> = texts.iter().map(|text| text.text.clone()).collect();
    let matrix = Matrix::of(&all, embed)?;
    let mut group = Groups::of(texts.len());
    let mut first: HashMap<String, usize> = HashMap::new();
    for (place, text) in all.iter().enumerate() {
        let same = *first.entry(bare(text)).or_insert(place);
        group.join(same, place);
    }
    for_each_cosine(
        &matrix,
        &matrix,
        |(a, b)| b <= a,
        |a, b, near| {
            if b < a && near > cosine {
                group.join(a, b);
            }
        },
    );
    Ok((0..texts.len()).map(|place| group.first(place)).collect())
}

/// Disjoint sets, each known by its first member.
struct Groups(Vec<usize>);

impl Groups {
    fn of(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn first(&mut self, place: usize) -> usize {
        let mut at = place;
        while self.0[at] != at {
            // Halves the way for whoever comes next.
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(rows: &[[f32; 3]]) -> Matrix {
        let mut matrix = Matrix::default();
        rows.iter().for_each(|row| matrix.push(row));
        matrix
    }

    #[test]
    fn the_nearest_member_is_found_by_one_product() {
        let pool = matrix(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let candidates = matrix(&[[0.6, 0.8, 0.0], [0.8, 0.6, 0.0]]);
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

    /// What stands against an index: asking a model for twenty texts takes seconds.
    #[test]
    #[ignore = "a measurement of the product that stands in for an index, with --nocapture"]
    fn twenty_candidates_are_compared_with_fifty_thousand_members() {
        let mut draws = crate::random::Draws::new(1, "vectors", 0);
        let mut drawn = |count: usize| {
            let mut matrix = Matrix::default();
            for _ in 0..count {
                let row: Vec<f32> = (0..384).map(|_| (draws.number() >> 40) as f32 / (1 << 24) as f32 - 0.5).collect();
                let length = dot(&row, &row).sqrt();
                matrix.push(&row.iter().map(|x| x / length).collect::<Vec<_>>());
            }
            matrix
        };
        let (pool, candidates) = (drawn(50_000), drawn(20));
        for _ in 0..3 {
            let started = std::time::Instant::now();
            let nearest = pool.nearest(&candidates);
            println!("nearest of 20 among 50,000: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
            assert!(nearest.iter().flatten().all(|nearest| nearest.cosine < 0.5));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_pair_is_seen_once_across_blocks(count in 1..3 * BLOCK / 2, other in 1..BLOCK + 10) {
            let row = |at: usize| [at as f32, 1.0, 0.0];
            let (a, b): (Vec<_>, Vec<_>) = ((0..count).map(row).collect(), (0..other).map(row).collect());
            let mut seen = 0;
            for_each_cosine(&matrix(&a), &matrix(&b), |_| true, |i, j, cosine| {
                seen += 1;
                assert!((cosine - (i * j + 1) as f32).abs() <= cosine * 1e-5, "{i} {j} {cosine}");
            });
            prop_assert_eq!(seen, count * other);
        }
    }
}
