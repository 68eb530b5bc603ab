//! `aloe personas`: a pool of profiles and personalities, grown, split and combined into personas.

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::json;

use super::pipeline::{Stage, Vectors, calls_line};
use crate::cli::PersonasArgs;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::persona::{
    BadLine, CombinePlan, FOLDER, Growth, PERSONAS, POOL, PoolReport, StopCause, Text, combine, estimate, grow,
    iterations_file, read_pool_file, seeds, split,
};
use crate::preset::PersonaNumbers;
use crate::provider::{Drawing, Role};
use crate::random::Draws;
use crate::record::{Persona, PoolKind, PoolMember, Split};
use crate::run_dir::{RunDir, StageDir};
use crate::settings::Settings;

const KINDS: [PoolKind; 2] = [PoolKind::Profile, PoolKind::Personality];

/// What the pools begin with.
struct Start {
    texts: [Vec<Text>; 2],
    files: Vec<(String, PathBuf)>,
    mended: Vec<BadLine>,
    left_out: Vec<BadLine>,
}

pub(crate) fn run(args: &PersonasArgs, settings: &Settings, output: Output) -> Result<()> {
    let mut stage = Stage::new(&args.stage, &Role::POOL, settings, output)?;
    over(&mut stage.preset.personas, args);
    let start = start(args, output)?;
    if args.stage.run.dry_run {
        let numbers = &stage.preset.personas;
        let of = |kind: PoolKind| {
            let at = place(kind);
            estimate(kind, &start.texts[at], target(kind, numbers), numbers, &stage.roles, &stage.prices)
        };
        return stage.tell_estimate(&KINDS.map(of));
    }
    make(&stage, args, start)
}

fn make(stage: &Stage<'_>, args: &PersonasArgs, start: Start) -> Result<()> {
    let (numbers, output) = (&stage.preset.personas, stage.output);
    let run = RunDir::open(&args.stage.run.dir)?;
    let folder = run.stage(FOLDER)?;
    let vectors = Vectors::open(args.embedder.as_deref(), stage.settings, output)?;
    let inputs: Vec<_> = start.files.iter().map(|(name, path)| (name.as_str(), path.as_path())).collect();
    let mut configuration = stage.configuration(numbers, &inputs)?;
    configuration.inputs.insert("embedder".to_owned(), vectors.fingerprint().to_owned());
    configuration.inputs.insert("seeds".to_owned(), (if args.no_seeds { "none" } else { "built in" }).to_owned());
    configuration.begin(&folder, &[])?;
    let drawing = Drawing { temperature: numbers.temperature, max_tokens: numbers.max_tokens };
    let gateway = stage.gateway(&run, |_| drawing)?;
    let embed = |texts: &[String]| vectors.embed(texts);

    let (mut pools, mut reports) = (Vec::new(), Vec::new());
    for (kind, mut texts) in KINDS.into_iter().zip(start.texts) {
        // A pool that is smaller than what it begins with is a part of that, drawn.
        if texts.len() > target(kind, numbers) {
            Draws::new(args.stage.numbers.seed, "start", 0).shuffle(&mut texts);
            texts.truncate(target(kind, numbers));
        }
        let growth = Growth {
            kind,
            target: target(kind, numbers),
            numbers,
            seed: args.stage.numbers.seed,
            scripted: stage.roles.scripted(),
            gateway: &gateway,
            embed: &embed,
            log: &folder.file(&iterations_file(kind)),
        };
        let bar = RefCell::new(output.counter(plural(kind), growth.target as u64));
        let label = || match gateway.cost() {
            Some(cost) if cost > 0.0 => format!("{} (${cost:.2})", plural(kind)),
            _ => plural(kind).to_owned(),
        };
        let (members, report) = grow(texts, &growth, &|size| {
            bar.borrow_mut().say(label());
            bar.borrow_mut().set(size as u64);
        })?;
        drop(bar);
        if report.stopped != StopCause::Full {
            let why = if report.stopped == StopCause::Saturated { "nothing new came" } else { "the iterations ended" };
            output.warn(&format!("{} of {} {}: {why}", report.members, growth.target, plural(kind)));
        }
        let eval = eval_count(kind, numbers).min(members.len().saturating_sub(1));
        // What the filter lets stand side by side cannot be kept apart here: chains of such neighbours join all.
        let cosine = numbers.split_cosine.max(numbers.max_cosine);
        let splits = split(&members, eval, cosine, args.stage.numbers.seed, &embed)?;
        let found = splits.iter().filter(|split| **split == Split::Eval).count();
        if found < eval {
            output.warn(&format!("{found} of {eval} {} for evaluation: the rest have near neighbours", plural(kind)));
        }
        pools.push(numbered(kind, members, &splits));
        reports.push(report);
    }
    let plan = CombinePlan {
        train: numbers.personalities_per_profile,
        eval: numbers.eval_personalities_per_profile,
        seed: args.stage.numbers.seed,
    };
    let personas = combine(&pools[0], &pools[1], plan);
    write(&folder, &pools, &personas, &reports)?;
    tell(stage, &personas, &reports, &start.mended, &start.left_out, &calls_line(&gateway))
}

