//! How far replies suit their own person and not just anybody: the judge's score for that person, less its scores of the
//! same reply for people of another personality.
//!
//! A reply that pleases everybody has a high alignment level and a specificity of nothing.

use serde::{Deserialize, Serialize};

use super::benchmark::{Outcome, Transcript};
use super::statistics::{Interval, mean_over_cases};
use crate::random::Draws;
use crate::record::Persona;

/// The figures, with 95% intervals over cases; scores from 1 to 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpecificityFigures {
    /// Replies with a score for their own person and one for somebody else.
    pub(crate) replies: usize,
    pub(crate) own: Option<Interval>,
    pub(crate) others: Option<Interval>,
    /// Own less others.
    pub(crate) difference: Option<Interval>,
}

impl SpecificityFigures {
    /// From the scores for the own person and for each of the others: a list a case, an outcome a turn.
    pub(crate) fn of(own: &[Vec<Outcome>], others: &[Vec<Vec<Outcome>>], seed: u64) -> Self {
        let of_turn = |case: usize, turn: usize, own: Outcome| {
            let strange: Vec<f64> =
                others.iter().filter_map(|other| other.get(case)?.get(turn)?.score()).map(f64::from).collect();
            let mean = (!strange.is_empty()).then(|| strange.iter().sum::<f64>() / strange.len() as f64)?;
            Some((f64::from(own.score()?), mean))
        };
        let of_case = |(case, turns): (usize, &Vec<Outcome>)| -> Vec<(f64, f64)> {
            turns.iter().enumerate().filter_map(|(turn, own)| of_turn(case, turn, *own)).collect()
        };
        let cases: Vec<Vec<(f64, f64)>> = own.iter().enumerate().map(of_case).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| mean_over_cases(&cases, seed, of);
        Self {
            replies: cases.iter().map(Vec::len).sum(),
            own: mean(|(own, _)| *own),
            others: mean(|(_, others)| *others),
            difference: mean(|(own, others)| own - others),
        }
    }
}

/// For each case so many people of the others, none of whom has its personality, also not in the pronouns of another
/// profile; fewer where there are no more.
pub(crate) fn strangers(transcripts: &[Transcript], count: usize, seed: u64) -> Vec<Vec<&Persona>> {
    let of_case = |case: &Transcript| {
        let there: Vec<&Persona> = transcripts
            .iter()
            .map(|other| &other.persona)
            .filter(|persona| persona.personality_id != case.persona.personality_id)
            .filter(|persona| persona.personality != case.persona.personality)
            .collect();
        let mut draws = Draws::new(seed, "other people", case.case as u64);
        draws.some_of(there.len(), count).into_iter().map(|place| there[place]).collect()
    };
    transcripts.iter().map(of_case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::score::tests::transcript;

    /// By hand: (5 - (1 + 3) / 2 + 2 - 2) / 2 = 1.5; the third reply has no score for itself, the fourth none for others.
    #[test]
    fn what_a_reply_is_to_others_is_taken_from_what_it_is_to_its_person() {
        use Outcome::{Refused, Scored, Unscored};
        let own = [vec![Scored(5), Unscored], vec![Scored(2), Scored(4)]];
        let others = [
            vec![vec![Scored(1), Scored(1)], vec![Scored(2), Refused]],
            vec![vec![Scored(3), Scored(1)], vec![Unscored, Unscored]],
        ];
        let found = SpecificityFigures::of(&own, &others, 1);
        let value = |interval: Option<Interval>| interval.map(|interval| interval.value);
        assert_eq!(found.replies, 2);
        assert_eq!([found.own, found.others, found.difference].map(value), [Some(3.5), Some(2.0), Some(1.5)]);
        assert_eq!(SpecificityFigures::of(&[], &[], 1).difference, None);
    }

    #[test]
    fn nobody_is_a_stranger_to_their_own_kind() {
        let mut cases: Vec<Transcript> = (0..6).map(|case| transcript(case, &[Outcome::Unscored])).collect();
        for case in &mut cases {
            case.persona.personality = format!("kind {}", case.case % 2);
            case.persona.personality_id = case.persona.personality.clone();
        }
        let found = strangers(&cases, 2, 7);
        assert_eq!(found, strangers(&cases, 2, 7));
        for (case, others) in cases.iter().zip(&found) {
            assert_eq!(others.len(), 2);
            assert!(others.iter().all(|other| other.personality != case.persona.personality));
            assert_ne!(others[0].id, others[1].id);
        }
        assert!(strangers(&cases[..1], 2, 7)[0].is_empty());
    }
}
