//! Stage three: from trees to what training reads, with a split, statistics and a card.
//!
//! Reads the trees of a run a line at a time and writes a folder in the layout of dataset hubs. Which examples a tree
//! gives is in `build` alone; nothing here invents or cuts text.

mod build;
mod card;
mod mix;
mod parquet;
mod revealed;
mod sink;
mod statistics;

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) use build::{Form, examples};
pub(crate) use revealed::{Stated, Told, told};
pub(crate) use statistics::Statistics;

use self::card::Card;
use self::mix::Mix;
use self::sink::Sink;
use crate::error::{Error, Result};
use crate::preset::DatasetNumbers;
use crate::record::{ConversationTree, Split};
use crate::run_dir::{Lines, hash_of_file};

/// What a dataset is made of.
pub(crate) struct Plan<'a> {
    pub(crate) form: Form,
    pub(crate) numbers: &'a DatasetNumbers,
    pub(crate) seed: u64,
    pub(crate) trees: &'a Path,
    pub(crate) mix: Option<&'a Path>,
}

/// What a first reading of the trees shows.
struct Survey {
    /// Profiles whose conversations are kept for validation.
    validation: BTreeSet<String>,
    train_examples: usize,
}

/// Makes the dataset in `out`, or only counts it where there is none.
///
/// # Errors
/// [`Error::StageEmpty`] where no tree gives an example.
pub(crate) fn make(plan: &Plan<'_>, out: Option<&Path>) -> Result<Statistics> {
    let survey = survey(plan)?;
    let mut statistics = Statistics::new(plan.form);
    let mut sink = Sink::open(out, plan.form)?;
    let mut mix = match plan.mix {
        Some(path) if plan.form == Form::Sft => {
            Some(Mix::open(path, plan.numbers.mix_ratio, survey.train_examples, plan.seed)?)
        }
        _ => None,
    };
    for tree in trees(plan)? {
        let tree = tree?;
        let validation = survey.validation.contains(&tree.persona.profile_id);
        statistics.tree(&tree);
        for example in examples(&tree, plan.form, plan.numbers, plan.seed) {
            sink.write(&example, validation)?;
            statistics.example(&example, validation);
            if let Some(mix) = mix.as_mut().filter(|_| !validation) {
                for general in mix.due()? {
                    sink.write(&general, false)?;
                    statistics.mixed(&general);
                }
            }
        }
    }
    statistics.left_out_of_mix = mix.map_or(0, |mix| mix.left_out());
    sink.finish()?;
    if let Some(out) = out {
        let card = Card { plan, statistics: &statistics, trees_hash: hash_of_file(plan.trees)? };
        card.write(out)?;
    }
    Ok(statistics)
}

/// The trees that may be trained on: those of evaluation personas are for evaluation.
fn trees(plan: &Plan<'_>) -> Result<impl Iterator<Item = Result<ConversationTree>>> {
    let path = plan.trees.to_owned();
    let sound = move |tree: Result<ConversationTree>| match tree {
        Ok(tree) if tree.persona.split == Split::Eval => None,
        Ok(tree) if !tree.is_sound() => {
            let reason = format!("conversation {} is no tree", tree.id);
            Some(Err(Error::RecordInvalid { path: path.clone(), line: 0, reason }))
        }
        tree => Some(tree),
    };
    Ok(Lines::open(plan.trees)?.filter_map(sound))
}

fn survey(plan: &Plan<'_>) -> Result<Survey> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for tree in trees(plan)? {
        let tree = tree?;
        let count = examples(&tree, plan.form, plan.numbers, plan.seed).len();
        *counts.entry(tree.persona.profile_id).or_default() += count;
    }
    counts.retain(|_, count| *count > 0);
    if counts.is_empty() {
        let reason = format!("no conversation in {} gives an example", plan.trees.display());
        return Err(Error::StageEmpty { stage: "dataset", reason, hint: "`aloe trees` or `aloe import` makes some" });
    }
    let mut profiles: Vec<_> = counts.keys().cloned().collect();
    crate::random::Draws::new(plan.seed, "validation", 0).shuffle(&mut profiles);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
    let wanted = (plan.numbers.validation_share * profiles.len() as f64).round() as usize;
    let least = usize::from(plan.numbers.validation_share > 0.0);
    profiles.truncate(wanted.max(least).min(counts.len() - 1));
    let validation: BTreeSet<_> = profiles.into_iter().collect();
    let train = counts.iter().filter(|(profile, _)| !validation.contains(*profile)).map(|(_, count)| count).sum();
    Ok(Survey { validation, train_examples: train })
}
