//! `aloe train`: a dataset and a base in, an adapter out.

mod bundle;
mod dashboard;
mod data;
mod induction;
mod left_out;
mod room;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use self::dashboard::Dashboard;
use self::data::DataFiles;
use self::left_out::LeftOutList;
use self::room::{Room, fit};
use super::conversation_tokens::ConversationTokens;
use super::model_files::ModelFiles;
use crate::cli::{EngineArg, LossArg, TaskArg, TrainArgs, TrainCommand};
use crate::dataset::Form;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::preset::{Preset, TrainNumbers, numbers_of};
use crate::run_dir::{Configuration, RunDir, hash_of_file};
use crate::settings::Settings;
use crate::train::{
    Base, DeviceName, Keep, LoraConfig, LoraPlan, Objective, Outcome, PairLoss, PairObjective, Place, Projection,
    Schedule, TrainData, TrainFiles, TrainPlan, Trainer, TrainingMemory, is_begun, read_adapter,
};

/// The state of a run: configuration, checkpoint, log-probabilities by the reference.
const STATE: &str = "state";

/// The figures of each step, which `aloe view` draws; `--json-log` is a second copy of it.
const LOG: &str = "log.jsonl";

pub(crate) fn run(command: &TrainCommand, settings: &Settings, output: Output) -> Result<()> {
    let (args, form) = match command {
        TrainCommand::Sft(args) => (args, Form::Sft),
        TrainCommand::Dpo(args) => (args, Form::Preference),
    };
    if form == Form::Sft && (args.loss.is_some() || args.beta.is_some()) {
        return Err(Error::usage("sft has no pairs", "--loss and --beta go with `aloe train dpo`"));
    }
    if form == Form::Preference && args.task == TaskArg::Induce {
        return Err(Error::usage("an inducer is trained by imitation", "--task induce goes with `aloe train sft`"));
    }
    let preset = Preset::resolve(&args.preset, &args.set)?;
    let numbers = with_flags(preset.train.clone(), args);
    if args.elsewhere.engine == EngineArg::Trl {
        return bundle::run(args, form, &preset, &numbers, settings, output);
    }
    bundle::refuse_flags(args)?;
    set_threads(args.threads)?;
    let place = Place::find(DeviceName::parse(&args.device)?)?;
    let path = ModelFiles::new(settings, output)?.chat_model(Some(&args.base))?;
    let base = Base::open(&path)?;
    let tokens = ConversationTokens::open(&path)?;
    let run = RunDir::open(&args.out)?;
    let state = run.stage(STATE)?.file("");
    if is_begun(&state) && !args.resume {
        let reason = format!("{} holds a run that was begun", args.out.display());
        return Err(Error::usage(reason, "--resume goes on with it; or name another folder"));
    }
    let files = data::files(args, form, &preset, &state)?;
    let (data, left_out) = read(&files, form, &tokens, &base, &numbers, output)?;
    left_out.write(&state)?;
    left_out.tell(output);
    let mut plan = plan(args, form, &numbers, &base)?;
    let memory = fit(
        &mut plan,
        &data,
        &base,
        &Room { place: &place, named_mib: args.memory, free_mib: tokens.available_mib() },
    )?;
    let (steps, examples) = (plan.steps(data.train.len()), data.train.len());
    if args.dry_run {
        return tell_plan(args, &plan, &data, (&place, &memory), &left_out, output);
    }
    configuration(args, form, &numbers, &files, &tokens, &place)?.begin(&run.stage(STATE)?, &["checkpoint_every"])?;
    output.note(&format!(
        "{examples} examples, {} held out, {steps} steps; about {} MiB",
        data.held_out.len(),
        memory.mib()
    ));
    let files = TrainFiles {
        state,
        out: args.out.clone(),
        logs: [Some(run.stage(STATE)?.file(LOG)), args.json_log.clone()].into_iter().flatten().collect(),
        events: Some(run.file("tensorboard")),
        base_name: path.to_string_lossy().into_owned(),
    };
    drop(tokens);
    if let Some(gpu) = place.gpu() {
        output.note(&format!("computing on {gpu}"));
    }
    let model = place.place(&base, memory.weights > 0)?;
    let mut watch = Dashboard::new(steps, output);
    let outcome = Trainer::open(&model, &plan, &data, &files, args.resume, &mut watch)?.run(&mut watch)?;
    drop(watch);
    tell_outcome(args, &outcome, &left_out, output)
}

