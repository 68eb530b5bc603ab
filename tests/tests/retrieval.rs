//! Is what matters to a message found? Measured on the questions of `tests/data`, against full text, vectors and their
//! plain fusion, each user alone and all users in one store.
//!
//! The half named `test` is for the reported figures: nothing may be tuned on it. With `--nocapture` the tables are
//! printed. All users in one store is harder than an app will ever be: of two users with a diet, only one is right. There
//! vectors alone are a little better on what is paraphrased, so that kind has floors only.

mod retrieval_data;

use aloekit::memory::{MemoryStore, RetrieveLimits};
use retrieval_data::{Facts, Kind, Method, Scope, Split, Table, World};

/// One question in thirty: another build of the embedder rounds otherwise and may swap two near memories.
const SLACK: f64 = 0.034;

#[test]
fn one_setting_finds_what_the_better_of_its_parts_finds_on_the_half_for_tuning() {
    let alone = Report::print(Split::Tune, Scope::OneUser, Facts::None);
    alone.assert_no_part_is_better(&Kind::ALL);
    alone.assert_at_least(Kind::Stated, [0.96, 1.00, 1.00, 0.98]);
    alone.assert_at_least(Kind::Paraphrased, [0.63, 0.93, 0.93, 0.75]);
    alone.assert_at_least(Kind::Inferred, [0.53, 0.80, 0.90, 0.66]);
    alone.assert_usable_by_default(0.03, 0.16);
    let learnt = Report::print(Split::Tune, Scope::OneUser, Facts::Learnt);
    learnt.assert_no_part_is_better(&Kind::ALL);
    learnt.assert_at_least(Kind::Paraphrased, [0.63, 0.93, 0.93, 0.75]);
    learnt.assert_at_least(Kind::Inferred, [0.53, 0.80, 0.90, 0.66]);
    learnt.assert_usable_by_default(0.03, 0.16);
    let together = Report::print(Split::Tune, Scope::AllUsers, Facts::None);
    together.assert_no_part_is_better(&[Kind::Stated, Kind::Inferred]);
    together.assert_at_least(Kind::Paraphrased, [0.20, 0.66, 0.76, 0.39]);
}

#[test]
fn one_setting_finds_what_the_better_of_its_parts_finds_on_the_half_that_was_never_tuned_on() {
    let alone = Report::print(Split::Test, Scope::OneUser, Facts::None);
    alone.assert_no_part_is_better(&Kind::ALL);
    alone.assert_at_least(Kind::Stated, [0.93, 1.00, 1.00, 0.95]);
    alone.assert_at_least(Kind::Paraphrased, [0.63, 0.93, 0.96, 0.73]);
    alone.assert_at_least(Kind::Inferred, [0.31, 0.62, 0.82, 0.47]);
    alone.assert_usable_by_default(0.07, 0.05);
    let learnt = Report::print(Split::Test, Scope::OneUser, Facts::Learnt);
    learnt.assert_no_part_is_better(&Kind::ALL);
    let together = Report::print(Split::Test, Scope::AllUsers, Facts::None);
    together.assert_no_part_is_better(&[Kind::Stated, Kind::Inferred]);
    together.assert_at_least(Kind::Paraphrased, [0.23, 0.43, 0.63, 0.34]);
}

#[test]
fn what_continues_the_turn_before_is_found_with_it() {
    let store = retrieval_data::empty_store();
    let conversation = store.create_conversation().expect("a conversation");
    let say = |text: &str| store.begin_turn(conversation, text, &retrieval_data::unrecalled()).expect("stored").turn;
    say("What rhymes with orange?");
    let cat = say("We picked up a kitten from the shelter yesterday.");
    let named = say("She's grey, and we settled on Pebble.");
    say("How long do I boil an egg?");
    let found = found(&store, "What is our cat called?");
    assert_eq!(found, [cat, named]);
}

fn found(store: &MemoryStore, text: &str) -> Vec<i64> {
    let found = store.retrieve(text, &RetrieveLimits::default()).expect("a search");
    found.into_iter().map(|memory| memory.turn).collect()
}

struct Report {
    parts: Vec<(Method, Table)>,
    ours: Table,
    by_default: Table,
    /// Memories recalled for a message that has nothing to do with any.
    per_unrelated: f64,
}

impl Report {
    fn print(split: Split, scope: Scope, facts: Facts) -> Self {
        let world = World::open(split, scope, facts);
        let parts: Vec<_> = Method::PARTS.iter().map(|method| (*method, world.measure(*method))).collect();
        let ours = world.measure(Method::Ours);
        let by_default = world.measure_within(&RetrieveLimits::default());
        let (recalled, messages, with_any) = world.recalled_for_unrelated();
        println!("\n{split:?}, {scope:?}, facts {facts:?}: recall@1 @5 @10 MRR");
        for (method, table) in &parts {
            println!("{:<22}{table}", format!("{method:?}"));
        }
        println!("{:<22}{ours}\n{:<22}{by_default}", "ours, no least score", "ours, by default");
        println!("{recalled} memories recalled for {with_any} of {messages} unrelated messages");
        Self { parts, ours, by_default, per_unrelated: recalled as f64 / messages as f64 }
    }

    fn assert_at_least(&self, kind: Kind, floor: [f64; 4]) {
        let ours = self.ours.kind(kind);
        let reached = ours.numbers().into_iter().zip(floor).all(|(ours, floor)| ours >= floor);
        assert!(reached, "{kind:?}: {ours} is under {floor:?}");
    }

    /// What the default least score may cost of the first five, and let through for messages that need nothing.
    fn assert_usable_by_default(&self, most_lost: f64, most_per_unrelated: f64) {
        let lost = self.ours.all().recall_at_5 - self.by_default.all().recall_at_5;
        assert!(lost <= most_lost, "the least score loses {lost:.3} of recall at 5");
        assert!(self.per_unrelated <= most_per_unrelated, "{:.3} for an unrelated message", self.per_unrelated);
    }

    fn assert_no_part_is_better(&self, kinds: &[Kind]) {
        for kind in kinds {
            let ours = self.ours.kind(*kind);
            for (method, table) in &self.parts {
                let part = table.kind(*kind);
                for (ours, part) in ours.numbers().into_iter().zip(part.numbers()) {
                    assert!(ours >= part - SLACK, "{kind:?}: {method:?} has {part:.3} and ours {ours:.3}");
                }
            }
        }
    }
}
