//! Sentences as lower-case words with their contractions opened, which is what the lexicon's patterns are matched on.
//!
//! What stands in quotation marks, or after a lead-in such as "Translate this:", is one token, [`QUOTED`]: somebody
//! else's words can then match no pattern and be no reason for a fact.

/// Stands for words that are not the user's own.
pub(super) const QUOTED: &str = "<q>";

/// A sentence, ready to be matched.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Words and marks in order.
    pub(super) words: Vec<String>,
    /// Whether somebody speaks in the first person inside a quotation.
    pub(super) first_person_quoted: bool,
    /// Whether a lead-in hands the rest of the sentence to somebody else.
    pub(super) led_in: bool,
    /// Capitalised words that do not begin the sentence.
    pub(super) names: usize,
    /// Words with no capital at the beginning of the sentence, no matter where.
    pub(super) starts_lower: bool,
}

/// Reads one sentence.
pub(super) fn tokenize(sentence: &str) -> Tokens {
    let mut tokens = Tokens { starts_lower: starts_lower(sentence), ..Tokens::default() };
    let mut rest = sentence;
    while let Some((own, quoted, after)) = next_quotation(rest) {
        push_words(&mut tokens, own);
        tokens.words.push(QUOTED.to_owned());
        tokens.first_person_quoted |= speaks_in_first_person(quoted);
        rest = after;
    }
    match lead_in(rest) {
        Some((own, quoted)) => {
            push_words(&mut tokens, own);
            tokens.words.push(QUOTED.to_owned());
            tokens.first_person_quoted |= speaks_in_first_person(quoted);
            tokens.led_in = true;
        }
        None => push_words(&mut tokens, rest),
    }
    tokens
}

fn starts_lower(sentence: &str) -> bool {
    sentence.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_lowercase)
}

/// The words before a quotation, the quotation, and what comes after it. One that is never closed reaches to the end.
fn next_quotation(text: &str) -> Option<(&str, &str, &str)> {
    let (start, open) = text.char_indices().find(|(at, c)| opens(text, *at, *c))?;
    let inside = &text[start + open.len_utf8()..];
    let end = inside.char_indices().find(|(at, c)| closes(open, inside, *at, *c));
    match end {
        Some((at, close)) => Some((&text[..start], &inside[..at], &inside[at + close.len_utf8()..])),
        None => Some((&text[..start], inside, "")),
    }
}

/// A single mark opens only where a word begins and a mark that closes it follows: elsewhere it is an apostrophe.
fn opens(text: &str, at: usize, c: char) -> bool {
    match c {
        '"' | '\u{201c}' | '\u{201e}' | '\u{ab}' => true,
        '\'' | '\u{2018}' => {
            let before = text[..at].chars().next_back();
            let after = &text[at + c.len_utf8()..];
            before.is_none_or(|b| b.is_whitespace() || b == '(')
                && after.char_indices().any(|(place, close)| place > 3 && closes(c, after, place, close))
        }
        _ => false,
    }
}

fn closes(open: char, inside: &str, at: usize, c: char) -> bool {
    match open {
        '"' => c == '"',
        '\u{ab}' => c == '\u{bb}',
        '\u{201c}' | '\u{201e}' => matches!(c, '\u{201c}' | '\u{201d}' | '"'),
        _ => {
            let after = inside[at + c.len_utf8()..].chars().next();
            matches!(c, '\'' | '\u{2019}') && after.is_none_or(|next| !next.is_alphanumeric())
        }
    }
}

/// Words before a colon that announce somebody else's text.
const SOURCES: [&str; 44] = [
    "review",
    "excerpt",
    "bio",
    "cv",
    "resume",
    "letter",
    "email",
    "e-mail",
    "mail",
    "article",
    "text",
    "translate",
    "proofread",
    "grammar",
    "rewrite",
    "correct",
    "fix",
    "profile",
    "abstract",
    "lyrics",
    "comment",
    "quote",
    "reads",
    "said",
    "says",
    "wrote",
    "writes",
    "whispers",
    "message",
    "post",
    "tweet",
    "chapter",
    "caption",
    "summarise",
    "summarize",
    "paraphrase",
    "document",
    "note",
    "page",
    "status",
    "sign",
    "paragraph",
    "sentence",
    "following",
];

/// Splits "Read this review: I loved it" into what the user said and what they put in.
fn lead_in(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(": ").or_else(|| text.find(":\n"))?;
    let (before, after) = (&text[..colon], &text[colon + 1..]);
    let words: Vec<String> = plain_words(before).collect();
    let announced = words.len() <= 12 && words.iter().any(|word| SOURCES.contains(&word.as_str()));
    let own = words.iter().any(|word| matches!(word.as_str(), "favourite" | "favorite" | "like" | "prefer"));
    (announced && !own && plain_words(after).count() >= 3).then_some((before, after))
}

fn plain_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).map(str::to_lowercase)
}

pub(super) fn speaks_in_first_person(text: &str) -> bool {
    plain_words(text).any(|word| matches!(word.as_str(), "i" | "my" | "we" | "our" | "me" | "im" | "ive"))
}

