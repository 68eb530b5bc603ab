//! Brings messages into a form that a template accepts, without losing a word or changing who said it.

use super::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::message::{Message, Role};

/// One turn as a template sees it, made of one message or of several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) role: Role,
    /// The index of a message, and what of the turn stands for it.
    pub(super) parts: Vec<(usize, String)>,
}

/// Turns that a template of these capabilities renders.
///
/// A system message that it does not take goes before the words of the next user message: the leading one as it is,
/// as Gemma's makers do; a later one as a quotation. Turns of one role are joined where roles must alternate.
///
/// # Errors
/// `InvalidInput` if there is no message, or if the assistant speaks first and the template does not allow it.
pub(super) fn turns(messages: &[Message], can: &Capabilities) -> Result<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut folded = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let text = if can.trims(message.role) { message.content.trim() } else { &message.content };
        match message.role {
            Role::System if can.takes_system(messages, index) => {
                push(&mut turns, Role::System, vec![(index, text.into())], can)
            }
            Role::System if index == 0 => folded.push((index, format!("{text}\n\n"))),
            Role::System => folded.push((index, quotation(text))),
            Role::User => {
                folded.push((index, text.to_owned()));
                push(&mut turns, Role::User, std::mem::take(&mut folded), can);
            }
            Role::Assistant => push(&mut turns, Role::Assistant, vec![(index, text.into())], can),
        }
    }
    if !folded.is_empty() {
        push(&mut turns, Role::User, folded, can);
    }
    check_start(&turns, can)?;
    Ok(turns)
}

fn push(turns: &mut Vec<Turn>, role: Role, mut parts: Vec<(usize, String)>, can: &Capabilities) {
    match turns.last_mut() {
        Some(last) if last.role == role && !can.repeated_roles => {
            if let Some((_, text)) = parts.first_mut() {
                text.insert_str(0, "\n\n");
            }
            last.parts.extend(parts);
        }
        _ => turns.push(Turn { role, parts }),
    }
}

fn quotation(text: &str) -> String {
    let lines = text.lines().map(|line| format!("> {line}\n"));
    lines.collect::<String>() + "\n"
}

fn check_start(turns: &[Turn], can: &Capabilities) -> Result<()> {
    let reason = match turns.iter().find(|turn| turn.role != Role::System) {
        None if turns.is_empty() => "there is none",
        Some(Turn { role: Role::Assistant, .. }) if !can.assistant_first => {
            "this model's chat template needs the user to speak first"
        }
        _ => return Ok(()),
    };
    Err(Error::InvalidInput { what: "messages", reason: reason.into() })
}
