//! Which persona has which conversation.

use crate::random::Draws;
use crate::record::{Persona, Split};

/// For each conversation its persona: all of them in a drawn order before any comes again.
///
/// A larger number of conversations begins with the smaller one's, so a run can be made longer.
pub(crate) fn plan(personas: &[Persona], split: Split, conversations: usize, seed: u64) -> Vec<&Persona> {
    let of_split: Vec<_> = personas.iter().filter(|persona| persona.split == split).collect();
    let mut planned = Vec::with_capacity(conversations);
    for round in 0.. {
        if of_split.is_empty() || planned.len() >= conversations {
            break;
        }
        let mut order = of_split.clone();
        Draws::new(seed, "plan", round).shuffle(&mut order);
        planned.extend(order);
    }
    planned.truncate(conversations);
    planned
}
