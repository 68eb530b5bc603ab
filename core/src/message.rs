//! What is said in a conversation, and by whom.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The app: instructions, and the quoted memories of the user.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word that chat templates and files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation. Its content is data: no control token is ever read from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, verbatim.
    pub content: String,
}

impl Message {
    /// A message of the app.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: Role::System, content: content.into() }
    }

    /// A message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// Whether a character shows nothing of itself and could hide text from the eye: controls, format and filler characters,
/// tags. The two joiners and the variation selectors are none of these: emoji and Persian need them.
pub(crate) fn is_hidden(c: char) -> bool {
    let hides = matches!(u32::from(c),
        0xAD | 0x61C | 0x115F | 0x1160 | 0x180E | 0x200B | 0x200E | 0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164
        | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFC | 0xE0000..=0xE0FFF);
    hides || (c.is_control() && !c.is_whitespace())
}
