//! People by rule: profiles and personalities put together from lists, no two of them alike for long.

use super::lexicon as words;
use super::styles::Style;
use crate::random::Draws;

fn one<'a>(draws: &mut Draws, from: &[&'a str]) -> &'a str {
    draws.pick(from).copied().unwrap_or_default()
}

/// A life in eight to ten facts, a sentence each.
pub(super) fn profile(draws: &mut Draws) -> String {
    let (name, pronoun) = draws.pick(words::NAMES).copied().unwrap_or(("Sam", "They"));
    let (own, is, has, lives) = match pronoun {
        "He" => ("His", "is", "has", "lives"),
        "She" => ("Her", "is", "has", "lives"),
        _ => ("Their", "are", "have", "live"),
    };
    let age = 18 + draws.below(68);
    let mut topics = draws.some_of(words::TOPICS.len(), 3).into_iter().map(|at| words::TOPICS[at].word);
    let mut topic = || topics.next().unwrap_or("walking");
    let mut facts = vec![
        format!("{own} favourite thing in the world is {}.", topic()),
        format!("Most weekends belong to {}.", topic()),
        format!("{own} newest interest is {}.", topic()),
        format!("{own} home is {}.", one(draws, words::HOMES)),
        format!("{pronoun} {lives} {}.", one(draws, words::HOUSEHOLDS)),
        format!("{own} childhood was spent {}.", one(draws, words::CHILDHOODS)),
        format!("{own} comfort food is {}.", one(draws, words::FOODS)),
        format!("{pronoun} {has} {}.", one(draws, words::POSSESSIONS)),
        format!("{pronoun} {is} {}.", one(draws, words::CIRCUMSTANCES)),
        format!("{own} plan for next year is {}.", one(draws, words::PLANS)),
    ];
    draws.shuffle(&mut facts);
    facts.truncate(7 + draws.below(3));
    let first = format!("{name} is a {age}-year-old {} in {}.", one(draws, words::JOBS), one(draws, words::PLACES));
    std::iter::once(first).chain(facts).collect::<Vec<_>>().join(" ")
}

/// A character in eight traits, one of them the planted style.
pub(super) fn personality(draws: &mut Draws) -> String {
    let style = draws.pick(&Style::ALL).copied().unwrap_or(Style::Brief);
    let planted = one(draws, words::style_sentences(style));
    let mut traits: Vec<_> =
        draws.some_of(words::TRAITS.len(), 7).into_iter().map(|at| words::TRAITS[at].to_owned()).collect();
    traits.insert(draws.below(3), planted.to_owned());
    traits.join(" ")
}
