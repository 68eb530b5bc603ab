//! What the cross-crate tests share: where models are.
