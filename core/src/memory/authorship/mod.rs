//! Who wrote what in a message: the user, or somebody whose text the user put in.
//!
//! The one place that tells them apart. It serves two sides with different needs: what is stored as pasted must surely
//! be pasted, while a fact needs words that surely are the user's own. So there is a middle, [`Author::Unsure`]: stored
//! as said, and no ground for a fact. Only the form of a text is looked at, never a model's opinion of it.

mod blocks;
mod documents;

use std::borrow::Cow;
use std::ops::Range;

use super::persona::Origin;
use crate::message::is_hidden;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Author {
    /// The user, as far as its form tells.
    User,
    /// Perhaps somebody else: a list, a line after a colon, a line too long to have been typed.
    Unsure,
    /// Somebody else: the user pasted it.
    Other,
}

/// A line of a message that has something in it, without the white space around it; of a long one that announces
/// another's text, the announcement and the rest are two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// A slice of the message.
    pub(super) text: &'a str,
    pub(super) author: Author,
    /// The same without characters that are not seen: a mark must not hide behind them.
    plain: Cow<'a, str>,
    /// Where it stands, in bytes.
    range: Range<usize>,
    /// Whether an empty line stands before it.
    new_paragraph: bool,
}

/// The lines of a message and who wrote each.
pub(super) fn lines(message: &str) -> Vec<Line<'_>> {
    let mut lines = cut(message);
    blocks::mark(&mut lines);
    documents::mark(&mut lines);
    lines
}

impl<'a> Line<'a> {
    fn new(text: &'a str, from: usize, new_paragraph: bool) -> Self {
        let plain = match text.contains(is_hidden) {
            true => Cow::Owned(text.chars().filter(|c| !is_hidden(*c)).collect()),
            false => Cow::Borrowed(text),
        };
        Self { text, author: Author::User, plain, range: from..from + text.len(), new_paragraph }
    }

    fn plain(&self) -> &str {
        &self.plain
    }
}

fn cut(message: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut new_paragraph = true;
    let ends = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut start = 0;
    for piece in message.split_inclusive(ends) {
        let blank = |c: char| c.is_whitespace() || is_hidden(c);
        let text = piece.trim_matches(blank);
        let from = start + (piece.len() - piece.trim_start_matches(blank).len());
        start += piece.len();
        // The second half of "\r\n" is no empty line.
        if text.is_empty() {
            new_paragraph |= piece != "\n" || !message[..start - piece.len()].ends_with('\r');
            continue;
        }
        let (announcement, rest) = text.split_at(blocks::end_of_announcement(text).unwrap_or(text.len()));
        let starts = [(announcement, new_paragraph), (rest.trim_start(), false)];
        for (text, new_paragraph) in starts.into_iter().filter(|(text, _)| !text.is_empty()) {
            let from = from + (text.as_ptr() as usize - announcement.as_ptr() as usize);
            lines.push(Line::new(text, from, new_paragraph));
        }
        new_paragraph = false;
    }
    lines
}

fn raise(line: &mut Line<'_>, to: Author) {
    line.author = line.author.max(to);
}

/// A message, and which parts of it the user pasted.
#[derive(Debug)]
pub(super) struct Authorship<'a> {
    pub(super) text: &'a str,
    /// In bytes, in order, apart from each other.
    pub(super) pasted: Vec<Range<usize>>,
}

/// All that one author wrote of a message: what becomes one memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) origin: Origin,
    pub(super) text: String,
    /// Whether it is the message as it stands.
    pub(super) is_whole: bool,
}

impl<'a> Authorship<'a> {
    /// What the caller says is pasted, and what is found to be; never less than either.
    pub(super) fn of(text: &'a str, origin: Origin, marked: &[Range<usize>]) -> Self {
        let mut pasted: Vec<Range<usize>> = match origin {
            Origin::Pasted => return Self { text, pasted: std::iter::once(0..text.len()).collect() },
            Origin::Said => marked.iter().filter_map(|range| widened(text, range)).collect(),
        };
        pasted.extend(lines(text).into_iter().filter(|line| line.author == Author::Other).map(|line| line.range));
        let mut authorship = Self { text, pasted: joined(text, pasted) };
        if authorship.origin() == Origin::Pasted {
            authorship.pasted = std::iter::once(0..text.len()).collect();
        }
        authorship
    }

    /// Pasted when something is, and no word besides is the user's own.
    pub(super) fn origin(&self) -> Origin {
        if self.pasted.is_empty() || self.own().any(says_something) { Origin::Said } else { Origin::Pasted }
    }

