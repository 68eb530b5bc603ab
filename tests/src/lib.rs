//! What the cross-crate tests share: the real models, engines on them, and small models written on the spot.

pub mod fixtures;
pub mod gguf_writer;
pub mod induction;
pub mod thin_adapter;
pub mod tiny_model;
