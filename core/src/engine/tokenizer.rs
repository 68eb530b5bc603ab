//! Counting tokens: the model's own vocabulary, or words where a script stands in for the model.

use std::sync::Arc;

use super::native::Model;
use super::template::Segment;
use super::token_runs::{self, TokenRun};
use super::tokens;
#[cfg(feature = "testing")]
use crate::error::Error;
use crate::error::Result;

/// What tells how many tokens a text takes.
#[derive(Debug)]
pub(super) enum Tokenizer {
    /// The vocabulary of a loaded model.
    Model(Arc<Model>),
    /// A token a word.
    #[cfg(feature = "testing")]
    Words,
}

impl Tokenizer {
    /// Tokens of a message's content.
    pub(super) fn count_text(&self, text: &str) -> usize {
        match self {
            Self::Model(model) => model.safe().vocab().tokenize(text.as_bytes(), false, false).len(),
            #[cfg(feature = "testing")]
            Self::Words => text.split_whitespace().count(),
        }
    }

    /// The runs of a prompt.
    pub(super) fn token_runs(&self, segments: &[Segment]) -> Result<Vec<TokenRun>> {
        match self {
            Self::Model(model) => Ok(token_runs::token_runs(model, segments)),
            #[cfg(feature = "testing")]
            Self::Words => {
                let reason = "a scripted engine has no vocabulary".to_owned();
                Err(Error::InvalidInput { what: "engine", reason })
            }
        }
    }

    /// Tokens of a whole prompt.
    pub(super) fn count_prompt(&self, segments: &[Segment]) -> usize {
        match self {
            Self::Model(model) => tokens::tokenize(model, segments, &[]).len(),
            #[cfg(feature = "testing")]
            Self::Words => {
                let text = |segment: &Segment| match segment {
                    Segment::Control(text) | Segment::Content { text, .. } => self.count_text(text),
                };
                segments.iter().map(text).sum()
            }
        }
    }
}
