//! `aloe train --engine trl`: the same run as a folder for TRL, and that folder run where Python with TRL is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::data::{self, conversations};
use super::left_out::LeftOutList;
use crate::bundle::{Bundle, Example, LAUNCHER, Task, Written, samples, write};
use crate::cli::{EngineArg, LossArg, TrainArgs};
use crate::commands::conversation_tokens::ConversationTokens;
use crate::commands::export::name_of;
use crate::commands::model_files::ModelFiles;
use crate::dataset::Form;
use crate::error::{Error, Result};
use crate::manifest::Kind;
use crate::output::Output;
use crate::preset::{Preset, TrainNumbers};
use crate::run_dir::RunDir;
use crate::settings::Settings;

/// What a bundle was made of, beside it: the dataset of a run and nothing that TRL reads.
const STATE: &str = "state";

/// Refuses what is about TRL alone where our own engine trains.
pub(super) fn refuse_flags(args: &TrainArgs) -> Result<()> {
    let elsewhere = &args.elsewhere;
    let given = elsewhere.hf_base.is_some() || elsewhere.run || elsewhere.strategy.is_some();
    if given && elsewhere.engine == EngineArg::Aloe {
        return Err(Error::usage("--hf-base, --run, --python, --gpus and --strategy are for TRL", "add --engine trl"));
    }
    Ok(())
}

pub(super) fn run(
    args: &TrainArgs,
    form: Form,
    preset: &Preset,
    numbers: &TrainNumbers,
    settings: &Settings,
    output: Output,
) -> Result<()> {
    refuse_without_counterpart(args, numbers)?;
    let base = hf_base(args, settings)?;
    let path = ModelFiles::new(settings, output)?.chat_model(Some(&args.base))?;
    let tokens = ConversationTokens::open(&path)?;
    let run = RunDir::open(&args.out)?;
    let state = run.stage(STATE)?.file("");
    let files = data::files(args, form, preset, &state)?;
    let most = numbers.max_tokens.min(tokens.n_ctx_train());
    let mut left_out = LeftOutList::default();
    let mut read = |path: &Path, most_examples: usize| -> Result<Vec<Example>> {
        let _spinner = output.spinner("reading examples");
        conversations(path, form, &tokens, most, most_examples, &mut left_out)
    };
    let train = read(&files.train, usize::MAX)?;
    let held_out = files.held_out.as_deref().map_or(Ok(Vec::new()), |path| read(path, numbers.max_eval_examples))?;
    left_out.write(&state)?;
    left_out.tell(output);
    let template = tokens.chat_template(&path)?;
    let samples = samples(&train, |(messages, learned)| Ok(tokens.sequence(messages, learned)?.tokens))?;
    let bundle = Bundle {
        task: task(form, args.loss),
        numbers,
        seed: args.seed,
        base: &base,
        gguf: (&name_of(&path), tokens.fingerprint()),
        template: template.as_deref(),
        train: &train,
        held_out: &held_out,
        samples: &samples,
    };
    if args.dry_run {
        output.note(&format!("{} examples, {} held out, would be written for {base}", train.len(), held_out.len()));
        return Ok(());
    }
    let written = write(&bundle, &args.out)?;
    // Nothing is left to ask of the model, and what is started now may need its memory.
    drop(tokens);
    tell(args, &written, output)?;
    if args.elsewhere.run { start(args, output) } else { Ok(()) }
}

fn task(form: Form, loss: Option<LossArg>) -> Task {
    match (form, loss) {
        (Form::Sft, _) => Task::Sft,
        (Form::Preference, None | Some(LossArg::Sigmoid)) => Task::Dpo("sigmoid"),
        (Form::Preference, Some(LossArg::Ipo)) => Task::Dpo("ipo"),
        (Form::Preference, Some(LossArg::Hinge)) => Task::Dpo("hinge"),
        (Form::Preference, Some(LossArg::Robust)) => Task::Dpo("robust"),
    }
}

