//! The records that stages leave for each other: personas, conversation trees, examples to train on.
//!
//! Owns what a line of each file says and what may never be said by one (a pair whose replies are the same, a path that
//! skips a turn). Knows nothing of folders, models or how a record came about.

mod dialogue;
mod example;
mod persona;
mod sentences;

pub(crate) use dialogue::{
    Branch, ConversationTree, Induced, Node, Opinion, RejectedTree, Rejection, Revelation, TreeOrigin, Utterance,
    Verdict, Writer,
};
pub(crate) use example::{ChatMessage, Example, PreferencePair, SftExample, Speaker};
pub(crate) use persona::{Origin, Persona, PoolKind, PoolMember, Split};
pub(crate) use sentences::sentences;
