//! Runs the language model on its own thread.

pub mod estimate;
pub mod gguf;
pub mod template;
pub mod threads;
