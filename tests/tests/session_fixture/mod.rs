//! Assistants whose memory needs no embedder, sessions that answer the same every time, and a watchdog.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

mod tokens;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use aloekit::engine::{Constraint, Engine, EngineParams};
use aloekit::memory::{MemoryParams, MemoryStore, ReplyState, StoredTurn};
use aloekit::{Assistant, AssistantParams, Conversation, Induction, Overflow, Session, SessionParams, Turn};
use aloekit_tests::fixtures::quick_session;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use tokens::{Vocabulary, snapshot_tokens};

pub const SYSTEM: &str = "You are a brief assistant.";

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

pub fn memory(data: &Path) -> MemoryStore {
    MemoryStore::open(MemoryParams::file(data.join("memory.db")), None).expect("the store opens")
}

/// An assistant that owns its engine.
pub fn open(data: &Path, engine: EngineParams) -> Assistant {
    let memory = MemoryParams::file(data.join("memory.db"));
    let (snapshots, induction) = (Some(data.join("snapshots")), Induction::default());
    Assistant::open(AssistantParams { engine, memory, embedder: None, snapshots, induction })
        .expect("the assistant opens")
}

/// An assistant on an engine that is open already: a launch without the loading of the model.
pub fn launch(data: &Path, engine: &Engine) -> Assistant {
    Assistant::from_parts(engine.clone(), memory(data), Some(data.join("snapshots")), Induction::default())
        .expect("the assistant starts")
}

pub fn brief(max_reply_tokens: usize) -> SessionParams {
    SessionParams { system_prompt: SYSTEM.into(), overflow: Overflow::DropOldest, ..quick_session(max_reply_tokens) }
}

pub fn brief_new(max_reply_tokens: usize) -> SessionParams {
    SessionParams { conversation: Conversation::New, ..brief(max_reply_tokens) }
}

pub fn session(assistant: &Assistant, params: SessionParams) -> Session {
    assistant.session(params).expect("the session opens")
}

pub fn try_say(session: &mut Session, text: &str) -> aloekit::Result<Turn> {
    block_on(async { session.send(text).await?.finish().await })
}

pub fn say(session: &mut Session, text: &str) -> Turn {
    try_say(session, text).expect("the turn ends well")
}

/// Asks something whose answer no rounding can change: fails when the engine computes from a garbled cache.
pub fn expect_sound(assistant: &Assistant) {
    let answers = Constraint::Gbnf("root ::= \"Oslo\" | \"Paris\" | \"Tokyo\"".into());
    let mut talk = session(assistant, SessionParams { constraint: answers, ..brief_new(8) });
    assert_eq!(say(&mut talk, "What is the capital of France?").reply, "Paris");
}

/// What is sent once the session is free again: a dropped reply is still being recorded when the drop returns.
pub fn transcript(assistant: &Assistant, session: &Session) -> Vec<StoredTurn> {
    assistant.memory().transcript(session.conversation()).expect("the transcript")
}

pub fn stored_reply(turn: &StoredTurn) -> Option<(&str, ReplyState)> {
    turn.reply.as_ref().map(|reply| (reply.text.as_str(), reply.state))
}

/// Runs `work` on a thread of its own and fails the test when it takes longer than `limit`.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let answer = work();
        let _ = done.send(());
        answer
    });
    if finished.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("not done after {limit:?}");
    }
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
