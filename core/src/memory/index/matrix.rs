//! The vectors of all memories as 8-bit integers, searched from first to last.
//!
//! One byte a number, with one scale a vector: a quarter of the memory that f32 takes, and a scan that is bound by
//! memory gets that much faster. It costs 0.0006 of a cosine (measured; the embedder's own weights are coarser), so
//! nothing is ranked anew with the exact vectors.

/// Dot products of a query with every vector need no more precision than this.
const STEPS: f32 = 127.0;

/// `[rows, dimension]`; a row of a memory without a vector is all zeros.
#[derive(Default)]
pub(in crate::memory) struct Matrix {
    dimension: usize,
    steps: Vec<i8>,
    /// What one step is worth, for each row; 0 without a vector.
    scales: Vec<f32>,
}

impl Matrix {
    pub(super) fn new(dimension: usize) -> Self {
        Self { dimension, ..Self::default() }
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Adds a row; `None`, another length or a number that is none gives a row without a vector.
    pub(super) fn push(&mut self, vector: Option<impl Iterator<Item = f32> + Clone>) {
        let start = self.steps.len();
        self.steps.resize(start + self.dimension, 0);
        let scale = vector.and_then(|vector| quantize(vector, &mut self.steps[start..])).unwrap_or(0.0);
        self.scales.push(scale);
    }

    /// Overwrites the numbers before it lets go of them.
    pub(super) fn clear(&mut self) {
        self.steps.fill(0);
        self.steps.clear();
        self.scales.clear();
    }

    pub(in crate::memory) fn has(&self, row: usize) -> bool {
        self.scales[row] > 0.0
    }

    /// Dot product of every row with the query: `[rows]`.
    pub(in crate::memory) fn products(&self, query: &[f32]) -> Vec<f32> {
        let mut steps = vec![0; self.dimension];
        let Some(scale) = quantize(query.iter().copied(), &mut steps) else { return vec![0.0; self.scales.len()] };
        let rows = self.steps.chunks_exact(self.dimension.max(1));
        rows.zip(&self.scales).map(|(row, row_scale)| dot(row, &steps) as f32 * row_scale * scale).collect()
    }

    /// Cosine of a row with a vector of length 1.
    pub(in crate::memory) fn cosine(&self, row: usize, vector: &[f32]) -> f32 {
        let sum: f32 = self.row(row).iter().zip(vector).map(|(step, number)| f32::from(*step) * number).sum();
        sum * self.scales[row]
    }

    /// Cosine of two rows.
    pub(in crate::memory) fn likeness(&self, a: usize, b: usize) -> f32 {
        dot(self.row(a), self.row(b)) as f32 * self.scales[a] * self.scales[b]
    }

    fn row(&self, row: usize) -> &[i8] {
        &self.steps[row * self.dimension..(row + 1) * self.dimension]
    }
}

/// Writes the vector as steps and returns what one is worth; `None`, with zeros written, when it cannot be done.
fn quantize(vector: impl Iterator<Item = f32> + Clone, steps: &mut [i8]) -> Option<f32> {
    let (mut count, mut largest) = (0, 0.0_f32);
    for number in vector.clone() {
        count += 1;
        largest = if number.is_finite() { largest.max(number.abs()) } else { f32::INFINITY };
    }
    if count != steps.len() || !largest.is_finite() || largest <= f32::MIN_POSITIVE {
        return None;
    }
    let per_step = STEPS / largest;
    for (step, number) in steps.iter_mut().zip(vector) {
        *step = (number * per_step).round() as i8;
    }
    Some(largest / STEPS)
}

/// In blocks and with 16-bit products, which the compiler turns into vector instructions on every target.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    const LANES: usize = 32;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sum = 0;
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        sum += x.iter().zip(y).map(|(x, y)| i32::from(i16::from(*x) * i16::from(*y))).sum::<i32>();
    }
    sum + a_rest.iter().zip(b_rest).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum::<i32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector of length 1 that looks random and is the same every time.
    fn unit(seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 - 0.5
        };
        let numbers: Vec<f32> = (0..384).map(|_| next()).collect();
        let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        numbers.into_iter().map(|x| x / length).collect()
    }

    #[test]
    fn eight_bits_change_a_cosine_by_less_than_three_thousandths() {
        let vectors: Vec<_> = (0..100).map(unit).collect();
        let mut matrix = Matrix::new(384);
        vectors.iter().for_each(|vector| matrix.push(Some(vector.iter().copied())));
        for query in &vectors {
            let products = matrix.products(query);
            for (row, vector) in vectors.iter().enumerate() {
                let exact: f32 = vector.iter().zip(query).map(|(x, y)| x * y).sum();
                assert!((products[row] - exact).abs() < 0.003 && (matrix.cosine(row, query) - exact).abs() < 0.003);
            }
        }
    }

    #[test]
    fn what_is_no_vector_of_this_length_becomes_an_empty_row() {
        let mut matrix = Matrix::new(35);
        matrix.push(None::<std::iter::Empty<f32>>);
        for odd in [vec![1.0; 34], vec![f32::NAN; 35], vec![0.0; 35], vec![f32::INFINITY; 35]] {
            matrix.push(Some(odd.into_iter()));
        }
        matrix.push(Some(std::iter::repeat_n(0.5, 35)));
        assert!((0..5).all(|row| !matrix.has(row)) && matrix.has(5));
        let products = matrix.products(&[1.0; 35]);
        assert_eq!(products[..5], [0.0; 5]);
        assert!((products[5] - 17.5).abs() < 1e-3);
    }
}