fn with_flags(mut numbers: TrainNumbers, args: &TrainArgs) -> TrainNumbers {
    numbers.rank = args.rank.unwrap_or(numbers.rank);
    numbers.alpha = args.alpha.unwrap_or(numbers.alpha);
    numbers.beta = args.beta.unwrap_or(numbers.beta);
    numbers.lr = args.lr.unwrap_or(numbers.lr);
    numbers.epochs = args.epochs.unwrap_or(numbers.epochs);
    numbers.max_steps = args.max_steps.unwrap_or(numbers.max_steps);
    numbers.max_tokens = args.max_tokens.unwrap_or(numbers.max_tokens);
    numbers
}

/// The pool that all products and rows are shared out to.
pub(super) fn set_threads(wanted: Option<usize>) -> Result<()> {
    let count = wanted.unwrap_or_else(aloekit::engine::threads::performance_core_count).clamp(1, 256);
    rayon::ThreadPoolBuilder::new().num_threads(count).build_global().map_err(Error::internal)
}

fn read(
    files: &DataFiles,
    form: Form,
    tokens: &ConversationTokens,
    base: &Base,
    numbers: &TrainNumbers,
    output: Output,
) -> Result<(TrainData, LeftOutList)> {
    let _spinner = output.spinner("reading examples");
    let most = numbers.max_tokens.min(base.shape.n_ctx);
    let mut left_out = LeftOutList::default();
    let train = data::examples(&files.train, form, tokens, most, usize::MAX, &mut left_out)?;
    let mut read = TrainData { train, held_out: Vec::new() };
    if let Some(path) = &files.held_out {
        read.held_out = data::examples(path, form, tokens, most, numbers.max_eval_examples, &mut left_out)?;
    }
    if read.train.is_empty() {
        left_out.tell(output);
        let reason = format!("no line of {} can be learned from", files.train.display());
        let hint = "sft wants messages, or prompt and completion; dpo wants prompt, chosen and rejected";
        return Err(Error::StageEmpty { stage: "train", reason, hint });
    }
    Ok((read, left_out))
}

fn plan(args: &TrainArgs, form: Form, numbers: &TrainNumbers, base: &Base) -> Result<TrainPlan> {
    let wrong = |name: &str, hint: &str| Error::usage(format!("train.{name} makes no sense"), hint.to_owned());
    let schedule = match numbers.schedule.as_str() {
        "cosine" => Schedule::Cosine,
        "constant" => Schedule::Constant,
        _ => return Err(wrong("schedule", "cosine or constant")),
    };
    let known = |name: &String| Projection::ALL.into_iter().find(|projection| projection.peft_name() == name);
    let targets: Option<Vec<_>> = numbers.targets.iter().map(known).collect();
    let targets =
        targets.ok_or_else(|| wrong("targets", "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"))?;
    if !(numbers.lr > 0.0 && numbers.lr < 1.0 && numbers.beta > 0.0 && numbers.beta.is_finite()) {
        return Err(wrong("lr or train.beta", "both are above 0; --lr 2e-4 and --beta 0.1 are common"));
    }
    if !(0.0..0.5).contains(&numbers.label_smoothing) || !(0.0..1.0).contains(&numbers.warmup_share) {
        return Err(wrong("label_smoothing or train.warmup_share", "they lie in 0 to 0.5 and 0 to 1"));
    }
    let config = LoraConfig { rank: numbers.rank, alpha: numbers.alpha, dropout: numbers.dropout, targets };
    let start = args.adapter.as_deref().map(|folder| read_adapter(folder, base)).transpose()?;
    let lora = match &start {
        // An adapter that is gone on from keeps its shape; dropout is this run's.
        Some(start) => {
            LoraPlan::new(&LoraConfig { dropout: numbers.dropout, ..start.plan.config.clone() }, &base.shape)?
        }
        None => LoraPlan::new(&config, &base.shape)?,
    };
    let loss = match args.loss.unwrap_or(LossArg::Sigmoid) {
        LossArg::Sigmoid => PairLoss::Sigmoid,
        LossArg::Ipo => PairLoss::Ipo,
        LossArg::Hinge => PairLoss::Hinge,
        LossArg::Robust => PairLoss::Robust,
    };
    Ok(TrainPlan {
        objective: match form {
            Form::Sft => Objective::Sft,
            Form::Preference => {
                Objective::Pairs(PairObjective { loss, beta: numbers.beta, label_smoothing: numbers.label_smoothing })
            }
        },
        lora,
        start: start.map(|start| start.numbers),
        lr: numbers.lr,
        schedule,
        warmup_share: numbers.warmup_share,
        weight_decay: numbers.weight_decay,
        max_grad_norm: numbers.max_grad_norm,
        accumulation: numbers.accumulation,
        max_tokens: numbers.max_tokens,
        epochs: numbers.epochs,
        max_steps: numbers.max_steps,
        checkpoint_every: numbers.checkpoint_every,
        eval_every: numbers.eval_every,
        seed: args.seed,
        keep: Keep::Activations,
    })
}

