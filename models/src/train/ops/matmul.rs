//! Products of matrices: views with strides over plain slices, and the one call that multiplies.
//!
//! Everything expensive in training goes through here; another device would begin with another `run`. The kernels take
//! raw pointers, so this file alone in the crate is allowed `unsafe`: each view is checked against its slice when it is
//! made. (faer offers the same speed through a safe interface, but with its version 0.24.4 the tests of these very callers
//! ended in a corrupted heap.)

use gemm::Parallelism;

/// A matrix to read.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// Whether a product takes the place of what is there or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onto {
    Replace,
    Add,
}

impl<'a> Mat<'a> {
    /// `[rows, columns]`, row after row.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// The first `columns` of each row of `stride` elements.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(holds(data, rows, columns, stride), "{rows} rows of {columns} in {} elements", data.len());
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// Rows as columns.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = alpha a b`, or `out += alpha a b`; `out` is `[rows of a, columns of b]`, row after row.
pub(crate) fn multiply(out: &mut [f32], a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    multiply_into(out, b.columns, a, b, alpha, onto);
}

/// As [`multiply`], into the first columns of rows of `stride` elements.
pub(crate) fn multiply_into(out: &mut [f32], stride: usize, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    let threads = rayon::current_num_threads();
    run(out, stride, a, b, alpha, onto, if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None });
}

/// As [`multiply_into`] on this thread alone.
pub(crate) fn multiply_here(out: &mut [f32], stride: usize, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    run(out, stride, a, b, alpha, onto, Parallelism::None);
}

fn run(out: &mut [f32], stride: usize, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto, parallelism: Parallelism) {
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    assert_eq!(depth, b.rows, "the inner lengths differ");
    assert!(holds(out, rows, columns, stride), "{rows} rows of {columns} in {} elements", out.len());
    let step = |stride: usize| isize::try_from(stride).expect("a slice is no longer than isize::MAX");
    // SAFETY: the three views lie within their slices: `holds` was asserted of each when it was made (a transposed view
    // addresses the same elements), and of `out` just now. `out` is borrowed mutably, so it overlaps neither.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            step(stride),
            onto == Onto::Add,
            a.data.as_ptr(),
            step(a.column_stride),
            step(a.row_stride),
            b.data.as_ptr(),
            step(b.column_stride),
            step(b.row_stride),
            1.0,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Whether a slice has so many rows, the last of which may end after its columns.
fn holds(data: &[f32], rows: usize, columns: usize, stride: usize) -> bool {
    let before = rows.saturating_sub(1).checked_mul(stride);
    let needed = before.and_then(|before| before.checked_add(columns));
    rows == 0 || columns == 0 || (stride >= columns && needed.is_some_and(|needed| needed <= data.len()))
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::noise;
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_product_is_that_of_the_definition_and_touches_nothing_else(
            (rows, columns, depth) in (1_usize..40, 1_usize..40, 1_usize..40),
            (gap, transposed, add) in (0_usize..4, 0..4_u8, proptest::bool::ANY),
        ) {
            let (a, b) = (noise(rows * depth, 1), noise(depth * columns, 2));
            let a = if transposed & 1 == 0 { Mat::new(&a, rows, depth) } else { Mat::new(&a, depth, rows).t() };
            let b = if transposed & 2 == 0 { Mat::new(&b, depth, columns) } else { Mat::new(&b, columns, depth).t() };
            let at = |m: Mat<'_>, row: usize, column: usize| m.data[row * m.row_stride + column * m.column_stride];
            let stride = columns + gap;
            let mut out = noise(rows * stride, 3);
            let before = out.clone();
            multiply_into(&mut out, stride, a, b, 0.5, if add { Onto::Add } else { Onto::Replace });
            for row in 0..rows {
                for column in 0..columns {
                    let product: f32 = (0..depth).map(|k| at(a, row, k) * at(b, k, column)).sum();
                    let start = if add { before[row * stride + column] } else { 0.0 };
                    proptest::prop_assert!((out[row * stride + column] - start - 0.5 * product).abs() < 1e-4);
                }
                let beside = row * stride + columns..(row + 1) * stride;
                proptest::prop_assert_eq!(&out[beside.clone()], &before[beside]);
            }
        }
    }
}
