//! The lexicon: cues written as patterns over words, read from a text file that is part of the program.
//!
//! Patterns and not regular expressions: they are matched on words whose contractions are opened, a hundred cues in
//! some microseconds, and whoever speaks English can read and mend them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

const SOURCE: &str = include_str!("lexicon.txt");

/// Words with which a sentence may begin before its subject comes.
const INTERJECTIONS: [&str; 34] = [
    "tbh",
    "ngl",
    "imo",
    "ugh",
    "haha",
    "lol",
    "well",
    "hi",
    "hey",
    "hello",
    "yes",
    "no",
    "yeah",
    "so",
    "and",
    "but",
    "oh",
    "ok",
    "okay",
    "honestly",
    "actually",
    "personally",
    "sorry",
    "hmm",
    "btw",
    "also",
    "because",
    "since",
    "though",
    "then",
    "anyway",
    "otherwise",
    "besides",
    "plus",
];

/// Words after which a clause begins.
const CONJUNCTIONS: [&str; 12] =
    ["and", "but", "because", "so", "since", "though", "although", "while", "that", "if", "as", "or"];

#[derive(Debug)]
enum Element {
    Word(Vec<&'static str>),
    Listed(&'static str),
    Mixed(Vec<&'static str>, Vec<&'static str>),
    Any,
    Ending(&'static str),
    Number,
    Degree,
    SentenceStart,
    ClauseStart,
    End,
}

#[derive(Debug)]
struct Pattern {
    cue: usize,
    elements: Vec<Element>,
}

/// The lexicon, read once.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) cues: Vec<&'static str>,
    lists: HashMap<&'static str, HashSet<&'static str>>,
    patterns: Vec<Pattern>,
    /// Patterns that can begin with a word; those of no certain first word stand in `anywhere`.
    by_first: HashMap<&'static str, Vec<usize>>,
    anywhere: Vec<usize>,
}

/// The one lexicon of the program.
pub(super) fn lexicon() -> &'static Lexicon {
    static READ: OnceLock<Lexicon> = OnceLock::new();
    READ.get_or_init(|| Lexicon::read(SOURCE))
}

impl Lexicon {
    fn read(source: &'static str) -> Self {
        let mut lexicon = Self {
            cues: Vec::new(),
            lists: HashMap::new(),
            patterns: Vec::new(),
            by_first: HashMap::new(),
            anywhere: Vec::new(),
        };
        let lines = source.lines().filter(|line| !line.starts_with('#'));
        for (name, right) in lines.filter_map(|line| line.split_once(" = ")) {
            match name.strip_prefix('@') {
                Some(list) => lexicon.add_list(list, right),
                None => lexicon.add_cue(name, right),
            }
        }
        lexicon
    }

    fn add_list(&mut self, name: &'static str, words: &'static str) {
        self.lists.insert(name, words.split_ascii_whitespace().collect());
    }

    fn add_cue(&mut self, name: &'static str, patterns: &'static str) {
        let cue = self.cues.len();
        self.cues.push(name);
        for pattern in patterns.split(';').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            let elements: Vec<Element> = pattern.split_ascii_whitespace().map(element).collect();
            let place = self.patterns.len();
            match first_words(&elements, &self.lists) {
                Some(words) => words.into_iter().for_each(|word| self.by_first.entry(word).or_default().push(place)),
                None => self.anywhere.push(place),
            }
            self.patterns.push(Pattern { cue, elements });
        }
    }

    /// Which cues occur in the words.
    pub(super) fn find(&self, words: &[String]) -> Vec<bool> {
        let mut found = vec![false; self.cues.len()];
        let start = sentence_start(words);
        for at in 0..words.len() {
            let starting = self.by_first.get(words[at].as_str()).into_iter().flatten();
            for pattern in starting.chain(&self.anywhere).map(|place| &self.patterns[*place]) {
                if !found[pattern.cue] && self.matches(&pattern.elements, words, at, start) {
                    found[pattern.cue] = true;
                }
            }
        }
        found
    }

