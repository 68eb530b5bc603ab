//! A chat template made ready for one model.

use std::path::{Path, PathBuf};

use super::builtin::TemplateSource;
use super::capabilities::Capabilities;
use super::date::CivilDate;
use super::probe::probe;
use super::sandbox::{Context, Sandbox};
use super::segment::{Piece, Segment, Sentinels};
use super::turns::{Turn, turns};
use crate::engine::gguf::Header;
use crate::error::{Error, Result};
use crate::message::{Message, Role};

/// How a conversation is rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether to end with the words that make the model answer.
    pub generation_prompt: bool,
    /// The day that a template may name; without it templates name none, or one of their own.
    pub date: Option<CivilDate>,
}

/// Turns conversations into prompts for one model.
#[derive(Debug)]
pub struct ChatTemplate {
    sandbox: Sandbox,
    sentinels: Sentinels,
    bos: String,
    eos: String,
    path: PathBuf,
    stop_strings: &'static [&'static str],
    pub(super) capabilities: Capabilities,
    pub(super) gap: String,
}

impl ChatTemplate {
    /// The template for a model, compiled and tried; see [`TemplateSource::choose`] for `wanted`.
    ///
    /// # Errors
    /// `ModelIncompatible`, with `path`, if it does not compile, exceeds its limits or loses messages; `InvalidInput`
    /// as [`TemplateSource::choose`].
    pub fn for_model(header: &Header, wanted: Option<&str>, path: &Path) -> Result<Self> {
        let source = TemplateSource::choose(header, wanted)?;
        Self::new(&source, header.bos(), header.eos(), path)
    }

    /// A template compiled and tried; `bos` and `eos` are the strings of the tokens that begin and end a text.
    ///
    /// # Errors
    /// `ModelIncompatible`, with `path`, if it does not compile, exceeds its limits or loses messages.
    pub fn new(source: &TemplateSource, bos: &str, eos: &str, path: &Path) -> Result<Self> {
        let incompatible = |reason: String| Error::ModelIncompatible { path: path.to_path_buf(), reason };
        let mut template = Self {
            sandbox: Sandbox::new(source.text()).map_err(incompatible)?,
            sentinels: Sentinels::absent_from(&[source.text(), bos, eos]),
            bos: bos.to_owned(),
            eos: eos.to_owned(),
            path: path.to_path_buf(),
            stop_strings: source.built_in().map_or(&[], |built_in| built_in.stop_strings()),
            capabilities: Capabilities::ALL,
            gap: String::new(),
        };
        probe(&mut template).map_err(incompatible)?;
        Ok(template)
    }

    /// What it was found to do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Texts that end a reply where no control token does: none but for the plain form.
    #[must_use]
    pub fn stop_strings(&self) -> &'static [&'static str] {
        self.stop_strings
    }

    /// Whether its prompts begin with the model's own beginning-of-text token; if not, tokenizing may have to add it.
    #[must_use]
    pub fn writes_bos(&self) -> bool {
        let first = self.render(&[Message::user("x")], RenderOptions::default());
        let first = first.ok().and_then(|segments| segments.into_iter().next());
        !self.bos.is_empty() && matches!(first, Some(Segment::Control(text)) if text.starts_with(&self.bos))
    }

    /// The prompt of a conversation.
    ///
    /// Each message's words are in `Content` segments of its index, and nowhere else; neighbouring `Control` segments
    /// are one. A message that the template has no place for stands with the one after it.
    ///
    /// # Errors
    /// `InvalidInput` if there are no messages, or the assistant speaks first and may not; `ModelIncompatible` if the
    /// template fails, exceeds its limits or loses a message.
    pub fn render(&self, messages: &[Message], options: RenderOptions) -> Result<Vec<Segment>> {
        let turns = turns(messages, &self.capabilities)?;
        self.render_turns(turns, options).map_err(|reason| Error::ModelIncompatible { path: self.path.clone(), reason })
    }

    /// As `render`, before it is known what the template can do.
    pub(super) fn try_render(&self, messages: &[Message], options: RenderOptions) -> Result<Vec<Segment>, String> {
        let turns = turns(messages, &Capabilities::ALL).map_err(|e| e.to_string())?;
        self.render_turns(turns, options)
    }

    /// The pieces of a conversation in which `padding` stands on both sides of each content.
    pub(super) fn render_padded(
        &self,
        roles: &[Role],
        padding: impl Fn(&Role) -> String,
    ) -> Result<Vec<Piece>, String> {
        let padded = |(slot, role)| [padding(role), self.sentinels.nth(slot), padding(role)].concat();
        self.render_contents(roles, |slot| padded((slot, &roles[slot])), RenderOptions::default())
    }

    fn render_turns(&self, turns: Vec<Turn>, options: RenderOptions) -> Result<Vec<Segment>, String> {
        let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
        let pieces = self.render_contents(&roles, |slot| self.sentinels.nth(slot), options)?;
        Ok(self.fill(pieces, turns))
    }

    fn render_contents(
        &self,
        roles: &[Role],
        content: impl Fn(usize) -> String,
        options: RenderOptions,
    ) -> Result<Vec<Piece>, String> {
        let messages: Vec<_> = roles.iter().enumerate().map(|(slot, role)| (role.as_str(), content(slot))).collect();
        let context = Context {
            messages: &messages,
            generation_prompt: options.generation_prompt,
            bos: &self.bos,
            eos: &self.eos,
            date: options.date,
        };
        self.sentinels.split(&self.sandbox.render(&context)?, roles.len())
    }

    /// Puts the contents in; a reply follows the words that ask for it without the template's own gap.
    fn fill(&self, pieces: Vec<Piece>, turns: Vec<Turn>) -> Vec<Segment> {
        let mut turns = turns.into_iter();
        let mut segments = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(text) => segments.push(Segment::Control(text)),
                Piece::Slot(_) => {
                    let Some(turn) = turns.next() else { continue };
                    if turn.role == Role::Assistant {
                        self.close_gap(&mut segments);
                    }
                    segments.extend(turn.parts.into_iter().map(|(message, text)| Segment::Content { message, text }));
                }
            }
        }
        segments
    }

    fn close_gap(&self, segments: &mut Vec<Segment>) {
        if let Some(Segment::Control(text)) = segments.last_mut() {
            if let Some(rest) = text.strip_suffix(&self.gap) {
                text.truncate(rest.len());
            }
            if text.is_empty() {
                segments.pop();
            }
        }
    }
}
