//! What of a sentence's grammar speaks for or against a fact about the user, as numbers.
//!
//! The lexicon's cues and those that no pattern can state: length, missing subject, code, names, what is quoted.

use super::lexicon::lexicon;
use super::tokens::{QUOTED, Tokens, tokenize};

/// The cues that are computed, after the lexicon's.
const COMPUTED: [&str; 20] = [
    "no_first_person",
    "first_person_quoted_only",
    "first_person_quoted",
    "led_in",
    "code",
    "names",
    "many_names",
    "starts_lower",
    "emoji",
    "words_to_3",
    "words_to_7",
    "words_to_14",
    "words_to_25",
    "words_over_25",
    "no_auxiliary",
    "own_clause_in_question",
    "own_clause_in_request",
    "question_without_self",
    "request_without_own_clause",
    "third_without_family",
];

/// The names of all cues, in the order of [`Cues::values`].
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    lexicon().cues.iter().copied().chain(COMPUTED)
}

/// The cues of one sentence.
#[derive(Debug)]
pub(super) struct Cues {
    /// Whether each cue occurs, in the order of [`names`].
    pub(super) values: Vec<bool>,
}

impl Cues {
    pub(super) fn of(sentence: &str) -> Self {
        let tokens = tokenize(sentence);
        let mut values = lexicon().find(&tokens.words);
        let computed = computed(sentence, &tokens, &values);
        values.extend(computed);
        Self { values }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        names().zip(&self.values).any(|(cue, value)| *value && cue == name)
    }
}

fn computed(sentence: &str, tokens: &Tokens, found: &[bool]) -> [bool; COMPUTED.len()] {
    let has = |name: &str| lexicon().cues.iter().position(|cue| *cue == name).is_some_and(|place| found[place]);
    let words = tokens.words.iter().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    let first_person = tokens.words.iter().any(|word| is_first_person(word));
    let asks = has("question_start") || has("question_mark");
    let requests = has("request_start") || has("requests");
    let own_clause = states_after_comma(&tokens.words);
    [
        !first_person,
        !first_person && tokens.first_person_quoted,
        tokens.first_person_quoted,
        tokens.led_in,
        looks_like_code(sentence),
        tokens.names > 0,
        tokens.names > 2,
        tokens.starts_lower,
        sentence.chars().any(is_emoji),
        words <= 3,
        (4..=7).contains(&words),
        (8..=14).contains(&words),
        (15..=25).contains(&words),
        words > 25,
        !tokens.words.iter().any(|word| is_auxiliary(word)),
        asks && own_clause,
        requests && own_clause,
        asks && !own_clause && !has("i_start") && !has("my_start"),
        requests && !own_clause,
        (has("third_start") || has("third_present")) && !has("family_word"),
    ]
}

fn is_first_person(word: &str) -> bool {
    matches!(word, "i" | "me" | "my" | "mine" | "myself" | "we" | "us" | "our" | "ours" | "ourselves")
}

fn is_auxiliary(word: &str) -> bool {
    matches!(
        word,
        "am" | "is"
            | "are"
            | "was"
            | "were"
            | "be"
            | "been"
            | "have"
            | "has"
            | "had"
            | "do"
            | "does"
            | "did"
            | "can"
            | "could"
            | "will"
            | "would"
            | "may"
            | "might"
            | "must"
            | "should"
    )
}

/// Whether the user says something of themselves after the question or request has begun: "what can I cook, I'm vegan".
fn states_after_comma(words: &[String]) -> bool {
    let own = |word: &str| matches!(word, "i" | "my" | "we" | "our");
    words.windows(3).any(|three| {
        let breaks = matches!(three[0].as_str(), "," | "." | ":" | "?" | "because" | "since" | "that" | "as" | "know");
        breaks && own(&three[1]) && !matches!(three[2].as_str(), "need" | "want" | "would" | "think")
    })
}

fn looks_like_code(sentence: &str) -> bool {
    let marks = sentence.matches(['{', '}', '=', ';', '<', '>', '_', '|', '\\', '#']).count();
    let calls = sentence.contains("()") || sentence.contains("(\"") || sentence.contains("):");
    sentence.contains(QUOTED) || marks >= 3 && !sentence.contains(">>") || calls || sentence.starts_with(['#', '<'])
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x1F300..=0x1FAFF | 0x2600..=0x27BF | 0x1F1E6..=0x1F1FF)
}
