//! Runs of the benchmark beside each other: what each system is, its figures, and how it compares with the base.
//!
//! Read from what the runs left; nobody is asked anything. Whatever makes two runs hard to compare is said in words.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::benchmark::{FOLDER, GAIN, JUDGE, Outcome, REPORT, TIMINGS, TRANSCRIPTS, Timing, Transcript};
use super::gain::GainFigures;
use super::score::{Report, pairs, report};
use super::specificity::SpecificityFigures;
use super::statistics::{Comparison, compare};
use crate::error::{Error, Result};
use crate::provider::{CALLS, Prices, Spent, spent};
use crate::run_dir::{hash_of_file, read_lines};

/// The form of the JSON; it changes when a field that was there changes its meaning.
const FORMAT: u32 = 1;

/// Transcripts that are shown of each system, at either end.
const SHOWN: usize = 3;

/// Several systems, the base first.
#[derive(Debug, Serialize)]
pub(crate) struct SideBySide {
    format: u32,
    version: &'static str,
    /// Of the confidence intervals and tests.
    seed: u64,
    /// What should be known before the figures are compared.
    pub(crate) remarks: Vec<String>,
    pub(crate) systems: Vec<System>,
}

/// One system and its run.
#[derive(Debug, Serialize)]
pub(crate) struct System {
    pub(crate) name: String,
    /// The run's folder.
    run: String,
    #[serde(flatten)]
    pub(crate) made: Made,
    pub(crate) rounds: usize,
    pub(crate) report: Report,
    /// `None` for the base itself.
    pub(crate) against_base: Option<Comparison>,
    /// How many replies have each score, from 1 to 5.
    pub(crate) scores: [usize; 5],
    /// Mean number of different things about the person that had reached the candidate by turn k; `None` without memory.
    pub(crate) known: Option<Vec<f64>>,
    /// Mean words a reply.
    pub(crate) reply_words: f64,
    /// Median and ninth decile of the time that the candidate took for a reply, in milliseconds.
    pub(crate) reply_ms: Option<(u64, u64)>,
    /// What was asked of providers, over all processes of the run.
    pub(crate) spent: Vec<Spent>,
    /// What `aloe eval gain` found, where it was asked.
    pub(crate) gain: Option<Gain>,
    /// How far replies suit their own person alone, where `aloe eval judge --others` was asked.
    pub(crate) specificity: Option<SpecificityFigures>,
    /// Whether one of these two is of other transcripts than those that are there, and left out.
    #[serde(skip)]
    stale: bool,
    best: Vec<Transcript>,
    worst: Vec<Transcript>,
    #[serde(skip)]
    pub(crate) transcripts: Vec<Transcript>,
}

/// How a run was made, as its own report says.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct Made {
    pub(crate) system: BTreeMap<String, String>,
    pub(crate) adapter: Option<String>,
    pub(crate) user: String,
    pub(crate) judge: String,
    #[serde(rename = "seed")]
    pub(crate) run_seed: u64,
    pub(crate) scripted: bool,
}

impl System {
    /// Reads a run that `aloe eval aloe` has written.
    ///
    /// # Errors
    /// [`Error::StageEmpty`] where no case has ended, and those of reading.
    pub(crate) fn read(run: &Path, name: Option<&str>, prices: &Prices, seed: u64) -> Result<Self> {
        let folder = run.join(FOLDER);
        let path = folder.join(REPORT);
        let bytes = std::fs::read(&path).map_err(|_| Error::StageEmpty {
            stage: "eval report",
            reason: format!("{} holds no finished benchmark", run.display()),
            hint: "`aloe eval aloe --run DIR` plays one",
        })?;
        let invalid = |error: serde_json::Error| Error::RecordInvalid {
            path: path.clone(),
            line: error.line() as u64,
            reason: "it is no report of this benchmark".to_owned(),
        };
        let made: Made = serde_json::from_slice(&bytes).map_err(invalid)?;
        let transcripts: Vec<Transcript> = read_lines(&folder.join(TRANSCRIPTS))?;
        if transcripts.is_empty() {
            let reason = format!("{} has no case that was played to its end", run.display());
            return Err(Error::StageEmpty {
                stage: "eval report",
                reason,
                hint: "`aloe eval aloe --run DIR` goes on with it",
            });
        }
        let of_now = hash_of_file(&folder.join(TRANSCRIPTS))?;
        let (gain, gain_is_stale) = kept::<Gain>(&folder.join(GAIN), &of_now);
        let (judged, judged_is_stale) = kept::<Judged>(&folder.join(JUDGE), &of_now);
        let (best, worst) = ends(&transcripts);
        Ok(Self {
            name: name.map_or_else(|| made.name(), str::to_owned),
            run: run.display().to_string(),
            rounds: transcripts.iter().map(|one| one.turns.len()).max().unwrap_or(0),
            report: report(&transcripts, seed),
            against_base: None,
            scores: scores(&transcripts),
            known: (made.system.get("memory").map(String::as_str) == Some("true")).then(|| known(&transcripts)),
            reply_words: reply_words(&transcripts),
            reply_ms: quantiles(&read_lines(&folder.join(TIMINGS))?),
            spent: spent(&run.join(CALLS), prices)?,
            gain,
            specificity: judged.and_then(|judged| judged.specificity),
            stale: gain_is_stale || judged_is_stale,
            made,
            best,
            worst,
            transcripts,
        })
    }

