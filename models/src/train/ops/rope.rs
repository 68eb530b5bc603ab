//! Rotary position embedding (Su et al. 2021) on the way from rows of tokens to rows of heads, and back.
//!
//! In a GGUF of the Llama family neighbouring elements are a pair: the rows of the query and key matrices were put in
//! that order when the file was made. Everything here is in the file's order.

use rayon::prelude::*;

/// The angles of each position of a batch.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// `[tokens, head_dim / 2]`: cosine and sine.
    angles: Vec<[f32; 2]>,
    pairs: usize,
}

impl Rotation {
    /// Angles `position * frequency`.
    pub(crate) fn new(positions: &[u32], frequencies: &[f64]) -> Self {
        let angle = |position: u32, frequency: &f64| {
            let angle = f64::from(position) * frequency;
            [angle.cos() as f32, angle.sin() as f32]
        };
        let mut angles = Vec::with_capacity(positions.len() * frequencies.len());
        for position in positions {
            angles.extend(frequencies.iter().map(|frequency| angle(*position, frequency)));
        }
        Self { angles, pairs: frequencies.len() }
    }

    /// Turns `[head_dim]` of a token; backwards for a gradient, because a rotation's transpose is its inverse.
    fn turn(&self, token: usize, head: &mut [f32], backwards: bool) {
        let angles = &self.angles[token * self.pairs..(token + 1) * self.pairs];
        for (pair, [cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            let sin = if backwards { -sin } else { *sin };
            *pair = [pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos];
        }
    }
}

/// `[tokens, heads * head_dim]` as `[heads, tokens, head_dim]`, rotated where there is a rotation.
pub(crate) fn to_heads(x: &[f32], tokens: usize, head_dim: usize, rotation: Option<&Rotation>) -> Vec<f32> {
    let width = x.len() / tokens;
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(tokens * head_dim).enumerate().for_each(|(head, out)| {
        for (token, out) in out.chunks_exact_mut(head_dim).enumerate() {
            let from = token * width + head * head_dim;
            out.copy_from_slice(&x[from..from + head_dim]);
            if let Some(rotation) = rotation {
                rotation.turn(token, out, false);
            }
        }
    });
    out
}

/// The way back of [`to_heads`]; with a rotation it takes gradients back.
pub(crate) fn from_heads(x: &[f32], tokens: usize, head_dim: usize, rotation: Option<&Rotation>) -> Vec<f32> {
    let width = x.len() / tokens;
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(width).enumerate().for_each(|(token, out)| {
        for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
            let from = (head * tokens + token) * head_dim;
            out.copy_from_slice(&x[from..from + head_dim]);
            if let Some(rotation) = rotation {
                rotation.turn(token, out, true);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::check;
    use super::*;

    #[test]
    fn the_gradient_of_a_rotation_is_that_of_finite_differences() {
        let rotation = Rotation::new(&[0, 3, 3, 7], &[1.0, 0.1, 0.01]);
        check(4 * 2 * 6, |x| to_heads(x, 4, 6, Some(&rotation)), |_, d_out| from_heads(d_out, 4, 6, Some(&rotation)));
    }

    #[test]
    fn heads_go_there_and_back() {
        let x: Vec<f32> = (0..24).map(|at| at as f32).collect();
        assert_eq!(from_heads(&to_heads(&x, 3, 4, None), 3, 4, None), x);
        assert_eq!(to_heads(&x, 3, 4, None)[4..8], x[8..12]);
    }
}
