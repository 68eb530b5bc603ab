//! How well facts are found in what a user says: precision and recall on labelled messages.

use aloekit::memory::{Inducer, MemoryKind, Origin, UserTurn};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A message and what it states about its user. Other keys are left alone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) text: String,
    /// `profile`, `personality`, `preference`, or `none`.
    pub(crate) label: Label,
    /// A part of the set; figures are told for each.
    #[serde(default)]
    pub(crate) split: Option<String>,
}

/// What a message states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Label {
    Profile,
    Personality,
    Preference,
    None,
}

impl Label {
    fn kind(self) -> Option<MemoryKind> {
        match self {
            Self::Profile => Some(MemoryKind::Profile),
            Self::Personality => Some(MemoryKind::Personality),
            Self::Preference => Some(MemoryKind::Preference),
            Self::None => None,
        }
    }
}

/// How well an inducer reads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct InductionFigures {
    pub(crate) messages: usize,
    /// Of the messages in which a fact was found, the share that states one; `None` where none was found.
    pub(crate) precision: Option<f64>,
    /// Of the messages that state a fact, the share in which one was found; `None` where none states any.
    pub(crate) recall: Option<f64>,
    /// Of those rightly found, the share of the right kind.
    pub(crate) kind_accuracy: Option<f64>,
}

/// What an inducer finds in each message: the kind of its surest fact.
///
/// # Errors
/// The inducer's own.
pub(crate) fn judged(inducer: &dyn Inducer, messages: &[Labelled]) -> Result<Vec<Option<MemoryKind>>> {
    let mut kinds = Vec::with_capacity(messages.len());
    for message in messages {
        let facts = inducer.induce(&[UserTurn { turn: 1, text: &message.text, origin: Origin::Said }])?;
        kinds.push(facts.into_iter().max_by(|a, b| a.confidence.total_cmp(&b.confidence)).map(|fact| fact.kind));
    }
    Ok(kinds)
}

impl InductionFigures {
    /// The figures of some messages and what was found in each.
    pub(crate) fn of<'a>(read: impl Iterator<Item = (&'a Labelled, Option<MemoryKind>)> + Clone) -> Self {
        let count = |of: fn(Option<MemoryKind>, Option<MemoryKind>) -> bool| {
            read.clone().filter(|(message, found)| of(message.label.kind(), *found)).count()
        };
        let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
        let both = count(|stated, found| stated.is_some() && found.is_some());
        Self {
            messages: read.clone().count(),
            precision: share(both, count(|_, found| found.is_some())),
            recall: share(both, count(|stated, _| stated.is_some())),
            kind_accuracy: share(count(|stated, found| stated.is_some() && stated == found), both),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_messages() {
        let labelled = |label| Labelled { text: String::new(), label, split: None };
        let read = [
            (labelled(Label::Profile), Some(MemoryKind::Profile)),
            (labelled(Label::Profile), Some(MemoryKind::Preference)),
            (labelled(Label::Preference), None),
            (labelled(Label::None), Some(MemoryKind::Profile)),
            (labelled(Label::None), None),
        ];
        let found = InductionFigures::of(read.iter().map(|(message, found)| (message, *found)));
        assert_eq!(found.precision, Some(2.0 / 3.0));
        assert_eq!(found.recall, Some(2.0 / 3.0));
        assert_eq!((found.kind_accuracy, found.messages), (Some(0.5), 5));
        let none = InductionFigures::of(read[4..].iter().map(|(message, found)| (message, *found)));
        assert_eq!((none.precision, none.recall), (None, None));
    }
}
