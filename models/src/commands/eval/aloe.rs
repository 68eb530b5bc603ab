//! `aloe eval aloe`: the ALOE benchmark over any candidate, with transcripts, seeds, resume and cost.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::candidate::{Device, Provided};
use super::cases::People;
use super::shown;
use crate::cli::{EvalAloeArgs, StageArgs};
use crate::commands::model_files::ModelFiles;
use crate::commands::pipeline::{Stage, calls_line};
use crate::error::{Error, Result};
use crate::evaluation::{
    Benchmark, Candidate, Comparison, FOLDER, Logs, REPORT, Report, SideBySide, System, TIMINGS, TRANSCRIPTS,
    Transcript, compare, pairs, report, run_all,
};
use crate::output::Output;
use crate::preset::BenchmarkNumbers;
use crate::provider::{Drawing, Gateway, Prices, Role, estimated_tokens};
use crate::record::Persona;
use crate::roleplay;
use crate::run_dir::{AppendLog, RunDir, StageDir, read_lines};
use crate::settings::Settings;

pub(super) fn run(args: EvalAloeArgs, settings: &Settings, output: Output) -> Result<()> {
    let mut wanted = Wanted::of(&args)?;
    let roles: &[Role] = if wanted.local.is_some() { &[Role::User, Role::Judge] } else { &Role::BENCHMARK };
    let read = |run: &Path| System::read(run, None, &Prices::default(), args.numbers.seed);
    let base = args.base.as_deref().map(read).transpose()?;
    let stage_args = stage_args(args, wanted.local.is_some());
    let mut stage = Stage::new(&stage_args, roles, settings, output)?;
    wanted.over(&mut stage.preset.benchmark);
    let numbers = stage.preset.benchmark.clone();
    let people = wanted.people.read(numbers.cases, output)?;
    let cases: Vec<&Persona> = people.iter().collect();
    if stage_args.run.dry_run {
        return tell_estimate(&stage, &cases, &numbers, wanted.local.is_some());
    }
    let run = RunDir::open(&stage_args.run.dir)?;
    let folder = run.stage(FOLDER)?;
    let device = wanted.local.as_deref().map(|model| wanted.device(model, &stage, settings, output)).transpose()?;
    wanted.system.extend(device.iter().flat_map(Device::described));
    begin(&stage, &numbers, &wanted, &folder)?;
    let gateway = stage.gateway(&run, |role| drawing(role, &numbers))?;
    let candidate: Box<dyn Candidate> = match device {
        Some(device) => Box::new(device),
        None => Box::new(Provided { gateway: &gateway }),
    };
    let unfinished = play(&stage, &gateway, candidate.as_ref(), &cases, &numbers, &folder)?;
    let transcripts = in_order(&folder)?;
    let report = report(&transcripts, stage_args.numbers.seed);
    let seed = stage_args.numbers.seed;
    let comparison = base.as_ref().and_then(|base| compare(&pairs(&base.transcripts, &transcripts), seed));
    folder.write_document(REPORT, &summary(&stage, &wanted, &report, comparison, &gateway))?;
    tell(&stage, &wanted, &report, comparison, &gateway)?;
    if let Some(base) = base {
        let both = SideBySide::of(vec![base, System::read(&stage_args.run.dir, None, &stage.prices, seed)?], seed);
        both.remarks.iter().for_each(|remark| output.note(remark));
    }
    match unfinished {
        0 => Ok(()),
        missing => Err(Error::Unfinished { missing, of: cases.len() }),
    }
}

/// What is measured, beyond what every stage has.
struct Wanted {
    /// The model of a local candidate.
    local: Option<String>,
    adapter: Option<PathBuf>,
    memory: bool,
    restart_every: Option<NonZero<usize>>,
    embedder: Option<String>,
    people: People,
    cases: Option<usize>,
    rounds: Option<usize>,
    /// What the system is, for the configuration and the report.
    system: BTreeMap<String, String>,
}

