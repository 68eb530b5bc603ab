//! A message as an app hands it over: what the user typed, and what they pasted with it.
//!
//! An app with one text field sends its text, and memory finds by its form what of it was pasted. An app that knows
//! better (a paste event, a shared page, a file) says so here, and is believed.

use std::ops::Range;

/// What the user typed and what they pasted. Only what they typed can become a fact about them.
///
/// ```
/// use aloekit::session::UserMessage;
///
/// let message = UserMessage::new("Is this flat any good?").with_pasted("Two rooms. I am a quiet landlord.");
/// assert_eq!(message.pasted.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserMessage {
    /// What the user typed or spoke; may be empty if something was pasted.
    pub text: String,
    /// What the user put in but did not write: documents, mails, pages. They stand after the text, in this order.
    pub pasted: Vec<String>,
}

impl UserMessage {
    /// A message that was typed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), pasted: Vec::new() }
    }

    /// The same with one more pasted text.
    #[must_use]
    pub fn with_pasted(mut self, pasted: impl Into<String>) -> Self {
        self.pasted.push(pasted.into());
        self
    }

    /// The message as one text, and which bytes of it were pasted.
    pub(super) fn compose(self) -> Composed {
        let mut text = self.text.trim().to_owned();
        let mut pasted = Vec::with_capacity(self.pasted.len());
        for part in self.pasted.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            pasted.push(text.len()..text.len() + part.len());
            text.push_str(part);
        }
        Composed { text, pasted }
    }
}

/// One text with the marks of what was pasted, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Composed {
    pub(super) text: String,
    pub(super) pasted: Vec<Range<usize>>,
}

impl From<&str> for UserMessage {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for UserMessage {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for UserMessage {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_texts_stand_after_the_typed_one_and_are_marked() {
        let message = UserMessage::new(" Well? ").with_pasted("a mail\n").with_pasted(" ").with_pasted("é");
        let Composed { text, pasted } = message.compose();
        assert_eq!(text, "Well?\n\na mail\n\né");
        assert_eq!(pasted.into_iter().map(|range| &text[range]).collect::<Vec<_>>(), ["a mail", "é"]);
    }

    #[test]
    fn a_text_alone_is_typed_and_a_paste_alone_is_pasted() {
        assert_eq!(UserMessage::from("hi").compose(), Composed { text: "hi".into(), pasted: Vec::new() });
        let pasted_only = UserMessage::default().with_pasted("hi").compose();
        assert_eq!(pasted_only, Composed { text: "hi".into(), pasted: std::iter::once(0..2).collect() });
    }
}