fn configuration(
    args: &TrainArgs,
    form: Form,
    numbers: &TrainNumbers,
    files: &DataFiles,
    tokens: &ConversationTokens,
    place: &Place,
) -> Result<Configuration> {
    let mut inputs = BTreeMap::from([
        ("base".to_owned(), tokens.fingerprint().to_owned()),
        ("data".to_owned(), hash_of_file(&files.train)?),
    ]);
    let adapter = args.adapter.as_ref().map(|folder| folder.join("adapter_model.safetensors"));
    for (name, path) in [("eval", files.held_out.clone()), ("adapter", adapter)] {
        if let Some(path) = path {
            inputs.insert(name.to_owned(), hash_of_file(&path)?);
        }
    }
    let mut numbers = numbers_of(numbers)?;
    // Another device has other bits, so a run goes on where it was begun. One on the CPU names none, as older ones do.
    if let Some(gpu) = place.gpu() {
        numbers.insert("device".into(), gpu.into());
    }
    let induces = args.task == TaskArg::Induce;
    numbers.insert("task".into(), if induces { "induce" } else { form.as_str() }.into());
    numbers.insert("loss".into(), format!("{:?}", args.loss.unwrap_or(LossArg::Sigmoid)).to_lowercase().into());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Configuration { version, seed: args.seed, numbers, roles: BTreeMap::new(), inputs })
}

fn tell_plan(
    args: &TrainArgs,
    plan: &TrainPlan,
    data: &TrainData,
    (place, memory): (&Place, &TrainingMemory),
    left_out: &LeftOutList,
    output: Output,
) -> Result<()> {
    let steps = plan.steps(data.train.len());
    let (tokens, alone) = plan.epoch_tokens(data);
    if args.json {
        return output.json(&json!({
            "dry_run": true, "steps": steps, "examples": data.train.len(), "held_out": data.held_out.len(),
            "left_out": left_out.len(),
            "epoch_tokens": tokens, "epoch_tokens_one_by_one": alone, "memory_mib": memory.mib(), "memory": memory,
            "activations_kept": plan.keep == Keep::Activations, "adapter_parameters": plan.lora.len,
            "device": place.gpu().unwrap_or("cpu"),
        }));
    }
    output.note(&format!("{} examples, {} held out, {steps} steps", data.train.len(), data.held_out.len()));
    output.note(&format!("{tokens} tokens an epoch; one by one it would be {alone}"));
    let of = place.gpu().map_or(String::new(), |gpu| format!(" of {gpu}"));
    output.note(&format!("about {} MiB{of}; {} numbers are trained", memory.mib(), plan.lora.len));
    Ok(())
}

fn tell_outcome(args: &TrainArgs, outcome: &Outcome, left_out: &LeftOutList, output: Output) -> Result<()> {
    if args.json {
        output.json(&json!({ "out": args.out, "left_out": left_out.len(), "outcome": outcome }))?;
    }
    if let (Some(before), Some(after)) = (&outcome.before, &outcome.after) {
        let pairs = match (&before.rewards, &after.rewards) {
            (Some(before), Some(after)) => format!(
                ", accuracy {:.2} to {:.2}, margin {:.3} to {:.3}",
                before.accuracies, after.accuracies, before.margins, after.margins
            ),
            _ => format!(", token accuracy {:.3} to {:.3}", before.eval_token_accuracy, after.eval_token_accuracy),
        };
        output.note(&format!("held out: loss {:.4} to {:.4}{pairs}", before.eval_loss, after.eval_loss));
    }
    output.note(&format!("the adapter is in {}; `aloe export` makes it ready for the phone", args.out.display()));
    Ok(())
}

/// For commands that take an adapter: where a folder of PEFT is meant.
pub(super) fn is_adapter_folder(path: &Path) -> bool {
    path.join("adapter_config.json").is_file()
}

/// The base that an adapter's configuration names.
pub(super) fn base_of(folder: &Path) -> Option<PathBuf> {
    let bytes = std::fs::read(folder.join("adapter_config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let path = PathBuf::from(config["base_model_name_or_path"].as_str()?);
    path.is_file().then_some(path)
}
