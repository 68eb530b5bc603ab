//! `aloe trees`: conversations between personas and an assistant, each kept as a tree.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::json;

use super::pipeline::{Stage, calls_line};
use crate::cli::TreesArgs;
use crate::dialogue::{FOLDER, Forest, ForestReport, TREES, TreeStore, estimate, grow_all, plan};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::persona::{FOLDER as PERSONA_FOLDER, PERSONAS};
use crate::preset::TreeNumbers;
use crate::provider::{Drawing, Gateway, Role};
use crate::record::Persona;
use crate::run_dir::{RunDir, read_lines};
use crate::settings::Settings;

pub(crate) fn run(args: &TreesArgs, settings: &Settings, output: Output) -> Result<()> {
    let mut stage = Stage::new(&args.stage, &Role::DIALOGUE, settings, output)?;
    over(&mut stage.preset.trees, args);
    let path = args.stage.run.dir.join(PERSONA_FOLDER).join(PERSONAS);
    let personas: Vec<Persona> = read_lines(&path)?;
    let planned = plan(&personas, args.split, stage.preset.trees.conversations, args.stage.numbers.seed);
    if planned.is_empty() {
        let reason = format!("{} has no persona of this split", path.display());
        return Err(Error::StageEmpty { stage: "trees", reason, hint: "`aloe personas` makes them" });
    }
    if args.stage.run.dry_run {
        let count = planned.len();
        return stage.tell_estimate(&estimate(&planned, count, &stage.preset.trees, &stage.roles, &stage.prices));
    }
    let run = RunDir::open(&args.stage.run.dir)?;
    let folder = run.stage(FOLDER)?;
    let mut configuration = stage.configuration(&stage.preset.trees, &[("personas", &path)])?;
    configuration.inputs.insert("split".to_owned(), format!("{:?}", args.split).to_lowercase());
    configuration.begin(&folder, &["conversations"])?;
    let gateway = stage.gateway(&run, |role| drawing(role, &stage.preset.trees))?;
    let forest = Forest {
        gateway: &gateway,
        numbers: &stage.preset.trees,
        seed: args.stage.numbers.seed,
        scripted: stage.roles.scripted(),
        plan: &planned,
        people: &personas,
    };
    let mut store = TreeStore::open(&folder, forest.numbers.attempts)?;
    let grown = grow(&forest, &mut store, output);
    // What was grown before something failed is in order all the same.
    let (trees, rejected) = store.finish()?;
    let report = grown?;
    tell(&stage, &report, trees, rejected, &gateway)?;
    output.note(&format!("{trees} conversations in {}", folder.file(TREES).display()));
    match report.unfinished {
        0 => Ok(()),
        missing => Err(Error::Unfinished { missing, of: planned.len() }),
    }
}

fn grow(forest: &Forest<'_>, store: &mut TreeStore, output: Output) -> Result<ForestReport> {
    let bar = Mutex::new(output.counter("conversations", forest.plan.len() as u64));
    grow_all(forest, store, &|done| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cost) = forest.gateway.cost().filter(|cost| *cost > 0.0) {
            bar.say(format!("conversations (${cost:.2})"));
        }
        bar.set(done as u64);
    })
}

fn over(numbers: &mut TreeNumbers, args: &TreesArgs) {
    numbers.conversations = args.conversations.unwrap_or(numbers.conversations);
    numbers.rounds = args.rounds.unwrap_or(numbers.rounds);
    numbers.branch = args.branch.unwrap_or(numbers.branch);
    numbers.judge &= !args.no_judge;
}

fn drawing(role: Role, numbers: &TreeNumbers) -> Drawing {
    let (temperature, max_tokens) = match role {
        Role::User => (numbers.temperature, numbers.user_max_tokens),
        Role::Inducer => (numbers.inducer_temperature, numbers.inducer_max_tokens),
        Role::Judge => (numbers.judge_temperature, numbers.judge_max_tokens),
        _ => (numbers.temperature, numbers.reply_max_tokens),
    };
    Drawing { temperature, max_tokens }
}

fn tell(stage: &Stage<'_>, report: &ForestReport, trees: usize, rejected: usize, gateway: &Gateway) -> Result<()> {
    if stage.args.run.json {
        stage.output.json(&json!({
            "trees": trees, "rejected": rejected, "this_time": report, "calls": gateway.totals(),
            "cost": gateway.cost(), "scripted": stage.roles.scripted(),
        }))?;
    }
    stage.output.note(&format!(
        "{} conversations grown, {} there already, {} attempts rejected, {} given up; {}",
        report.grown,
        report.already_there,
        report.rejected,
        report.given_up,
        calls_line(gateway)
    ));
    Ok(())
}
