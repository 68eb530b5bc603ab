//! Whether two facts say the same, contradict each other, or have nothing to do with each other.
//!
//! Meaning alone cannot tell: "I love cats" and "I hate cats" are nearer to each other than two ways of saying that one
//! works in a hospital. So words decide what contradicts, and meaning only what is the same.

use std::collections::BTreeSet;

use super::super::induce::opened_words;
use super::super::words::content_words;
use super::slots::{self, Filled};

/// Paraphrases of one fact; measured with MiniLM, facts that differ in what they are about stay below.
const SAME_MEANING: f32 = 0.90;

/// How a new fact stands to an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    Contradicts,
    Other,
}

/// What is compared of a fact.
#[derive(Debug)]
pub(super) struct Statement {
    filled: Option<Filled>,
    /// What it is about, without words that only say whether it is so or liked.
    topics: BTreeSet<String>,
    numbers: BTreeSet<String>,
    /// Who or what it names: capitalised words, and the family.
    named: BTreeSet<String>,
    denied: bool,
}

/// Words that turn a statement round.
const DENYING: [&str; 21] = [
    "not",
    "no",
    "never",
    "none",
    "hate",
    "hates",
    "dislike",
    "detest",
    "loathe",
    "despise",
    "avoid",
    "stopped",
    "quit",
    "without",
    "former",
    "formerly",
    "nor",
    "neither",
    "unbearable",
    "refuse",
    "sold",
];

/// Words that say whether something is liked or still so, not what.
const STANCE: [&str; 44] = [
    "not",
    "no",
    "never",
    "hate",
    "hates",
    "dislike",
    "detest",
    "loathe",
    "despise",
    "avoid",
    "stopped",
    "quit",
    "longer",
    "anymore",
    "love",
    "loves",
    "like",
    "likes",
    "enjoy",
    "prefer",
    "adore",
    "stand",
    "bear",
    "fan",
    "keen",
    "fond",
    "into",
    "actually",
    "totally",
    "absolutely",
    "honestly",
    "really",
    "still",
    "currently",
    "days",
    "always",
    "eat",
    "drink",
    "refuse",
    "started",
    "again",
    "sold",
    "bit",
    "lot",
];

const FAMILY: [&str; 30] = [
    "mother",
    "mum",
    "mom",
    "father",
    "dad",
    "brother",
    "sister",
    "son",
    "daughter",
    "kid",
    "kids",
    "child",
    "children",
    "wife",
    "husband",
    "partner",
    "girlfriend",
    "boyfriend",
    "grandmother",
    "gran",
    "grandma",
    "grandfather",
    "grandpa",
    "aunt",
    "uncle",
    "cousin",
    "parents",
    "nephew",
    "niece",
    "family",
];

const NUMBERS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

impl Statement {
    pub(super) fn of(text: &str) -> Self {
        let words = opened_words(text);
        let denials = words.iter().filter(|word| DENYING.contains(&word.as_str())).count();
        let numbers: BTreeSet<String> = words.iter().filter(|word| is_number(word)).cloned().collect();
        let about = content_words(&words.join(" ")).into_iter();
        let topics = about.filter(|word| !STANCE.contains(&word.as_str()) && !is_number(word)).collect();
        Self { filled: slots::filled(&words), topics, numbers, named: named(text, &words), denied: denials % 2 == 1 }
    }

    /// How this newer statement stands to an `older` one; `cosine` is the nearness of their meanings, where known.
    pub(super) fn relation(&self, older: &Self, cosine: Option<f32>) -> Relation {
        if let (Some(new), Some(old)) = (&self.filled, &older.filled)
            && new.slot == old.slot
        {
            return if new.value == old.value { Relation::Same } else { Relation::Contradicts };
        }
        let about_the_same = !self.topics.is_empty() && self.topics == older.topics;
        let same_counts = self.numbers == older.numbers;
        let near = cosine.is_some_and(|cosine| cosine >= SAME_MEANING) && self.named == older.named;
        match (about_the_same, self.denied == older.denied) {
            (true, false) => Relation::Contradicts,
            (true, true) if !same_counts && self.counts() && older.counts() => Relation::Contradicts,
            (true, true) if same_counts => Relation::Same,
            (false, true) if near && same_counts => Relation::Same,
            _ => Relation::Other,
        }
    }

    fn counts(&self) -> bool {
        self.numbers.len() == 1
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || NUMBERS.contains(&word)
}

fn named(text: &str, words: &[String]) -> BTreeSet<String> {
    let capitalised = text.split(|c: char| !c.is_alphanumeric()).skip(1).filter(|word| word.chars().count() > 1);
    let names = capitalised.filter(|word| word.starts_with(char::is_uppercase)).map(str::to_lowercase);
    names.chain(words.iter().filter(|word| FAMILY.contains(&word.as_str())).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(new: &str, old: &str, cosine: Option<f32>) -> Relation {
        Statement::of(new).relation(&Statement::of(old), cosine)
    }

    #[test]
    fn a_new_value_in_a_slot_contradicts_the_old_one() {
        for (new, old) in [
            ("I moved to Porto last month.", "I live in Lisbon with two cats."),
            ("I'm 32.", "I'm 31."),
            ("I'm vegetarian again", "I'm vegan."),
            ("My favourite band is now Low.", "My favourite band is Sigur Rós."),
            ("I now work as a midwife.", "I work as a nurse."),
        ] {
            assert_eq!(relation(new, old, None), Relation::Contradicts, "{new}");
        }
    }

    #[test]
    fn taking_a_statement_back_contradicts_it() {
        for (new, old) in [
            ("I don't like coffee anymore.", "I love coffee."),
            ("I'm no longer vegan.", "I'm vegan."),
            ("I have three children.", "I have two children."),
            ("I can't stand jazz", "I really like jazz!"),
        ] {
            assert_eq!(relation(new, old, None), Relation::Contradicts, "{new}");
        }
    }

    #[test]
    fn the_same_is_the_same_in_other_words() {
        assert_eq!(relation("i live in lisbon!!", "I live in Lisbon with two cats.", None), Relation::Same);
        assert_eq!(relation("I like jazz.", "I love jazz", None), Relation::Same);
        assert_eq!(relation("I'm employed by a clinic", "I work in a hospital", Some(0.93)), Relation::Same);
        assert_eq!(relation("I'm employed by a clinic", "I work in a hospital", None), Relation::Other);
    }

    #[test]
    fn what_is_about_something_else_is_left_alone() {
        for (new, old, cosine) in [
            ("My daughter plays the cello.", "I play the cello.", 0.95),
            ("My sister Ana lives in Rome.", "My sister Ines lives in Rome.", 0.95),
            ("I hate cold coffee.", "I love coffee.", 0.85),
            ("I live in a small flat.", "I live in Lisbon.", 0.8),
            ("I have 2 cats.", "I have 3 dogs.", 0.92),
        ] {
            assert_eq!(relation(new, old, Some(cosine)), Relation::Other, "{new}");
        }
    }

    #[test]
    fn empty_texts_have_nothing_to_do_with_each_other() {
        assert_eq!(relation("", "", None), Relation::Other);
        assert_eq!(relation("\u{1f600}", "?", None), Relation::Other);
    }
}
