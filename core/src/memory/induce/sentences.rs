//! A turn cut into sentences, and which of them are the user's own speech. Who wrote a line is for `authorship` to say.
//!
//! Made for how people type: no capitals, no full stops, emoji for marks, line breaks. Each sentence is a slice of the
//! turn, so what becomes of it can be found in the user's own words again.

use std::ops::Range;

use super::super::authorship::{Author, lines};
use super::tokens::tokenize;

/// A sentence of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sentence<'a> {
    /// The sentence, a slice of the turn.
    pub(super) text: &'a str,
    /// Whether it is the user's own speech.
    pub(super) own: bool,
}

/// The sentences of a turn in order.
pub(super) fn sentences(turn: &str) -> Vec<Sentence<'_>> {
    let mut found = Vec::new();
    for line in lines(turn) {
        let own = line.author == Author::User;
        let parts = glued(line.text, split(line.text));
        found.extend(parts.into_iter().map(|part| Sentence { text: part, own }));
    }
    found
}

/// Whether `words` stand in the turn as the user's own speech: somewhere outside of quotations and pasted blocks.
pub(super) fn says_in_own_words(turn: &str, words: &str) -> bool {
    let own = sentences(turn).into_iter().filter(|sentence| sentence.own);
    let own: Vec<Range<usize>> = own.map(|sentence| range_in(turn, sentence.text)).collect();
    turn.match_indices(words).any(|(start, _)| {
        let end = start + words.len();
        let covered: usize = own.iter().map(|range| overlap(range, start, end)).sum();
        // White space between two sentences belongs to neither.
        covered + words.matches(char::is_whitespace).count() >= words.len() && speaks_itself(turn, &own, start, words)
    })
}

/// Whether the words are more than what their sentence quotes.
fn speaks_itself(turn: &str, own: &[Range<usize>], start: usize, words: &str) -> bool {
    let Some(sentence) = own.iter().find(|range| range.contains(&start)) else { return false };
    let before = &turn[sentence.start..start];
    let with: usize = own_words(&turn[sentence.start..start + words.len()]);
    with > own_words(before)
}

fn own_words(text: &str) -> usize {
    let words = tokenize(text).words;
    words.iter().filter(|word| word.starts_with(char::is_alphanumeric)).count()
}

fn overlap(range: &Range<usize>, start: usize, end: usize) -> usize {
    range.end.min(end).saturating_sub(range.start.max(start))
}

fn range_in(turn: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - turn.as_ptr() as usize;
    start..start + part.len()
}

/// Words whose full stop does not end a sentence.
const ABBREVIATIONS: [&str; 30] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "eg", "ie", "approx", "no", "fig", "jr", "sr",
    "inc", "ltd", "a.m", "p.m", "dept", "est", "ca", "cf", "jan", "feb", "aug", "sept", "dec",
];

fn split(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        quoted ^= c == '"' || (c == '\u{201c}' && !quoted) || (c == '\u{201d}' && quoted);
        let end = at + c.len_utf8();
        if !quoted && end > start && ends_sentence(line, start, at, c) {
            parts.push(&line[start..end]);
            start = end;
        }
    }
    parts.push(&line[start..]);
    parts.into_iter().map(str::trim).filter(|part| part.chars().any(char::is_alphanumeric)).collect()
}

fn ends_sentence(line: &str, start: usize, at: usize, c: char) -> bool {
    let rest = &line[at + c.len_utf8()..];
    let spaced = rest.starts_with(char::is_whitespace);
    match c {
        '!' | '?' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}' => spaced || !c.is_ascii(),
        // Three dots before a small letter are a pause.
        '.' | '\u{2026}' => spaced && !abbreviates(&line[start..at]) && !(pauses(&line[..at], c) && goes_on(rest)),
        '"' | '\u{201d}' | ')' => spaced && line[start..at].ends_with(['.', '!', '?']) && !goes_on(rest),
        _ if is_emoji(c) => spaced && !rest.trim_start().starts_with(is_emoji),
        _ => false,
    }
}

