//! AloeKit: a private chat that runs on the device and gets to know its user.

mod error;
mod message;

pub mod engine;
pub mod memory;
pub mod prompt;
pub mod session;

pub use engine::{CancelHandle, GenerationStats, StopReason};
pub use error::{Error, Result};
pub use message::{Message, Role};
pub use session::{
    Alignment, Assistant, AssistantParams, Conversation, Induction, Overflow, Reply, Session, SessionParams, Turn,
    UserMessage,
};