impl Wanted {
    fn of(args: &EvalAloeArgs) -> Result<Self> {
        let local = args.candidate.strip_prefix("local:").map(str::to_owned);
        if local.is_none() && (args.memory || args.adapter.is_some() || args.restart_every.is_some()) {
            let reason = format!("{} has no adapter, memory or restart of ours", args.candidate);
            return Err(Error::usage(reason, "--candidate local:MODEL is our engine"));
        }
        if let Some(path) = args.adapter.as_ref().filter(|path| !path.is_file()) {
            return Err(Error::Missing { path: path.clone() });
        }
        let positive = |what: &str, value: Option<usize>| match value {
            Some(0) => Err(Error::usage(format!("{what} is 0"), "it must be at least 1")),
            value => Ok(value),
        };
        let restart_every = positive("--restart-every", args.restart_every)?.and_then(NonZero::new);
        let people = People::of(args);
        let mut system = BTreeMap::from([("candidate".to_owned(), args.candidate.clone())]);
        system.extend(people.described());
        if local.is_some() {
            system.insert("memory".to_owned(), args.memory.to_string());
            let restarts = restart_every.map_or_else(|| "never".to_owned(), |turns| turns.to_string());
            system.insert("restart_every".to_owned(), restarts);
        }
        Ok(Self {
            local,
            adapter: args.adapter.clone(),
            memory: args.memory,
            restart_every,
            embedder: args.embedder.clone(),
            people,
            cases: positive("--cases", args.cases)?,
            rounds: positive("--rounds", args.rounds)?,
            system,
        })
    }

    fn over(&self, numbers: &mut BenchmarkNumbers) {
        numbers.cases = self.cases.unwrap_or(numbers.cases);
        numbers.rounds = self.rounds.unwrap_or(numbers.rounds);
    }

    fn device(&self, model: &str, stage: &Stage<'_>, settings: &Settings, output: Output) -> Result<Device> {
        let files = ModelFiles::new(settings, output)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let named = self.embedder.as_deref().or(settings.chat.embedder.as_deref());
        let embedder = match self.memory {
            true => files.embedder(named, settings.chat.onnx_runtime.as_deref(), threads)?,
            false => None,
        };
        let provider = &stage.preset.provider;
        let engine = Device::engine(files.chat_model(Some(model))?, provider.ctx, provider.threads)?;
        Ok(Device {
            engine,
            embedder,
            adapter: self.adapter.clone(),
            memory: self.memory,
            restart_every: self.restart_every,
            numbers: stage.preset.benchmark.clone(),
        })
    }
}

/// A local candidate is no role of the gateway: it answers through the SDK.
fn stage_args(args: EvalAloeArgs, local: bool) -> StageArgs {
    let mut role = vec![format!("user={}", args.user), format!("judge={}", args.judge)];
    if !local {
        role.push(format!("candidate={}", args.candidate));
    }
    StageArgs { run: args.run, numbers: args.numbers, provider: None, role, price: args.price }
}

/// More cases continue the same run; another candidate needs another.
fn begin(stage: &Stage<'_>, numbers: &BenchmarkNumbers, wanted: &Wanted, folder: &StageDir) -> Result<()> {
    let mut inputs = wanted.people.inputs();
    inputs.extend(wanted.adapter.as_deref().map(|path| ("adapter", path)));
    let mut configuration = stage.configuration(numbers, &inputs)?;
    configuration.roles.extend(wanted.system.clone());
    if wanted.local.is_some() {
        configuration.roles.insert("ctx".to_owned(), stage.preset.provider.ctx.to_string());
    }
    configuration.begin(folder, &["cases"])
}

fn play(
    stage: &Stage<'_>,
    gateway: &Gateway,
    candidate: &dyn Candidate,
    cases: &[&Persona],
    numbers: &BenchmarkNumbers,
    folder: &StageDir,
) -> Result<usize> {
    let mut logs = Logs {
        transcripts: AppendLog::open(&folder.file(TRANSCRIPTS))?,
        timings: AppendLog::open(&folder.file(TIMINGS))?,
    };
    let done = finished(&folder.file(TRANSCRIPTS))?.iter().map(|transcript| transcript.case).collect();
    let benchmark = Benchmark {
        gateway,
        candidate,
        rounds: numbers.rounds,
        seed: stage.args.numbers.seed,
        cases,
        done,
        lanes: gateway.lanes(),
    };
    let bar = Mutex::new(stage.output.counter("cases", cases.len() as u64));
    run_all(&benchmark, &mut logs, &|done| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cost) = gateway.cost().filter(|cost| *cost > 0.0) {
            bar.say(format!("cases (${cost:.2})"));
        }
        bar.set(done as u64);
    })
}

