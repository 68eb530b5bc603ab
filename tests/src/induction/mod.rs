//! Labelled sentences, and the training and measuring of fact induction on them.
//!
//! The shipped inducer only reads weights; how they are made and judged stands here, so that anyone can do it again.

mod data;
mod regression;
mod score;
mod train;

pub use data::{Half, Labelled, held, training};
pub use score::{Judged, Table};
pub use train::{Case, FACT_THRESHOLDS, Features, Trained, cross_validated, features, train, weights_file};
