//! One file or folder a verb of the command line, and what several of them use of the core.

pub(crate) mod chat;
mod conversation_tokens;
mod data_folder;
pub(crate) mod dataset;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod memory;
mod model_files;
pub(crate) mod models;
pub(crate) mod paper_files;
pub(crate) mod personas;
mod pipeline;
pub(crate) mod provider;
pub(crate) mod score;
mod store_key;
pub(crate) mod train;
pub(crate) mod trees;
pub(crate) mod view;
