//! What growing the conversations would take, before the first call.

use super::prompt;
use crate::preset::TreeNumbers;
use crate::provider::{Estimate, Prices, Role, Roles, estimated_tokens};
use crate::record::{ChatMessage, Induced, Persona};
use crate::roleplay;

/// Lengths of answers that are assumed, in tokens: three sentences each.
const MESSAGE: u64 = 45;
const INDUCED: u64 = 60;
const VERDICT: u64 = 8;

/// Calls and tokens of each role for `conversations` with personas like these.
pub(crate) fn estimate(
    personas: &[&Persona],
    conversations: usize,
    numbers: &TreeNumbers,
    roles: &Roles,
    prices: &Prices,
) -> Vec<Estimate> {
    let Some(persona) = personas.first() else { return Vec::new() };
    let (turns, depths) = turns(numbers);
    let tokens = |messages: &[ChatMessage]| messages.iter().map(|m| estimated_tokens(&m.content)).sum::<u64>();
    // Every turn before adds a message and a reply to what is read.
    let history = 2 * MESSAGE * depths;
    let hint = Induced {
        profile: Some(persona.profile.clone()),
        personality: Some(persona.personality.clone()),
        writer: None,
        seed: 0,
    };
    let fixed = |role| match role {
        Role::User => tokens(&roleplay::user(persona, &[])),
        Role::Inducer => tokens(&prompt::induce(persona, &[])),
        Role::Preferred => tokens(&roleplay::reply(&[], Some(&hint))),
        Role::Rejected => tokens(&roleplay::reply(&[], None)),
        _ => tokens(&prompt::judge(persona, &[], "", "")) + 2 * MESSAGE,
    };
    let played = Role::DIALOGUE.into_iter().filter(|role| *role != Role::Judge || numbers.judge);
    played
        .map(|role| {
            let asked = if role == Role::Judge { 2 } else { 1 };
            let answer = match role {
                Role::Inducer => INDUCED,
                Role::Judge => VERDICT,
                _ => MESSAGE,
            };
            let calls = asked * turns;
            let (prompt, completion) = (calls * fixed(role) + asked * history, calls * answer);
            let n = conversations as u64;
            roles.estimate(role, n * calls, n * prompt, n * completion, prices)
        })
        .collect()
}

/// Turns of one tree, and the sum of the turns before each.
fn turns(numbers: &TreeNumbers) -> (u64, u64) {
    let (mut turns, mut depths) = (0, 0);
    for depth in 0..numbers.rounds {
        let width = 1u64 << depth.min(numbers.branch).min(40);
        turns += width;
        depths += width * depth as u64;
    }
    (turns, depths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    #[test]
    fn the_paper_takes_ten_turns_and_a_branched_tree_more() {
        let set = |text: &str| turns(&Preset::resolve("aloe-paper", &[text.to_owned()]).expect("resolved").trees);
        assert_eq!(set("trees.branch=0"), (10, 45));
        assert_eq!(set("trees.branch=2").0, 1 + 2 + 4 * 8);
    }
}
