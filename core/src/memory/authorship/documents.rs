//! Text without marks that is pasted all the same: transcripts of chats, and documents that speak of neither I nor you.
//!
//! A document has to be long and of several paragraphs, in a language whose small words are known here; a language
//! that is not known gives no document, because not finding an "I" in it would say nothing.

use std::collections::HashMap;

use super::{Author, Line, raise};

/// So many lines with a speaker's name are a transcript, if one of the names comes twice.
const LINES_OF_A_TRANSCRIPT: usize = 3;
const LONGEST_NAME: usize = 24;
/// Shorter texts may well be a user telling of something, in bytes.
const SHORTEST_DOCUMENT: usize = 450;
const LEAST_PARAGRAPHS: usize = 2;

/// Who speaks in the first person, or to somebody. "im" for "I'm" is not among them: it is German for "in the".
const PERSONS: [&str; 78] = [
    "i", "ive", "me", "my", "mine", "myself", "we", "us", "our", "ours", "you", "your", "yours", "youre", "yo", "mi",
    "mis", "tú", "tu", "te", "nos", "nosotros", "nuestro", "nuestra", "usted", "ustedes", "eu", "meu", "minha", "meus",
    "minhas", "você", "vocês", "nós", "nosso", "nossa", "je", "j", "moi", "mon", "ma", "mes", "nous", "notre", "vous",
    "votre", "toi", "ton", "ich", "mich", "mir", "mein", "meine", "meinen", "meiner", "wir", "uns", "unser", "unsere",
    "du", "dich", "dir", "dein", "deine", "io", "mio", "mia", "noi", "nostro", "voi", "ik", "mij", "mijn", "wij",
    "ons", "onze", "jij", "jouw",
];
/// By so many of these in a hundred words a language is known.
const SMALL_WORDS: [&str; 48] = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "was",
    "are",
    "were",
    "by",
    "for",
    "with",
    "el",
    "la",
    "los",
    "las",
    "de",
    "que",
    "y",
    "en",
    "del",
    "o",
    "os",
    "as",
    "do",
    "da",
    "e",
    "em",
    "le",
    "les",
    "des",
    "et",
    "du",
    "der",
    "die",
    "das",
    "und",
    "den",
    "von",
    "il",
    "di",
    "che",
    "het",
    "een",
    "van",
    "ist",
    "est",
    "est\u{e1}",
];

pub(super) fn mark(lines: &mut [Line<'_>]) {
    transcripts(lines);
    documents(lines);
}

fn transcripts(lines: &mut [Line<'_>]) {
    let speakers: Vec<Option<Speaker<'_>>> = lines.iter().map(|line| speaker(line.plain())).collect();
    let mut times: HashMap<&str, usize> = HashMap::new();
    speakers.iter().flatten().for_each(|speaker| *times.entry(speaker.name).or_default() += 1);
    let spoken = speakers.iter().flatten().count();
    let stamped = speakers.iter().flatten().filter(|speaker| speaker.stamped).count();
    let is_transcript = spoken >= LINES_OF_A_TRANSCRIPT && times.len() > 1 && times.values().any(|times| *times > 1);
    if !is_transcript && stamped < 2 {
        return;
    }
    let first = speakers.iter().position(Option::is_some).unwrap_or(0);
    let last = speakers.iter().rposition(Option::is_some).unwrap_or(0);
    lines[first..=last].iter_mut().for_each(|line| raise(line, Author::Other));
}

struct Speaker<'a> {
    name: &'a str,
    stamped: bool,
}

/// "Bob: hi", "[12:03] Bob Hale: hi", "12/03/24, 09:15 - Bob: hi".
fn speaker(line: &str) -> Option<Speaker<'_>> {
    let stamp = |c: char| c.is_ascii_digit() || "[](),.:/- ".contains(c);
    let bare = line.trim_start_matches(stamp);
    let bare = bare.strip_prefix("AM").or_else(|| bare.strip_prefix("PM")).unwrap_or(bare).trim_start_matches(stamp);
    let before = &line[..line.len() - bare.len()];
    let stamped = before.contains(':') && before.chars().filter(char::is_ascii_digit).count() >= 3;
    let (name, said) = bare.split_once(':')?;
    let name = name.trim_matches('*');
    let words = name.split_whitespace().count();
    let named =
        name.starts_with(char::is_uppercase) && name.chars().all(|c| c.is_alphanumeric() || " .'-_".contains(c));
    let said = said.trim_start_matches('*');
    (named && (1..=3).contains(&words) && name.len() <= LONGEST_NAME && said.starts_with(' '))
        .then_some(Speaker { name, stamped })
}

