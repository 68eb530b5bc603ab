//! What may be asked of a store, as values that can be written down, done again elsewhere, and drawn by a seed.
//!
//! An operation leaves the same behind wherever it is done: its texts are made of its number, its times are given. That
//! is why an undisturbed store can say what a disturbed one has to hold.

use std::sync::Arc;

use aloekit::Result;
use aloekit::memory::{
    ConversationId, Embedder, Export, ExtractiveInducer, ForgetReport, HashingEmbedder, MemoryParams, MemoryStore,
    Remember, ReplyState, RetrieveLimits, Summary, TurnOptions,
};
use serde::{Deserialize, Serialize};

/// 2023; the device's clock never gets into a turn.
pub(crate) const FIRST_MS: i64 = 1_700_000_000_000;

/// As many turns as are read in one transaction; more are read in several, each of which is done or not.
const TURNS_AT_ONCE: usize = 32;

/// One call of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Operation {
    Conversation,
    Say { conversation: i64, number: u64, filling: usize, remember: bool },
    Reply { turn: i64, word: String, filling: usize, state: ReplyState },
    Attach { turn: i64, ids: Vec<i64> },
    Summarise { conversation: i64, through_turn: i64 },
    Induce,
    Edit { id: i64, number: u64 },
    Pin { id: i64, pinned: bool },
    Forget { id: i64 },
    ForgetTopic { word: String },
    Import { number: u64 },
    Export,
    Erase,
    Reembed,
    Check,
    Wipe,
}

/// What a call answered, as far as it is the same everywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The turn that was begun.
    pub(crate) turn: Option<i64>,
    /// The ids of what was recalled, found or forgotten.
    pub(crate) memories: Vec<i64>,
    /// The turns that were forgotten.
    pub(crate) gone: Vec<i64>,
    /// Counts, or a hash of what was read.
    pub(crate) more: String,
}

impl Operation {
    /// Its name without its arguments.
    pub(crate) fn kind(&self) -> String {
        let whole = format!("{self:?}");
        whole.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    /// Whether it is done in several transactions, so that a part of its vectors may be missing when it is cut short.
    pub(crate) fn may_leave_vectors_for_later(&self) -> bool {
        matches!(self, Self::Import { .. } | Self::Reembed)
    }

    /// Whether an error may mean that it is done, and only what comes after is hindered: the wiping of the files, or the
    /// rest of the vectors.
    pub(crate) fn may_be_done_though_refused(&self) -> bool {
        matches!(self, Self::Erase | Self::Reembed)
    }

    pub(crate) fn apply(&self, store: &MemoryStore) -> Result<Answer> {
        let mut answer = Answer::default();
        match self {
            Self::Conversation => answer.more = store.create_conversation()?.to_string(),
            Self::Say { conversation, number, filling, remember } => {
                let options = TurnOptions {
                    remember: Remember::from(*remember),
                    at_ms: Some(FIRST_MS + (*number % 1_000_000_000) as i64),
                    ..TurnOptions::default()
                };
                let begun = store.begin_turn(ConversationId(*conversation), &said(*number, *filling), &options)?;
                assert!(begun.embedding_failure.is_none(), "counting letters does not fail");
                answer.turn = Some(begun.turn);
                answer.memories = begun.recalled.iter().map(|memory| memory.id).collect();
                // Two that are as near may change places.
                answer.memories.sort_unstable();
            }
            Self::Reply { turn, word, filling, state } => {
                let text = format!("So {word} it is. {}", filler(turn.unsigned_abs(), *filling));
                store.save_reply(*turn, &text, *state)?;
            }
            Self::Attach { turn, ids } => {
                let texts = ids.iter().filter_map(|id| store.memory(*id).transpose());
                let texts = texts.map(|memory| memory.map(|memory| memory.text)).collect::<Result<Vec<_>>>()?;
                store.attach_recalled(*turn, &texts.join("\n"), ids)?;
            }
            Self::Summarise { conversation, through_turn } => {
                let summary = Summary { text: "They spoke of harbours.".into(), through_turn: *through_turn };
                store.set_summary(ConversationId(*conversation), &summary)?;
            }
            Self::Induce => answer.more = format!("{:?}", store.induce(&inducer(), TURNS_AT_ONCE)?),
            Self::Edit { id, number } => {
                let edited = store.edit(*id, &format!("I corrected that to {}.", canary(*number)))?;
                answer.more = edited.memory.words;
            }
            Self::Pin { id, pinned } => store.set_pinned(*id, *pinned)?,
            Self::Forget { id } => answer.forgot(store.forget(*id)?),
            Self::ForgetTopic { word } => {
                let found: Vec<i64> = store.find_topic(word)?.iter().map(|memory| memory.id).collect();
                answer.forgot(store.forget_all(&found)?);
            }
            Self::Import { number } => {
                let report = store.import(&export_of(*number), &mut |_| {})?;
                answer.more = format!("{} turns, {} memories", report.turns, report.memories);
            }
            Self::Export => {
                let mut export = store.export()?;
                export.conversations.iter_mut().for_each(|conversation| conversation.started_ms = 0);
                let json = serde_json::to_vec(&export).expect("an export is JSON");
                answer.more = blake3::hash(&json).to_hex().to_string();
            }
            Self::Erase => store.erase_all()?,
            Self::Reembed => drop(store.reembed()?),
            Self::Check => store.check()?,
            Self::Wipe => drop(store.wipe()?),
        }
        Ok(answer)
    }

    /// The canaries that a call brings in.
    pub(crate) fn canaries(&self) -> Vec<String> {
        match self {
            Self::Say { number, .. } | Self::Edit { number, .. } => vec![canary(*number)],
            Self::Import { number } => (0..IMPORTED_TURNS).map(|n| canary(number.wrapping_add(n))).collect(),
            _ => Vec::new(),
        }
    }
}

impl Answer {
    fn forgot(&mut self, report: ForgetReport) {
        self.memories = report.memories;
        self.gone = report.turns;
        self.more = format!("{:?}", report.replies_of);
    }
}

/// A folder whose flushes take no time, where the system has one: no test here is about the disk's own speed.
pub(crate) fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

pub(crate) fn embedder(dimension: usize) -> Arc<dyn Embedder> {
    Arc::new(HashingEmbedder::new(dimension))
}

pub(crate) fn inducer() -> ExtractiveInducer {
    ExtractiveInducer::new(None).expect("grammar alone needs nothing that could fail")
}

pub(crate) const CANARY_DIGITS: usize = 16;
pub(crate) const CANARY_END: &str = "canary";

/// A word that is nowhere else. Its start differs from every other's, so that the full-text index, which leaves out
/// what a term shares with the one before, still holds nearly all of it.
pub(crate) fn canary(number: u64) -> String {
    format!("{:0CANARY_DIGITS$x}{CANARY_END}", Random(number).next())
}

/// What the user says: now and then something that confirms or contradicts what they said of themselves before.
pub(crate) fn said(number: u64, filling: usize) -> String {
    const OF_SELF: [&str; 6] = [
        "I live in Lisbon with my two cats.",
        "I live in Porto near the sea.",
        "I hate mushrooms.",
        "I work as a nurse in a clinic.",
        "We moved to Faro in spring.",
        "I love long walks.",
    ];
    let of_self = OF_SELF[(number % OF_SELF.len() as u64) as usize];
    format!("{of_self} My locker opens with {}. {}", canary(number), filler(number, filling))
}

fn filler(number: u64, bytes: usize) -> String {
    const WORDS: [&str; 8] = ["tide", "anchor", "quay", "gull", "lantern", "harbour", "mast", "rope"];
    let mut random = Random(number);
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(WORDS[random.below(WORDS.len())]);
        text.push(' ');
    }
    text
}

