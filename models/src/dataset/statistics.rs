//! What is in a dataset, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::build::Form;
use crate::record::{ConversationTree, Example, TreeOrigin, Verdict};

/// Counts over a dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Statistics {
    pub(crate) format: String,
    pub(crate) train: usize,
    pub(crate) validation: usize,
    /// General examples among those of train.
    pub(crate) mixed: usize,
    pub(crate) left_out_of_mix: usize,
    pub(crate) conversations: usize,
    pub(crate) imported_conversations: usize,
    pub(crate) turns: usize,
    /// Turns on which the judge did not agree with itself, or did not answer.
    pub(crate) ties: usize,
    /// Turns on which the judge preferred the reply that knew nothing.
    pub(crate) swapped: usize,
    pub(crate) profiles: usize,
    pub(crate) personalities: usize,
    /// Examples that the rules of the scripted provider wrote.
    pub(crate) scripted: usize,
    pub(crate) messages: usize,
    /// Words that loss is taken on, or of chosen replies.
    pub(crate) target_words: usize,
    /// Words of rejected replies.
    pub(crate) rejected_words: usize,
    /// Conversations by the models that wrote in them: `role model`.
    pub(crate) models: BTreeMap<String, usize>,
    #[serde(skip)]
    seen: [BTreeSet<String>; 2],
}

impl Statistics {
    pub(super) fn new(form: Form) -> Self {
        Self { format: form.as_str().to_owned(), ..Self::default() }
    }

    pub(super) fn tree(&mut self, tree: &ConversationTree) {
        self.conversations += 1;
        self.imported_conversations += usize::from(tree.origin == TreeOrigin::Imported);
        self.turns += tree.nodes.len();
        self.ties += tree.nodes.iter().filter(|node| node.verdict.as_ref().is_some_and(Verdict::is_tie)).count();
        self.swapped += tree.nodes.iter().filter(|node| node.swapped).count();
        self.seen[0].insert(tree.persona.profile_id.clone());
        self.seen[1].insert(tree.persona.personality_id.clone());
        (self.profiles, self.personalities) = (self.seen[0].len(), self.seen[1].len());
        for writer in &tree.writers {
            *self.models.entry(format!("{}: {} ({})", writer.role, writer.model, writer.provider)).or_default() += 1;
        }
    }

    pub(super) fn example(&mut self, example: &Example, validation: bool) {
        *(if validation { &mut self.validation } else { &mut self.train }) += 1;
        self.scripted += usize::from(example.scripted());
        let words = |text: &str| text.split_whitespace().count();
        match example {
            Example::Sft(example) => {
                self.messages += example.messages.len();
                let learned = example.messages.iter().zip(&example.loss_mask).filter(|(_, on)| **on);
                self.target_words += learned.map(|(message, _)| words(&message.content)).sum::<usize>();
            }
            Example::Preference(pair) => {
                self.messages += pair.prompt.len() + 2;
                self.target_words += pair.chosen.iter().map(|message| words(&message.content)).sum::<usize>();
                self.rejected_words += pair.rejected.iter().map(|message| words(&message.content)).sum::<usize>();
            }
        }
    }

    pub(super) fn mixed(&mut self, example: &Example) {
        self.mixed += 1;
        self.example(example, false);
    }
}
