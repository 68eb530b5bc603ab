//! AloeKit for Kotlin and Swift: the core's types translated for UniFFI.
//!
//! Translation only. What a call means, checks and does is the core's business; here a blocking call becomes one that is
//! awaited, a record becomes a record of the other side, an error one that an app can act on. `bindings/WRAPPERS.md`
//! says of every public type of the core how it appears here.
//!
//! No async runtime: a future is polled on its caller's thread, and all it does there is wait for a channel. Work runs
//! on the core's threads, on a few threads of [`calls`], and on one a reply ([`pump`]).

mod assistant;
mod calls;
mod cancel;
mod error;
mod induction;
mod model_file;
mod params;
mod persona;
mod pump;
mod rating;
mod records;
mod reply;
mod secret;
mod session;
mod store;
mod testing;
mod turn;
mod user_message;

pub use assistant::{Assistant, open_assistant};
pub use cancel::CancelToken;
pub use error::{AloeError, Result};
pub use induction::Induction;
pub use model_file::{MemoryEstimate, ModelInfo, estimate_memory};
pub use params::{
    Adapter, AssistantParams, ConversationChoice, EmbedderParams, EngineParams, FlashAttention, KvType, Overflow,
    Pooling, ReplyForm, SamplingParams, SessionParams,
};
pub use persona::Persona;
pub use rating::{Alignment, PreferenceReport, Rating};
pub use records::{
    ConversationInfo, Fact, ForgetReport, ImportReport, LearnReport, Memory, MemoryKind, Origin, Recalled, ReplyState,
    StoredTurn, SupersededFact, VectorStatus,
};
pub use reply::{Reply, ReplyListener};
pub use secret::SecretBytes;
pub use session::Session;
pub use store::{Durability, OnDamage, StoreKey, encrypt_store};
pub use testing::{ScriptParams, ScriptedReply, open_scripted_assistant};
pub use turn::{GenerationStats, StopReason, Turn};
pub use user_message::UserMessage;

uniffi::setup_scaffolding!();
