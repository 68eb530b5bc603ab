//! What is asked, as data: the roles of the paper, and for each task what it is about.

use crate::record::{ChatMessage, Induced, Persona, PoolKind};

/// Who speaks in the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Writes profiles for the pool.
    Profiles,
    /// Writes personalities for the pool.
    Personalities,
    /// Plays the persona.
    User,
    /// Says what the conversation has revealed of the persona.
    Inducer,
    /// Answers knowing what has been revealed.
    Preferred,
    /// Answers without knowing it.
    Rejected,
    /// The system that the benchmark measures.
    Candidate,
    /// Says which of two replies suits the persona better, or how well one does.
    Judge,
}

impl Role {
    pub(crate) const POOL: [Self; 2] = [Self::Profiles, Self::Personalities];
    pub(crate) const DIALOGUE: [Self; 5] = [Self::User, Self::Inducer, Self::Preferred, Self::Rejected, Self::Judge];

    pub(crate) const BENCHMARK: [Self; 3] = [Self::User, Self::Candidate, Self::Judge];

    /// The name in flags and files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Personalities => "personalities",
            Self::User => "user",
            Self::Inducer => "inducer",
            Self::Preferred => "preferred",
            Self::Rejected => "rejected",
            Self::Candidate => "candidate",
            Self::Judge => "judge",
        }
    }
}

/// A form that an answer must have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) name: &'static str,
    /// JSON schema.
    pub(crate) json: &'static str,
}

/// One task, with what it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task<'a> {
    /// New texts like the examples.
    Pool { kind: PoolKind, count: usize },
    /// The persona's next message.
    User { persona: &'a Persona, history: &'a [ChatMessage] },
    /// What has been revealed.
    Induce { persona: &'a Persona, history: &'a [ChatMessage] },
    /// A reply to the last message, with or without a hint.
    Reply { history: &'a [ChatMessage], hint: Option<&'a Induced> },
    /// Which of two replies is better.
    Judge { persona: &'a Persona, first: &'a str, second: &'a str },
    /// How well a reply suits the persona.
    Score { persona: &'a Persona, reply: &'a str },
}
