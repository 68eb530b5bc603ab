//! Everything a store holds, as one record that can be written as JSON.

use serde::{Deserialize, Serialize};

use super::db::{Fault, Held};
use super::persona::Memory;
use super::turn::{ConversationId, StoredTurn, Summary};
use super::{log, memories};
use crate::Result;

/// The shape of [`Export`]; grows when the shape changes.
pub const EXPORT_FORMAT: u32 = 1;

/// Everything a store holds but the vectors, which can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The shape of this record, [`EXPORT_FORMAT`].
    pub format: u32,
    /// All conversations, oldest first.
    pub conversations: Vec<ExportedConversation>,
    /// All memories, oldest turn first.
    pub memories: Vec<Memory>,
}

/// One conversation with its turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedConversation {
    /// Which conversation.
    pub id: ConversationId,
    /// When it was begun, in milliseconds since 1970.
    pub started_ms: i64,
    /// What replaces its older turns in the prompt.
    pub summary: Option<Summary>,
    /// Its turns in the order in which they were said.
    pub turns: Vec<StoredTurn>,
}

pub(super) fn export(held: &mut Held) -> Result<Export, Fault> {
    // One transaction, so that another process cannot change the store between two reads.
    held.transaction(|tx| {
        let mut conversations = Vec::new();
        for info in log::conversations(tx)?.into_iter().rev() {
            conversations.push(ExportedConversation {
                id: info.id,
                started_ms: info.started_ms,
                summary: log::summary(tx, info.id)?,
                turns: log::transcript(tx, info.id)?,
            });
        }
        Ok(Export { format: EXPORT_FORMAT, conversations, memories: memories::all(tx)? })
    })
}
