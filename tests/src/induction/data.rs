//! The labelled sentences, as their files have them.

use aloekit::memory::MemoryKind;
use serde::Deserialize;

/// Which half of the labelled set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// May be trained on and looked at.
    Tune,
    /// Only measured.
    Test,
}

/// One message of a user and what it states.
#[derive(Debug, Clone, Deserialize)]
pub struct Labelled {
    /// The message.
    pub text: String,
    /// `profile`, `personality`, `preference` or `none`.
    pub label: String,
    /// `told` or `shown`, for personality.
    #[serde(rename = "trait")]
    pub manner: Option<String>,
    /// Why a message without a fact may look like one.
    pub trap: Option<String>,
    /// Missing in the sentences that are there to train on only.
    split: Option<Half>,
}

impl Labelled {
    /// The kind of fact, if it states one.
    #[must_use]
    pub fn kind(&self) -> Option<MemoryKind> {
        match self.label.as_str() {
            "profile" => Some(MemoryKind::Profile),
            "personality" => Some(MemoryKind::Personality),
            "preference" => Some(MemoryKind::Preference),
            _ => None,
        }
    }

    /// Label, manner and trap in one, for even folds.
    #[must_use]
    pub fn stratum(&self) -> String {
        let detail = self.manner.as_deref().or(self.trap.as_deref()).unwrap_or_default();
        format!("{} {detail}", self.label)
    }
}

/// One half of the labelled set.
#[must_use]
pub fn held(half: Half) -> Vec<Labelled> {
    read(include_str!("../../data/induction.jsonl")).into_iter().filter(|one| one.split == Some(half)).collect()
}

/// Sentences written to train on, none of them near one of the labelled set.
#[must_use]
pub fn training() -> Vec<Labelled> {
    read(include_str!("../../data/induction_train.jsonl"))
}

fn read(lines: &str) -> Vec<Labelled> {
    lines.lines().map(|line| serde_json::from_str(line).expect("the data files are JSON lines")).collect()
}