fn pauses(before: &str, c: char) -> bool {
    c == '\u{2026}' || before.ends_with('.')
}

fn goes_on(rest: &str) -> bool {
    rest.trim_start().starts_with(|c: char| c.is_lowercase() || c == ',')
}

fn abbreviates(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I";
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str()) && word != "no"
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x1F300..=0x1FAFF | 0x2600..=0x27BF)
}

/// Joins what a speaker breaks up: "Mushrooms? Never." is one statement.
fn glued<'a>(line: &'a str, parts: Vec<&'a str>) -> Vec<&'a str> {
    let mut joined: Vec<&str> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.ends_with('?') && is_short(last) && !asks(last) && !part.ends_with('?') => {
                let (from, to) = (range_in(line, last).start, range_in(line, part).end);
                *last = &line[from..to];
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn is_short(sentence: &str) -> bool {
    sentence.split_whitespace().count() <= 2
}

fn asks(sentence: &str) -> bool {
    const OPENERS: [&str; 22] = [
        "what", "who", "why", "how", "when", "where", "which", "really", "right", "ok", "okay", "huh", "eh", "so",
        "you", "is", "are", "do", "did", "can", "any", "and",
    ];
    let first: String = sentence.chars().take_while(|c| c.is_alphabetic()).collect();
    OPENERS.contains(&first.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(turn: &str) -> Vec<&str> {
        sentences(turn).into_iter().map(|sentence| sentence.text).collect()
    }

    fn own(turn: &str) -> Vec<&str> {
        sentences(turn).into_iter().filter(|sentence| sentence.own).map(|sentence| sentence.text).collect()
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        assert_eq!(texts("i live in rome. my cat is old"), ["i live in rome.", "my cat is old"]);
        assert_eq!(texts("I love it \u{1f60d} my cat too"), ["I love it \u{1f60d}", "my cat too"]);
        assert_eq!(texts("I'm Ana\nI'm 31"), ["I'm Ana", "I'm 31"]);
        assert_eq!(texts("Really?! No way!!! Yes."), ["Really?!", "No way!!!", "Yes."]);
    }

    #[test]
    fn abbreviations_numbers_and_pauses_do_not_end_a_sentence() {
        for whole in ["Dr. Silva treats me, e.g. for asthma.", "I weigh 71.5 kg.", "well... i moved", "J. R. is my son"]
        {
            assert_eq!(texts(whole), [whole]);
        }
    }

    #[test]
    fn a_short_question_and_its_answer_are_one_statement() {
        assert_eq!(texts("Olives? Never. They are bitter."), ["Olives? Never.", "They are bitter."]);
        assert_eq!(texts("Really? I live there."), ["Really?", "I live there."]);
    }

    #[test]
    fn blocks_that_were_put_in_are_not_own_speech() {
        assert_eq!(own("My CV, please check:\nI am a welder.\nI live in Rome."), ["My CV, please check:"]);
        assert_eq!(own("look\n> I am a welder\nI'm not"), ["look", "I'm not"]);
        assert_eq!(own("```\nI am a welder\n```\nwhy?"), ["why?"]);
        assert_eq!(own("- I am\n- I was\n- I will be"), Vec::<&str>::new());
        assert!(own(&"I am a welder. ".repeat(100)).is_empty());
    }

    #[test]
    fn words_are_the_users_own_only_outside_of_quotations() {
        let turn = "She wrote \"I live in Oslo\". I live in Rome.";
        assert!(says_in_own_words(turn, "I live in Rome."));
        assert!(!says_in_own_words(turn, "I live in Oslo"));
        assert!(!says_in_own_words(turn, "I live in Bergen"));
        assert!(says_in_own_words("I live in Oslo. Ok.", "I live in Oslo. Ok."));
    }

    #[test]
    fn any_text_can_be_cut() {
        for odd in
            ["", ".", "\u{0}", "?!?", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ok", "\"", "a\"b\"c\"", "'\u{2019}'"]
        {
            let _ = texts(odd);
            let _ = says_in_own_words(odd, odd);
        }
    }
}
