//! Facts that were induced from conversations with a known persona, against the sentences of that persona.
//!
//! A fact counts when some sentence of its own persona is as near to it (cosine) as the threshold; a sentence is found
//! when some fact is as near to it. The threshold is not chosen by hand: it is the cosine that a fact reaches with its
//! nearest sentence of a stranger, another profile drawn by seed, in one of twenty cases.

use serde::Serialize;

use super::statistics::{Interval, bootstrap};
use crate::random::Draws;

/// Share of facts that a stranger's persona may be taken to state.
const BY_CHANCE: f64 = 0.05;

/// One conversation: vectors of length 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownPersona {
    pub(crate) profile_id: String,
    pub(crate) facts: Vec<Vec<f32>>,
    /// Sentences of profile and personality.
    pub(crate) persona: Vec<Vec<f32>>,
    /// Those of them that the conversation has revealed, as its inducer says on record.
    pub(crate) revealed: Vec<Vec<f32>>,
}

/// How well facts were read out of conversations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PersonaFigures {
    pub(crate) conversations: usize,
    pub(crate) facts: usize,
    /// Calibrated on these conversations.
    pub(crate) threshold: f64,
    /// Share of facts that their persona states.
    pub(crate) precision: Option<Interval>,
    /// Share of the persona's sentences that were found.
    pub(crate) recall: Option<Interval>,
    /// The same of what had been revealed.
    pub(crate) recall_of_revealed: Option<Interval>,
}

impl PersonaFigures {
    /// The figures with intervals over conversations; `None` without a fact or without two profiles to calibrate on.
    pub(crate) fn of(all: &[KnownPersona], seed: u64) -> Option<Self> {
        let threshold = threshold(all, seed)?;
        let share = |found: fn(&KnownPersona, f64) -> (usize, usize)| {
            bootstrap(all, seed, |drawn| {
                let (hits, of) = drawn
                    .iter()
                    .map(|one| found(one, threshold))
                    .fold((0, 0), |(hits, of), (more_hits, more)| (hits + more_hits, of + more));
                (of > 0).then(|| hits as f64 / of as f64)
            })
        };
        Some(Self {
            conversations: all.len(),
            facts: all.iter().map(|one| one.facts.len()).sum(),
            threshold,
            precision: share(|one, threshold| hits(&one.facts, &one.persona, threshold)),
            recall: share(|one, threshold| hits(&one.persona, &one.facts, threshold)),
            recall_of_revealed: share(|one, threshold| hits(&one.revealed, &one.facts, threshold)),
        })
    }
}

/// How many of these have something that near, and how many there are.
fn hits(of: &[Vec<f32>], among: &[Vec<f32>], threshold: f64) -> (usize, usize) {
    (of.iter().filter(|one| nearest(one, among).is_some_and(|cosine| cosine >= threshold)).count(), of.len())
}

fn nearest(one: &[f32], among: &[Vec<f32>]) -> Option<f64> {
    let cosine = |other: &Vec<f32>| one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    among.iter().map(cosine).max_by(f64::total_cmp)
}

/// The least cosine that a fact reaches with a stranger no more often than by [`BY_CHANCE`].
fn threshold(all: &[KnownPersona], seed: u64) -> Option<f64> {
    let mut reached = Vec::new();
    for (place, one) in all.iter().enumerate() {
        let strangers: Vec<&KnownPersona> = all.iter().filter(|other| other.profile_id != one.profile_id).collect();
        let mut draws = Draws::new(seed, "stranger", place as u64);
        for fact in &one.facts {
            reached.extend(draws.pick(&strangers).and_then(|stranger| nearest(fact, &stranger.persona)));
        }
    }
    reached.sort_by(f64::total_cmp);
    let place = ((1.0 - BY_CHANCE) * reached.len() as f64).ceil() as usize;
    // One above what is still chance.
    let last = reached.get(place.saturating_sub(1).min(reached.len().checked_sub(1)?))?;
    Some(last.next_up())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector of length 1 at this angle, in degrees: the cosine of two is that of the angle between them.
    fn at(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn facts_count_when_they_are_nearer_than_strangers_are() {
        let one = KnownPersona {
            profile_id: "a".into(),
            facts: vec![at(1.0), at(45.0)],
            persona: vec![at(0.0), at(20.0)],
            revealed: vec![at(0.0)],
        };
        let other = KnownPersona {
            profile_id: "b".into(),
            facts: vec![at(90.0)],
            persona: vec![at(89.0), at(60.0)],
            revealed: vec![at(89.0), at(60.0)],
        };
        let found = PersonaFigures::of(&[one.clone(), other], 1).expect("two profiles");
        // The nearest stranger is 15 degrees away.
        assert!((found.threshold - f64::from(15.0_f32.to_radians().cos())).abs() < 1e-6, "{found:?}");
        let value = |interval: Option<Interval>| interval.expect("there are some").value;
        assert!((value(found.precision) - 2.0 / 3.0).abs() < 1e-12);
        assert!((value(found.recall) - 0.5).abs() < 1e-12);
        assert!((value(found.recall_of_revealed) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((found.facts, found.conversations), (3, 2));
        assert_eq!(PersonaFigures::of(&[one], 1), None, "there is no stranger");
    }
}
