//! The example of the README, as a program: `cargo run --release -p aloekit --example chat -- MODEL.gguf FOLDER`.
//!
//! `tests/tests/documents.rs` compares the two, so what the README shows is what compiles here.

use aloekit::engine::EngineParams;
use aloekit::memory::MemoryParams;
use aloekit::{Assistant, AssistantParams, Induction, SessionParams};

async fn talk(model: &str, folder: &str) -> aloekit::Result<()> {
    let assistant = Assistant::open(AssistantParams {
        engine: EngineParams::new(model),
        memory: MemoryParams::file(format!("{folder}/memory.db")),
        embedder: None, // memories are found by their words; an `OrtEmbedder` finds them by meaning too
        snapshots: Some(format!("{folder}/snapshots").into()),
        induction: Induction::default(), // what the user says becomes facts that they can see, edit and forget
    })?;
    let mut session = assistant.session(SessionParams::default())?;
    let mut reply = session.send("I play the cello. What could I do this weekend?").await?;
    while let Some(piece) = reply.next().await? {
        print!("{piece}");
    }
    let turn = reply.finish().await?; // the turn is recorded now
    println!("\n{:?}: {} memories used, {:?}", turn.stop, turn.facts.len(), turn.stats);
    session.close() // writes the KV snapshot: the next launch prefills only what is new
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: chat MODEL.gguf FOLDER".into());
    };
    // Any executor will do: the engine runs on its own thread and needs no reactor.
    tokio::runtime::Builder::new_current_thread().build()?.block_on(talk(&model, &folder))?;
    Ok(())
}
