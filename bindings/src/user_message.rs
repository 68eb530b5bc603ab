//! What the user typed, told apart from what they pasted.

/// What the user typed and what they pasted with it. Only what they typed can become a fact about them.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct UserMessage {
    /// What the user typed or spoke; may be empty if something was pasted.
    pub text: String,
    /// What the user put in but did not write: documents, mails, pages. They stand after the text, in this order.
    #[uniffi(default = [])]
    pub pasted: Vec<String>,
}

impl UserMessage {
    pub(crate) fn into_core(self) -> aloekit::UserMessage {
        aloekit::UserMessage { text: self.text, pasted: self.pasted }
    }
}
