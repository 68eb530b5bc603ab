//! Measures without a judge: whether a model finds the better of two replies likelier, and how far a reply belongs to
//! the person it was written for.
//!
//! Preference accuracy: share of pairs whose chosen reply has the greater log-probability, by its sum and by its mean a
//! token (DPO's implicit ordering without its reference; arXiv 2305.18290).
//!
//! Persona gain of a reply: log p(reply | history with this person) - mean of log p(reply | history with another),
//! over others drawn by seed. What is scored are probabilities of one model for all systems, so two systems are
//! compared with the same model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::benchmark::Transcript;
use super::statistics::{Interval, bootstrap, mean_over_cases};
use crate::random::Draws;
use crate::record::ChatMessage;
use crate::roleplay::RESPONDER;

/// Log-probability of a text: of all of it, and a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Likelihood {
    pub(crate) sum: f64,
    pub(crate) mean: f64,
}

/// How a model orders pairs of replies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PreferenceFigures {
    pub(crate) pairs: usize,
    /// Share of pairs whose chosen reply is likelier as a whole.
    pub(crate) accuracy: Option<Interval>,
    /// Share of pairs whose chosen reply is likelier a token.
    pub(crate) accuracy_normalised: Option<Interval>,
    /// Mean of log p(chosen) - log p(rejected), in nats.
    pub(crate) margin: Option<Interval>,
    /// The same a token.
    pub(crate) margin_normalised: Option<Interval>,
}

impl PreferenceFigures {
    /// The figures of (chosen, rejected), with intervals over pairs. Equal ones count as half.
    pub(crate) fn of(pairs: &[(Likelihood, Likelihood)], seed: u64) -> Self {
        let figure = |of: &dyn Fn(&(Likelihood, Likelihood)) -> f64| {
            bootstrap(pairs, seed, |drawn| {
                (!drawn.is_empty()).then(|| drawn.iter().map(|pair| of(pair)).sum::<f64>() / drawn.len() as f64)
            })
        };
        let won = |difference: f64| if difference == 0.0 { 0.5 } else { f64::from(u8::from(difference > 0.0)) };
        Self {
            pairs: pairs.len(),
            accuracy: figure(&|(chosen, rejected)| won(chosen.sum - rejected.sum)),
            accuracy_normalised: figure(&|(chosen, rejected)| won(chosen.mean - rejected.mean)),
            margin: figure(&|(chosen, rejected)| chosen.sum - rejected.sum),
            margin_normalised: figure(&|(chosen, rejected)| chosen.mean - rejected.mean),
        }
    }
}

/// Replies that are scored after one history, which is computed once for all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Context {
    /// Whose history: a place among the transcripts.
    pub(crate) history: usize,
    pub(crate) turn: usize,
    /// Whose newest message ends it.
    pub(crate) message: usize,
    /// Whose replies of this turn.
    pub(crate) replies: Vec<usize>,
}

impl Context {
    /// The messages, as a candidate would have had them.
    pub(crate) fn messages(&self, transcripts: &[Transcript]) -> Vec<ChatMessage> {
        let before = transcripts[self.history].turns.iter().take(self.turn);
        let mut messages = vec![ChatMessage::system(RESPONDER)];
        for talk in before {
            messages.extend([ChatMessage::user(&talk.user), ChatMessage::assistant(&talk.reply)]);
        }
        messages.push(ChatMessage::user(&transcripts[self.message].turns[self.turn].user));
        messages
    }
}

/// What has to be scored: each reply after its own history and after those of `others` other people at the same turn.
/// With `same_message` the reply's own newest message ends every history, so that the gain is of what came before it
/// alone; the first turn, before which nothing was said, is then left out.
pub(crate) fn contexts(transcripts: &[Transcript], others: usize, same_message: bool, seed: u64) -> Vec<Context> {
    let rounds = transcripts.iter().map(|one| one.turns.len()).max().unwrap_or(0);
    let mut contexts = Vec::new();
    for turn in usize::from(same_message)..rounds {
        let there: Vec<usize> = (0..transcripts.len()).filter(|case| transcripts[*case].turns.len() > turn).collect();
        // Replies after each history; a history's own comes first.
        let mut after: BTreeMap<usize, Vec<usize>> = there.iter().map(|case| (*case, vec![*case])).collect();
        for case in &there {
            let strangers: Vec<usize> = there
                .iter()
                .copied()
                .filter(|other| transcripts[*other].persona.id != transcripts[*case].persona.id)
                .collect();
            let mut draws = Draws::new(seed, "strangers", (transcripts[*case].case * rounds + turn) as u64);
            for place in draws.some_of(strangers.len(), others) {
                after.entry(strangers[place]).or_default().push(*case);
            }
        }
        for (history, replies) in after {
            match same_message {
                false => contexts.push(Context { history, turn, message: history, replies }),
                true => contexts.extend(replies.into_iter().map(|reply| Context {
                    history,
                    turn,
                    message: reply,
                    replies: vec![reply],
                })),
            }
        }
    }
    contexts
}

/// The persona gain of a system's replies, in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GainFigures {
    pub(crate) replies: usize,
    /// Mean over replies, with its interval over cases.
    pub(crate) gain: Option<Interval>,
    /// The same of log-probabilities a token.
    pub(crate) gain_normalised: Option<Interval>,
    /// Share of replies that are likelier after their own history than the others' mean.
    pub(crate) positive: Option<Interval>,
    /// Mean gain a token at each turn, from the first that was measured.
    pub(crate) by_turn: Vec<f64>,
    pub(crate) first_turn: usize,
}

