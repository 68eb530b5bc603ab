//! One file or folder a verb of the command line.

pub(crate) mod models;