    fn matches(&self, elements: &[Element], words: &[String], at: usize, start: usize) -> bool {
        let Some((element, rest)) = elements.split_first() else { return true };
        let word = words.get(at).map(String::as_str);
        let here = match element {
            Element::SentenceStart => return (at == start || at == 0) && self.matches(rest, words, at, start),
            Element::ClauseStart => return begins_clause(words, at, start) && self.matches(rest, words, at, start),
            Element::End => return words[at..].iter().all(|word| matches!(word.as_str(), "." | "!" | "?")),
            Element::Degree => {
                let is_degree = word.is_some_and(|word| self.lists["degree"].contains(word));
                return self.matches(rest, words, at, start)
                    || (is_degree && self.matches(elements, words, at + 1, start));
            }
            Element::Word(options) => word.is_some_and(|word| options.contains(&word)),
            Element::Listed(list) => word.is_some_and(|word| self.lists[list].contains(word)),
            Element::Mixed(options, lists) => word.is_some_and(|word| {
                options.contains(&word) || lists.iter().any(|list| self.lists[list].contains(word))
            }),
            Element::Any => word.is_some_and(|word| word.chars().any(char::is_alphanumeric)),
            Element::Ending(ending) => word.is_some_and(|word| word.len() > ending.len() + 1 && word.ends_with(ending)),
            Element::Number => word.is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())),
        };
        here && self.matches(rest, words, at + 1, start)
    }
}

fn element(word: &'static str) -> Element {
    match word {
        "_" => Element::Any,
        "#" => Element::Number,
        "~" => Element::Degree,
        "^" => Element::SentenceStart,
        ">" => Element::ClauseStart,
        "$" => Element::End,
        _ => match (word.strip_prefix('*'), word.strip_prefix('@'), word.contains('/')) {
            (Some(ending), ..) => Element::Ending(ending),
            (_, Some(list), false) => Element::Listed(list),
            (_, _, false) => Element::Word(vec![word]),
            _ => {
                let (lists, words): (Vec<_>, Vec<_>) = word.split('/').partition(|part| part.starts_with('@'));
                Element::Mixed(words, lists.into_iter().map(|list| &list[1..]).collect())
            }
        },
    }
}

/// The words one of which must come first, if that is certain.
fn first_words(
    elements: &[Element],
    lists: &HashMap<&'static str, HashSet<&'static str>>,
) -> Option<Vec<&'static str>> {
    let first = elements.iter().find(|e| !matches!(e, Element::SentenceStart | Element::ClauseStart))?;
    let listed = |list: &&'static str| lists[list].iter().copied();
    match first {
        Element::Word(words) => Some(words.clone()),
        Element::Listed(list) => Some(listed(list).collect()),
        Element::Mixed(words, names) => Some(words.iter().copied().chain(names.iter().flat_map(listed)).collect()),
        _ => None,
    }
}

/// Where the sentence begins once its interjections are over.
fn sentence_start(words: &[String]) -> usize {
    let skipped = words
        .iter()
        .take_while(|word| INTERJECTIONS.contains(&word.as_str()) || matches!(word.as_str(), "," | "." | "!"))
        .count();
    if skipped == words.len() { 0 } else { skipped }
}

fn begins_clause(words: &[String], at: usize, start: usize) -> bool {
    at == 0 || at == start || {
        let before = words[at - 1].as_str();
        matches!(before, "," | ":" | "." | "!" | "?") || CONJUNCTIONS.contains(&before)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokenize;
    use super::*;

    fn cues(sentence: &str) -> Vec<&'static str> {
        let found = lexicon().find(&tokenize(sentence).words);
        lexicon().cues.iter().zip(found).filter(|(_, found)| *found).map(|(cue, _)| *cue).collect()
    }

    #[test]
    fn every_list_that_a_pattern_names_is_there() {
        for pattern in &lexicon().patterns {
            for element in &pattern.elements {
                match element {
                    Element::Listed(list) => assert!(lexicon().lists.contains_key(list), "{list}"),
                    Element::Mixed(_, lists) => {
                        lists.iter().for_each(|list| assert!(lexicon().lists.contains_key(list), "{list}"));
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn interjections_do_not_hide_the_beginning() {
        assert!(cues("tbh, I hate mornings").contains(&"i_start"));
        assert!(!cues("You and I hate mornings").contains(&"i_start"));
    }

    #[test]
    fn an_adverb_of_degree_may_stand_between() {
        assert!(cues("I'm really quite shy").contains(&"i_am_trait"));
        assert!(cues("I'm shy").contains(&"i_am_trait"));
    }
}