impl GainFigures {
    /// The figures of what each context gave its replies.
    pub(crate) fn of(scored: &[(Context, Vec<Likelihood>)], seed: u64) -> Self {
        let mut own: BTreeMap<(usize, usize), Likelihood> = BTreeMap::new();
        let mut strange: BTreeMap<(usize, usize), Vec<Likelihood>> = BTreeMap::new();
        for (context, likelihoods) in scored {
            for (reply, likelihood) in context.replies.iter().zip(likelihoods) {
                match *reply == context.history {
                    true => drop(own.insert((*reply, context.turn), *likelihood)),
                    false => strange.entry((*reply, context.turn)).or_default().push(*likelihood),
                }
            }
        }
        let mut cases: BTreeMap<usize, Vec<(usize, f64, f64)>> = BTreeMap::new();
        for ((case, turn), strangers) in &strange {
            let Some(own) = own.get(&(*case, *turn)) else { continue };
            let mean = |of: fn(&Likelihood) -> f64| strangers.iter().map(of).sum::<f64>() / strangers.len() as f64;
            let gains = (*turn, own.sum - mean(|one| one.sum), own.mean - mean(|one| one.mean));
            cases.entry(*case).or_default().push(gains);
        }
        let cases: Vec<Vec<(usize, f64, f64)>> = cases.into_values().collect();
        let figure = |of: &dyn Fn(&(usize, f64, f64)) -> f64| mean_over_cases(&cases, seed, of);
        let turns: Vec<usize> = cases.iter().flatten().map(|(turn, ..)| *turn).collect();
        let first = turns.iter().copied().min().unwrap_or(0);
        let last = turns.iter().copied().max().map_or(first, |last| last + 1);
        let at = |turn: usize| {
            let gains: Vec<f64> =
                cases.iter().flatten().filter(|(at, ..)| *at == turn).map(|(.., gain)| *gain).collect();
            gains.iter().sum::<f64>() / gains.len().max(1) as f64
        };
        Self {
            replies: turns.len(),
            gain: figure(&|(_, sum, _)| *sum),
            gain_normalised: figure(&|(.., mean)| *mean),
            positive: figure(&|(.., mean)| f64::from(u8::from(*mean > 0.0))),
            by_turn: (first..last).map(at).collect(),
            first_turn: first + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::benchmark::Outcome;
    use crate::evaluation::score::tests::transcript;

    fn near(found: Option<Interval>, expected: f64) {
        assert!(found.is_some_and(|found| (found.value - expected).abs() < 1e-12), "{found:?} is not {expected}");
    }

    #[test]
    fn length_decides_the_sum_and_not_the_mean() {
        let likelihood = |sum: f64, tokens: f64| Likelihood { sum, mean: sum / tokens };
        let pairs = [(likelihood(-20.0, 20.0), likelihood(-8.0, 4.0)), (likelihood(-3.0, 3.0), likelihood(-3.0, 3.0))];
        let found = PreferenceFigures::of(&pairs, 1);
        near(found.accuracy, 0.25);
        near(found.accuracy_normalised, 0.75);
        near(found.margin, -6.0);
        near(found.margin_normalised, 0.5);
        assert_eq!(PreferenceFigures::of(&[], 1).accuracy, None);
    }

    #[test]
    fn every_reply_meets_its_own_history_and_as_many_others_as_wanted_and_never_itself_twice() {
        let cases: Vec<Transcript> = (0..5).map(|case| transcript(case, &[Outcome::Unscored; 2])).collect();
        for same_message in [false, true] {
            let found = contexts(&cases, 3, same_message, 7);
            assert_eq!(found, contexts(&cases, 3, same_message, 7));
            for turn in usize::from(same_message)..2 {
                for case in 0..5 {
                    let of = |context: &&Context| context.turn == turn && context.replies.contains(&case);
                    let met: Vec<usize> = found.iter().filter(of).map(|context| context.history).collect();
                    assert!(met.len() == 4 && met.contains(&case), "{met:?}");
                    assert_eq!(met.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
                }
            }
            assert!(!same_message || found.iter().all(|one| one.turn == 1 && one.replies == [one.message]));
        }
    }

    /// By hand: case 0 gains -1 - (-3 - 5) / 2 = 3; case 1 gains -4 - (-2) = -2; a token, half of it.
    #[test]
    fn a_gain_is_the_own_history_less_the_mean_of_the_others() {
        let of = |sum: f64| Likelihood { sum, mean: sum / 2.0 };
        let context =
            |history, replies: &[usize]| Context { history, turn: 0, message: history, replies: replies.to_vec() };
        let scored = [
            (context(0, &[0, 1]), vec![of(-1.0), of(-2.0)]),
            (context(1, &[1, 0]), vec![of(-4.0), of(-3.0)]),
            (context(2, &[0]), vec![of(-5.0)]),
        ];
        let found = GainFigures::of(&scored, 1);
        near(found.gain, 0.5);
        near(found.gain_normalised, 0.25);
        near(found.positive, 0.5);
        assert_eq!((found.replies, found.by_turn, found.first_turn), (2, vec![0.25], 1));
        assert_eq!(GainFigures::of(&[], 1).gain, None);
    }
}
