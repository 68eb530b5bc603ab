//! `aloe memory facts`: what is known of the user, by kind.

use aloekit::memory::{Memory, MemoryKind, MemoryStore};

use super::Stores;
use crate::cli::FactsArgs;
use crate::error::Result;

/// In the order in which they are shown.
const KINDS: [MemoryKind; 3] = [MemoryKind::Profile, MemoryKind::Personality, MemoryKind::Preference];

pub(super) fn run(args: &FactsArgs, stores: &Stores<'_>) -> Result<()> {
    let facts = facts(&stores.existing(&args.store)?, args.episodes)?;
    if facts.is_empty() && !args.json {
        stores.output.note("nothing is known yet");
    }
    facts.iter().try_for_each(|fact| stores.show(fact, args.json))
}

/// The one place where facts are asked for.
fn facts(store: &MemoryStore, episodes: bool) -> Result<Vec<Memory>> {
    let memories = store.memories()?;
    let kinds = KINDS.into_iter().chain(episodes.then_some(MemoryKind::Episode));
    Ok(kinds.flat_map(|kind| memories.iter().filter(move |memory| memory.kind == kind)).cloned().collect())
}
