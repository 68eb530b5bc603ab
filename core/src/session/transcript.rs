//! The part of a conversation that is still in the prompt, and what it takes.

use crate::engine::Engine;
use crate::error::Result;
use crate::memory::{ConversationId, MemoryStore, Recalled, Summary};
use crate::message::Message;
use crate::prompt::{Costs, PastTurn, PromptParts};

/// A memory that stood in the prompt this many turns ago, or longer, is quoted again.
const REPEAT_AFTER_TURNS: usize = 12;

/// Past turns as they stand in the prompt, kept in step with the store.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    turns: Vec<PastTurn>,
    /// Of each turn: its number, and the ids of the memories quoted with it.
    marks: Vec<Mark>,
    summary: Option<String>,
    /// Whether turns have left the prompt.
    has_dropped: bool,
    /// A summary of turns that are all still in the prompt; takes effect when they leave it.
    proposed: Option<Summary>,
    /// Tokens of each turn's messages, template included; counted once.
    costs: Vec<Option<usize>>,
    message_overhead: Option<usize>,
}

#[derive(Debug, Clone)]
struct Mark {
    turn: i64,
    quoted: Vec<i64>,
}

impl Transcript {
    /// Reads what is in the prompt of a conversation.
    pub(super) fn load(memory: &MemoryStore, conversation: ConversationId) -> Result<Self> {
        let summary = memory.summary(conversation)?;
        let left = summary.as_ref().map_or(0, |summary| summary.through_turn);
        let mut transcript = Self {
            has_dropped: left > 0,
            summary: summary.map(|s| s.text).filter(|text| !text.is_empty()),
            ..Self::default()
        };
        for stored in memory.transcript(conversation)?.into_iter().filter(|stored| stored.turn > left) {
            let reply = stored.reply.map(|reply| reply.text).filter(|text| !text.is_empty());
            transcript.turns.push(PastTurn { recalled: stored.recalled_block, user: stored.user, reply });
            transcript.marks.push(Mark {
                turn: stored.turn,
                quoted: memory.recalled_in(stored.turn)?.into_iter().map(|m| m.id).collect(),
            });
            transcript.costs.push(None);
        }
        Ok(transcript)
    }

    pub(super) fn turns(&self) -> &[PastTurn] {
        &self.turns
    }

    pub(super) fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// Whether nothing of the conversation is or was in a prompt.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.summary.is_none() && !self.has_dropped
    }

    pub(super) fn last_turn(&self) -> Option<i64> {
        self.marks.last().map(|mark| mark.turn)
    }

    /// Where a turn stands among [`Transcript::turns`].
    pub(super) fn place_of(&self, turn: i64) -> Option<usize> {
        self.marks.iter().position(|mark| mark.turn == turn)
    }

    /// Whether a summary waits for the turns to leave.
    pub(super) fn is_summarised(&self) -> bool {
        self.proposed.is_some()
    }

    /// Whether a memory stands in the prompt already, recently enough: as its own turn, or quoted with another.
    pub(super) fn shows(&self, fact: &Recalled) -> bool {
        let recent = self.marks.len().saturating_sub(REPEAT_AFTER_TURNS);
        self.marks[recent..].iter().any(|mark| mark.turn == fact.turn || mark.quoted.contains(&fact.id))
    }

    /// Adds the newest turn, not yet answered.
    pub(super) fn begin(&mut self, turn: i64, recalled: Option<String>, user: String, quoted: Vec<i64>) {
        self.turns.push(PastTurn { recalled, user, reply: None });
        self.marks.push(Mark { turn, quoted });
        self.costs.push(None);
    }

    /// Adds the answer to a turn.
    pub(super) fn answer(&mut self, turn: i64, reply: String) {
        if let Some(index) = self.marks.iter().position(|mark| mark.turn == turn) {
            self.turns[index].reply = Some(reply).filter(|text| !text.is_empty());
            self.costs[index] = None;
        }
    }

    /// Keeps a summary of the turns up to `through_turn` until they leave the prompt.
    pub(super) fn propose_summary(&mut self, text: String, through_turn: i64) {
        self.proposed = Some(Summary { text, through_turn });
    }

    /// Takes the oldest turns out of the prompt, for good, with their summary in their place if there is one.
    pub(super) fn drop_oldest(
        &mut self,
        count: usize,
        memory: &MemoryStore,
        conversation: ConversationId,
    ) -> Result<()> {
        let Some(last_dropped) = count.checked_sub(1).and_then(|i| self.marks.get(i)).map(|mark| mark.turn) else {
            return Ok(());
        };
        if let Some(proposed) = self.proposed.take() {
            self.summary = Some(proposed.text);
        }
        let text = self.summary.clone().unwrap_or_default();
        memory.set_summary(conversation, &Summary { text, through_turn: last_dropped })?;
        self.has_dropped = true;
        self.turns.drain(..count);
        self.marks.drain(..count);
        self.costs.drain(..count);
        Ok(())
    }

    /// What the prompt for this message would take; no facts are counted yet.
    pub(super) fn costs(&mut self, engine: &Engine, system: &str, persona: Option<&str>, user: &str) -> Result<Costs> {
        let overhead = match self.message_overhead {
            Some(overhead) => overhead,
            None => *self.message_overhead.insert(measure_overhead(engine)?),
        };
        let content = |message: &Message| engine.count_tokens(&message.content) + overhead;
        for (turn, cost) in self.turns.iter().zip(&mut self.costs) {
            cost.get_or_insert_with(|| turn.messages().iter().map(content).sum());
        }
        // Counted as a prompt, not summed up: a template may add words of its own, such as default instructions.
        let bare = |summary| {
            let parts = PromptParts { system, persona, summary, history: &[], recalled: None, user };
            engine.count_prompt_tokens(&parts.messages())
        };
        let proposed = self.proposed.as_ref().map(|proposed| proposed.text.as_str());
        let fixed = bare(self.summary())?.max(if proposed.is_some() { bare(proposed)? } else { 0 });
        Ok(Costs { fixed, facts: Vec::new(), history: self.costs.iter().flatten().copied().collect() })
    }

    /// Tokens that the template adds to a message; 0 before the first count.
    pub(super) fn message_overhead(&self) -> usize {
        self.message_overhead.unwrap_or(0)
    }
}

/// Tokens that the template adds to each message, rounded up over the roles.
fn measure_overhead(engine: &Engine) -> Result<usize> {
    let one = [Message::user("a")];
    let three = [Message::user("a"), Message::assistant("a"), Message::user("a")];
    let with_prompt = engine.count_prompt_tokens(&one)?;
    let two_more = engine.count_prompt_tokens(&three)?.saturating_sub(with_prompt);
    Ok(two_more.div_ceil(2).max(1) + 1)
}