/// Runs of paragraphs in which nobody speaks of themselves or to anybody.
fn documents(lines: &mut [Line<'_>]) {
    let mut start = 0;
    while start < lines.len() {
        let end = (start..lines.len()).find(|end| is_personal(&lines[*end])).unwrap_or(lines.len());
        if is_document(&lines[start..end]) {
            lines[start..end].iter_mut().for_each(|line| raise(line, Author::Other));
        }
        start = end.max(start) + 1;
    }
}

fn is_personal(line: &Line<'_>) -> bool {
    line.plain().ends_with('?') || words(line.plain()).any(|word| PERSONS.contains(&word.as_str()))
}

fn is_document(lines: &[Line<'_>]) -> bool {
    let paragraphs = lines.iter().filter(|line| line.new_paragraph).count();
    let bytes: usize = lines.iter().map(|line| line.plain().len()).sum();
    if paragraphs < LEAST_PARAGRAPHS || bytes < SHORTEST_DOCUMENT {
        return false;
    }
    let (mut all, mut small) = (0, 0);
    for word in lines.iter().flat_map(|line| words(line.plain())) {
        all += 1;
        small += usize::from(SMALL_WORDS.contains(&word.as_str()));
    }
    small * 100 > all * 12
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let split = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}');
    let bare = split.map(|word| word.split(['\'', '\u{2019}']).next().unwrap_or_default().to_lowercase());
    bare.filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    fn pasted(text: &str) -> Vec<bool> {
        lines(text).into_iter().map(|line| line.author == Author::Other).collect()
    }

    #[test]
    fn a_transcript_is_pasted_and_labels_are_not() {
        let chat = "what does she mean\nAnna: I quit\nBob: why\nAnna: I'm tired\nany idea?";
        assert_eq!(pasted(chat), [false, true, true, true, false]);
        assert_eq!(pasted("[12:03] Anna: I quit\n[12:04] Bob: ok"), [true, true]);
        assert_eq!(pasted("12/03/24, 09:15 - Bo: I quit\n12/03/24, 09:16 - Cy: ok"), [true, true]);
        assert_eq!(pasted("Name: Ana\nAge: 31\nCity: Porto"), [false; 3]);
        assert_eq!(pasted("Monday: gym\nTuesday: rest\nWednesday: gym"), [false; 3]);
    }

    #[test]
    fn a_long_text_of_nobody_is_a_document_and_a_tale_of_the_user_is_not() {
        let paragraph = "The committee of the town met on Friday and the mayor was asked for the plans of the bridge. ";
        let document = format!("{0}{0}{0}\n\n{0}{0}{0}", paragraph);
        assert_eq!(pasted(&format!("What do you think?\n\n{document}")), [false, true, true]);
        let tale = document.replace("The committee", "My committee");
        assert_eq!(pasted(&tale), [false, false]);
        assert_eq!(pasted(&format!("{paragraph}\n\n{paragraph}")), [false, false]);
        let foreign = "Miesto susitikimas buvo penktadienį ir meras kalbėjo apie naujo tilto planus. ".repeat(6);
        assert_eq!(pasted(&format!("{foreign}\n\n{foreign}")), [false, false]);
    }
}
