//! `--task induce`: what conversations revealed, as examples for a model whose one job is to find it.
//!
//! The prompts are those of the SDK's prompted inducer, word for word: they come from there and are written nowhere else.

use std::collections::BTreeSet;
use std::path::Path;

use aloekit::memory::{Candidate, InductionPrompt, Origin, UserTurn};
use aloekit::{Message, Role};

use super::data::DataFiles;
use crate::dataset::{Stated, Told, told};
use crate::error::{Error, Result};
use crate::random::Draws;
use crate::record::{ChatMessage, ConversationTree, SftExample, Split};
use crate::run_dir::{Lines, write_whole};

/// Numbers of turns in a store are of any size.
const MOST_TURN: usize = 400;

/// Writes the examples of a run's trees into `out`, those of some profiles apart; evaluation personas are left alone.
pub(super) fn make(trees: &Path, validation_share: f64, seed: u64, out: &Path) -> Result<DataFiles> {
    let usable = |tree: &Result<ConversationTree>| match tree {
        Ok(tree) => tree.persona.split != Split::Eval && tree.is_sound(),
        Err(_) => true,
    };
    let trees: Vec<ConversationTree> = Lines::open(trees)?.filter(usable).collect::<Result<_>>()?;
    let held_out = held_out(&trees, validation_share, seed);
    let mut parts = [Vec::new(), Vec::new()];
    for tree in &trees {
        let part = &mut parts[usize::from(held_out.contains(&tree.persona.profile_id))];
        for example in examples(tree, seed) {
            serde_json::to_writer(&mut *part, &example).map_err(Error::internal)?;
            part.push(b'\n');
        }
    }
    let files = DataFiles { train: out.join("train.jsonl"), held_out: Some(out.join("validation.jsonl")) };
    write_whole(&files.train, &parts[0])?;
    write_whole(&out.join("validation.jsonl"), &parts[1])?;
    Ok(DataFiles { held_out: files.held_out.filter(|_| !parts[1].is_empty()), ..files })
}

/// Whole profiles, so that nothing is measured on a life that was trained on.
fn held_out(trees: &[ConversationTree], share: f64, seed: u64) -> BTreeSet<String> {
    let profiles: BTreeSet<_> = trees.iter().map(|tree| tree.persona.profile_id.clone()).collect();
    let mut profiles: Vec<_> = profiles.into_iter().collect();
    Draws::new(seed, "validation", 0).shuffle(&mut profiles);
    let wanted = (share * profiles.len() as f64).round() as usize;
    let least = usize::from(share > 0.0);
    profiles.truncate(wanted.max(least).min(profiles.len().saturating_sub(1)));
    profiles.into_iter().collect()
}

/// Each message alone, what is left of it without its facts (from which nothing follows), and the conversation so far.
fn examples(tree: &ConversationTree, seed: u64) -> Vec<SftExample> {
    let messages = told(tree, &tree.drawn_path());
    let mut draws = Draws::new(seed, "numbers of turns", tree.id);
    let mut found = Vec::new();
    for Told { text, facts, rest } in &messages {
        found.extend(example(tree, &[(text, facts)], 1 + draws.below(MOST_TURN)));
        if !rest.is_empty() && !facts.is_empty() {
            found.extend(example(tree, &[(rest, &Vec::new())], 1 + draws.below(MOST_TURN)));
        }
    }
    if messages.len() > 1 {
        let all: Vec<_> = messages.iter().map(|told| (&told.text, &told.facts)).collect();
        found.extend(example(tree, &all, 1 + draws.below(MOST_TURN)));
    }
    found
}

/// The prompts about these messages, numbered from `first`, each with the answer that states their facts.
fn example(tree: &ConversationTree, told: &[(&String, &Vec<Stated>)], first: usize) -> Vec<SftExample> {
    let number = |at: usize| (first + at) as i64;
    let turns: Vec<UserTurn<'_>> = told
        .iter()
        .enumerate()
        .map(|(at, (text, _))| UserTurn { turn: number(at), text, origin: Origin::Said })
        .collect();
    let candidate = |turn: i64, fact: &Stated| Candidate {
        turn,
        kind: fact.kind,
        text: fact.words.clone(),
        words: fact.words.clone(),
        confidence: 1.0,
    };
    let facts: Vec<Candidate> = told
        .iter()
        .enumerate()
        .flat_map(|(at, (_, facts))| facts.iter().map(move |fact| candidate(number(at), fact)))
        .collect();
    let one = |(prompt, about): (InductionPrompt, &[UserTurn<'_>])| {
        let here: Vec<Candidate> =
            facts.iter().filter(|fact| about.iter().any(|turn| turn.turn == fact.turn)).cloned().collect();
        let mut messages: Vec<ChatMessage> = prompt.messages.iter().map(message).collect();
        let mut loss_mask = vec![false; messages.len()];
        messages.push(ChatMessage::assistant(InductionPrompt::answer(&here)));
        loss_mask.push(true);
        SftExample { messages, loss_mask, source: format!("tree-{}", tree.id), scripted: tree.scripted }
    };
    InductionPrompt::about(&turns).into_iter().map(one).collect()
}

fn message(message: &Message) -> ChatMessage {
    match message.role {
        Role::System => ChatMessage::system(&message.content),
        Role::User => ChatMessage::user(&message.content),
        Role::Assistant => ChatMessage::assistant(&message.content),
    }
}
