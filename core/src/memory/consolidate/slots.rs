//! What can hold only one value at a time: where the user lives, what they are called, how old they are.
//!
//! Two sentences that fill one slot with different values contradict each other, however far apart their words are.
//! Patterns over words whose contractions are opened; what they do not recognise fills no slot, so nothing is lost.

/// A slot and what fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filled {
    /// `home`, `name`, or one of its own for each thing that there is a favourite of.
    pub(super) slot: String,
    /// Lower-case words.
    pub(super) value: String,
}

/// Slot and the words that come before its value.
const BEFORE_VALUE: [(&str, &[&str]); 7] = [
    ("name", &["my name is", "i am called", "call me", "i go by", "my name 's"]),
    (
        "home",
        &[
            "i live in",
            "we live in",
            "i now live in",
            "we now live in",
            "i moved to",
            "we moved to",
            "i have moved to",
            "we have moved to",
            "i am living in",
            "we are living in",
            "i am based in",
            "i just moved to",
            "we just moved to",
            "i moved back to",
            "we moved back to",
            "i relocated to",
            "i live now in",
        ],
    ),
    ("work", &["i work as", "i now work as", "i am working as", "my job is", "i started as", "i started working as"]),
    ("employer", &["i work for", "i now work for", "i work at", "i now work at", "i started at"]),
    ("language", &["my native language is", "my mother tongue is", "my first language is"]),
    ("birthday", &["my birthday is", "my birthday is on", "i was born on"]),
    ("birthplace", &["i was born in", "i am originally from", "i come from"]),
];

/// Words of which one at most is true of a person, after "I am".
const STATES: [(&str, &[&str]); 2] = [
    ("relationship", &["single", "married", "engaged", "divorced", "widowed", "separated"]),
    (
        "diet",
        &["vegan", "vegetarian", "pescatarian", "keto", "flexitarian", "omnivore", "omnivorous", "kosher", "halal"],
    ),
];

const DEGREES: [&str; 13] = [
    "a", "an", "now", "strictly", "fully", "totally", "mostly", "still", "again", "happily", "recently", "newly",
    "just",
];

/// Where a value ends.
const AFTER_VALUE: [&str; 33] = [
    ",", ".", "!", "?", ":", "and", "but", "with", "since", "for", "near", "now", "because", "where", "who", "which",
    "so", "when", "these", "last", "this", "again", "by", "on", "at", "in", "not", "though", "as", "while", "or",
    "after", "btw",
];

/// A place or a name does not begin with these: "I live in a small flat" names no place.
const NOT_A_NAME: [&str; 12] = ["a", "an", "the", "my", "our", "this", "that", "one", "some", "fear", "later", "back"];

/// The slot that a statement about the user fills, if it fills one.
pub(super) fn filled(words: &[String]) -> Option<Filled> {
    named(words).or_else(|| age(words)).or_else(|| state(words)).or_else(|| favourite(words))
}

fn named(words: &[String]) -> Option<Filled> {
    let candidates = BEFORE_VALUE.iter().flat_map(|(slot, starts)| starts.iter().map(move |start| (slot, start)));
    let after = candidates.filter_map(|(slot, start)| Some((slot, after(words, start)?)));
    // The longest beginning: "my birthday is on" before "my birthday is".
    let (slot, rest) = after.min_by_key(|(_, rest)| rest.len())?;
    let is_work = *slot == "work";
    let rest = if is_work { without_article(rest) } else { rest };
    (is_work || !NOT_A_NAME.contains(&rest.first()?.as_str())).then_some(())?;
    fill(slot, value(rest))
}

fn after<'a>(words: &'a [String], start: &str) -> Option<&'a [String]> {
    let start: Vec<&str> = start.split(' ').collect();
    let place = words.windows(start.len()).position(|window| window.iter().zip(&start).all(|(a, b)| a == b))?;
    Some(&words[place + start.len()..])
}

fn without_article(words: &[String]) -> &[String] {
    match words.split_first() {
        Some((article, rest)) if matches!(article.as_str(), "a" | "an" | "the") => rest,
        _ => words,
    }
}

/// "Now" before a value is when, not what.
fn value(words: &[String]) -> String {
    let words = if words.first().is_some_and(|word| word == "now") { &words[1..] } else { words };
    let taken: Vec<&str> =
        words.iter().map(String::as_str).take_while(|word| !AFTER_VALUE.contains(word)).take(4).collect();
    taken.join(" ")
}

fn fill(slot: &str, value: String) -> Option<Filled> {
    (!value.is_empty()).then(|| Filled { slot: slot.to_owned(), value })
}

/// "I'm 42", but not "I'm 42 weeks along" or "I'm 1.80 m tall".
fn age(words: &[String]) -> Option<Filled> {
    let rest = ["i am", "i turned", "i just turned", "i am turning"].iter().find_map(|start| after(words, start))?;
    let (number, next) = rest.split_first()?;
    let years: u32 = number.parse().ok().filter(|years| (4..=120).contains(years))?;
    let ends = next.first().is_none_or(|word| AFTER_VALUE.contains(&word.as_str()) || word.starts_with("year"));
    ends.then(|| fill("age", years.to_string())).flatten()
}

fn state(words: &[String]) -> Option<Filled> {
    let mut rest =
        ["i am", "i got", "i went", "i became", "i have been"].iter().find_map(|start| after(words, start))?;
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| DEGREES.contains(&first.as_str())) {
        debug_assert!(!first.is_empty());
        rest = others;
    }
    let word = rest.first()?.as_str();
    let (slot, _) = STATES.iter().find(|(_, states)| states.contains(&word))?;
    fill(slot, word.to_owned())
}

/// "My favourite colour is teal", "teal is my favourite colour".
fn favourite(words: &[String]) -> Option<Filled> {
    let place =
        words.windows(2).position(|two| two[0] == "my" && matches!(two[1].as_str(), "favourite" | "favorite"))?;
    let rest = &words[place + 2..];
    let is = rest.iter().take(4).position(|word| word == "is");
    match (is, place) {
        (Some(is), 0) if is > 0 => fill(&format!("favourite {}", rest[..is].join(" ")), value(&rest[is + 1..])),
        (None, 2..) if words[place - 1] == "is" => {
            let thing = value(rest);
            fill(&format!("favourite {thing}"), words[..place - 1].join(" ")).filter(|_| !thing.is_empty())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::induce::opened_words;
    use super::*;

    fn filled_by(text: &str) -> Option<(String, String)> {
        filled(&opened_words(text)).map(|filled| (filled.slot, filled.value))
    }

    #[test]
    fn statements_fill_their_slots() {
        for (text, slot, value) in [
            ("I live in Lisbon with two cats.", "home", "lisbon"),
            ("we've moved to Porto!", "home", "porto"),
            ("My name's Ana.", "name", "ana"),
            ("I work as a nurse in Leeds", "work", "nurse"),
            ("im 31 btw", "age", "31"),
            ("I'm 31, from Oslo", "age", "31"),
            ("I'm now vegan.", "diet", "vegan"),
            ("We got a dog and I got divorced last year", "relationship", "divorced"),
            ("My favorite band is Sigur Rós.", "favourite band", "sigur rós"),
            ("Teal is my favorite color.", "favourite color", "teal"),
        ] {
            assert_eq!(filled_by(text), Some((slot.to_owned(), value.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_names_no_value_fills_no_slot() {
        for text in [
            "I live in a small flat.",
            "My sister lives in Rome.",
            "I'm 12 weeks pregnant",
            "I am 1.80 m tall",
            "",
            "my favourite",
        ] {
            assert_eq!(filled_by(text), None, "{text}");
        }
    }
}
