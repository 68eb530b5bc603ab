//! `aloe memory forget`: shows what would go, asks, and forgets it in the store and in what lies beside it.

use std::collections::HashSet;

use aloekit::memory::{Memory, MemoryStore};
use serde_json::json;

use super::{Stores, paragraph};
use crate::cli::ForgetArgs;
use crate::data_folder;
use crate::error::{Error, Result};

pub(super) fn run(args: &ForgetArgs, stores: &Stores<'_>) -> Result<()> {
    let path = stores.existing_path(&args.store.store)?;
    // Only a topic is looked for by meaning; nothing else needs the embedder.
    let store = match args.topic {
        Some(_) => stores.existing_with_embedder(&args.store)?,
        None => stores.existing(&args.store.store)?,
    };
    let doomed = doomed(&store, args)?;
    if doomed.is_empty() && !args.all {
        return nothing(args, stores);
    }
    confirm(&store, &doomed, args, stores)?;
    // Before the words and after them: a process that dies in between leaves no copy of what was forgotten.
    data_folder::forget_beside(&path)?;
    let (forgotten, wiped) = match args.all {
        true => (store.erase_all().map(|()| doomed)?, true),
        false => {
            let report = store.forget_all(&doomed.iter().map(|memory| memory.id).collect::<Vec<_>>())?;
            (doomed.into_iter().filter(|memory| report.memories.contains(&memory.id)).collect(), report.wiped)
        }
    };
    data_folder::forget_beside(&path)?;
    if !wiped {
        stores.output.warn("another program reads the memory: the bytes leave the files when it is opened next");
    }
    tell(&forgotten, args, stores)
}

/// The memories that will go: with each, all that came from the same turns. A fact among them that another turn states
/// as well may stay.
fn doomed(store: &MemoryStore, args: &ForgetArgs) -> Result<Vec<Memory>> {
    let all = store.memories()?;
    if args.all {
        return Ok(all);
    }
    let mut asked = match &args.topic {
        Some(topic) => store.find_topic(topic)?,
        None => args.id.iter().map(|id| one(store, *id)).collect::<Result<_>>()?,
    };
    let mut turns: HashSet<i64> = asked.iter().map(|memory| memory.turn).collect();
    let facts = store.facts()?.into_iter().filter(|fact| asked.iter().any(|memory| memory.id == fact.id));
    turns.extend(facts.flat_map(|fact| fact.turns));
    let mut doomed: Vec<_> = all.into_iter().filter(|memory| turns.contains(&memory.turn)).collect();
    doomed.append(&mut asked);
    doomed.sort_by_key(|memory| (memory.turn, memory.id));
    doomed.dedup_by_key(|memory| memory.id);
    Ok(doomed)
}

fn one(store: &MemoryStore, id: i64) -> Result<Memory> {
    Ok(store.memory(id)?.ok_or(aloekit::Error::NotFound { what: "memory", id })?)
}

fn nothing(args: &ForgetArgs, stores: &Stores<'_>) -> Result<()> {
    stores.output.note("no memory matters to that; nothing was forgotten");
    if args.json { stores.output.json(&json!({"forgotten": []})) } else { Ok(()) }
}

fn confirm(store: &MemoryStore, doomed: &[Memory], args: &ForgetArgs, stores: &Stores<'_>) -> Result<()> {
    if args.yes {
        return Ok(());
    }
    let question = if args.all {
        let conversations = store.conversations()?.len();
        format!("Forget everything: {} memories and {conversations} conversations?", doomed.len())
    } else {
        doomed.iter().for_each(|memory| stores.output.note(&paragraph(memory)));
        format!("Forget these {} with the turns they come from?", doomed.len())
    };
    match stores.output.confirms(&question) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::usage("nothing was forgotten", "answer y, or say --yes")),
        None => Err(Error::usage("nothing was forgotten: nobody is here to be asked", "say --yes")),
    }
}

fn tell(forgotten: &[Memory], args: &ForgetArgs, stores: &Stores<'_>) -> Result<()> {
    if args.json {
        let ids: Vec<_> = forgotten.iter().map(|memory| memory.id).collect();
        return stores.output.json(&json!({"forgotten": ids, "everything": args.all}));
    }
    if args.all {
        stores.output.data(&format!("forgotten: everything, {} memories", forgotten.len()));
        return Ok(());
    }
    forgotten.iter().for_each(|memory| stores.output.data(&format!("forgotten: {}", paragraph(memory))));
    Ok(())
}
