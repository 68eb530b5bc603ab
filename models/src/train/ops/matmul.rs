//! Products of matrices: views with strides over plain slices, and the one call that multiplies.
//!
//! Everything expensive in training goes through here; another device would begin with another `multiply`.

use faer::linalg::matmul::matmul;
use faer::mat::{MatMut, MatRef};
use faer::{Accum, Par};

/// A matrix to read.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a>(MatRef<'a, f32>);

/// Whether a product takes the place of what is there or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onto {
    Replace,
    Add,
}

impl<'a> Mat<'a> {
    /// `[rows, columns]`, row after row.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self(MatRef::from_row_major_slice(data, rows, columns))
    }

    /// The first `columns` of each row of `stride` elements.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self(MatRef::from_row_major_slice_with_stride(data, rows, columns, stride))
    }

    /// Rows as columns.
    pub(crate) fn t(self) -> Self {
        Self(self.0.transpose())
    }
}

/// `out = alpha a b`, or `out += alpha a b`; `out` is `[rows of a, columns of b]`, row after row.
pub(crate) fn multiply(out: &mut [f32], a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    let (rows, columns) = (a.0.nrows(), b.0.ncols());
    run(MatMut::from_row_major_slice_mut(out, rows, columns), a, b, alpha, onto, Par::rayon(0));
}

/// As [`multiply`], into the first columns of rows of `stride` elements.
pub(crate) fn multiply_into(out: &mut [f32], stride: usize, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    let (rows, columns) = (a.0.nrows(), b.0.ncols());
    let out = MatMut::from_row_major_slice_with_stride_mut(out, rows, columns, stride);
    run(out, a, b, alpha, onto, Par::rayon(0));
}

/// As [`multiply_into`] on this thread alone.
pub(crate) fn multiply_here(out: &mut [f32], stride: usize, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto) {
    let (rows, columns) = (a.0.nrows(), b.0.ncols());
    let out = MatMut::from_row_major_slice_with_stride_mut(out, rows, columns, stride);
    run(out, a, b, alpha, onto, Par::Seq);
}

fn run(out: MatMut<'_, f32>, a: Mat<'_>, b: Mat<'_>, alpha: f32, onto: Onto, par: Par) {
    let accumulate = match onto {
        Onto::Replace => Accum::Replace,
        Onto::Add => Accum::Add,
    };
    matmul(out, accumulate, a.0, b.0, alpha, par);
}
