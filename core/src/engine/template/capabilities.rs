//! What a template can do, found out by trying it.

use crate::message::{Message, Role};

/// What a chat template was found to do with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A system message at the beginning has its own place.
    pub leading_system: bool,
    /// So has one just before a user message, and several at the beginning.
    pub inner_system: bool,
    /// One role may speak twice in a row.
    pub repeated_roles: bool,
    /// The assistant may speak first.
    pub assistant_first: bool,
    /// White space around system messages is cut.
    pub trims_system: bool,
    /// White space around user messages is cut.
    pub trims_user: bool,
    /// A prompt is the beginning of the next turn's prompt, so that a KV cache can be kept from turn to turn.
    pub prefix_stable: bool,
}

impl Capabilities {
    /// Those of a template that takes everything as it comes: what a template is tried with.
    pub(super) const ALL: Self = Self {
        leading_system: true,
        inner_system: true,
        repeated_roles: true,
        assistant_first: true,
        trims_system: false,
        trims_user: false,
        prefix_stable: true,
    };

    /// What the assistant wrote is never cut: it stands in the KV cache as it was written.
    pub(super) fn trims(&self, role: Role) -> bool {
        match role {
            Role::System => self.trims_system,
            Role::User => self.trims_user,
            Role::Assistant => false,
        }
    }

    pub(super) fn takes_system(&self, messages: &[Message], index: usize) -> bool {
        let next_is_user = messages.get(index + 1).is_some_and(|next| next.role == Role::User);
        match index {
            0 => self.leading_system,
            _ => self.inner_system && (next_is_user || messages[..index].iter().all(|m| m.role == Role::System)),
        }
    }
}