fn refuse_without_counterpart(args: &TrainArgs, numbers: &TrainNumbers) -> Result<()> {
    let refused =
        |what: &str, hint: &str| Err(Error::usage(format!("{what} has no counterpart in TRL"), hint.to_owned()));
    if args.adapter.is_some() {
        return refused("an adapter to go on from", "export it merged for the phone, or train with --engine aloe");
    }
    if args.device != "cpu" {
        return refused("--device", "--gpus and --strategy say where TRL trains");
    }
    if args.resume || args.json_log.is_some() || args.threads.is_some() {
        return refused(
            "--resume, --json-log or --threads",
            "the bundle's README says how TRL goes on and what it logs",
        );
    }
    if !["cosine", "constant"].contains(&numbers.schedule.as_str()) {
        return refused("train.schedule", "cosine or constant");
    }
    Ok(())
}

/// The model for TRL: as named, or as the manifest says.
fn hf_base(args: &TrainArgs, settings: &Settings) -> Result<String> {
    if let Some(named) = &args.elsewhere.hf_base {
        // A folder is named from inside the bundle, so it must not depend on where this was called.
        let path = Path::new(named);
        let whole = path.is_dir().then(|| std::path::absolute(path).map_err(|error| Error::io(path, error)));
        return whole.map_or_else(|| Ok(named.clone()), |whole| Ok(whole?.to_string_lossy().into_owned()));
    }
    let catalogue = settings.catalogue()?;
    let manifest = catalogue.find_kind(&args.base, Kind::ChatModel).ok();
    manifest.and_then(|manifest| manifest.hf_base.clone()).ok_or_else(|| {
        let reason = "TRL cannot train on a GGUF, and nothing says which model this one was made from";
        Error::usage(reason, "--hf-base names it: an id as HuggingFaceTB/SmolLM2-135M-Instruct, or a folder")
    })
}

/// The interpreter: the one that was named, or the first on the path with TRL.
fn python(args: &TrainArgs) -> Result<PathBuf> {
    let named = args.elsewhere.python.clone();
    let candidates = named.map_or_else(|| vec![PathBuf::from("python3"), PathBuf::from("python")], |named| vec![named]);
    let has_trl = |python: &PathBuf| {
        let mut asked = Command::new(python);
        asked.args(["-c", "import importlib.util as u, sys; sys.exit(u.find_spec('trl') is None)"]);
        asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    candidates.into_iter().find(has_trl).ok_or_else(|| {
        let reason = "there is no Python with TRL here; the bundle is written and can be run elsewhere";
        Error::usage(reason, "pip install -r requirements.txt in a venv, and name its interpreter with --python")
    })
}

fn start(args: &TrainArgs, output: Output) -> Result<()> {
    // A relative path would be looked for in the bundle.
    let python = python(args)?;
    let python = if python.components().count() > 1 {
        std::path::absolute(&python).map_err(|error| Error::io(&python, error))?
    } else {
        python
    };
    let mut command = Command::new(python);
    command.arg(LAUNCHER).arg("--gpus").arg(args.elsewhere.gpus.to_string()).current_dir(&args.out);
    if let Some(strategy) = &args.elsewhere.strategy {
        command.args(["--strategy", strategy]);
    }
    // Data goes to stdout with --json, and Python would write its words there.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().map_err(|error| Error::io(args.out.join(LAUNCHER), error))?;
    if !status.success() {
        let reason = format!("TRL did not come to an end ({status})");
        return Err(Error::usage(reason, "what it wrote stands above; the bundle's README says what can be changed"));
    }
    output.note(&format!("the adapter is in {}", args.out.join("adapter").display()));
    Ok(())
}

fn tell(args: &TrainArgs, written: &Written, output: Output) -> Result<()> {
    if args.json {
        output.json(&json!({ "out": args.out, "bundle": written }))?;
    }
    output.note(&format!("{} rows to train on, {} held out", written.train_rows, written.held_out_rows));
    output.note(&format!("the bundle is in {}; its README says how to run it", args.out.display()));
    Ok(())
}
