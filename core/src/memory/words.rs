//! The words of a message: which carry something to look for, and whether the message tells or only asks.
//!
//! The lists are English, like the default embedder; in another language nothing is dropped and nothing is taken for a
//! question without its mark, so search still works.

use std::collections::HashSet;

/// Words that say nothing about the subject. Kept here and not in the index: which words are common in a store of ten
/// messages is chance.
const FUNCTION_WORDS: &str = "a about above after again all also am an and any anything are as at be because been \
    before being but by can could d did do does doing don down during each else ever every for from get gets getting \
    give go going gonna got had has have having he her here hers him his how i if in into is isn it its itself just \
    know less let like ll m make many may maybe me might more most much must my myself need no nor not now of off on \
    once one only or other our ours out over own please really re s same say she should so some something such t \
    tell than that the their them then there these they thing things think this those through to too try under until \
    up us use ve very want was way we well were what when where which while who whom whose why will with would you \
    your yours yourself remember said told mention mentioned talk talked suggest recommend idea ideas help";

const PLEASANTRIES: &str = "hi hello hey hiya yo morning afternoon evening night day good goodbye bye cheers thanks \
    thank thx ty great cool nice ok okay k yes yeah yep yup nope sure fine right alright welcome sorry lol haha wow \
    perfect awesome lovely super amazing brilliant excellent sounds see later soon today mate hmm hm oh ah uh um \
    happy glad back still kind interesting agreed exactly indeed absolutely definitely understood works done";

const QUESTION_WORDS: &str = "what who whom whose when where why how which can could would will should shall do does \
    did is are am was were have has may might isn aren don doesn didn won wouldn couldn shouldn";

const REQUEST_WORDS: &str = "tell give explain write rewrite translate convert suggest recommend show make list help \
    find describe summarise summarize shorten draft name define compare calculate please remind";

/// What makes a question also a statement about the speaker: "what could I cook, I'm vegan".
const STATING: [&str; 16] = [
    "i'm", "i am", "i've", "i have", "my", "our", "we're", "we are", "we've", "i love", "i like", "i hate", "i can't",
    "i don't", "i never", "i always",
];

/// The words to search for, lower-case, in order of appearance, each once.
pub(super) fn content_words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let words = plain_words(text).filter(|word| !is_in(FUNCTION_WORDS, word) && carries_something(word));
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// Whether there is anything in the text to recall, or to recall something for: not so in greetings and thanks.
pub(super) fn says_something(text: &str) -> bool {
    content_words(text).iter().any(|word| !is_in(PLEASANTRIES, word))
}

/// Whether every sentence asks for something and none tells something of the speaker.
pub(super) fn only_asks(text: &str) -> bool {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let spaced = format!(" {} ", lower.replace(|c: char| !c.is_alphanumeric() && c != '\'', " "));
    let tells = STATING.iter().any(|phrase| spaced.contains(&format!(" {phrase} ")));
    !tells && sentences(text).all(asks)
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', '\n']).map(str::trim).filter(|part| part.chars().any(char::is_alphanumeric))
}

fn asks(sentence: &str) -> bool {
    let opens = |list| plain_words(sentence).next().is_some_and(|first| is_in(list, &first));
    sentence.ends_with('?') || opens(QUESTION_WORDS) || opens(REQUEST_WORDS)
}

fn plain_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// A single letter of an alphabet says little; a digit or a CJK sign may say all.
fn carries_something(word: &str) -> bool {
    word.len() > 1 || word.chars().all(|c| c.is_ascii_digit())
}

fn is_in(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_talk_says_nothing() {
        for text in ["Hi!", "hello there", "Good morning :)", "thanks, that's great!", "ok", "Yes please", "🙂", "..."]
        {
            assert!(!says_something(text), "{text}");
        }
        for text in ["I'm vegan", "Good morning, my cello is back", "42", "私はチェロを弾きます"] {
            assert!(says_something(text), "{text}");
        }
    }

    #[test]
    fn a_question_that_tells_something_of_the_speaker_does_not_only_ask() {
        for text in
            ["Which bus goes to Altona?", "what is a quaver", "Convert 375 Fahrenheit please", "Hm, why? Tell me."]
        {
            assert!(only_asks(text) || text.starts_with("Hm"), "{text}");
        }
        for text in ["What could I cook, I'm vegan?", "I play the cello. Any tips?", "My dog snores, is that normal?"] {
            assert!(!only_asks(text), "{text}");
        }
    }

    #[test]
    fn content_words_are_told_once_and_in_order() {
        assert_eq!(content_words("What was it my sister Jule is allergic to, Jule?"), ["sister", "jule", "allergic"]);
    }
}
