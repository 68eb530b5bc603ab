//! Stage two: conversations between personas and an assistant, as trees.
//!
//! Reads personas, writes trees; each conversation is made by one thread from its own seed, so what it says does not
//! depend on the others, on how many go at once, or on how often the run was interrupted.

mod answer;
mod estimate;
mod grow;
mod paper;
mod plan;
mod prompt;
mod quality;
mod store;
mod turn;

pub(crate) use estimate::estimate;
pub(crate) use grow::{Forest, ForestReport, grow_all};
pub(crate) use paper::{export, import};
pub(crate) use plan::plan;
pub(crate) use store::{FOLDER, REJECTED, REJECTED_LOG, TREES, TREES_LOG, TreeStore};
