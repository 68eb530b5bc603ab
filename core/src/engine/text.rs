//! Turns token bytes into text that may be shown: whole characters only, nothing of a stop string.

/// Collects the bytes of a reply and gives out what is final.
#[derive(Debug, Default)]
pub(super) struct TextAssembler {
    stops: Vec<String>,
    /// Bytes of a character whose rest has not come yet.
    partial: Vec<u8>,
    /// Whole characters that might be the beginning of a stop string.
    held: String,
}

/// What became final with the bytes of one token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    /// Text that may be shown now; may be empty.
    pub(super) text: String,
    /// Whether a stop string was met; nothing follows then.
    pub(super) stopped: bool,
}

impl TextAssembler {
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|s| !s.is_empty()).collect(), ..Self::default() }
    }

    /// Takes the bytes of the next token.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Assembled {
        self.partial.extend_from_slice(bytes);
        self.take_whole_characters();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return Assembled { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.possible_stop_len();
        let rest = self.held.split_off(self.held.len() - keep);
        Assembled { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held back, when no more tokens come. An unfinished character is dropped.
    pub(super) fn finish(&mut self) -> String {
        self.partial.clear();
        std::mem::take(&mut self.held)
    }

    /// Moves whole characters from `partial` to `held`; bytes that can never become one are dropped.
    fn take_whole_characters(&mut self) {
        let mut rest = self.partial.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.held.push_str(std::str::from_utf8(valid).expect("valid_up_to marks valid UTF-8"));
                    let Some(invalid) = error.error_len() else {
                        rest = after;
                        break;
                    };
                    rest = &after[invalid..];
                }
            }
        }
        self.partial = rest.to_vec();
    }

    /// Length of the longest end of `held` that a stop string begins with.
    fn possible_stop_len(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        (1..longest.min(self.held.len() + 1))
            .rev()
            .filter(|&len| self.held.is_char_boundary(self.held.len() - len))
            .find(|&len| {
                let end = &self.held[self.held.len() - len..];
                self.stops.iter().any(|stop| stop.len() > len && stop.starts_with(end))
            })
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], chunks: &[&[u8]]) -> (String, bool) {
        let mut assembler = TextAssembler::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut text = String::new();
        for chunk in chunks {
            let piece = assembler.push(chunk);
            text.push_str(&piece.text);
            if piece.stopped {
                return (text, true);
            }
        }
        text.push_str(&assembler.finish());
        (text, false)
    }

    #[test]
    fn a_stop_string_across_tokens_is_cut_and_what_only_looked_like_one_is_kept() {
        assert_eq!(run(&["\nUser:"], &[b"Hi.\nUs", b"er", b": more"]), ("Hi.".into(), true));
        assert_eq!(run(&["\nUser:"], &[b"Hi.\nUs", b"ually"]), ("Hi.\nUsually".into(), false));
        assert_eq!(run(&["END", "ENOUGH"], &[b"EN", b"OU", b"GH!"]), (String::new(), true));
    }

    #[test]
    fn an_unfinished_character_at_the_end_is_dropped() {
        assert_eq!(run(&[], &["né".as_bytes(), &[0xF0, 0x9F]]), ("né".into(), false));
    }

    proptest! {
        #[test]
        fn the_pieces_of_any_split_join_to_the_text(text in "[a-zé漢👩‍👩‍👧שa\\n]{0,40}", cut in 1_usize..5) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let (joined, stopped) = run(&["never-in-the-text"], &chunks);
            prop_assert_eq!(joined, text);
            prop_assert!(!stopped);
        }

        #[test]
        fn a_stop_string_ends_the_text_wherever_tokens_are_cut(
            before in "[ab ]{0,12}", after in "[ab ]{0,12}", cut in 1_usize..5
        ) {
            let all = format!("{before}<stop>{after}");
            let chunks: Vec<&[u8]> = all.as_bytes().chunks(cut).collect();
            prop_assert_eq!(run(&["<stop>"], &chunks), (before, true));
        }

        #[test]
        fn arbitrary_bytes_never_yield_replacement_characters(bytes: Vec<u8>, cut in 1_usize..5) {
            prop_assume!(!bytes.windows(3).any(|three| three == "\u{FFFD}".as_bytes()));
            let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
            let made_up = run(&["xyz"], &chunks).0.contains('\u{FFFD}');
            prop_assert!(!made_up);
        }
    }
}
