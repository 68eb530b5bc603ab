//! Which texts are profiles, and which are personalities: what can be said without a model.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pronouns::{Pronoun, pronoun_of};
use crate::preset::PersonaNumbers;
use crate::record::{PoolKind, sentences};

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    TooShort {
        words: usize,
    },
    TooLong {
        words: usize,
    },
    TooFewFacts {
        facts: usize,
    },
    TooManyFacts {
        facts: usize,
    },
    /// A list, a heading or a placeholder instead of sentences.
    NotProse,
    /// Traits of a character in a profile.
    Personality,
    /// Facts of a life in a personality.
    Profile,
    /// The same text, but for case, spaces and signs.
    Duplicate,
    /// Too much of a member's wording.
    Overlap {
        share: f32,
        neighbour: String,
    },
    /// Too near to a member in meaning.
    Near {
        cosine: f32,
        neighbour: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { words } => write!(f, "too short ({words} words)"),
            Self::TooLong { words } => write!(f, "too long ({words} words)"),
            Self::TooFewFacts { facts } => write!(f, "too few facts ({facts})"),
            Self::TooManyFacts { facts } => write!(f, "too many facts ({facts})"),
            Self::NotProse => f.write_str("not prose"),
            Self::Personality => f.write_str("a personality among profiles"),
            Self::Profile => f.write_str("a profile among personalities"),
            Self::Duplicate => f.write_str("there already"),
            Self::Overlap { share, neighbour } => write!(f, "{:.0}% of the wording of {neighbour}", share * 100.0),
            Self::Near { cosine, neighbour } => write!(f, "too near to {neighbour} ({cosine:.2})"),
        }
    }
}

/// Words that only a description of character is full of.
const TRAIT_WORDS: &[&str] = &[
    "ambitious",
    "anxious",
    "assertive",
    "calm",
    "cautious",
    "charismatic",
    "cheerful",
    "compassionate",
    "confident",
    "conscientious",
    "curious",
    "easygoing",
    "empathetic",
    "extroverted",
    "generous",
    "gentle",
    "honest",
    "humble",
    "idealistic",
    "imaginative",
    "impatient",
    "impulsive",
    "independent",
    "introverted",
    "kind",
    "loyal",
    "meticulous",
    "moody",
    "optimistic",
    "outgoing",
    "patient",
    "perfectionist",
    "personality",
    "pessimistic",
    "playful",
    "reserved",
    "sarcastic",
    "sensitive",
    "shy",
    "sociable",
    "stubborn",
    "talkative",
    "temperament",
    "thoughtful",
    "trait",
    "traits",
    "warm",
    "witty",
];

/// Words and forms that say something of a life and nothing of a character.
const LIFE_WORDS: &[&str] = &[
    "year-old",
    "born",
    "married",
    "divorced",
    "widowed",
    "daughter",
    "daughters",
    "son",
    "sons",
    "husband",
    "wife",
    "works as",
    "degree",
    "lives in",
    "grew up in",
    "graduated",
];

/// Checks form and kind of a text.
pub(crate) fn check(kind: PoolKind, text: &str, numbers: &PersonaNumbers) -> Result<(), Reason> {
    if !is_prose(text) {
        return Err(Reason::NotProse);
    }
    let words = text.split_whitespace().count();
    let facts = fact_count(text);
    let (least, most, least_facts, most_facts) = match kind {
        PoolKind::Profile => {
            (numbers.profile_min_words, numbers.profile_max_words, numbers.profile_min_facts, numbers.profile_max_facts)
        }
        PoolKind::Personality => (
            numbers.personality_min_words,
            numbers.personality_max_words,
            numbers.personality_min_facts,
            numbers.personality_max_facts,
        ),
    };
    match () {
        () if words < least => Err(Reason::TooShort { words }),
        () if words > most => Err(Reason::TooLong { words }),
        () if facts < least_facts => Err(Reason::TooFewFacts { facts }),
        () if facts > most_facts => Err(Reason::TooManyFacts { facts }),
        () => check_kind(kind, text),
    }
}

/// A text without what does not change it, to find it again.
pub(super) fn bare(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn is_prose(text: &str) -> bool {
    let marks = ["\n", "[", "]", "{", "}", "**", "##", "|", "http", "Name:", "Age:"];
    !marks.iter().any(|mark| text.contains(mark)) && text.ends_with(['.', '!', '?'])
}

/// Statements: sentences, and what stands behind a comma, `and` or `but` with a verb's weight in words.
fn fact_count(text: &str) -> usize {
    let part = |sentence: &String| {
        let joined = sentence.replace(" and ", ", ").replace(" but ", ", ").replace("; ", ", ");
        let parts = joined.split(", ").filter(|part| part.split_whitespace().count() >= 4).count();
        parts.clamp(1, 3)
    };
    sentences(text).iter().map(part).sum()
}

fn check_kind(kind: PoolKind, text: &str) -> Result<(), Reason> {
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let traits = words.iter().filter(|word| TRAIT_WORDS.contains(word)).count();
    let life = LIFE_WORDS
        .iter()
        .filter(|mark| if mark.contains(' ') { lower.contains(*mark) } else { words.contains(mark) })
        .count();
    match kind {
        PoolKind::Profile if traits > 2 && traits > life => Err(Reason::Personality),
        PoolKind::Personality if life >= 2 || lower.contains("year-old") => Err(Reason::Profile),
        // What goes with no pronoun and with several cannot be combined.
        PoolKind::Personality if pronoun_of(text) == Pronoun::None && lower.contains("he/she") => Err(Reason::NotProse),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    fn checked(kind: PoolKind, text: &str) -> Result<(), Reason> {
        check(kind, text, &Preset::resolve("aloe-paper", &[]).expect("resolved").personas)
    }

    #[test]
    fn a_personality_is_no_profile_and_the_other_way_round() {
        let personality = "She is a warm, outgoing and optimistic person, loyal to her friends and generous with time. \
            She is sometimes impulsive and stubborn, but always honest and kind. She is patient with children, curious \
            about strangers, sensitive to criticism, and witty in company. She is playful at heart and thoughtful too.";
        assert_eq!(checked(PoolKind::Profile, personality), Err(Reason::Personality));
        let profile = "Jo is a 40-year-old baker, married with two daughters. She was born in Graz and works as a guide. \
            She likes skiing, cooking, reading and long walks in the hills with the dog. She has a degree in history \
            and plays the tuba in a brass band every Sunday in the park.";
        assert_eq!(checked(PoolKind::Personality, profile), Err(Reason::Profile));
        assert_eq!(checked(PoolKind::Profile, profile), Ok(()));
    }

    #[test]
    fn lists_fragments_and_giants_are_not_taken() {
        assert_eq!(checked(PoolKind::Profile, "- Name: Jo\n- Age: 40"), Err(Reason::NotProse));
        assert_eq!(checked(PoolKind::Profile, "Jo bakes."), Err(Reason::TooShort { words: 2 }));
        let giant = "Jo bakes bread. ".repeat(60);
        assert_eq!(checked(PoolKind::Profile, giant.trim()), Err(Reason::TooLong { words: 180 }));
    }
}
