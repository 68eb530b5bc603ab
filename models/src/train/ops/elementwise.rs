//! Arithmetic element by element and row by row, compiled for every instruction set and chosen at run time.
//!
//! Each function is written so that the compiler vectorizes it; `vectorized` then runs it with the widest registers of
//! this machine. Sums within a row go in a fixed order, so a result does not depend on the number of threads.

use rayon::prelude::*;

/// Elements that are worth a task of their own.
const TASK: usize = 1 << 15;
/// Partial sums of a row: enough to fill the widest registers.
const LANES: usize = 16;

/// Runs `work` compiled for the instruction set that was found.
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// e to the x, within 2 units in the last place; below -87 it is 0 for all that is summed with it.
///
/// Cody and Waite's reduction and a polynomial of degree 6: the library's `exp` is a call that no loop vectorizes over.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to a whole number
    let x = x.clamp(-87.3, 88.3);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_66;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent << 23)
}

/// Sum over pairs of elements in a fixed order.
#[inline(always)]
pub(crate) fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let ((a_whole, a_rest), (b_whole, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The greatest element.
#[inline(always)]
pub(crate) fn max_of(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = a.as_chunks::<LANES>();
    for a in whole {
        for lane in 0..LANES {
            lanes[lane] = if a[lane] > lanes[lane] { a[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// `a += b`.
pub(crate) fn add(a: &mut [f32], b: &[f32]) {
    a.par_chunks_mut(TASK).zip(b.par_chunks(TASK)).for_each(|(a, b)| {
        vectorized(|| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
    });
}

/// The gated activation of a feed-forward network, `silu(gate) * up` (SwiGLU, Shazeer 2020).
pub(crate) fn swiglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; gate.len()];
    out.par_chunks_mut(TASK).zip(gate.par_chunks(TASK).zip(up.par_chunks(TASK))).for_each(|(out, (gate, up))| {
        vectorized(|| {
            for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
                *out = g / (1.0 + exp(-g)) * u;
            }
        });
    });
    out
}

/// Turns `d_out` of [`swiglu`] into the gradients of gate and up.
pub(crate) fn swiglu_backward(gate: &[f32], up: &[f32], d_out: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut d_gate, mut d_up) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
    let outs = d_gate.par_chunks_mut(TASK).zip(d_up.par_chunks_mut(TASK));
    let ins = gate.par_chunks(TASK).zip(up.par_chunks(TASK)).zip(d_out.par_chunks(TASK));
    outs.zip(ins).for_each(|((d_gate, d_up), ((gate, up), d_out))| {
        vectorized(|| {
            let ins = gate.iter().zip(up).zip(d_out);
            for ((d_gate, d_up), ((g, u), d)) in d_gate.iter_mut().zip(d_up).zip(ins) {
                let sigmoid = 1.0 / (1.0 + exp(-g));
                *d_up = d * g * sigmoid;
                *d_gate = d * u * sigmoid * (1.0 + g * (1.0 - sigmoid));
            }
        });
    });
    (d_gate, d_up)
}

/// Root mean square normalization of rows (Zhang and Sennrich 2019): `x / sqrt(mean(x²) + eps) * weight`.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(weight.len()).zip(x.par_chunks(weight.len())).for_each(|(out, x)| {
        vectorized(|| {
            let scale = inverse_rms(x, eps);
            out.iter_mut().zip(x).zip(weight).for_each(|((out, x), w)| *out = x * scale * w);
        });
    });
    out
}

/// Adds to `d_x` what `d_out` of [`rms_norm`] makes of it.
pub(crate) fn rms_norm_backward(x: &[f32], weight: &[f32], eps: f32, d_out: &[f32], d_x: &mut [f32]) {
    let n = weight.len();
    d_x.par_chunks_mut(n).zip(x.par_chunks(n).zip(d_out.par_chunks(n))).for_each(|(d_x, (x, d_out))| {
        vectorized(|| {
            let scale = inverse_rms(x, eps);
            let weighted: Vec<f32> = d_out.iter().zip(weight).map(|(d, w)| d * w).collect();
            let shared = sum_of(&weighted, x, |d, x| d * x) * scale * scale / n as f32;
            for ((d_x, d), x) in d_x.iter_mut().zip(&weighted).zip(x) {
                *d_x += scale * (d - x * shared);
            }
        });
    });
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (sum_of(x, x, |a, b| a * b) / x.len() as f32 + eps).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::check;
    use super::*;

    #[test]
    fn exp_agrees_with_the_librarys() {
        for step in -8000..8000 {
            let x = step as f32 * 0.01;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "{x}: {ours} {exact}");
        }
        assert!(exp(-1e9) < 1e-37 && exp(1e9).is_finite());
    }

    #[test]
    fn the_gradient_of_the_norm_is_that_of_finite_differences() {
        let weight: Vec<f32> = (0..24).map(|at| 0.5 + at as f32 * 0.05).collect();
        check(
            24 * 3,
            |x| rms_norm(x, &weight, 1e-5),
            |x, d_out| {
                let mut d_x = vec![0.0; x.len()];
                rms_norm_backward(x, &weight, 1e-5, d_out, &mut d_x);
                d_x
            },
        );
    }

    #[test]
    fn the_gradient_of_the_activation_is_that_of_finite_differences() {
        let split = |x: &[f32]| (x[..20].to_vec(), x[20..].to_vec());
        check(
            40,
            |x| swiglu(&split(x).0, &split(x).1),
            |x, d_out| {
                let (gate, up) = split(x);
                let (d_gate, d_up) = swiglu_backward(&gate, &up, d_out);
                [d_gate, d_up].concat()
            },
        );
    }
}