const IMPORTED_TURNS: u64 = 3;

/// What another device of the user might have exported.
fn export_of(number: u64) -> Export {
    let store = MemoryStore::open(MemoryParams::in_memory(), None).expect("RAM is there");
    let conversation = store.create_conversation().expect("a conversation");
    for n in 0..IMPORTED_TURNS {
        let number = number.wrapping_add(n);
        let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
        let at_ms = Some(FIRST_MS + (number % 1_000_000_000) as i64);
        let options = TurnOptions { recall, at_ms, ..TurnOptions::default() };
        store.begin_turn(conversation, &said(number, 100), &options).expect("it is stored");
    }
    store.induce(&inducer(), usize::MAX).expect("it is read");
    store.export().expect("an export")
}

/// SplitMix64 (Steele, Lea, Flood).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 with nothing to choose from.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

/// The next thing that a user and their app might do with the store as it is.
pub(crate) fn draw(store: &MemoryStore, random: &mut Random) -> Operation {
    let memories = store.memories().expect("a list");
    let conversations = store.conversations().expect("a list");
    let Some(conversation) = random.one(&conversations).map(|conversation| conversation.id.0) else {
        return Operation::Conversation;
    };
    let number = random.next();
    let said = Operation::Say {
        conversation,
        number,
        filling: [0, 60, 400, 3_000][random.below(4)],
        remember: random.below(12) > 0,
    };
    let Some(memory) = random.one(&memories) else { return said };
    let (id, turn) = (memory.id, memory.turn);
    match random.below(100) {
        0..40 => said,
        40..52 => {
            const STATES: [ReplyState; 4] =
                [ReplyState::Partial, ReplyState::Complete, ReplyState::Cancelled, ReplyState::Failed];
            let filling = [10, 200, 5_000][random.below(3)];
            Operation::Reply { turn, word: telling_word(&memory.words), filling, state: STATES[random.below(4)] }
        }
        52..56 => {
            let newest = memories.iter().map(|memory| memory.turn).max().unwrap_or(turn);
            Operation::Attach { turn: newest, ids: vec![id] }
        }
        56..59 => Operation::Summarise { conversation: memory.conversation, through_turn: turn },
        59..68 => Operation::Induce,
        68..72 => Operation::Edit { id, number },
        72..76 => Operation::Pin { id, pinned: !memory.pinned },
        76..81 => Operation::Forget { id },
        81..83 => Operation::ForgetTopic { word: telling_word(&memory.text) },
        83..88 => Operation::Import { number },
        88..90 => Operation::Export,
        90 => Operation::Erase,
        91..95 => Operation::Reembed,
        95..97 => Operation::Check,
        97 => Operation::Wipe,
        _ => Operation::Conversation,
    }
}

fn telling_word(text: &str) -> String {
    let canary = text.split(' ').find(|word| word.contains(CANARY_END));
    canary.map_or_else(|| "mushrooms".into(), |word| word.trim_matches('.').into())
}
