//! Records of the core as records of the other side.

use aloekit::memory;

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MemoryKind {
    /// Something the user said, verbatim.
    Episode,
    /// A fact of the user's life.
    Profile,
    /// A lasting trait of character.
    Personality,
    /// What the user likes, avoids, or wants answers to be like.
    Preference,
    /// A kind that this version of the bindings does not know.
    Other,
}

/// How the words of a turn came from the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Origin {
    /// Typed or spoken by the user.
    Said,
    /// Put in by the user, written by someone else.
    Pasted,
    /// An origin that this version of the bindings does not know.
    Other,
}

/// One thing remembered, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Memory {
    /// The id that `forget`, `edit` and `set_pinned` take.
    pub id: i64,
    /// What it is about.
    pub kind: MemoryKind,
    /// What would be recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// Conversation of that turn.
    pub conversation: i64,
    /// How the words came from the user.
    pub origin: Origin,
    /// When they were said, in milliseconds since 1970.
    pub at_ms: i64,
    /// Kept from decay by the user's wish.
    pub pinned: bool,
}

/// A memory that a reply was given, with how much it matters and why.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Recalled {
    /// The id that `forget` takes.
    pub id: i64,
    /// What it is about.
    pub kind: MemoryKind,
    /// What was recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// Conversation of that turn.
    pub conversation: i64,
    /// How the words came from the user.
    pub origin: Origin,
    /// When they were said, in milliseconds since 1970.
    pub at_ms: i64,
    /// How much it matters, 0 to 1.
    pub score: f32,
    /// Why it was recalled, for people.
    pub why: String,
}

/// A fact about the user.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Fact {
    /// The id that `forget`, `edit` and `set_pinned` take.
    pub id: i64,
    /// Profile, personality or preference.
    pub kind: MemoryKind,
    /// What is recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// Every turn that states it, oldest first.
    pub turns: Vec<i64>,
    /// How sure it is now, 0 to 1; it decays while it is not stated again.
    pub confidence: f32,
    /// When it was first stated, in milliseconds since 1970.
    pub first_seen_ms: i64,
    /// When it was last stated, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// In how many turns it was stated.
    pub times_confirmed: u32,
    /// What held before, newest first.
    pub superseded: Vec<SupersededFact>,
    /// Kept from decay by the user's wish.
    pub pinned: bool,
}

/// What held before a fact took its place.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SupersededFact {
    /// The id that `forget` takes.
    pub id: i64,
    /// What was recalled.
    pub text: String,
    /// The user's exact words behind it.
    pub words: String,
    /// Number of the user turn the words come from.
    pub turn: i64,
    /// When it was last stated, in milliseconds since 1970.
    pub last_seen_ms: i64,
}

/// What was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ForgetReport {
    /// The memories removed.
    pub memories: Vec<i64>,
    /// The turns removed from their transcripts.
    pub turns: Vec<i64>,
    /// Turns whose replies were removed because they repeat forgotten words.
    pub replies_of: Vec<i64>,
    /// Conversations whose transcript changed.
    pub conversations: Vec<i64>,
    /// Whether the bytes are gone from the files already.
    pub wiped: bool,
}

/// What came of reading the user's turns for facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct LearnReport {
    /// Turns read.
    pub turns: u64,
    /// Facts added.
    pub added: u64,
    /// Known facts that were stated again.
    pub confirmed: u64,
    /// Known facts whose place was taken.
    pub superseded: u64,
    /// What was proposed and the user's own words do not support.
    pub refused: u64,
    /// Whether turns are left to be read.
    pub more: bool,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ImportReport {
    /// Conversations added.
    pub conversations: u64,
    /// Turns added.
    pub turns: u64,
    /// Memories added.
    pub memories: u64,
    /// Conversations left out because they are there already.
    pub already_there: u64,
    /// Whether some have no vector yet: `reembed` gives it to them.
    pub needs_reembedding: bool,
}

/// How far the vectors match the embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct VectorStatus {
    /// Memories whose vector the present embedder made.
    pub current: u64,
    /// Memories whose vector another embedder made.
    pub stale: u64,
    /// Memories without a vector.
    pub missing: u64,
}

/// One conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ConversationInfo {
    /// Which conversation.
    pub id: i64,
    /// When it was begun, in milliseconds since 1970.
    pub started_ms: i64,
    /// When its newest turn was said, in milliseconds since 1970.
    pub last_turn_ms: Option<i64>,
    /// How many user turns it has.
    pub turns: u64,
}

/// How far a stored reply got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ReplyState {
    /// Being written, or cut short by the end of the process.
    Partial,
    /// Finished.
    Complete,
    /// Stopped by the user.
    Cancelled,
    /// Ended by an error.
    Failed,
}

