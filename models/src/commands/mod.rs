//! One file or folder a verb of the command line.
//!
//! `chat` is written and waits here for the assistant of the core: declare it, call it in main.rs.

pub(crate) mod models;
