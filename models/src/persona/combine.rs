//! Profiles and personalities become personas: within a split, with pronouns that agree.

use super::pronouns::{agreeing, pronoun_of};
use crate::random::Draws;
use crate::record::{Persona, PoolMember, Split};

/// How many personalities each profile is combined with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CombinePlan {
    pub(crate) train: usize,
    pub(crate) eval: usize,
    pub(crate) seed: u64,
}

/// All personas of a pool: drawn for training, the first ones for evaluation, as the paper has it.
pub(crate) fn combine(profiles: &[PoolMember], personalities: &[PoolMember], plan: CombinePlan) -> Vec<Persona> {
    let mut personas = Vec::new();
    for split in [Split::Train, Split::Eval] {
        let of_split: Vec<_> = personalities.iter().filter(|member| member.split == split).collect();
        for (place, profile) in profiles.iter().filter(|member| member.split == split).enumerate() {
            let mut order: Vec<_> = of_split.clone();
            let count = if split == Split::Train { plan.train } else { plan.eval };
            if split == Split::Train {
                Draws::new(plan.seed, "combine", place as u64).shuffle(&mut order);
            }
            let pronoun = pronoun_of(&profile.text);
            let agreed = order.into_iter().filter_map(|member| Some((member, agreeing(&member.text, pronoun)?)));
            personas.extend(agreed.take(count).map(|(member, personality)| persona(profile, member, personality)));
        }
    }
    personas
}

fn persona(profile: &PoolMember, member: &PoolMember, personality: String) -> Persona {
    let number = |id: &str| id.rsplit('-').next().unwrap_or_default().to_owned();
    Persona {
        id: format!("persona-{}-{}", number(&profile.id), number(&member.id)),
        split: profile.split,
        profile_id: profile.id.clone(),
        personality_id: member.id.clone(),
        profile: profile.text.clone(),
        personality,
        scripted: profile.scripted || member.scripted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Origin, PoolKind};

    fn member(kind: PoolKind, number: usize, text: &str, split: Split) -> PoolMember {
        let id = format!("{}-{number:04}", kind.as_str());
        PoolMember { id, kind, text: text.into(), split, origin: Origin::Seed, scripted: false }
    }

    #[test]
    fn no_persona_crosses_the_split_and_none_occurs_twice() {
        let split = |at: usize| if at < 6 { Split::Train } else { Split::Eval };
        let profiles: Vec<_> = (0..8).map(|at| member(PoolKind::Profile, at, "She is old.", split(at))).collect();
        let traits: Vec<_> = (0..9).map(|at| member(PoolKind::Personality, at, "Is kind.", split(at))).collect();
        let personas = combine(&profiles, &traits, CombinePlan { train: 4, eval: 2, seed: 1 });
        assert_eq!(personas.len(), 6 * 4 + 2 * 2);
        let mut ids: Vec<_> = personas.iter().map(|persona| persona.id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), personas.len());
        let of = |list: &[PoolMember], id: &str| list.iter().find(|member| member.id == id).map(|member| member.split);
        assert!(personas.iter().all(|persona| {
            of(&profiles, &persona.profile_id) == Some(persona.split)
                && of(&traits, &persona.personality_id) == Some(persona.split)
        }));
    }
}
