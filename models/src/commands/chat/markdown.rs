//! Markdown made readable while it streams: bold, italics, headings, lists, quotes, inline code, fences.
//!
//! Characters go out as they come; only a run of markers waits for the character that tells what it is. Styles
//! end with their line, so one stray asterisk cannot paint the rest of a reply. Control characters of the model
//! never reach the terminal.

const RESET: &str = "\x1b[0m";
const BOLD: &str = "1";
const ITALIC: &str = "3";
const CODE: &str = "36";
const DIM: &str = "2";
const HEADING: &str = "1;4";

/// Turns pieces of Markdown into pieces for a terminal.
#[derive(Debug, Default)]
pub(crate) struct Styler {
    /// The start of a line, until its kind is known.
    head: String,
    head_done: bool,
    /// A run of markers, until the next character tells what it is.
    run: String,
    previous: Option<char>,
    fence: bool,
    fence_line: bool,
    /// Something was painted that no other field knows of.
    line_was_painted: bool,
    heading: bool,
    bold: bool,
    italic: bool,
    code: bool,
}

impl Styler {
    /// What can be shown after `piece`.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for character in piece.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
            self.character(character, &mut out);
        }
        out
    }

    /// What was held back, and the end of all styles.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.end_line(&mut out);
        self.fence = false;
        out
    }

    fn character(&mut self, character: char, out: &mut String) {
        if character == '\n' {
            self.end_line(out);
            out.push('\n');
        } else if self.head_done {
            self.inline(character, out);
        } else {
            self.head.push(character);
            self.decide_head(out);
        }
    }

    fn end_line(&mut self, out: &mut String) {
        if !self.head_done {
            self.flush_head(out);
        }
        self.flush_run(None, out);
        if std::mem::take(&mut self.fence_line) {
            self.fence = !self.fence;
        }
        let styled = self.heading || self.bold || self.italic || self.code || self.fence || self.line_was_painted;
        if styled {
            out.push_str(RESET);
        }
        let fence = self.fence;
        *self = Self { fence, ..Self::default() };
    }

    /// Looks at what the line begins with; keeps waiting while it can still become a mark.
    fn decide_head(&mut self, out: &mut String) {
        let indent = self.head.len() - self.head.trim_start().len();
        let (space, mark) = self.head.split_at(indent);
        let space = space.to_owned();
        if mark.is_empty() || (mark.len() < 3 && mark.bytes().all(|b| b == b'`')) {
            return;
        }
        if mark == "```" {
            self.fence_line = true;
            return self.open_line(&format!("{space}```"), DIM, out);
        }
        if self.fence {
            return self.flush_head(out);
        }
        match mark {
            "#" | "##" | "###" | "####" | "#####" | "######" | "-" | "*" | "+" | ">" => {}
            "- " | "* " | "+ " => self.replace_head(&format!("{space}• "), out),
            "> " => self.replace_head(&format!("{space}\x1b[{DIM}m│{RESET} "), out),
            _ if mark.ends_with(' ') && mark.trim_end().bytes().all(|b| b == b'#') && !mark.trim_end().is_empty() => {
                self.heading = true;
                self.replace_head("", out);
                self.paint(out);
            }
            _ => self.flush_head(out),
        }
    }

    fn open_line(&mut self, text: &str, code: &str, out: &mut String) {
        self.line_was_painted = true;
        out.push_str(&format!("\x1b[{code}m{text}"));
        self.head.clear();
        self.head_done = true;
    }

    fn replace_head(&mut self, text: &str, out: &mut String) {
        out.push_str(text);
        self.head.clear();
        self.head_done = true;
    }

    fn flush_head(&mut self, out: &mut String) {
        self.head_done = true;
        if self.fence && !self.fence_line {
            self.line_was_painted = true;
            out.push_str(&format!("\x1b[{CODE}m"));
        }
        for character in std::mem::take(&mut self.head).chars() {
            self.inline(character, out);
        }
    }

    fn inline(&mut self, character: char, out: &mut String) {
        if self.fence || self.fence_line {
            return out.push(character);
        }
        let marker = matches!(character, '*' | '_' | '`') && (!self.code || character == '`');
        if marker && (self.run.is_empty() || self.run.starts_with(character)) {
            return self.run.push(character);
        }
        self.flush_run(Some(character), out);
        if marker {
            return self.run.push(character);
        }
        out.push(character);
        self.previous = Some(character);
    }

    /// Decides what a run of markers was, now that `next` is known.
    fn flush_run(&mut self, next: Option<char>, out: &mut String) {
        let run = std::mem::take(&mut self.run);
        let Some(marker) = run.chars().next() else { return };
        if self.is_style(marker, run.len(), next) {
            self.toggle(marker, run.len());
            self.paint(out);
        } else {
            out.push_str(&run);
        }
        self.previous = Some(marker);
    }

    /// Emphasis opens before a word and closes after one; `snake_case` and `2 * 3` are neither.
    fn is_style(&self, marker: char, len: usize, next: Option<char>) -> bool {
        if marker == '`' {
            return self.code || (len == 1 && next.is_some());
        }
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let open = match len {
            1 => self.italic,
            2 => self.bold,
            3 => self.bold && self.italic,
            _ => return false,
        };
        let inside_word = marker == '_' && if open { word(next) } else { word(self.previous) };
        let at_edge = if open { !blank(self.previous) } else { !blank(next) };
        at_edge && !inside_word
    }

    fn toggle(&mut self, marker: char, len: usize) {
        if marker == '`' {
            self.code = !self.code;
            return;
        }
        self.italic ^= len != 2;
        self.bold ^= len >= 2;
    }

    fn paint(&self, out: &mut String) {
        out.push_str(RESET);
        let styles = [(self.heading, HEADING), (self.bold, BOLD), (self.italic, ITALIC), (self.code, CODE)];
        for (_, code) in styles.iter().filter(|(on, _)| *on) {
            out.push_str(&format!("\x1b[{code}m"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Escapes as short tags, so that a test reads like its text.
    fn shown(text: &str) -> String {
        text.replace(RESET, "<>")
            .replace("\x1b[1;4m", "<h>")
            .replace("\x1b[1m", "<b>")
            .replace("\x1b[3m", "<i>")
            .replace("\x1b[36m", "<c>")
            .replace("\x1b[2m", "<d>")
    }

    fn styled(text: &str) -> String {
        let mut styler = Styler::default();
        let out = styler.push(text) + &styler.finish();
        shown(&out)
    }

    #[test]
    fn marks_become_styles() {
        assert_eq!(styled("a **b** c"), "a <><b>b<> c");
        assert_eq!(styled("*i* and _i_"), "<><i>i<> and <><i>i<>");
        assert_eq!(styled("use `x*y`"), "use <><c>x*y<>");
        assert_eq!(styled("# Title\nx"), "<><h>Title<>\nx");
        assert_eq!(styled("- one\n  * two"), "• one\n  • two");
        assert_eq!(styled("> said"), "<d>│<> said");
        assert_eq!(styled("***both***"), "<><b><i>both<>");
    }

    #[test]
    fn what_only_looks_like_a_mark_stays() {
        for text in ["2 * 3 * 4", "snake_case_name", "a ** b", "#hashtag", "-5 degrees", "5 > 3", "____"] {
            assert_eq!(styled(text), text);
        }
    }

    #[test]
    fn code_blocks_are_left_alone_inside() {
        assert_eq!(styled("```rs\nlet *a* = 1; # x\n```\nb"), "<d>```rs<>\n<c>let *a* = 1; # x<>\n<d>```<>\nb");
    }

    #[test]
    fn a_stray_mark_does_not_outlive_its_line() {
        assert_eq!(styled("a **b\nc"), "a <><b>b<>\nc");
    }

    #[test]
    fn the_pieces_of_a_stream_make_no_difference() {
        let text = "# T\n- **a** `b` _c_\n```\nx\n```\nlast *one*";
        let mut styler = Styler::default();
        let mut by_character: String = text.chars().map(|c| styler.push(&c.to_string())).collect();
        by_character += &styler.finish();
        assert_eq!(shown(&by_character), styled(text));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(styled("a\x1b[2Jb\x07\rc\u{9b}d"), "a[2Jbcd");
    }
}
