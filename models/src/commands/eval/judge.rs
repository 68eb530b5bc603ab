//! `aloe eval judge`: how far the judges of a run can be relied upon.
//!
//! The scoring judge is asked a second time with other seeds; the pairwise judge of trees has both orders on record;
//! ratings by hand are in the run. Only the first asks anybody, and where it is wanted of other people too.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::shown;
use crate::cli::{EvalJudgeArgs, StageArgs};
use crate::commands::pipeline::Stage;
use crate::error::{Error, Result};
use crate::evaluation::{
    Agreement, FOLDER, Interval, JUDGE, Outcome, SpecificityFigures, TRANSCRIPTS, Transcript, score_again, strangers,
};
use crate::output::Output;
use crate::provider::{Drawing, Role, estimated_tokens};
use crate::record::{Branch, Node, Opinion, Persona};
use crate::run_dir::{RunDir, hash_of_file, read_lines, write_whole};
use crate::settings::Settings;
use crate::view::{Choice, Conversations, Ratings};

/// The categories of a pairwise judgement.
const WITH_HINT: u8 = 0;
const WITHOUT_HINT: u8 = 1;
const TIE: u8 = 2;

pub(super) fn run(args: EvalJudgeArgs, settings: &Settings, output: Output) -> Result<()> {
    let (dir, json, seed) = (args.run.dir.clone(), args.run.json, args.numbers.seed);
    let transcripts: Vec<Transcript> = read_lines(&dir.join(FOLDER).join(TRANSCRIPTS))?;
    let (orders, by_hand) = pairwise(&dir)?;
    let mut found: BTreeMap<&str, Agreement> = BTreeMap::new();
    let (others, mut specificity) = (args.others, None);
    let judge = args.judge.clone().filter(|_| !transcripts.is_empty());
    if let Some(judge) = &judge {
        let Some(second) = second_pass(args, judge, &transcripts, settings, output)? else { return Ok(()) };
        found.insert("second pass", Agreement::of(&second.pairs(&transcripts), true, seed));
        specificity = Some(SpecificityFigures::of(&second.own, &second.others, seed));
    }
    if !orders.is_empty() {
        found.insert("both orders", Agreement::of(&orders, false, seed));
    }
    if !by_hand.is_empty() {
        found.insert("ratings by hand", Agreement::of(&by_hand, false, seed));
    }
    if found.is_empty() {
        let reason = format!("{} has no judgement to compare", dir.display());
        let hint = "--judge SPEC scores the replies of `aloe eval aloe` again; `aloe view` takes ratings by hand";
        return Err(Error::StageEmpty { stage: "eval judge", reason, hint });
    }
    let specificity = specificity.filter(|figures| figures.replies > 0);
    let mut document: Map<String, Value> =
        found.iter().map(|(name, agreement)| (name.replace(' ', "_"), json!(agreement))).collect();
    document.extend(specificity.as_ref().map(|figures| ("specificity".to_owned(), json!(figures))));
    if let Some(judge) = judge {
        let folder = std::path::absolute(dir.join(FOLDER)).map_err(|error| Error::io(&dir, error))?;
        let transcripts = hash_of_file(&folder.join(TRANSCRIPTS))?;
        let mut kept = json!({ "judge": judge, "seed": seed, "others": others, "transcripts": transcripts });
        kept.as_object_mut().into_iter().for_each(|kept| kept.extend(document.clone()));
        write_whole(&folder.join(JUDGE), format!("{kept:#}\n").as_bytes())?;
    }
    if json { output.json(&document) } else { tell(&found, specificity.as_ref(), output) }
}

fn tell(found: &BTreeMap<&str, Agreement>, specificity: Option<&SpecificityFigures>, output: Output) -> Result<()> {
    output.data("what\tpairs\tagreement\tkappa\t95% from\tto\tweighted kappa");
    for (name, one) in found {
        let (kappa, weighted) = (one.kappa, one.weighted_kappa.map(|kappa| kappa.value));
        output.data(&format!(
            "{name}\t{}\t{}\t{}\t{}\t{}\t{}",
            one.pairs,
            shown(one.agreement.map(|share| share.value)),
            shown(kappa.map(|kappa| kappa.value)),
            shown(kappa.map(|kappa| kappa.low)),
            shown(kappa.map(|kappa| kappa.high)),
            shown(weighted),
        ));
    }
    if let Some(figures) = specificity {
        output.data("what\treplies\town person\tothers\tdifference\t95% from\tto");
        let value = |figure: Option<Interval>| shown(figure.map(|figure| figure.value));
        output.data(&format!(
            "specificity\t{}\t{}\t{}\t{}\t{}\t{}",
            figures.replies,
            value(figures.own),
            value(figures.others),
            value(figures.difference),
            shown(figures.difference.map(|figure| figure.low)),
            shown(figures.difference.map(|figure| figure.high)),
        ));
    }
    Ok(())
}

/// What the judge says when it is asked again: a list a case, an outcome a turn.
struct SecondPass {
    own: Vec<Vec<Outcome>>,
    /// The same for each of the other people.
    others: Vec<Vec<Vec<Outcome>>>,
}