    /// Dollars of all calls; `None` where a price is not known.
    pub(crate) fn cost(&self) -> Option<f64> {
        // A plain sum of nothing is minus zero.
        self.spent.iter().try_fold(0.0, |sum, role| Some(sum + role.cost?))
    }
}

impl Made {
    /// Model, adapter and memory, as they were named.
    fn name(&self) -> String {
        let stem = |path: &str| {
            Path::new(path).file_stem().map_or_else(|| path.to_owned(), |stem| stem.to_string_lossy().into_owned())
        };
        let candidate = self.system.get("candidate").map_or("unknown", String::as_str);
        let mut name = match candidate.strip_prefix("local:") {
            Some(path) => stem(path),
            None => candidate.to_owned(),
        };
        if let Some(adapter) = &self.adapter {
            name.push_str(&format!(" + {}", stem(adapter)));
        }
        if self.system.get("memory").is_some_and(|memory| memory == "true") {
            name.push_str(" + memory");
        }
        name
    }
}

impl SideBySide {
    /// Compares every system with the first.
    pub(crate) fn of(mut systems: Vec<System>, seed: u64) -> Self {
        tell_apart(&mut systems);
        let base = systems.first().map(|base| base.transcripts.clone()).unwrap_or_default();
        for system in systems.iter_mut().skip(1) {
            system.against_base = compare(&pairs(&base, &system.transcripts), seed);
        }
        Self { format: FORMAT, version: env!("CARGO_PKG_VERSION"), seed, remarks: remarks(&systems), systems }
    }
}

/// Systems of one name get the names of their runs as well.
fn tell_apart(systems: &mut [System]) {
    let names: Vec<String> = systems.iter().map(|system| system.name.clone()).collect();
    for system in systems {
        if names.iter().filter(|name| **name == system.name).count() > 1 {
            let folder = Path::new(&system.run).file_name().unwrap_or_default().to_string_lossy().into_owned();
            system.name.push_str(&format!(" ({folder})"));
        }
    }
}

fn remarks(systems: &[System]) -> Vec<String> {
    let differ = |of: fn(&System) -> String| systems.iter().map(of).collect::<BTreeSet<_>>().len() > 1;
    fn people(system: &System) -> BTreeSet<[&str; 3]> {
        system.transcripts.iter().map(Transcript::person).collect()
    }
    let gain = |system: &System| {
        system.gain.as_ref().map(|gain| (gain.model.clone(), gain.adapter.clone(), gain.others, gain.same_message))
    };
    let gains: BTreeSet<_> = systems.iter().filter_map(gain).collect();
    let same_cases = systems.iter().map(people).collect::<BTreeSet<_>>().len() <= 1;
    [
        (differ(|system| system.made.judge.clone()), "The judges differ: scores of one are not those of another."),
        (differ(|system| system.made.user.clone()), "The user simulators differ."),
        (differ(|system| system.rounds.to_string()), "The numbers of rounds differ."),
        (differ(|system| system.made.run_seed.to_string()), "The seeds of the runs differ."),
        (!same_cases, "The cases differ: comparisons with the base are over those that both have."),
        (gains.len() > 1, "The persona gains were measured by different models or in different ways."),
        (
            systems.iter().any(|system| system.stale),
            "A persona gain or specificity is of other transcripts and left out: `aloe eval gain` and `aloe eval judge` measure again.",
        ),
        (
            systems.iter().any(|system| system.report.ended_early > 0),
            "Some cases ended early: the user simulator's answers were no messages.",
        ),
        (
            systems.iter().any(|system| system.made.scripted),
            "A role was played by rules: these figures measure nobody.",
        ),
        (
            systems.iter().any(|system| system.report.refused + system.report.unscored > 0),
            "Some replies have no score; they are counted, and are no zeros.",
        ),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, words)| words.to_owned())
    .collect()
}

