//! `aloe memory import`: turns from JSON lines, or a whole memory from an export.

use std::path::Path;

use aloekit::memory::{BadLine, Export, ImportReport, LineFault, MemoryStore, OnBadLine, TurnImport};
use serde_json::json;

use super::Stores;
use crate::cli::ImportArgs;
use crate::error::{Error, Result};
use crate::output::Output;

/// Bad lines that are told one by one; of more, only how many.
const TOLD: usize = 20;

pub(super) fn run(args: &ImportArgs, stores: &Stores<'_>) -> Result<()> {
    let path = stores.path(&args.store.store)?;
    let (jsonl, export) = (args.jsonl.as_deref(), args.export.as_deref());
    // What is to be read is looked at first, so that a mistyped name leaves no empty store.
    for file in [jsonl, export].into_iter().flatten() {
        std::fs::File::open(file).map_err(|error| Error::io(file, error))?;
    }
    let export = export.map(read_export).transpose()?;
    let store = stores.open_with_embedder(path, &args.store)?;
    if let Some(export) = export {
        whole(&store, &export, args, stores.output)?;
    }
    if let Some(file) = jsonl {
        turns(&store, file, args, stores.output)?;
    }
    stores.warn_of_missing_vectors(&store, &args.store)
}

fn read_export(path: &Path) -> Result<Export> {
    let json = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    Ok(Export::from_json(&json)?)
}

fn whole(store: &MemoryStore, export: &Export, args: &ImportArgs, output: Output) -> Result<()> {
    let mut bar = output.counter("embedding", export.memories.len() as u64);
    let report = store.import(export, &mut |at| bar.set(at.done))?;
    drop(bar);
    let ImportReport { conversations, turns, memories, refused_facts, already_there, embedding_failure } = report;
    if let Some(failure) = embedding_failure {
        output.warn(&failure.to_string());
    }
    if refused_facts > 0 {
        output.warn(&format!("{refused_facts} facts were left out: their words were pasted, not said"));
    }
    if args.json {
        return output.json(&json!({
            "conversations": conversations, "turns": turns, "memories": memories, "already_there": already_there,
            "refused_facts": refused_facts,
        }));
    }
    output.note(&format!(
        "{conversations} conversations with {turns} turns and {memories} memories imported; {already_there} \
         conversations were there already"
    ));
    Ok(())
}

fn turns(store: &MemoryStore, file: &Path, args: &ImportArgs, output: Output) -> Result<()> {
    let on_bad_line = if args.strict { OnBadLine::Refuse } else { OnBadLine::Skip };
    let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let mut bar = output.bar("importing", total);
    let report = store.import_turns(file, on_bad_line, &mut |at| bar.set(at.done))?;
    drop(bar);
    let TurnImport { lines, turns, replies, memories, already_there, bad_lines, embedding_failure } = report;
    tell(&bad_lines, output);
    if let Some(failure) = embedding_failure {
        output.warn(&failure.to_string());
    }
    if args.json {
        return output.json(&json!({
            "lines": lines, "turns": turns, "replies": replies, "memories": memories,
            "already_there": already_there, "bad_lines": bad_lines,
        }));
    }
    output.note(&format!(
        "{turns} turns with {memories} memories and {replies} replies imported; {already_there} of {lines} lines were \
         there already"
    ));
    Ok(())
}

fn tell(bad_lines: &[BadLine], output: Output) {
    for BadLine { line, fault } in bad_lines.iter().take(TOLD) {
        let what = if *fault == LineFault::Time { "kept without its time" } else { "left out" };
        output.warn(&format!("line {line} is {what}: {fault}"));
    }
    if bad_lines.len() > TOLD {
        output.warn(&format!("{} more lines are bad", bad_lines.len() - TOLD));
    }
}
