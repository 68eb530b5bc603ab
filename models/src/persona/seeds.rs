//! The texts that a pool begins with: twenty profiles and twenty personalities, written for this project.
//!
//! They differ in age, place, culture, work, family and ability. Personalities are sentences without a pronoun, so that
//! each goes with every profile.

use super::Text;
use crate::error::{Error, Result};
use crate::record::{Origin, PoolKind};

/// The seeds of one kind.
pub(crate) fn seeds(kind: PoolKind) -> Result<Vec<Text>> {
    let lines = match kind {
        PoolKind::Profile => include_str!("../../seeds/profile.jsonl"),
        PoolKind::Personality => include_str!("../../seeds/personality.jsonl"),
    };
    let text = |line| serde_json::from_str(line).map_err(Error::internal);
    lines.lines().map(|line| Ok(Text { text: text(line)?, origin: Origin::Seed, scripted: false })).collect()
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
        for kind in [PoolKind::Profile, PoolKind::Personality] {
            let seeds = seeds(kind).expect("JSON");
            assert_eq!(seeds.len(), 20);
            for seed in seeds {
                assert_eq!(check(kind, &seed.text, &numbers), Ok(()), "{}", seed.text);
            }
        }
    }

    #[test]
    fn a_seed_personality_goes_with_every_profile() {
        for seed in seeds(PoolKind::Personality).expect("JSON") {
            assert_eq!(pronoun_of(&seed.text), Pronoun::None, "{}", seed.text);
        }
    }
}
