//! A conversation as a tree: at each turn a preferred and a rejected reply, and which of them the user answered.
//!
//! Nodes stand in the order in which they were made, so a parent stands before its children. What a node does not say
//! (roles, history) follows from where it stands, and can therefore not contradict it.

use serde::{Deserialize, Serialize};

use super::example::ChatMessage;
use super::persona::Persona;

/// One of the two replies of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Branch {
    Preferred,
    Rejected,
}

/// Who wrote: a role with a model and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Writer {
    pub(crate) role: String,
    /// The kind of provider: `http`, `local`, `scripted`, ...
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) temperature: f32,
    pub(crate) max_tokens: u32,
}

/// A text and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Utterance {
    pub(crate) text: String,
    /// Place in the tree's list of writers; nothing for imported text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer: Option<usize>,
    #[serde(default)]
    pub(crate) seed: u32,
}

/// What the conversation has revealed so far, in the persona's own wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Induced {
    /// Nothing yet where it is missing.
    pub(crate) profile: Option<String>,
    pub(crate) personality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer: Option<usize>,
    #[serde(default)]
    pub(crate) seed: u32,
}

/// What the judge said in one order of the two replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opinion {
    /// The reply that knew the persona.
    WithHint,
    WithoutHint,
    /// No answer that could be read; never taken for one of the others.
    Unscored,
}

/// The judge's verdict: both orders asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The reply that knew the persona was shown first.
    pub(crate) hint_first: Opinion,
    /// It was shown second.
    pub(crate) hint_second: Opinion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer: Option<usize>,
    pub(crate) seeds: [u32; 2],
}

impl Verdict {
    /// What both orders agree on.
    pub(crate) fn agreed(&self) -> Option<Opinion> {
        (self.hint_first == self.hint_second && self.hint_first != Opinion::Unscored).then_some(self.hint_first)
    }

    /// The place decided and not the reply, or an order was left unanswered.
    pub(crate) fn is_tie(&self) -> bool {
        self.agreed().is_none()
    }
}

/// A turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// The node before, and which of its replies this user message answers.
    pub(crate) parent: Option<(usize, Branch)>,
    pub(crate) user: Utterance,
    pub(crate) induced: Induced,
    pub(crate) preferred: Utterance,
    pub(crate) rejected: Utterance,
    /// The persona whose personality the reply without the hint was written for; nobody's where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contrast: Option<String>,
    /// The judge found the reply without the hint better, so the two changed places.
    #[serde(default)]
    pub(crate) swapped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// Which reply the drawn path goes on from.
    pub(crate) chosen: Branch,
}

impl Node {
    /// The reply on this branch.
    pub(crate) fn reply(&self, branch: Branch) -> &str {
        match branch {
            Branch::Preferred => &self.preferred.text,
            Branch::Rejected => &self.rejected.text,
        }
    }
}

/// Facts of the profile that became known, turn by turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revelation {
    pub(crate) new_facts: Vec<usize>,
}

/// Where a tree comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TreeOrigin {
    Grown,
    Imported,
}

/// A conversation with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConversationTree {
    pub(crate) id: u64,
    pub(crate) origin: TreeOrigin,
    pub(crate) persona: Persona,
    /// The seed that everything drawn in it follows from; another for each attempt.
    pub(crate) seed: u64,
    pub(crate) attempt: u32,
    pub(crate) writers: Vec<Writer>,
    pub(crate) nodes: Vec<Node>,
    #[serde(default)]
    pub(crate) revelation: Revelation,
    /// Some role was played by the rules of the scripted provider.
    #[serde(default)]
    pub(crate) scripted: bool,
}

/// Why a conversation is not trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejection {
    /// The check's name.
    pub(crate) check: String,
    /// The turn, from 1.
    pub(crate) turn: usize,
    pub(crate) reason: String,
}

/// A conversation that was not taken, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RejectedTree {
    pub(crate) rejection: Rejection,
    pub(crate) tree: ConversationTree,
}

impl ConversationTree {
    /// What stands before the replies of a node: the messages from the beginning to its user's, as they were said.
    pub(crate) fn history(&self, node: usize) -> Vec<ChatMessage> {
        let Some(here) = self.nodes.get(node) else { return Vec::new() };
        let mut messages = vec![ChatMessage::user(&here.user.text)];
        let mut at = here.parent;
        while let Some((parent, branch)) = at {
            let Some(node) = self.nodes.get(parent) else { break };
            messages.push(ChatMessage::assistant(node.reply(branch)));
            messages.push(ChatMessage::user(&node.user.text));
            at = node.parent;
        }
        messages.reverse();
        messages
    }

    /// Turns from the beginning to this node, itself among them, by place.
    pub(crate) fn path_to(&self, node: usize) -> Vec<usize> {
        let mut path = vec![node];
        while let Some((parent, _)) = path.last().and_then(|at| self.nodes.get(*at)).and_then(|node| node.parent) {
            path.push(parent);
        }
        path.reverse();
        path
    }

    /// Nodes that nothing follows.
    pub(crate) fn leaves(&self) -> Vec<usize> {
        let followed = |place| self.nodes.iter().any(|node| node.parent.is_some_and(|(parent, _)| parent == place));
        (0..self.nodes.len()).filter(|place| !followed(*place)).collect()
    }

    /// The nodes of the path that was drawn, in order: the paper's one conversation.
    pub(crate) fn drawn_path(&self) -> Vec<usize> {
        let mut path = if self.nodes.is_empty() { Vec::new() } else { vec![0] };
        while let Some(last) = path.last().copied() {
            let branch = self.nodes[last].chosen;
            match self.nodes.iter().position(|node| node.parent == Some((last, branch))) {
                Some(next) => path.push(next),
                None => break,
            }
        }
        path
    }

    /// Whether every parent stands before its child and there is one root, the first: what a file may claim otherwise.
    pub(crate) fn is_sound(&self) -> bool {
        let ordered = |(place, node): (usize, &Node)| match node.parent {
            None => place == 0,
            Some((parent, _)) => parent < place,
        };
        !self.nodes.is_empty() && self.nodes.iter().enumerate().all(ordered)
    }
}
