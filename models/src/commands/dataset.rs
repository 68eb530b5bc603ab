//! `aloe dataset`: the conversations of a run as a dataset to train on.

use serde_json::json;

use crate::cli::{DatasetArgs, DatasetFormat};
use crate::dataset::{Form, Plan, make};
use crate::dialogue::{FOLDER, TREES};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::preset::Preset;

pub(crate) fn run(args: &DatasetArgs, output: Output) -> Result<()> {
    let mut numbers = Preset::resolve(&args.numbers.preset, &args.numbers.set)?.dataset;
    numbers.mix_ratio = args.mix_ratio.unwrap_or(numbers.mix_ratio);
    let form = match args.format {
        DatasetFormat::Sft => Form::Sft,
        DatasetFormat::Dpo => Form::Preference,
    };
    if args.mix.is_some() && form == Form::Preference {
        return Err(Error::usage("general conversations have no rejected replies", "--mix goes with --format sft"));
    }
    if !(0.0..=1000.0).contains(&numbers.mix_ratio) {
        return Err(Error::usage("--mix-ratio lies between 0 and 1000", "0.5 is one general example for two of ours"));
    }
    let trees = args.run.dir.join(FOLDER).join(TREES);
    if !trees.exists() {
        let reason = format!("{} is not there", trees.display());
        return Err(Error::StageEmpty { stage: "dataset", reason, hint: "`aloe trees` or `aloe import` makes it" });
    }
    let plan = Plan { form, numbers: &numbers, seed: args.numbers.seed, trees: &trees, mix: args.mix.as_deref() };
    let spinner = output.spinner("writing examples");
    let statistics = make(&plan, (!args.run.dry_run).then_some(args.out.as_path()))?;
    drop(spinner);
    if args.run.json {
        output.json(&json!({ "dry_run": args.run.dry_run, "out": args.out, "statistics": statistics }))?;
    }
    let (train, validation) = (statistics.train, statistics.validation);
    if statistics.left_out_of_mix > 0 {
        output.warn(&format!("{} lines of the mix are no conversation", statistics.left_out_of_mix));
    }
    output.note(&format!("{train} examples to train on, {validation} to validate with"));
    Ok(())
}