/// The cases with the greatest and with the least mean score, each from its end; none twice.
fn ends(transcripts: &[Transcript]) -> (Vec<Transcript>, Vec<Transcript>) {
    let mut ranked: Vec<(f64, &Transcript)> =
        transcripts.iter().filter_map(|one| Some((one.mean_score()?, one))).collect();
    ranked.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.case.cmp(&other.case)));
    let count = SHOWN.min(ranked.len() / 2).max(usize::from(ranked.len() == 1));
    let take = |part: &mut dyn Iterator<Item = &(f64, &Transcript)>| -> Vec<Transcript> {
        part.take(count).map(|(_, one)| (*one).clone()).collect()
    };
    let worst = if ranked.len() < 2 { Vec::new() } else { take(&mut ranked.iter().rev()) };
    (take(&mut ranked.iter()), worst)
}

/// The persona gain beside the model by which it was measured.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct Gain {
    pub(crate) model: String,
    pub(crate) adapter: Option<String>,
    pub(crate) others: usize,
    pub(crate) same_message: bool,
    pub(crate) figures: GainFigures,
}

/// What `aloe eval judge` found and left.
#[derive(Deserialize)]
struct Judged {
    specificity: Option<SpecificityFigures>,
}

/// Figures beside the hash of the transcripts that they were measured on.
#[derive(Deserialize)]
struct Kept<T> {
    transcripts: String,
    #[serde(flatten)]
    figures: T,
}

/// What was measured on the transcripts of this hash, and whether there is something that was measured on others.
fn kept<T: DeserializeOwned>(path: &Path, transcripts: &str) -> (Option<T>, bool) {
    let read = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Kept<T>>(&bytes).ok());
    match read {
        Some(kept) if kept.transcripts == transcripts => (Some(kept.figures), false),
        read => (None, read.is_some()),
    }
}

fn scores(transcripts: &[Transcript]) -> [usize; 5] {
    let mut counts = [0; 5];
    for turn in transcripts.iter().flat_map(|one| &one.turns) {
        if let Outcome::Scored(score @ 1..=5) = turn.outcome {
            counts[usize::from(score) - 1] += 1;
        }
    }
    counts
}

fn known(transcripts: &[Transcript]) -> Vec<f64> {
    let rounds = transcripts.iter().map(|one| one.turns.len()).max().unwrap_or(0);
    let (mut sums, mut cases) = (vec![0.0; rounds], vec![0.0; rounds]);
    for transcript in transcripts {
        let mut seen: HashSet<&str> = HashSet::new();
        for (turn, talk) in transcript.turns.iter().enumerate() {
            seen.extend(talk.remembered.iter().map(String::as_str));
            sums[turn] += seen.len() as f64;
            cases[turn] += 1.0;
        }
    }
    sums.iter().zip(&cases).map(|(sum, cases)| sum / cases).collect()
}

fn reply_words(transcripts: &[Transcript]) -> f64 {
    let replies: Vec<usize> =
        transcripts.iter().flat_map(|one| &one.turns).map(|turn| turn.reply.split_whitespace().count()).collect();
    replies.iter().sum::<usize>() as f64 / replies.len().max(1) as f64
}

/// Median and ninth decile, by the nearest rank.
fn quantiles(timings: &[Timing]) -> Option<(u64, u64)> {
    let mut all: Vec<u64> = timings.iter().flat_map(|timing| timing.reply_ms.iter().copied()).collect();
    all.sort_unstable();
    let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).max(1) - 1).copied();
    at(50).zip(at(90))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::score::tests::transcript;

    #[test]
    fn the_ends_are_best_first_and_worst_first_and_share_no_case() {
        let cases: Vec<Transcript> = [3, 5, 1, 4, 2]
            .iter()
            .enumerate()
            .map(|(case, score)| transcript(case, &[Outcome::Scored(*score)]))
            .collect();
        let (best, worst) = ends(&cases);
        let of = |end: &[Transcript]| end.iter().map(|one| one.case).collect::<Vec<_>>();
        assert_eq!((of(&best), of(&worst)), (vec![1, 3], vec![2, 4]));
        assert_eq!((ends(&cases[..1]).0.len(), ends(&cases[..1]).1.len()), (1, 0));
        assert_eq!(ends(&[transcript(0, &[Outcome::Refused])]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_known_grows_and_is_counted_once() {
        let mut one = transcript(0, &[Outcome::Unscored; 3]);
        one.turns[1].remembered = vec!["Keeps bees.".into()];
        one.turns[2].remembered = vec!["Keeps bees.".into(), "Lives in Gdynia.".into()];
        assert_eq!(known(&[one, transcript(1, &[Outcome::Unscored; 3])]), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let timing = |reply_ms| Timing { case: 0, reply_ms };
        assert_eq!(quantiles(&[timing((1..=10).collect())]), Some((5, 9)));
        assert_eq!(quantiles(&[timing(vec![7])]), Some((7, 7)));
        assert_eq!(quantiles(&[]), None);
    }
}
