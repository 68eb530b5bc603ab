//! Chat templates that the engine brings along, and the choice of one for a model.

use crate::engine::gguf::Header;
use crate::error::{Error, Result};

/// A chat template of the engine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// Llama 3 and later.
    Llama3,
    /// SmolLM2, Qwen and many fine-tunes.
    ChatMl,
    /// Gemma 1 to 3.
    Gemma,
    /// "User:" and "Assistant:", for models that were never taught to chat.
    Plain,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Llama3, Self::ChatMl, Self::Gemma, Self::Plain];

    /// The name that `EngineParams::chat_template` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama3 => "llama3",
            Self::ChatMl => "chatml",
            Self::Gemma => "gemma",
            Self::Plain => "plain",
        }
    }

    /// The template of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|built_in| built_in.name() == name)
    }

    /// Its text in Jinja.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Llama3 => include_str!("builtin/llama3.jinja"),
            Self::ChatMl => include_str!("builtin/chatml.jinja"),
            Self::Gemma => include_str!("builtin/gemma.jinja"),
            Self::Plain => include_str!("builtin/plain.jinja"),
        }
    }

    /// The control tokens without which it is noise to a model.
    #[must_use]
    pub fn tokens(self) -> &'static [&'static str] {
        match self {
            Self::Llama3 => &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
            Self::ChatMl => &["<|im_start|>", "<|im_end|>"],
            Self::Gemma => &["<start_of_turn>", "<end_of_turn>"],
            Self::Plain => &[],
        }
    }

    /// Texts that end a reply where no control token does.
    #[must_use]
    pub fn stop_strings(self) -> &'static [&'static str] {
        if self == Self::Plain { &["\nUser:"] } else { &[] }
    }

    fn fits(self, header: &Header) -> bool {
        self.tokens().iter().all(|token| header.tokens().id_of(token).is_some())
    }
}

/// Where a chat template comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSource {
    /// The model's file.
    Model(String),
    /// The app: the text of a Jinja template.
    App(String),
    /// The app asked for a built-in by name.
    Named(BuiltIn),
    /// The model's file has none: ChatML if its tokens are in the vocabulary, else the plain form.
    Default(BuiltIn),
}

impl TemplateSource {
    /// The template for a model; `wanted` is a built-in's name or the text of a template, and goes first.
    ///
    /// # Errors
    /// `InvalidInput` if `wanted` is neither, or names a built-in whose control tokens the model has not.
    pub fn choose(header: &Header, wanted: Option<&str>) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidInput { what: "chat_template", reason };
        match (wanted, header.chat_template()) {
            (Some(text), _) if text.contains("{{") || text.contains("{%") => Ok(Self::App(text.to_owned())),
            (Some(name), _) => match BuiltIn::from_name(name) {
                Some(built_in) if built_in.fits(header) => Ok(Self::Named(built_in)),
                Some(built_in) => Err(invalid(format!(
                    "the model has not all tokens of {}: {:?}",
                    built_in.name(),
                    built_in.tokens()
                ))),
                None => Err(invalid(format!(
                    "give the text of a template, or one of {:?}",
                    BuiltIn::ALL.map(BuiltIn::name)
                ))),
            },
            (None, Some(text)) => Ok(Self::Model(text.to_owned())),
            (None, None) if BuiltIn::ChatMl.fits(header) => Ok(Self::Default(BuiltIn::ChatMl)),
            (None, None) => Ok(Self::Default(BuiltIn::Plain)),
        }
    }

    /// The built-in, where it is one.
    #[must_use]
    pub fn built_in(&self) -> Option<BuiltIn> {
        match self {
            Self::Named(built_in) | Self::Default(built_in) => Some(*built_in),
            Self::Model(_) | Self::App(_) => None,
        }
    }

    /// The template's text in Jinja.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Model(text) | Self::App(text) => text,
            Self::Named(built_in) | Self::Default(built_in) => built_in.source(),
        }
    }
}
