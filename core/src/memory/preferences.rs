//! Ratings as material for training: pairs for DPO, and single replies with a label where there is only a thumb.
//!
//! In the form that TRL and `aloe train` read. The prompt is what was really said before the reply, with the memories
//! that were quoted for it; the app's instructions and the standing facts are not in the store: whoever exports says what
//! the instructions were.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::db::Fault;
use super::ratings::Rating;
use super::turn::{ConversationId, StoredTurn};
use super::{MemoryStore, log, private_file, ratings};
use crate::Result;
use crate::message::{Message, Role};

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

/// How much stands before a rated reply that is trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceParams {
    /// The instructions that every prompt begins with; empty for none. As the model gets them when it is used.
    pub system_prompt: String,
    /// Most turns of the user in a prompt, the rated one among them; 1 or more.
    pub turns: usize,
}

/// Rated replies as training data, each kind by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences {
    /// With what the user would rather have read: what `aloe train dpo` learns from.
    pub pairs: Vec<Preference>,
    /// With a thumb alone.
    pub labelled: Vec<Preference>,
}

impl Preferences {
    /// Writes one JSON object a line, for its owner to read alone: pairs to one file, the rest to `unpaired`, which
    /// without a name is beside the pairs; answers with it where there is one. A file of an earlier export is replaced
    /// even by nothing: it may hold what was forgotten since.
    ///
    /// # Errors
    /// [`Error::StorageFull`](crate::Error::StorageFull) or [`Error::Io`](crate::Error::Io): that file is as it was.
    pub fn write(&self, pairs: &Path, unpaired: Option<&Path>) -> Result<Option<PathBuf>> {
        private_file::write_lines(pairs, &self.pairs)?;
        let beside = unpaired.map_or_else(|| pairs.with_extension("unpaired.jsonl"), Path::to_owned);
        if unpaired.is_none() && self.labelled.is_empty() && !beside.exists() {
            return Ok(None);
        }
        private_file::write_lines(&beside, &self.labelled)?;
        Ok(Some(beside))
    }
}

impl Preference {
    /// Leaves the last turns before the reply, and puts the instructions before them.
    fn prepare(&mut self, params: &PreferenceParams) {
        let (Self::Pair { prompt, .. } | Self::Labelled { prompt, .. }) = self;
        shorten(prompt, params.turns.max(1));
        if !params.system_prompt.is_empty() {
            prompt.insert(0, Message::system(&*params.system_prompt));
        }
    }
}

impl MemoryStore {
    /// Every rated reply as training data, oldest turn first.
    ///
    /// # Errors
    /// Those of storage.
    pub fn training_preferences(&self, params: &PreferenceParams) -> Result<Preferences> {
        let mut rated = self.preferences()?;
        rated.iter_mut().for_each(|preference| preference.prepare(params));
        let (pairs, labelled) = rated.into_iter().partition(|one| matches!(one, Preference::Pair { .. }));
        Ok(Preferences { pairs, labelled })
    }

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

/// Leaves the last `turns` messages of the user, each with the memories quoted for it, and what came between.
fn shorten(prompt: &mut Vec<Message>, turns: usize) {
    let said = prompt.iter().enumerate().filter(|(_, message)| message.role == Role::User).map(|(at, _)| at);
    let said: Vec<usize> = said.collect();
    let Some(first) = said.len().checked_sub(turns).map(|at| said[at]) else { return };
    let quoted = first.checked_sub(1).filter(|before| prompt[*before].role == Role::System);
    prompt.drain(..quoted.unwrap_or(first));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_prompt_begins_with_a_turn_and_the_memories_quoted_for_it() {
        let (user, reply, quoted) = (Message::user("u"), Message::assistant("a"), Message::system("s"));
        let whole = [user.clone(), reply.clone(), quoted.clone(), user.clone(), reply.clone(), user.clone()];
        for (turns, from) in [(1, 5), (2, 2), (3, 0), (9, 0)] {
            let mut prompt = whole.to_vec();
            shorten(&mut prompt, turns);
            assert_eq!(prompt, whole[from..], "{turns}");
        }
    }
}