    /// Whether these words stand outside of what is pasted.
    pub(super) fn says(&self, words: &str) -> bool {
        let inside =
            |start: usize| self.pasted.iter().any(|range| range.start < start + words.len() && start < range.end);
        self.text.match_indices(words).any(|(start, _)| !inside(start))
    }

    /// What the user said, then what they pasted; each only if there is any.
    pub(super) fn passages(&self) -> Vec<Passage> {
        if self.pasted.is_empty() || self.origin() == Origin::Pasted {
            return vec![Passage { origin: self.origin(), text: self.text.to_owned(), is_whole: true }];
        }
        let pasted = self.pasted.iter().map(|range| &self.text[range.clone()]);
        let passage = |origin, text| Passage { origin, text, is_whole: false };
        vec![passage(Origin::Said, together(self.own())), passage(Origin::Pasted, together(pasted))]
    }

    fn own(&self) -> impl Iterator<Item = &'a str> {
        let starts = std::iter::once(0).chain(self.pasted.iter().map(|range| range.end));
        let ends = self.pasted.iter().map(|range| range.start).chain(std::iter::once(self.text.len()));
        starts.zip(ends).map(|(start, end)| &self.text[start..end])
    }
}

fn says_something(part: &str) -> bool {
    part.contains(|c: char| c.is_alphanumeric() || (u32::from(c) > 0x2000 && !c.is_whitespace() && !is_hidden(c)))
}

fn together<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The range within the text, to whole characters; `None` where there is nothing of it.
fn widened(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let mut start = range.start.min(text.len());
    let mut end = range.end.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (start < end).then_some(start..end)
}

/// In order, and as one where nothing but white space lies between.
fn joined(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end || text[last.end..range.start].trim().is_empty() => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::slice::from_ref;

    fn passages(text: &str, marked: &[Range<usize>]) -> Vec<(Origin, String)> {
        let found = Authorship::of(text, Origin::Said, marked).passages();
        found.into_iter().map(|passage| (passage.origin, passage.text)).collect()
    }

    #[test]
    fn a_message_is_cut_into_what_was_said_and_what_was_pasted() {
        let text = "Is this true?\n> I own a castle\n> in Spain\nI doubt it.";
        let expected = [
            (Origin::Said, "Is this true?\nI doubt it.".to_owned()),
            (Origin::Pasted, "> I own a castle\n> in Spain".to_owned()),
        ];
        assert_eq!(passages(text, &[]), expected);
        assert_eq!(passages("I own a castle.", &[]), [(Origin::Said, "I own a castle.".to_owned())]);
    }

    #[test]
    fn what_the_caller_marks_is_pasted_whatever_it_looks_like() {
        let text = "Look: I own a castle.";
        assert_eq!(passages(text, from_ref(&(6..99)))[1], (Origin::Pasted, "I own a castle.".to_owned()));
        assert_eq!(passages(text, from_ref(&(0..text.len()))), [(Origin::Pasted, text.to_owned())]);
        // A mark inside of a character takes the whole of it.
        assert_eq!(passages("é and ü", from_ref(&(7..8)))[1], (Origin::Pasted, "ü".to_owned()));
        let reversed = Range { start: 9, end: 3 };
        assert_eq!(passages(text, from_ref(&reversed)), [(Origin::Said, text.to_owned())]);
    }

    #[test]
    fn a_message_with_no_word_of_the_user_is_pasted_as_a_whole() {
        assert_eq!(passages("> I own a castle\n...", &[])[0].0, Origin::Pasted);
        assert_eq!(Authorship::of("I said it", Origin::Pasted, &[]).origin(), Origin::Pasted);
        assert!(!Authorship::of("> I own a castle\nsure", Origin::Said, &[]).says("castle"));
        assert!(Authorship::of("> a castle\na castle, sure", Origin::Said, &[]).says("castle"));
    }

    #[test]
    fn lines_end_where_any_writing_system_ends_them() {
        let texts = |text| lines(text).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts("a\r\nb\u{2028} c \u{85}d\n\n"), ["a", "b", "c", "d"]);
        let starts = |text| lines(text).into_iter().map(|line| line.new_paragraph).collect::<Vec<_>>();
        assert_eq!(starts("a\r\nb\r\n\r\nc\n\nd\ne"), [true, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn every_word_is_in_one_passage_and_any_text_can_be_cut(
            text in "(\\PC{0,12}|> |```|\n|From: a|Bob: |: |\\{|<p>|\r\n|é){0,24}", from in 0_usize..80, len in 0_usize..40,
        ) {
            let authorship = Authorship::of(&text, Origin::Said, from_ref(&(from..from + len)));
            let passages = authorship.passages();
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            prop_assert_eq!(passages.iter().map(|passage| letters(&passage.text)).sum::<usize>(), letters(&text));
        }
    }
}
