//! `aloe train`, `export` and `score` on a real small model: what is learnt, what a kill leaves, what an export says.

mod bundle;
#[path = "../ended/mod.rs"]
mod ended;
mod exports;
mod inducer;
mod inputs;
mod pipeline;
mod rating;
mod rows;
#[path = "../skipped/mod.rs"]
mod skipped;
mod workshop;