impl SecondPass {
    /// First and second score of the replies that have both.
    fn pairs(&self, transcripts: &[Transcript]) -> Pairs {
        let first = transcripts.iter().flat_map(|one| &one.turns).map(|turn| turn.outcome.score());
        let again = self.own.iter().flatten().map(|outcome| outcome.score());
        first.zip(again).filter_map(|(one, other)| one.zip(other)).collect()
    }
}

/// Asks the judge again, for each reply's own person and for others; nothing for a dry run.
fn second_pass(
    args: EvalJudgeArgs,
    judge: &str,
    transcripts: &[Transcript],
    settings: &Settings,
    output: Output,
) -> Result<Option<SecondPass>> {
    let EvalJudgeArgs { run, numbers, price, others, .. } = args;
    let strangers = strangers(transcripts, others, numbers.seed);
    let fewest = strangers.iter().map(Vec::len).min().unwrap_or(0);
    if fewest < others {
        let reason = format!("a case of the run has {fewest} people of other personalities beside it, not {others}");
        let hint = "ask for fewer --others, or play more cases: `aloe eval aloe --cases N`";
        return Err(Error::StageEmpty { stage: "eval judge", reason, hint });
    }
    let stage_args = StageArgs { run, numbers, provider: None, role: vec![format!("judge={judge}")], price };
    let stage = Stage::new(&stage_args, &[Role::Judge], settings, output)?;
    let drawing = Drawing {
        temperature: stage.preset.benchmark.judge_temperature,
        max_tokens: stage.preset.benchmark.judge_max_tokens,
    };
    if stage_args.run.dry_run {
        let times = 1 + others as u64;
        let calls = times * transcripts.iter().map(|one| one.turns.len() as u64).sum::<u64>();
        let tokens = times * transcripts.iter().map(estimated_prompts).sum::<u64>();
        let answers = calls * u64::from(drawing.max_tokens) / 2;
        let estimate = stage.roles.estimate(Role::Judge, calls, tokens, answers, &stage.prices);
        stage.tell_estimate(&[estimate])?;
        return Ok(None);
    }
    let run = RunDir::open(&stage_args.run.dir)?;
    let gateway = stage.gateway(&run, |_| drawing)?;
    let seed = stage_args.numbers.seed;
    let scores = |people: Vec<&Persona>| score_again(&gateway, transcripts, &people, seed);
    let own = scores(transcripts.iter().map(|case| &case.persona).collect())?;
    let others = (0..others).map(|at| scores(strangers.iter().map(|people| people[at]).collect()));
    Ok(Some(SecondPass { own, others: others.collect::<Result<_>>()? }))
}

fn estimated_prompts(transcript: &Transcript) -> u64 {
    let described = estimated_tokens(&transcript.persona.profile) + estimated_tokens(&transcript.persona.personality);
    let mut history = 0;
    let mut sum = 0;
    for turn in &transcript.turns {
        history += estimated_tokens(&turn.user) + estimated_tokens(&turn.reply);
        sum += 200 + described + history;
    }
    sum
}

type Pairs = Vec<(u8, u8)>;

/// The pairwise judge in both orders, and its verdict beside the rating by hand.
fn pairwise(dir: &std::path::Path) -> Result<(Pairs, Pairs)> {
    let conversations = Conversations::open(dir)?;
    let (mut orders, mut verdicts) = (Vec::new(), HashMap::new());
    for place in 0..conversations.len() {
        let tree = conversations.read(place)?;
        for (at, node) in tree.nodes.iter().enumerate() {
            let Some(verdict) = &node.verdict else { continue };
            if let (Some(one), Some(other)) = (category(verdict.hint_first), category(verdict.hint_second)) {
                orders.push((one, other));
                let agreed = if one == other { one } else { TIE };
                verdicts.insert((tree.id, tree.attempt, at), (agreed, hinted(node)));
            }
        }
    }
    // A later rating of the same turn counts instead of an earlier one.
    let mut rated = BTreeMap::new();
    for rating in Ratings::read(dir)? {
        let place = (rating.conversation, rating.attempt, rating.node);
        let Some((verdict, hinted)) = verdicts.get(&place) else { continue };
        let liked = match rating.choice {
            Choice::Tie => TIE,
            Choice::Left if rating.left == *hinted => WITH_HINT,
            Choice::Right if rating.left != *hinted => WITH_HINT,
            Choice::Left | Choice::Right => WITHOUT_HINT,
        };
        rated.insert(place, (*verdict, liked));
    }
    Ok((orders, rated.into_values().collect()))
}

fn category(opinion: Opinion) -> Option<u8> {
    match opinion {
        Opinion::WithHint => Some(WITH_HINT),
        Opinion::WithoutHint => Some(WITHOUT_HINT),
        Opinion::Unscored => None,
    }
}

/// The branch of the reply that knew the persona.
fn hinted(node: &Node) -> Branch {
    if node.swapped { Branch::Rejected } else { Branch::Preferred }
}
