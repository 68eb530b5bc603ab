//! What training reads: whole conversations with a mask, and pairs of replies to one history.

use serde::{Deserialize, Serialize};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaker {
    System,
    User,
    Assistant,
}

impl Speaker {
    /// The word that files and endpoints use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message, as chat templates and endpoints take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChatMessage {
    pub(crate) role: Speaker,
    pub(crate) content: String,
}

impl ChatMessage {
    /// Instructions.
    pub(crate) fn system(content: impl Into<String>) -> Self {
        Self { role: Speaker::System, content: content.into() }
    }

    /// What the person says.
    pub(crate) fn user(content: impl Into<String>) -> Self {
        Self { role: Speaker::User, content: content.into() }
    }

    /// What the model says.
    pub(crate) fn assistant(content: impl Into<String>) -> Self {
        Self { role: Speaker::Assistant, content: content.into() }
    }
}

/// A conversation to imitate, in the part that the mask says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SftExample {
    pub(crate) messages: Vec<ChatMessage>,
    /// One for each message: whether loss is taken on it. True for preferred replies only.
    pub(crate) loss_mask: Vec<bool>,
    /// The tree it comes from, or `mix` with the line of the file.
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) scripted: bool,
}

/// Two replies to one history, in the conversational format of preference trainers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreferencePair {
    /// The real history, its last message the user's.
    pub(crate) prompt: Vec<ChatMessage>,
    pub(crate) chosen: Vec<ChatMessage>,
    pub(crate) rejected: Vec<ChatMessage>,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) scripted: bool,
}

/// A line of a dataset, of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Example {
    Sft(SftExample),
    Preference(PreferencePair),
}

impl Example {
    /// The tree it comes from.
    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Sft(example) => &example.source,
            Self::Preference(pair) => &pair.source,
        }
    }

    /// Whether the rules of the scripted provider wrote it.
    pub(crate) fn scripted(&self) -> bool {
        match self {
            Self::Sft(example) => example.scripted,
            Self::Preference(pair) => pair.scripted,
        }
    }
}