fn push_words(tokens: &mut Tokens, text: &str) {
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if !c.is_alphanumeric() {
            if let Some(mark) = mark(c) {
                tokens.words.push(mark.to_owned());
            }
            continue;
        }
        let mut end = start + c.len_utf8();
        while let Some((at, next)) = chars.next_if(|(at, next)| continues(text, *at, *next)) {
            end = at + next.len_utf8();
        }
        push_word(tokens, &text[start..end]);
    }
}

/// Letters and digits continue a word, and so do apostrophes, hyphens and separators of digits between them.
fn continues(text: &str, at: usize, c: char) -> bool {
    let next = text[at + c.len_utf8()..].chars().next();
    match c {
        _ if c.is_alphanumeric() => true,
        '\'' | '\u{2019}' | '-' => next.is_some_and(char::is_alphanumeric),
        '.' | ',' | ':' => {
            let before = text[..at].chars().next_back();
            before.is_some_and(|b| b.is_ascii_digit()) && next.is_some_and(|n| n.is_ascii_digit())
        }
        _ => false,
    }
}

fn mark(c: char) -> Option<&'static str> {
    match c {
        ',' | ';' | '(' | ')' | '\u{2014}' | '\u{2013}' | '-' => Some(","),
        ':' => Some(":"),
        '?' => Some("?"),
        '!' => Some("!"),
        '>' => Some("gt"),
        '.' | '\u{2026}' | '\n' => Some("."),
        _ => None,
    }
}

fn push_word(tokens: &mut Tokens, word: &str) {
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    if capital && !tokens.words.is_empty() && !is_first_person(word) {
        tokens.names += 1;
    }
    let lower = word.to_lowercase().replace('\u{2019}', "'");
    match opened(&lower) {
        Some(parts) => tokens.words.extend(parts.split(' ').map(str::to_owned)),
        None => push_inflected(tokens, lower),
    }
}

fn is_first_person(word: &str) -> bool {
    word == "I" || word.starts_with("I'") || word.starts_with("I\u{2019}")
}

/// Contractions with and without their apostrophe, as they are typed.
fn opened(word: &str) -> Option<&'static str> {
    Some(match word {
        "i'm" | "im" => "i am",
        "i've" | "ive" => "i have",
        "i'll" => "i will",
        "i'd" => "i would",
        "we're" => "we are",
        "we've" | "weve" => "we have",
        "we'll" => "we will",
        "we'd" => "we would",
        "you're" | "youre" => "you are",
        "they're" | "theyre" => "they are",
        "they've" => "they have",
        "he's" | "hes" => "he is",
        "she's" | "shes" => "she is",
        "it's" => "it is",
        "that's" | "thats" => "that is",
        "what's" | "whats" => "what is",
        "who's" => "who is",
        "there's" | "theres" => "there is",
        "let's" | "lets" => "let us",
        "can't" | "cant" | "cannot" => "can not",
        "won't" | "wont" => "will not",
        "don't" | "dont" => "do not",
        "doesn't" | "doesnt" => "does not",
        "didn't" | "didnt" => "did not",
        "isn't" | "isnt" => "is not",
        "aren't" | "arent" => "are not",
        "wasn't" | "wasnt" => "was not",
        "weren't" => "were not",
        "haven't" | "havent" => "have not",
        "hasn't" | "hasnt" => "has not",
        "hadn't" => "had not",
        "wouldn't" | "wouldnt" => "would not",
        "couldn't" | "couldnt" => "could not",
        "shouldn't" | "shouldnt" => "should not",
        "gonna" => "going to",
        "luv" => "love",
        _ => return None,
    })
}

/// A possessive or a shortened "is" after a noun does not hide the noun.
fn push_inflected(tokens: &mut Tokens, lower: String) {
    match lower.strip_suffix("'s") {
        Some(noun) => tokens.words.extend([noun.to_owned(), "'s".to_owned()]),
        None => tokens.words.push(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(sentence: &str) -> String {
        tokenize(sentence).words.join(" ")
    }

    #[test]
    fn contractions_are_opened_however_they_are_typed() {
        assert_eq!(joined("I'm sure we\u{2019}ve met"), "i am sure we have met");
        assert_eq!(joined("im 42, dont ask"), "i am 42 , do not ask");
        assert_eq!(joined("My partner's a pilot"), "my partner 's a pilot");
    }

    #[test]
    fn what_is_quoted_is_one_token() {
        let tokens = tokenize("He wrote \"I live in Oslo\" on the wall");
        assert_eq!(tokens.words.join(" "), "he wrote <q> on the wall");
        assert!(tokens.first_person_quoted);
        assert_eq!(joined("She said \u{201c}my dog bites"), "she said <q>");
        assert_eq!(joined("the dogs' beds, rock 'n roll"), "the dogs beds , rock n roll");
    }

    #[test]
    fn a_lead_in_hands_the_rest_to_somebody_else() {
        let tokens = tokenize("Translate this: I have two sons and a cat");
        assert!(tokens.led_in && tokens.first_person_quoted);
        assert_eq!(tokens.words.join(" "), "translate this <q>");
        assert!(!tokenize("Marmite: love it, spread it on everything.").led_in);
    }

    #[test]
    fn numbers_stay_whole() {
        assert_eq!(joined("up at 5:40, 1.92 m"), "up at 5:40 , 1.92 m");
    }
}
