//! Texts written for this project: those that a pool begins with, and those that the benchmark measures with.
//!
//! Twenty profiles and twenty personalities are the seeds of every pool, so whoever trains may have seen them; twenty
//! other profiles and seven other personalities are the evaluation pool, and go into no pool. They differ in age, place,
//! culture, work, family and ability. Personalities are sentences without a pronoun, so that each goes with every profile.

use super::Text;
use crate::error::{Error, Result};
use crate::record::{Origin, PoolKind};

/// The seeds of one kind.
pub(crate) fn seeds(kind: PoolKind) -> Result<Vec<Text>> {
    let lines = match kind {
        PoolKind::Profile => include_str!("../../seeds/profile.jsonl"),
        PoolKind::Personality => include_str!("../../seeds/personality.jsonl"),
    };
    let text = |text| Text { text, origin: Origin::Seed, scripted: false };
    Ok(strings(lines)?.into_iter().map(text).collect())
}

/// The texts of one kind of the evaluation pool: 20 profiles, 7 personalities. Never trained on.
pub(crate) fn evaluation_texts(kind: PoolKind) -> Result<Vec<String>> {
    strings(match kind {
        PoolKind::Profile => include_str!("../../seeds/evaluation_profile.jsonl"),
        PoolKind::Personality => include_str!("../../seeds/evaluation_personality.jsonl"),
    })
}

fn strings(lines: &str) -> Result<Vec<String>> {
    lines.lines().map(|line| serde_json::from_str(line).map_err(Error::internal)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::pronouns::{Pronoun, pronoun_of};
    use crate::persona::rules::check;
    use crate::preset::Preset;

    #[test]
    fn the_seeds_pass_the_rules_that_others_must_pass() {
        let numbers = Preset::resolve("aloe-paper", &[]).expect("resolved").personas;
        for (kind, held_out) in [(PoolKind::Profile, 20), (PoolKind::Personality, 7)] {
            let seeds = seeds(kind).expect("JSON");
            let evaluation = evaluation_texts(kind).expect("JSON");
            assert_eq!((seeds.len(), evaluation.len()), (20, held_out));
            for text in seeds.iter().map(|seed| &seed.text).chain(&evaluation) {
                assert_eq!(check(kind, text, &numbers), Ok(()), "{text}");
            }
        }
    }

    #[test]
    fn a_seed_personality_goes_with_every_profile() {
        let seeds = seeds(PoolKind::Personality).expect("JSON").into_iter().map(|seed| seed.text);
        for text in seeds.chain(evaluation_texts(PoolKind::Personality).expect("JSON")) {
            assert_eq!(pronoun_of(&text), Pronoun::None, "{text}");
        }
    }
}
