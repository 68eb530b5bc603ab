//! Lines that break between words while a reply streams.
//!
//! A word is held back until it ends, because only then is it known whether it fits. Code blocks are left as they are:
//! a break inside them would change what they say. Escape sequences take no room.

use unicode_width::UnicodeWidthChar as _;

/// Below this there is no room for words beside an indent.
const LEAST_COLUMNS: usize = 16;

/// Breaks streamed text at spaces.
#[derive(Debug)]
pub(crate) struct Wrapper {
    columns: usize,
    column: usize,
    /// Where a broken line goes on: under the text of its list item.
    indent: usize,
    /// Spaces seen and not shown; a break takes their place.
    gap: usize,
    word: String,
    word_columns: usize,
    escape: bool,
    line: Line,
    fence: bool,
}

/// What is known of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Its first word is not whole yet.
    Begins,
    Prose,
    /// It opens or closes a code block.
    Fence,
}

impl Wrapper {
    /// Text of at most so many columns; nothing where that is too few to be of use.
    pub(crate) fn new(columns: usize) -> Option<Self> {
        let wrapper = Self {
            columns,
            column: 0,
            indent: 0,
            gap: 0,
            word: String::new(),
            word_columns: 0,
            escape: false,
            line: Line::Begins,
            fence: false,
        };
        (columns >= LEAST_COLUMNS).then_some(wrapper)
    }

    /// What can be shown after `text`.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut out = String::new();
        for character in text.chars() {
            self.character(character, &mut out);
        }
        out
    }

    /// What was held back.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.end_word(&mut out);
        self.end_line();
        self.fence = false;
        out
    }

    fn character(&mut self, character: char, out: &mut String) {
        match character {
            _ if self.escape => {
                self.word.push(character);
                self.escape = !character.is_ascii_alphabetic();
            }
            '\x1b' => {
                self.word.push(character);
                self.escape = true;
            }
            '\n' => {
                self.end_word(out);
                self.end_line();
                out.push('\n');
            }
            ' ' | '\t' => {
                self.end_word(out);
                self.gap += if character == '\t' { 4 } else { 1 };
            }
            _ => self.visible(character, out),
        }
    }

    /// A wide sign is a word of its own: scripts without spaces break between any two.
    fn visible(&mut self, character: char, out: &mut String) {
        let wide = character.width().unwrap_or(0);
        if wide > 1 {
            self.end_word(out);
        }
        self.word.push(character);
        self.word_columns += wide;
        if wide > 1 {
            self.end_word(out);
        }
    }

    fn end_line(&mut self) {
        if self.line == Line::Fence {
            self.fence = !self.fence;
        }
        (self.column, self.indent, self.gap, self.line) = (0, 0, 0, Line::Begins);
    }

    fn end_word(&mut self, out: &mut String) {
        if self.word_columns > 0 {
            self.place_word(out);
        }
        out.push_str(&self.word);
        self.column += self.word_columns;
        if self.line == Line::Begins && self.word_columns > 0 {
            self.begin_line();
        }
        self.word.clear();
        self.word_columns = 0;
    }

    fn place_word(&mut self, out: &mut String) {
        let breaks = !self.fence && self.line == Line::Prose && self.column > self.indent;
        if breaks && self.column + self.gap + self.word_columns > self.columns {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', self.indent));
            self.column = self.indent;
        } else {
            out.extend(std::iter::repeat_n(' ', self.gap));
            self.column += self.gap;
        }
        self.gap = 0;
    }

    /// Looks at the first word, now that it is whole.
    fn begin_line(&mut self) {
        let first = without_escapes(&self.word);
        let begins_at = self.column - self.word_columns;
        let number = first.strip_suffix(['.', ')']).is_some_and(|n| n.len() < 4 && n.parse::<u32>().is_ok());
        let item = number || matches!(first.as_str(), "•" | "│");
        let indent = if item { self.column + 1 } else { begins_at };
        self.indent = if indent <= self.columns / 2 { indent } else { 0 };
        self.line = if first.starts_with("```") { Line::Fence } else { Line::Prose };
    }
}

fn without_escapes(word: &str) -> String {
    let mut escape = false;
    let mut plain = String::new();
    for character in word.chars() {
        match character {
            '\x1b' => escape = true,
            _ if escape => escape = !character.is_ascii_alphabetic(),
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(columns: usize, text: &str) -> String {
        let mut wrapper = Wrapper::new(columns).expect("wide enough");
        wrapper.push(text) + &wrapper.finish()
    }

    #[test]
    fn lines_break_between_words_and_the_spaces_there_go() {
        let text = "The cello is a lovely instrument, and it is tuned in fifths.";
        assert_eq!(wrapped(20, text), "The cello is a\nlovely instrument,\nand it is tuned in\nfifths.");
        assert_eq!(wrapped(16, "exactly  sixteen and"), "exactly  sixteen\nand");
        assert_eq!(wrapped(20, "short\n\nlines  stay "), "short\n\nlines  stay");
    }

    #[test]
    fn the_pieces_of_a_stream_make_no_difference() {
        let text = "• one \x1b[1mbold\x1b[0m word and more of them\n```\nlet a_long_line = of(code, that, is, kept);\n```\nend of it all, 私はチェロを弾きます indeed";
        let mut wrapper = Wrapper::new(20).expect("wide enough");
        let mut by_character: String = text.chars().map(|c| wrapper.push(&c.to_string())).collect();
        by_character += &wrapper.finish();
        assert_eq!(by_character, wrapped(20, text));
    }

    #[test]
    fn styles_take_no_room() {
        let styled = wrapped(16, "\x1b[1msixteen letters!\x1b[0m ok");
        assert_eq!(styled, "\x1b[1msixteen letters!\x1b[0m\nok");
    }

    #[test]
    fn list_items_go_on_under_their_text() {
        assert_eq!(wrapped(20, "• one two three four five"), "• one two three four\n  five");
        assert_eq!(wrapped(20, "12. one two three four"), "12. one two three\n    four");
        assert_eq!(wrapped(20, "  • one two three four"), "  • one two three\n    four");
    }

    #[test]
    fn code_blocks_are_not_broken() {
        let code = "```rust\nlet one = two(three, four, five, six);\n    indented stays indented, however long\n```";
        assert_eq!(wrapped(20, code), code);
        assert_eq!(
            wrapped(20, &format!("{code}\nprose breaks again here")),
            format!("{code}\nprose breaks again\nhere")
        );
    }

    #[test]
    fn a_word_longer_than_the_line_is_left_to_the_terminal() {
        let address = "x".repeat(50);
        assert_eq!(wrapped(20, &format!("see {address} now")), format!("see\n{address}\nnow"));
    }

    #[test]
    fn scripts_without_spaces_break_between_signs() {
        assert_eq!(wrapped(16, "私はチェロを弾きます"), "私はチェロを弾き\nます");
    }

    #[test]
    fn a_terminal_of_next_to_no_columns_is_not_wrapped() {
        assert!(Wrapper::new(0).is_none() && Wrapper::new(15).is_none());
    }
}
