//! `aloe eval memory --trees`: what a memory has read out of conversations whose persona is known, after a restart.

use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{EmbedPurpose, Embedder, Inducer, MemoryParams, MemoryStore, RetrieveLimits, TurnOptions};
use serde_json::{Value, json};

use super::shown;
use crate::cli::EvalMemoryArgs;
use crate::dialogue::{FOLDER, TREES};
use crate::error::{Error, Result};
use crate::evaluation::{Interval, KnownPersona, PersonaFigures};
use crate::output::Output;
use crate::record::{ConversationTree, sentences};
use crate::run_dir::read_lines;

pub(super) fn of_trees(
    run: &Path,
    inducer: &dyn Inducer,
    embedder: &Arc<dyn Embedder>,
    args: &EvalMemoryArgs,
    output: Output,
) -> Result<Value> {
    let trees: Vec<ConversationTree> = read_lines(&run.join(FOLDER).join(TREES))?;
    let mut bar = output.counter("conversations", trees.len() as u64);
    let (mut all, mut before_restart) = (Vec::with_capacity(trees.len()), 0);
    for tree in &trees {
        let (learnt, kept) = learnt(tree, inducer, embedder)?;
        before_restart += learnt;
        all.push(known(tree, &kept, embedder)?);
        bar.set(all.len() as u64);
    }
    drop(bar);
    let Some(figures) = PersonaFigures::of(&all, args.seed) else {
        let reason = format!("{} has no conversations of two profiles with facts in them", run.display());
        return Err(Error::StageEmpty { stage: "eval memory", reason, hint: "`aloe trees` grows more" });
    };
    let scripted = trees.iter().any(|tree| tree.scripted);
    if scripted {
        output.warn("users were played by rules that quote their personas: these figures measure nobody");
    }
    if !args.json {
        output
            .data("inducer\tconversations\tfacts\tafter a restart\tthreshold\tprecision\trecall\tof what was revealed");
        let share = |interval: Option<Interval>| shown(interval.map(|i| i.value));
        output.data(&format!(
            "{}\t{}\t{before_restart}\t{}\t{:.3}\t{}\t{}\t{}",
            inducer.name(),
            figures.conversations,
            figures.facts,
            figures.threshold,
            share(figures.precision),
            share(figures.recall),
            share(figures.recall_of_revealed),
        ));
    }
    Ok(json!({
        "inducer": inducer.name(), "facts_before_restart": before_restart, "figures": figures, "scripted": scripted,
    }))
}

/// How many facts the memory had of what the user says on the drawn path, and those that it has when it is opened again.
fn learnt(
    tree: &ConversationTree,
    inducer: &dyn Inducer,
    embedder: &Arc<dyn Embedder>,
) -> Result<(usize, Vec<String>)> {
    let folder = tempfile::tempdir().map_err(Error::internal)?;
    let file = folder.path().join("memory.db");
    let before = {
        let store = MemoryStore::open(MemoryParams::file(&file), Some(Arc::clone(embedder)))?;
        let conversation = store.create_conversation()?;
        for node in tree.drawn_path() {
            let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
            let options = TurnOptions { recall, ..TurnOptions::default() };
            store.begin_turn(conversation, &tree.nodes[node].user.text, &options)?;
        }
        store.induce(inducer, usize::MAX)?;
        store.facts()?.len()
    };
    let store = MemoryStore::open(MemoryParams::file(&file), Some(Arc::clone(embedder)))?;
    Ok((before, store.facts()?.into_iter().map(|fact| fact.text).collect()))
}

fn known(tree: &ConversationTree, facts: &[String], embedder: &Arc<dyn Embedder>) -> Result<KnownPersona> {
    let persona = [&tree.persona.profile, &tree.persona.personality].map(|text| sentences(text)).concat();
    let induced = tree.drawn_path().last().map(|last| tree.nodes[*last].induced.clone());
    let parts = induced.map(|induced| [induced.profile, induced.personality]).into_iter().flatten().flatten();
    let revealed: Vec<String> = parts.flat_map(|part| sentences(&part)).collect();
    let vectors = |texts: &[String]| -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(if texts.is_empty() { Vec::new() } else { embedder.embed(&texts, EmbedPurpose::Document)? })
    };
    Ok(KnownPersona {
        profile_id: tree.persona.profile_id.clone(),
        facts: vectors(facts)?,
        persona: vectors(&persona)?,
        revealed: vectors(&revealed)?,
    })
}
