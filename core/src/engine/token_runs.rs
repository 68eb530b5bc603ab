//! A conversation as the tokens that a prompt has, told apart by whose they are: what training and its mask stand on.

use super::Engine;
use super::native::{Model, Token};
use super::template::{RenderOptions, Segment};
use crate::error::Result;
use crate::message::Message;

/// Neighbouring tokens of a prompt that are of one message, or of the template around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRun {
    /// The message whose words these are; `None` for the template's own.
    pub message: Option<usize>,
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Of the template's own: how many there are up to the first that ends a turn, it included.
    pub turn_end: Option<usize>,
}

impl Engine {
    /// The tokens of these messages as a prompt has them, told apart by whose they are; no words that ask for a reply
    /// follow them.
    ///
    /// # Errors
    /// [`Error::ModelIncompatible`](crate::Error::ModelIncompatible) when the template cannot express them.
    pub fn token_runs(&self, messages: &[Message]) -> Result<Vec<TokenRun>> {
        let segments = self.shared.template.render(messages, RenderOptions::default())?;
        self.shared.tokenizer.token_runs(&segments)
    }
}

/// The runs of a prompt; together they are the tokens that the engine decodes for it.
pub(super) fn token_runs(model: &Model, segments: &[Segment]) -> Vec<TokenRun> {
    let vocab = model.safe().vocab();
    let run = |message: Option<usize>, tokens: Vec<Token>| {
        let turn_end = || tokens.iter().position(|token| vocab.is_eog(*token)).map(|at| at + 1);
        let turn_end = if message.is_none() { turn_end() } else { None };
        let tokens = tokens.iter().map(|token| u32::try_from(token.0).unwrap_or_default()).collect();
        TokenRun { message, tokens, turn_end }
    };
    let mut begin = if vocab.should_add_bos() { vec![vocab.bos()] } else { Vec::new() };
    let mut runs = Vec::with_capacity(segments.len() + 1);
    for segment in segments {
        match segment {
            Segment::Control(text) => {
                let control = vocab.tokenize(text.as_bytes(), false, true);
                let written_bos = usize::from(!begin.is_empty() && begin.first() == control.first());
                begin.extend_from_slice(&control[written_bos..]);
                runs.push(run(None, std::mem::take(&mut begin)));
            }
            Segment::Content { message, text } => {
                if !begin.is_empty() {
                    runs.push(run(None, std::mem::take(&mut begin)));
                }
                runs.push(run(Some(*message), vocab.tokenize(text.as_bytes(), false, false)));
            }
        }
    }
    runs
}
