//! From transcripts to the benchmark's figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::alignment::Improvement;
use super::benchmark::{Outcome, Transcript};
use super::statistics::{Interval, bootstrap};

/// The figures of one system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) cases: usize,
    /// Cases that ended before the last turn, because the user simulator's answers were no messages.
    pub(crate) ended_early: usize,
    /// AL(k), the mean score at turn k, from k = 1; `None` where no reply of the turn has a score.
    pub(crate) alignment_level: Vec<Option<Interval>>,
    /// Mean of AL(k).
    pub(crate) average: Option<Interval>,
    /// From AL(k); `None` where a turn has no score.
    pub(crate) improvement: Option<Improvement>,
    /// The improvement rate with its interval.
    pub(crate) improvement_rate: Option<Interval>,
    pub(crate) scored: usize,
    pub(crate) refused: usize,
    pub(crate) unscored: usize,
}

/// The figures of transcripts, with 95% intervals over cases.
pub(crate) fn report(transcripts: &[Transcript], seed: u64) -> Report {
    let rounds = transcripts.iter().map(|transcript| transcript.turns.len()).max().unwrap_or(0);
    let levels: Vec<Option<Interval>> =
        (0..rounds).map(|turn| bootstrap(transcripts, seed, |cases| level(cases, turn))).collect();
    let series = |cases: &[&Transcript]| (0..rounds).map(|turn| level(cases, turn)).collect::<Option<Vec<f64>>>();
    let improvement = |cases: &[&Transcript]| Improvement::of(&series(cases)?);
    let outcomes = || transcripts.iter().flat_map(|transcript| &transcript.turns).map(|turn| turn.outcome);
    let count = |of: fn(Outcome) -> bool| outcomes().filter(|outcome| of(*outcome)).count();
    Report {
        cases: transcripts.len(),
        ended_early: transcripts.iter().filter(|transcript| transcript.ended_early).count(),
        alignment_level: levels,
        average: bootstrap(transcripts, seed, |cases| {
            series(cases).filter(|series| !series.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
        }),
        improvement: improvement(&transcripts.iter().collect::<Vec<_>>()),
        improvement_rate: bootstrap(transcripts, seed, |cases| improvement(cases).map(|found| found.ir)),
        scored: count(|outcome| matches!(outcome, Outcome::Scored(_))),
        refused: count(|outcome| outcome == Outcome::Refused),
        unscored: count(|outcome| outcome == Outcome::Unscored),
    }
}

/// Mean scores of the cases that both systems met, by person.
pub(crate) fn pairs(base: &[Transcript], measured: &[Transcript]) -> Vec<(f64, f64)> {
    fn scores(all: &[Transcript]) -> BTreeMap<[&str; 3], f64> {
        all.iter().filter_map(|one| Some((one.person(), one.mean_score()?))).collect()
    }
    let base = scores(base);
    scores(measured).into_iter().filter_map(|(person, score)| Some((*base.get(&person)?, score))).collect()
}

/// Mean score of the replies at one turn. What has no score is no zero.
fn level(cases: &[&Transcript], turn: usize) -> Option<f64> {
    let scores: Vec<f64> = cases.iter().filter_map(|case| score_of(case.turns.get(turn)?.outcome)).collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

fn score_of(outcome: Outcome) -> Option<f64> {
    outcome.score().map(f64::from)
}

impl Transcript {
    /// Who was met. Ids count from nothing in every pool, so they alone do not tell.
    pub(super) fn person(&self) -> [&str; 3] {
        [&self.persona.id, &self.persona.profile, &self.persona.personality]
    }

    /// Mean score of the case's replies.
    pub(crate) fn mean_score(&self) -> Option<f64> {
        let scores: Vec<f64> = self.turns.iter().filter_map(|turn| score_of(turn.outcome)).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evaluation::benchmark::Talk;
    use crate::record::{Persona, Split};

    pub(crate) fn transcript(case: usize, outcomes: &[Outcome]) -> Transcript {
        let text = String::new;
        let persona = Persona {
            id: format!("p{case}"),
            split: Split::Eval,
            profile_id: text(),
            personality_id: text(),
            profile: text(),
            personality: text(),
            scripted: true,
        };
        let talk = |outcome: &Outcome| Talk { user: text(), reply: text(), outcome: *outcome, remembered: Vec::new() };
        Transcript { case, persona, seed: 0, turns: outcomes.iter().map(talk).collect(), ended_early: false }
    }

    #[test]
    fn a_level_is_the_mean_of_what_has_a_score() {
        use Outcome::{Refused, Scored, Unscored};
        let cases = [
            transcript(0, &[Scored(1), Scored(3), Scored(5)]),
            transcript(1, &[Scored(3), Refused, Scored(5)]),
            transcript(2, &[Unscored, Scored(5), Scored(5)]),
        ];
        let found = report(&cases, 1);
        let levels: Vec<f64> = found.alignment_level.iter().flatten().map(|level| level.value).collect();
        assert_eq!(levels, [2.0, 4.0, 5.0]);
        assert_eq!((found.scored, found.refused, found.unscored, found.cases), (7, 1, 1, 3));
        let improvement = found.improvement.expect("three levels");
        assert!((improvement.ir - 1.5).abs() < 1e-12 && (improvement.mean - 11.0 / 3.0).abs() < 1e-12);
        assert!(
            found.alignment_level.iter().flatten().all(|level| level.low <= level.value && level.value <= level.high)
        );
    }

    #[test]
    fn cases_are_paired_by_person_and_not_by_number() {
        let case = |personality: &str, score| {
            let mut case = transcript(0, &[Outcome::Scored(score)]);
            case.persona.personality = personality.to_owned();
            case
        };
        assert_eq!(pairs(&[case("Calm.", 2)], &[case("Calm.", 5)]), [(2.0, 5.0)]);
        assert_eq!(pairs(&[case("Calm.", 2)], &[case("Loud.", 5)]), []);
    }

    #[test]
    fn a_case_that_ended_early_counts_where_it_was() {
        let cut = Transcript { ended_early: true, ..transcript(1, &[Outcome::Scored(4)]) };
        let found = report(&[transcript(0, &[Outcome::Scored(2); 2]), cut], 1);
        let levels: Vec<f64> = found.alignment_level.iter().flatten().map(|level| level.value).collect();
        assert_eq!((levels, found.ended_early, found.scored), (vec![3.0, 2.0], 1, 3));
    }

    #[test]
    fn a_turn_that_nobody_scored_has_no_level_and_the_series_no_slope() {
        let found = report(&[transcript(0, &[Outcome::Scored(2), Outcome::Unscored])], 1);
        assert_eq!(found.alignment_level[1], None);
        assert_eq!((found.improvement, found.average), (None, None));
        assert_eq!(report(&[], 1).cases, 0);
    }
}