/// Flags over the preset; the evaluation's share follows the pool's size unless it is given.
fn over(numbers: &mut PersonaNumbers, args: &PersonasArgs) {
    let share = |count: usize, of: usize, now: usize| (now * count).div_ceil(of.max(1)).min(now / 2);
    if let Some(profiles) = args.profiles {
        numbers.eval_profiles = share(numbers.eval_profiles, numbers.profiles, profiles);
        numbers.profiles = profiles;
    }
    if let Some(personalities) = args.personalities {
        numbers.eval_personalities = share(numbers.eval_personalities, numbers.personalities, personalities);
        numbers.personalities = personalities;
    }
    numbers.eval_profiles = args.eval_profiles.unwrap_or(numbers.eval_profiles);
    numbers.eval_personalities = args.eval_personalities.unwrap_or(numbers.eval_personalities);
    numbers.max_cosine = args.max_cosine.unwrap_or(numbers.max_cosine);
    numbers.max_iterations = args.max_iterations.unwrap_or(numbers.max_iterations);
}

/// Seeds and the user's own pools.
fn start(args: &PersonasArgs, output: Output) -> Result<Start> {
    let mut start =
        Start { texts: [Vec::new(), Vec::new()], files: Vec::new(), mended: Vec::new(), left_out: Vec::new() };
    if !args.no_seeds {
        start.texts = [seeds(PoolKind::Profile)?, seeds(PoolKind::Personality)?];
    }
    for path in &args.pool {
        let file = read_pool_file(path)?;
        for (lines, what) in [(&file.mended, "mended"), (&file.left_out, "left out")] {
            for bad in lines {
                output.warn(&format!("{}:{}: {what}: {}", bad.file, bad.line, bad.reason));
            }
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        start.files.push((format!("pool {} {name}", start.files.len() + 1), path.clone()));
        start.texts[place(file.kind)].extend(file.texts);
        start.mended.extend(file.mended);
        start.left_out.extend(file.left_out);
    }
    // Rules need no examples.
    let by_rule = args.stage.provider.as_deref() == Some("scripted") && args.stage.role.is_empty();
    if start.texts.iter().any(Vec::is_empty) && !by_rule {
        return Err(Error::usage("a pool grows out of what it has, and one has nothing", "leave --no-seeds out"));
    }
    Ok(start)
}

fn place(kind: PoolKind) -> usize {
    usize::from(kind == PoolKind::Personality)
}

fn plural(kind: PoolKind) -> &'static str {
    if kind == PoolKind::Profile { "profiles" } else { "personalities" }
}

fn target(kind: PoolKind, numbers: &PersonaNumbers) -> usize {
    if kind == PoolKind::Profile { numbers.profiles } else { numbers.personalities }
}

fn eval_count(kind: PoolKind, numbers: &PersonaNumbers) -> usize {
    if kind == PoolKind::Profile { numbers.eval_profiles } else { numbers.eval_personalities }
}

fn numbered(kind: PoolKind, members: Vec<Text>, splits: &[Split]) -> Vec<PoolMember> {
    let member = |(at, (text, split)): (usize, (Text, &Split))| PoolMember {
        id: format!("{}-{:04}", kind.as_str(), at + 1),
        kind,
        text: text.text,
        split: *split,
        origin: text.origin,
        scripted: text.scripted,
    };
    members.into_iter().zip(splits).enumerate().map(member).collect()
}

/// Files for the next stage and for people; `personas.jsonl` last, since it says that all are there.
fn write(folder: &StageDir, pools: &[Vec<PoolMember>], personas: &[Persona], reports: &[PoolReport]) -> Result<()> {
    for (kind, pool) in KINDS.into_iter().zip(pools) {
        folder.write_records(&format!("{}.jsonl", kind.as_str()), pool.iter().map(|member| member.text.as_str()))?;
    }
    folder.write_records(POOL, pools.iter().flatten())?;
    let curves: Vec<_> = reports.iter().map(|report| json!({ "kind": report.kind, "curve": report.curve })).collect();
    folder.write_document(
        "saturation.json",
        &json!({ "columns": ["candidates", "accepted", "pool"], "pools": curves }),
    )?;
    folder.write_records(PERSONAS, personas)
}

fn tell(
    stage: &Stage<'_>,
    personas: &[Persona],
    reports: &[PoolReport],
    mended: &[BadLine],
    left_out: &[BadLine],
    calls: &str,
) -> Result<()> {
    let count = |split| personas.iter().filter(|persona| persona.split == split).count();
    let (train, eval) = (count(Split::Train), count(Split::Eval));
    if stage.args.run.json {
        stage.output.json(&json!({
            "personas": { "train": train, "eval": eval }, "pools": reports, "mended": mended, "left_out": left_out,
            "scripted": stage.roles.scripted(),
        }))?;
    }
    stage.output.note(&format!("{train} personas to train with, {eval} to evaluate with; {calls}"));
    Ok(())
}
