//! One file or folder a verb of the command line.

pub(crate) mod chat;
pub(crate) mod memory;
pub(crate) mod models;
