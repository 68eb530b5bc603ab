//! What the cross-crate tests share: where models are, and engines to test with.

pub mod fixtures;
pub mod induction;
