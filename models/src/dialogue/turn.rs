//! One turn: what the user says, what is known of them by then, two replies, and the judge's verdict.
//!
//! A turn is added to its tree whole. When any of its calls fails, the tree is as it was, so no message can be doubled
//! and no role can slip.

use super::answer::{self, Better};
use super::prompt;
use crate::error::{Error, Result};
use crate::preset::TreeNumbers;
use crate::provider::{Asked, Gateway, Role, Schema, Task};
use crate::random::Draws;
use crate::record::{Branch, ChatMessage, ConversationTree, Induced, Node, Opinion, Persona, Utterance, Verdict};
use crate::roleplay;

/// Who talks, and how it is asked.
pub(super) struct Turn<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) numbers: &'a TreeNumbers,
    pub(super) persona: &'a Persona,
    /// Whose taste the rejected reply is to suit, in this person's life; nobody's in the paper.
    pub(super) contrast: Option<&'a Persona>,
    pub(super) draws: Draws,
}

impl Turn<'_> {
    /// The node that follows `parent`.
    pub(super) fn play(mut self, tree: &ConversationTree, parent: Option<(usize, Branch)>) -> Result<Node> {
        let persona = self.persona;
        let mut history = match parent {
            Some((place, branch)) => {
                let mut history = tree.history(place);
                history.push(ChatMessage::assistant(tree.nodes[place].reply(branch)));
                history
            }
            None => Vec::new(),
        };
        let task = Task::User { persona, history: &history };
        let user = self.text(Role::User, task, roleplay::user(persona, &history))?;
        history.push(ChatMessage::user(&user.text));
        let induced = self.induce(&history)?;
        let hinted = Task::Reply { history: &history, hint: Some(&induced) };
        let preferred = self.text(Role::Preferred, hinted, roleplay::reply(&history, Some(&induced)))?;
        let other = self.contrast.map(|other| in_life_of(&induced, other));
        let bare = Task::Reply { history: &history, hint: other.as_ref() };
        let rejected = self.text(Role::Rejected, bare, roleplay::reply(&history, other.as_ref()))?;
        let verdict =
            if self.numbers.judge { Some(self.judge(&history, &preferred.text, &rejected.text)?) } else { None };
        let swapped = verdict.as_ref().and_then(Verdict::agreed) == Some(Opinion::WithoutHint);
        let (preferred, rejected) = if swapped { (rejected, preferred) } else { (preferred, rejected) };
        let chosen = if self.draws.coin() { Branch::Preferred } else { Branch::Rejected };
        let contrast = self.contrast.map(|persona| persona.id.clone());
        Ok(Node { parent, user, induced, preferred, rejected, contrast, swapped, verdict, chosen })
    }

    fn text(&mut self, role: Role, task: Task<'_>, messages: Vec<ChatMessage>) -> Result<Utterance> {
        let asked = Asked { role, task, messages, schema: None, seed: self.draws.call_seed() };
        let told = self.gateway.ask(&asked, roleplay::message)?;
        Ok(Utterance { text: told.value, writer: writer(role), seed: told.seed })
    }

    fn induce(&mut self, history: &[ChatMessage]) -> Result<Induced> {
        let schema: Option<&'static Schema> = Some(&prompt::INDUCED);
        let task = Task::Induce { persona: self.persona, history };
        let messages = prompt::induce(self.persona, history);
        let asked = Asked { role: Role::Inducer, task, messages, schema, seed: self.draws.call_seed() };
        let told = self.gateway.ask(&asked, answer::revealed)?;
        let (profile, personality) = told.value;
        Ok(Induced { profile, personality, writer: writer(Role::Inducer), seed: told.seed })
    }

    /// Both orders are asked: a judge that prefers a place says so by disagreeing with itself.
    fn judge(&mut self, history: &[ChatMessage], hinted: &str, bare: &str) -> Result<Verdict> {
        let (hint_first, first_seed) = self.opinion(history, hinted, bare, true)?;
        let (hint_second, second_seed) = self.opinion(history, bare, hinted, false)?;
        Ok(Verdict { hint_first, hint_second, writer: writer(Role::Judge), seeds: [first_seed, second_seed] })
    }

    fn opinion(
        &mut self,
        history: &[ChatMessage],
        first: &str,
        second: &str,
        hint_first: bool,
    ) -> Result<(Opinion, u32)> {
        let messages = prompt::judge(self.persona, history, first, second);
        let task = Task::Judge { persona: self.persona, first, second };
        let schema: Option<&'static Schema> = Some(&prompt::VERDICT);
        let asked = Asked { role: Role::Judge, task, messages, schema, seed: self.draws.call_seed() };
        match self.gateway.ask(&asked, answer::better) {
            Ok(told) if (told.value == Better::First) == hint_first => Ok((Opinion::WithHint, told.seed)),
            Ok(told) => Ok((Opinion::WithoutHint, told.seed)),
            // A judge that cannot say is not a conversation that failed.
            Err(Error::Call { fault, .. }) if fault.final_for_request() => Ok((Opinion::Unscored, asked.seed)),
            Err(error) => Err(error),
        }
    }
}

/// What is known of the person's life, with somebody else's taste: then nothing but taste tells the two replies apart.
fn in_life_of(known: &Induced, other: &Persona) -> Induced {
    Induced { profile: known.profile.clone(), personality: Some(other.personality.clone()), writer: None, seed: 0 }
}

/// A tree's writers stand in the order of the roles.
fn writer(role: Role) -> Option<usize> {
    Role::DIALOGUE.iter().position(|other| *other == role)
}