/// One exchange of a transcript.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct StoredTurn {
    /// Number of the user turn.
    pub turn: i64,
    /// What the user said.
    pub user: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was answered, as far as it got.
    pub reply: Option<String>,
    /// How far the reply got.
    pub reply_state: Option<ReplyState>,
}

impl From<memory::MemoryKind> for MemoryKind {
    fn from(kind: memory::MemoryKind) -> Self {
        match kind {
            memory::MemoryKind::Episode => Self::Episode,
            memory::MemoryKind::Profile => Self::Profile,
            memory::MemoryKind::Personality => Self::Personality,
            memory::MemoryKind::Preference => Self::Preference,
            _ => Self::Other,
        }
    }
}

impl From<memory::Origin> for Origin {
    fn from(origin: memory::Origin) -> Self {
        match origin {
            memory::Origin::Said => Self::Said,
            memory::Origin::Pasted => Self::Pasted,
            _ => Self::Other,
        }
    }
}

impl From<memory::Memory> for Memory {
    fn from(memory: memory::Memory) -> Self {
        Self {
            id: memory.id,
            kind: memory.kind.into(),
            text: memory.text,
            words: memory.words,
            turn: memory.turn,
            conversation: memory.conversation,
            origin: memory.origin.into(),
            at_ms: memory.at_ms,
            pinned: memory.pinned,
        }
    }
}

impl From<memory::Recalled> for Recalled {
    fn from(recalled: memory::Recalled) -> Self {
        Self {
            id: recalled.id,
            kind: recalled.kind.into(),
            text: recalled.text,
            words: recalled.words,
            turn: recalled.turn,
            conversation: recalled.conversation,
            origin: recalled.origin.into(),
            at_ms: recalled.at_ms,
            score: recalled.score,
            why: recalled.why,
        }
    }
}

impl Fact {
    /// A fact as sure as it is at `now_ms`.
    pub(crate) fn at(fact: memory::Fact, now_ms: i64) -> Self {
        let confidence = fact.confidence_at(now_ms);
        Self {
            id: fact.id,
            kind: fact.kind.into(),
            text: fact.text,
            words: fact.words,
            turn: fact.turn,
            turns: fact.turns,
            confidence,
            first_seen_ms: fact.first_seen_ms,
            last_seen_ms: fact.last_seen_ms,
            times_confirmed: fact.times_confirmed,
            superseded: fact.superseded.into_iter().map(Into::into).collect(),
            pinned: fact.pinned,
        }
    }
}

impl From<memory::SupersededFact> for SupersededFact {
    fn from(fact: memory::SupersededFact) -> Self {
        let memory::SupersededFact { id, text, words, turn, last_seen_ms } = fact;
        Self { id, text, words, turn, last_seen_ms }
    }
}

impl From<memory::ForgetReport> for ForgetReport {
    fn from(report: memory::ForgetReport) -> Self {
        Self {
            memories: report.memories,
            turns: report.turns,
            replies_of: report.replies_of,
            conversations: report.conversations.into_iter().map(|id| id.0).collect(),
            wiped: report.wiped,
        }
    }
}

impl From<memory::InductionReport> for LearnReport {
    fn from(report: memory::InductionReport) -> Self {
        let memory::InductionReport { turns, added, confirmed, superseded, refused, more } = report;
        Self { turns, added, confirmed, superseded, refused, more }
    }
}

impl From<memory::ImportReport> for ImportReport {
    fn from(report: memory::ImportReport) -> Self {
        Self {
            conversations: report.conversations,
            turns: report.turns,
            memories: report.memories,
            already_there: report.already_there,
            needs_reembedding: report.embedding_failure.is_some(),
        }
    }
}

impl From<memory::VectorStatus> for VectorStatus {
    fn from(status: memory::VectorStatus) -> Self {
        let memory::VectorStatus { current, stale, missing } = status;
        Self { current, stale, missing }
    }
}

impl From<memory::ConversationInfo> for ConversationInfo {
    fn from(info: memory::ConversationInfo) -> Self {
        Self { id: info.id.0, started_ms: info.started_ms, last_turn_ms: info.last_turn_ms, turns: info.turns }
    }
}

impl From<memory::ReplyState> for ReplyState {
    fn from(state: memory::ReplyState) -> Self {
        match state {
            memory::ReplyState::Partial => Self::Partial,
            memory::ReplyState::Complete => Self::Complete,
            memory::ReplyState::Cancelled => Self::Cancelled,
            memory::ReplyState::Failed => Self::Failed,
        }
    }
}

impl From<memory::StoredTurn> for StoredTurn {
    fn from(stored: memory::StoredTurn) -> Self {
        let (reply, reply_state) = stored.reply.map(|reply| (reply.text, reply.state.into())).unzip();
        Self { turn: stored.turn, user: stored.user, at_ms: stored.at_ms, reply, reply_state }
    }
}
