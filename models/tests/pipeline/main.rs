//! The pipeline as its users run it: stages, endpoints that misbehave, kills at any point, a real small model.

mod batch;
mod benchmark;
mod browser;
#[path = "../ended/mod.rs"]
mod ended;
mod endpoint;
mod faults;
mod keys;
mod kill;
mod local;
mod run;
#[path = "../skipped/mod.rs"]
mod skipped;
mod stages;
mod training_view;
mod view;
