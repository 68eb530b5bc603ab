//! The arithmetic of a layer, forward and backward, on plain slices of `f32`.
//!
//! Knows no model, no adapter and no file. Each function is one that a GPU would have as a kernel: another device stands
//! behind these names, and nothing above them changes.

mod attention;
mod elementwise;
#[cfg(test)]
pub(crate) mod finite_difference;
mod matmul;
mod rope;

pub(crate) use attention::{Heads, Inputs, QueryBlock};
pub(crate) use elementwise::{
    add, exp, max_of, rms_norm, rms_norm_backward, sum_of, swiglu, swiglu_backward, vectorized,
};
pub(crate) use matmul::{Mat, Onto, multiply, multiply_into};
pub(crate) use rope::{Rotation, from_heads, to_heads};