fn finished(path: &Path) -> Result<Vec<Transcript>> {
    read_lines(path)
}

/// Cases in their order, whichever thread was faster.
fn in_order(folder: &StageDir) -> Result<Vec<Transcript>> {
    let mut transcripts = finished(&folder.file(TRANSCRIPTS))?;
    transcripts.sort_by_key(|transcript| transcript.case);
    transcripts.dedup_by_key(|transcript| transcript.case);
    folder.write_records(TRANSCRIPTS, &transcripts)?;
    Ok(transcripts)
}

fn drawing(role: Role, numbers: &BenchmarkNumbers) -> Drawing {
    let (temperature, max_tokens) = match role {
        Role::User => (numbers.temperature, numbers.user_max_tokens),
        Role::Judge => (numbers.judge_temperature, numbers.judge_max_tokens),
        _ => (numbers.temperature, numbers.reply_max_tokens),
    };
    Drawing { temperature, max_tokens }
}

/// Calls are known; the lengths of what is said are assumed to be half of the most that is allowed.
fn tell_estimate(stage: &Stage<'_>, cases: &[&Persona], numbers: &BenchmarkNumbers, local: bool) -> Result<()> {
    let calls = (cases.len() * numbers.rounds) as u64;
    let history = (numbers.rounds as u64) * u64::from(numbers.user_max_tokens + numbers.reply_max_tokens) / 4;
    let persona = |persona: &&Persona| estimated_tokens(&persona.profile) + estimated_tokens(&persona.personality);
    let described = cases.iter().map(persona).sum::<u64>() / cases.len() as u64;
    let prompt = |role: Role| {
        let instructions =
            if role == Role::Candidate { estimated_tokens(roleplay::RESPONDER) } else { 200 + described };
        calls * (instructions + history)
    };
    let roles = Role::BENCHMARK.into_iter().filter(|role| !local || *role != Role::Candidate);
    let estimates: Vec<_> = roles
        .map(|role| {
            let answers = calls * u64::from(drawing(role, numbers).max_tokens) / 2;
            stage.roles.estimate(role, calls, prompt(role), answers, &stage.prices)
        })
        .collect();
    stage.tell_estimate(&estimates)
}

fn summary(
    stage: &Stage<'_>,
    wanted: &Wanted,
    report: &Report,
    comparison: Option<Comparison>,
    gateway: &Gateway,
) -> Value {
    json!({
        "system": wanted.system,
        "adapter": wanted.adapter,
        "judge": stage.roles.spec(Role::Judge),
        "user": stage.roles.spec(Role::User),
        "seed": stage.args.numbers.seed,
        "report": report,
        "against_base": comparison,
        "calls": gateway.totals(),
        "cost": gateway.cost(),
        "scripted": stage.roles.scripted(),
    })
}

fn tell(
    stage: &Stage<'_>,
    wanted: &Wanted,
    report: &Report,
    comparison: Option<Comparison>,
    gateway: &Gateway,
) -> Result<()> {
    let output = stage.output;
    if stage.args.run.json {
        return output.json(&summary(stage, wanted, report, comparison, gateway));
    }
    output.data("turn\tAL\t95% from\tto");
    for (level, turn) in report.alignment_level.iter().zip(1..) {
        let figure = |of: fn(&crate::evaluation::Interval) -> f64| shown(level.as_ref().map(of));
        output.data(&format!("{turn}\t{}\t{}\t{}", figure(|l| l.value), figure(|l| l.low), figure(|l| l.high)));
    }
    let improvement = report.improvement;
    output.data(&format!(
        "average {}, IR {}, N-IR {}, N-R2 {}",
        shown(report.average.map(|average| average.value)),
        shown(improvement.map(|found| found.ir)),
        shown(improvement.and_then(|found| found.n_ir)),
        shown(improvement.and_then(|found| found.n_r2)),
    ));
    if let Some(Comparison { cases, relative_improvement, p_value }) = comparison {
        output.data(&format!(
            "{:+.1}% against the base on {cases} cases (p = {p_value:.3})",
            100.0 * relative_improvement
        ));
    }
    let Report { cases, ended_early, scored, refused, unscored, .. } = report;
    output.note(&format!(
        "{cases} cases, {ended_early} ended early: {scored} replies scored, {refused} refused, {unscored} unscored; {}",
        calls_line(gateway)
    ));
    Ok(())
}
