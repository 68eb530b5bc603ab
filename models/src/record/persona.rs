//! Profiles and personalities, and the personas that they are combined into.

use serde::{Deserialize, Serialize};

/// What a text of the pool describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PoolKind {
    /// Facts of a life.
    Profile,
    /// Traits of a character.
    Personality,
}

impl PoolKind {
    /// The name in files and ids.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Personality => "personality",
        }
    }
}

/// Where a text of the pool comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// Written for this project.
    Seed,
    /// The user's own pool: the file's name and the line in it.
    File { name: String, line: u64 },
    /// Asked of a model.
    Generated { iteration: u64, model: String, seed: u32 },
}

/// Which persons a persona may meet: those trained on, or those tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Split {
    Train,
    Eval,
}

/// A text that was taken into the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolMember {
    pub(crate) id: String,
    pub(crate) kind: PoolKind,
    pub(crate) text: String,
    pub(crate) split: Split,
    pub(crate) origin: Origin,
    /// Written by the rules of the scripted provider, not by a model.
    #[serde(default)]
    pub(crate) scripted: bool,
}

/// A person: a profile with a personality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Persona {
    pub(crate) id: String,
    pub(crate) split: Split,
    pub(crate) profile_id: String,
    pub(crate) personality_id: String,
    pub(crate) profile: String,
    /// With the pronouns of the profile.
    pub(crate) personality: String,
    #[serde(default)]
    pub(crate) scripted: bool,
}
