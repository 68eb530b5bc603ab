//! What the cross-crate tests share: where models are.

pub mod gguf_writer;
pub mod tiny_model;
