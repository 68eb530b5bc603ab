//! Ratings as material for training: pairs for DPO, and single replies with a label where there is only a thumb.
//!
//! In the form that TRL and `aloe train` read. The prompt is what was really said before the reply, with the memories
//! that were quoted for it; the app's instructions and the standing facts are not in the store and not in it.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::db::Fault;
use super::ratings::Rating;
use super::turn::{ConversationId, StoredTurn};
use super::{MemoryStore, log, ratings};
use crate::Result;
use crate::message::Message;

/// One rated reply. As JSON a line of a preference dataset, of one form or the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preference {
    /// The user wrote what they would rather have read: what `aloe train dpo` learns from.
    Pair {
        /// What was said before the reply, ending with the user's message.
        prompt: Vec<Message>,
        /// The reply as the user edited it.
        chosen: Vec<Message>,
        /// The reply as it was given.
        rejected: Vec<Message>,
        /// Names the conversation: no part of it may stand in both training and evaluation data.
        source: String,
    },
    /// A thumb up or down without a counterpart.
    Labelled {
        /// What was said before the reply, ending with the user's message.
        prompt: Vec<Message>,
        /// The reply as it was given.
        completion: Vec<Message>,
        /// Whether it was a thumb up.
        label: bool,
        /// Names the conversation.
        source: String,
    },
}

impl MemoryStore {
    /// Every rated reply with what was said before it, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub fn preferences(&self) -> Result<Vec<Preference>> {
        self.inner.db.with(|held| held.snapshot(|tx| preferences(tx)))
    }
}

fn preferences(connection: &Connection) -> Result<Vec<Preference>, Fault> {
    let mut conversation_of = connection.prepare_cached("SELECT conversation FROM turns WHERE id = ?1")?;
    let mut preferences = Vec::new();
    let mut read: Option<(i64, Vec<StoredTurn>)> = None;
    for rated in ratings::all(connection)? {
        let conversation: i64 = conversation_of.query_row([rated.turn], |row| row.get(0))?;
        let turns = match read.take().filter(|(of, _)| *of == conversation) {
            Some((_, turns)) => turns,
            None => log::transcript(connection, ConversationId(conversation))?,
        };
        preferences.extend(preference(conversation, &turns, rated.turn, rated.rating));
        read = Some((conversation, turns));
    }
    Ok(preferences)
}

/// Nothing for a turn without a reply: its rating goes with the reply.
fn preference(conversation: i64, turns: &[StoredTurn], rated: i64, rating: Rating) -> Option<Preference> {
    let at = turns.iter().position(|turn| turn.turn == rated)?;
    let given = vec![Message::assistant(&*turns[at].reply.as_ref()?.text)];
    let history = turns[..at].iter().flat_map(|turn| asked(turn).chain(answered(turn)));
    let prompt = history.chain(asked(&turns[at])).collect();
    let source = format!("conversation-{conversation}");
    Some(match rating {
        Rating::Edited(text) => {
            Preference::Pair { prompt, chosen: vec![Message::assistant(text)], rejected: given, source }
        }
        Rating::Up => Preference::Labelled { prompt, completion: given, label: true, source },
        Rating::Down => Preference::Labelled { prompt, completion: given, label: false, source },
    })
}

fn asked(turn: &StoredTurn) -> impl Iterator<Item = Message> {
    turn.recalled_block.as_deref().map(Message::system).into_iter().chain([Message::user(&*turn.user)])
}

fn answered(turn: &StoredTurn) -> Option<Message> {
    turn.reply.as_ref().filter(|reply| !reply.text.is_empty()).map(|reply| Message::assistant(&*reply.text))
}
