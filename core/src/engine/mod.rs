//! Runs the language model on its own thread.

pub mod gguf;
pub mod template;
