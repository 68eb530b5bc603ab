//! Growing conversations: each to its end by one thread, many at once, kept as they end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::quality;
use super::store::TreeStore;
use super::turn::Turn;
use crate::error::{Error, Result};
use crate::preset::TreeNumbers;
use crate::provider::{Gateway, Role, in_lanes};
use crate::random::Draws;
use crate::record::{Branch, ConversationTree, Persona, RejectedTree, Rejection, TreeOrigin};

/// What conversations are grown with.
pub(crate) struct Forest<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) numbers: &'a TreeNumbers,
    pub(crate) seed: u64,
    pub(crate) scripted: bool,
    /// The persona of each conversation.
    pub(crate) plan: &'a [&'a Persona],
    /// Everybody there is.
    pub(crate) people: &'a [Persona],
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ForestReport {
    /// Of this process.
    pub(crate) grown: usize,
    /// Attempts that did not pass the checks.
    pub(crate) rejected: usize,
    /// Conversations of which no attempt passed.
    pub(crate) given_up: usize,
    pub(crate) already_there: usize,
    /// Not finished: a later run goes on with them.
    pub(crate) unfinished: usize,
}

/// How one conversation ended.
struct Ended {
    rejected: Vec<RejectedTree>,
    accepted: Option<ConversationTree>,
}

/// Grows what is planned and not there yet; `progress` hears of each that ends.
///
/// # Errors
/// What stops all of them; a conversation that fails alone is counted as unfinished.
pub(crate) fn grow_all(
    forest: &Forest<'_>,
    store: &mut TreeStore,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<ForestReport> {
    let open: Vec<u64> = (0..forest.plan.len() as u64).filter(|id| !store.is_done(*id)).collect();
    let already_there = forest.plan.len() - open.len();
    let done = AtomicUsize::new(already_there);
    let kept = Mutex::new((store, ForestReport { already_there, ..ForestReport::default() }));
    progress(already_there);
    let unfinished = in_lanes(&open, forest.gateway.lanes(), |id| {
        let ended = grow_one(forest, *id)?;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (store, report) = &mut *kept;
        store.keep(&ended.rejected, ended.accepted.as_ref())?;
        report.rejected += ended.rejected.len();
        *(if ended.accepted.is_some() { &mut report.grown } else { &mut report.given_up }) += 1;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    })?;
    let (_, report) = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(ForestReport { unfinished, ..report })
}

/// Tries until a conversation passes the checks; each attempt has a seed of its own.
fn grow_one(forest: &Forest<'_>, id: u64) -> Result<Ended> {
    let mut ended = Ended { rejected: Vec::new(), accepted: None };
    for attempt in 0..forest.numbers.attempts {
        let mut tree = sapling(forest, id, attempt)?;
        let rejection = match grow_tree(forest, &mut tree) {
            Ok(()) => quality::check(&mut tree, forest.numbers),
            Err(Error::Call { fault, .. }) if fault.final_for_request() => {
                Some(Rejection { check: "call".into(), turn: tree.nodes.len() + 1, reason: fault.to_string() })
            }
            Err(error) => return Err(error),
        };
        match rejection {
            None => {
                ended.accepted = Some(tree);
                break;
            }
            Some(rejection) => ended.rejected.push(RejectedTree { rejection, tree }),
        }
    }
    Ok(ended)
}

fn sapling(forest: &Forest<'_>, id: u64, attempt: u32) -> Result<ConversationTree> {
    let place = usize::try_from(id).map_err(Error::internal)?;
    let persona = forest.plan.get(place).ok_or_else(|| Error::internal("a conversation that is not planned"))?;
    let writers = Role::DIALOGUE.iter().filter(|role| **role != Role::Judge || forest.numbers.judge);
    Ok(ConversationTree {
        id,
        origin: TreeOrigin::Grown,
        persona: (*persona).clone(),
        seed: Draws::new(forest.seed, "conversation", id << 8 | u64::from(attempt)).number(),
        attempt,
        writers: writers.map(|role| forest.gateway.writer(*role)).collect::<Result<_>>()?,
        nodes: Vec::new(),
        revelation: Default::default(),
        scripted: forest.scripted || persona.scripted,
    })
}

/// Level by level: one branch below the depth to which both are followed.
fn grow_tree(forest: &Forest<'_>, tree: &mut ConversationTree) -> Result<()> {
    let mut open = VecDeque::from([(None, 0)]);
    let persona = tree.persona.clone();
    while let Some((parent, depth)) = open.pop_front() {
        let place = tree.nodes.len();
        let draws = Draws::new(tree.seed, "node", place as u64);
        let contrast = contrast(forest, tree, place);
        let turn = Turn { gateway: forest.gateway, numbers: forest.numbers, persona: &persona, contrast, draws };
        let node = turn.play(tree, parent)?;
        let chosen = node.chosen;
        tree.nodes.push(node);
        if depth + 1 >= forest.numbers.rounds {
            continue;
        }
        let both = [Branch::Preferred, Branch::Rejected];
        let followed = if depth < forest.numbers.branch { &both[..] } else { std::slice::from_ref(&chosen) };
        open.extend(followed.iter().map(|branch| (Some((place, *branch)), depth + 1)));
    }
    Ok(())
}

/// Somebody of another personality whom the rejected reply of a node suits, at the share of nodes that is wanted.
fn contrast<'a>(forest: &Forest<'a>, tree: &ConversationTree, place: usize) -> Option<&'a Persona> {
    let mut draws = Draws::new(tree.seed, "contrast", place as u64);
    if !draws.chance(forest.numbers.contrast_share) {
        return None;
    }
    let here = &tree.persona;
    let is_other = |persona: &&Persona| persona.split == here.split && persona.personality_id != here.personality_id;
    let others: Vec<&Persona> = forest.people.iter().filter(is_other).collect();
    draws.pick(&others).copied()
}
