//! What of all that is known goes into one prompt, and in which order.
//!
//! The order keeps the KV prefix: instructions, what is known of the user for long, summary, past turns exactly as they
//! stood in earlier prompts, then what is recalled for the newest message, then the message. A turn's recalled block
//! stays with its turn, so the prompt of the next turn begins with the whole prompt of this one. Knows messages and
//! numbers of tokens; refuses to know engine and store.

mod budget;
mod quotation;

pub use budget::{Costs, Plan, TokenBudget};
pub use quotation::{MOST_PERSONA_FACTS, Quoted, persona_block, recalled_block};

use crate::message::Message;

/// A past turn as it stands in the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTurn {
    /// The block that was recalled for it.
    pub recalled: Option<String>,
    /// What the user said.
    pub user: String,
    /// What was answered; `None` when the process ended before an answer.
    pub reply: Option<String>,
}

/// Everything that one prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct PromptParts<'a> {
    /// Instructions of the app.
    pub system: &'a str,
    /// The facts that stand in the instructions, as [`persona_block`] quotes them.
    pub persona: Option<&'a str>,
    /// Summary of the turns that are no longer in the prompt.
    pub summary: Option<&'a str>,
    /// Turns still in the prompt, oldest first.
    pub history: &'a [PastTurn],
    /// What is recalled for the newest message.
    pub recalled: Option<&'a str>,
    /// The newest message.
    pub user: &'a str,
}

impl PromptParts<'_> {
    /// What the prompt begins with; `None` when there is nothing.
    #[must_use]
    pub fn instructions(&self) -> Option<String> {
        let summary = self.summary.map(|summary| format!("The conversation so far, in short:\n{}", quote(summary)));
        let stable = [Some(self.system).filter(|system| !system.is_empty()), self.persona, summary.as_deref()];
        let text = stable.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        Some(text).filter(|text| !text.is_empty())
    }

    /// The messages, in their stable order.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::with_capacity(3 + 3 * self.history.len());
        messages.extend(self.instructions().map(Message::system));
        for turn in self.history {
            messages.extend(turn.messages());
        }
        messages.extend(self.recalled.map(Message::system));
        messages.push(Message::user(self.user));
        messages
    }
}

impl PastTurn {
    /// Its messages: what was recalled, what was said, what was answered.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let recalled = self.recalled.as_deref().map(Message::system);
        let reply = self.reply.as_deref().map(Message::assistant);
        recalled.into_iter().chain([Message::user(&*self.user)]).chain(reply).collect()
    }
}

/// The instruction that asks for a summary of the conversation before it.
pub const SUMMARY_INSTRUCTION: &str = "Summarise our conversation so far in at most four short sentences: what I told \
    you about myself, what I asked for, and what was decided. Write only the summary.";

fn quote(text: &str) -> String {
    text.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Role;

    fn turn(n: usize) -> PastTurn {
        PastTurn { recalled: None, user: format!("question {n}"), reply: Some(format!("answer {n}")) }
    }

    #[test]
    fn the_next_prompt_begins_with_the_whole_of_this_one() {
        let history = [turn(1)];
        let now = PromptParts {
            system: "Be kind.",
            persona: None,
            summary: None,
            history: &history,
            recalled: Some("block"),
            user: "hi",
        };
        let answered = PastTurn { recalled: Some("block".into()), user: "hi".into(), reply: Some("hello".into()) };
        let later_history = [turn(1), answered];
        let later = PromptParts { history: &later_history, recalled: None, user: "more", ..now };
        assert!(later.messages().starts_with(&now.messages()));
    }

    #[test]
    fn an_unanswered_turn_is_told_without_an_answer() {
        let lost = PastTurn { reply: None, ..turn(4) };
        assert_eq!(lost.messages().iter().map(|m| m.role).collect::<Vec<_>>(), [Role::User]);
    }
}
