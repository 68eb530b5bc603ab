//! Sums over all conversations of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{ConversationTree, Node, Opinion, Rejection};

/// What the conversations are like, taken together.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Overview {
    pub(crate) conversations: usize,
    pub(crate) scripted: usize,
    pub(crate) imported: usize,
    pub(crate) turns: usize,
    /// Both orders of the judge for the reply with the hint.
    pub(crate) with_hint: usize,
    /// Both for the one without: the two changed places.
    pub(crate) without_hint: usize,
    /// The orders disagree.
    pub(crate) ties: usize,
    /// An order was left unanswered.
    pub(crate) unscored: usize,
    /// Nobody was asked.
    pub(crate) not_judged: usize,
    /// Facts of the profile that were revealed at each turn, summed over conversations.
    pub(crate) new_facts: Vec<usize>,
    /// Conversations that have such a turn.
    pub(crate) at_turn: Vec<usize>,
    /// Attempts that did not pass, by the check.
    pub(crate) rejections: BTreeMap<String, usize>,
}

impl Overview {
    pub(super) fn add(&mut self, tree: &ConversationTree) {
        self.conversations += 1;
        self.scripted += usize::from(tree.scripted);
        self.imported += usize::from(tree.origin == crate::record::TreeOrigin::Imported);
        self.turns += tree.nodes.len();
        for node in &tree.nodes {
            *self.verdict(node) += 1;
        }
        for (turn, facts) in tree.revelation.new_facts.iter().enumerate() {
            if self.new_facts.len() <= turn {
                self.new_facts.push(0);
                self.at_turn.push(0);
            }
            self.new_facts[turn] += facts;
            self.at_turn[turn] += 1;
        }
    }

    pub(super) fn reject(&mut self, rejection: &Rejection) {
        *self.rejections.entry(rejection.check.clone()).or_default() += 1;
    }

    fn verdict(&mut self, node: &Node) -> &mut usize {
        match Outcome::of(node) {
            Outcome::NotJudged => &mut self.not_judged,
            Outcome::WithHint => &mut self.with_hint,
            Outcome::WithoutHint => &mut self.without_hint,
            Outcome::Unscored => &mut self.unscored,
            Outcome::Tie => &mut self.ties,
        }
    }
}

/// What a judge's two answers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    NotJudged,
    WithHint,
    WithoutHint,
    Tie,
    Unscored,
}

impl Outcome {
    pub(super) fn of(node: &Node) -> Self {
        let Some(verdict) = &node.verdict else { return Self::NotJudged };
        match verdict.agreed() {
            Some(Opinion::WithHint) => Self::WithHint,
            Some(_) => Self::WithoutHint,
            None if [verdict.hint_first, verdict.hint_second].contains(&Opinion::Unscored) => Self::Unscored,
            None => Self::Tie,
        }
    }
}
