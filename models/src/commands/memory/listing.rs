//! A memory as people read it, here and in the chat.

use aloekit::memory::{Memory, MemoryKind};

use crate::output::visible;

/// Number, text, kind and source; the user's words where they are others.
pub(crate) fn paragraph(memory: &Memory) -> String {
    let Memory { id, text, words, turn, .. } = memory;
    let words = if words == text { String::new() } else { format!("\n    you said: \"{words}\"") };
    visible(&format!("[{id}] {text} ({}, turn {turn}){words}", kind_and_pin(memory.kind, memory.pinned)))
}

/// What it is about, and whether it is pinned.
pub(crate) fn kind_and_pin(kind: MemoryKind, pinned: bool) -> String {
    let kind = kind.as_str();
    if pinned { format!("{kind}, pinned") } else { kind.to_owned() }
}
