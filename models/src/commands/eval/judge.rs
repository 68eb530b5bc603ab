//! `aloe eval judge`: how far the judges of a run can be relied upon.
//!
//! The scoring judge is asked a second time with other seeds; the pairwise judge of trees has both orders on record;
//! ratings by hand are in the run. Only the first asks anybody.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::shown;
use crate::cli::{EvalJudgeArgs, StageArgs};
use crate::commands::pipeline::Stage;
use crate::error::{Error, Result};
use crate::evaluation::{Agreement, FOLDER, Outcome, TRANSCRIPTS, Transcript, score_again};
use crate::output::Output;
use crate::provider::{Drawing, Role, estimated_tokens};
use crate::record::{Branch, Node, Opinion};
use crate::run_dir::{RunDir, read_lines};
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
    if let Some(judge) = args.judge.clone().filter(|_| !transcripts.is_empty()) {
        match second_pass(args, &judge, &transcripts, settings, output)? {
            Some(pairs) => drop(found.insert("second pass", Agreement::of(&pairs, true, seed))),
            None => return Ok(()),
        }
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
    tell(&found, json, output)
}

fn tell(found: &BTreeMap<&str, Agreement>, json: bool, output: Output) -> Result<()> {
    if json {
        let named = found.iter().map(|(name, agreement)| (name.replace(' ', "_"), json!(agreement)));
        return output.json(&Value::Object(named.collect::<Map<_, _>>()));
    }
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
    Ok(())
}

/// First and second score of the replies that have both; nothing for a dry run.
fn second_pass(
    args: EvalJudgeArgs,
    judge: &str,
    transcripts: &[Transcript],
    settings: &Settings,
    output: Output,
) -> Result<Option<Vec<(u8, u8)>>> {
    let EvalJudgeArgs { run, numbers, price, .. } = args;
    let stage_args = StageArgs { run, numbers, provider: None, role: vec![format!("judge={judge}")], price };
    let stage = Stage::new(&stage_args, &[Role::Judge], settings, output)?;
    let drawing = Drawing {
        temperature: stage.preset.benchmark.judge_temperature,
        max_tokens: stage.preset.benchmark.judge_max_tokens,
    };
    if stage_args.run.dry_run {
        let calls = transcripts.iter().map(|one| one.turns.len() as u64).sum();
        let tokens = transcripts.iter().map(estimated_prompts).sum();
        let answers = calls * u64::from(drawing.max_tokens) / 2;
        let estimate = stage.roles.estimate(Role::Judge, calls, tokens, answers, &stage.prices);
        stage.tell_estimate(&[estimate])?;
        return Ok(None);
    }
    let run = RunDir::open(&stage_args.run.dir)?;
    let gateway = stage.gateway(&run, |_| drawing)?;
    let again = score_again(&gateway, transcripts, stage_args.numbers.seed)?;
    let score = |outcome: Outcome| match outcome {
        Outcome::Scored(score) => Some(score),
        Outcome::Refused | Outcome::Unscored => None,
    };
    let first = transcripts.iter().flat_map(|one| &one.turns).map(|turn| score(turn.outcome));
    Ok(Some(first.zip(again).filter_map(|(one, other)| one.zip(score(other))).collect()))
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
