//! How a conversation opens: with instructions, as in an app, and where the person was there before, with what memory
//! keeps of them, in the words of the SDK.

use aloekit::prompt::{MOST_PERSONA_FACTS, PromptParts, persona_block};

use crate::dataset::told;
use crate::preset::DatasetNumbers;
use crate::random::Draws;
use crate::record::{ChatMessage, ConversationTree};

/// The openings of a tree's conversations.
pub(super) struct Openings<'a> {
    pub(super) tree: &'a ConversationTree,
    pub(super) numbers: &'a DatasetNumbers,
    pub(super) seed: u64,
}

impl Openings<'_> {
    /// The turn of a path at which the app is started again; none where all of it is one conversation.
    pub(super) fn launch(&self, path: &[usize]) -> Option<usize> {
        let last = path.last().copied()?;
        let mut draws = Draws::new(self.seed, "launch", self.tree.id << 16 | last as u64);
        let drawn = draws.chance(self.numbers.memory_share);
        (drawn && path.len() > 1).then(|| 1 + draws.below(path.len() - 1))
    }

    /// What stands before the conversation that begins at this turn of a path.
    pub(super) fn instructions(&self, path: &[usize], turn: usize) -> Option<ChatMessage> {
        let told = told(self.tree, &path[..turn]);
        let mut facts: Vec<&str> =
            told.iter().flat_map(|told| &told.facts).map(|stated| stated.words.as_str()).collect();
        facts.drain(..facts.len().saturating_sub(MOST_PERSONA_FACTS));
        let persona = persona_block(&facts);
        let parts = PromptParts {
            system: &self.numbers.system,
            persona: persona.as_deref(),
            summary: None,
            history: &[],
            recalled: None,
            user: "",
        };
        parts.instructions().map(ChatMessage::system)
    }
}
