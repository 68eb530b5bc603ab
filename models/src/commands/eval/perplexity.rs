//! `aloe eval perplexity`: how well a model foresees plain text, with its adapter and without.

use serde_json::json;

use super::likelihood::{Scorer, range};
use super::shown;
use crate::cli::EvalPerplexityArgs;
use crate::error::{Error, Result};
use crate::evaluation::{PerplexityFigures, Window, windows};
use crate::output::Output;
use crate::run_dir::hash_of_file;
use crate::settings::Settings;

pub(super) fn run(args: &EvalPerplexityArgs, settings: &Settings, output: Output) -> Result<()> {
    let text = read(args)?;
    let scorer = Scorer::open(&args.model, settings, output)?;
    let base = measure(&scorer, &text, false, args, output)?;
    let adapted = args.model.adapter.is_some().then(|| measure(&scorer, &text, true, args, output)).transpose()?;
    if args.json {
        return output.json(&json!({
            "model": scorer.engine.info().fingerprint, "adapter": args.model.adapter, "text": hash_of_file(&args.text)?,
            "window": args.window, "seed": args.seed, "base": base, "adapted": adapted,
        }));
    }
    output.data("\twindows\ttokens\tperplexity\t95%\tbits a byte");
    for (name, figures) in [("base", Some(base)), ("adapted", adapted)] {
        let Some(PerplexityFigures { windows, tokens, perplexity, bits_per_byte }) = figures else { continue };
        let (value, range) = (shown(perplexity.map(|interval| interval.value)), range(perplexity));
        output.data(&format!("{name}\t{windows}\t{tokens}\t{value}\t{range}\t{bits_per_byte:.4}"));
    }
    Ok(())
}

fn read(args: &EvalPerplexityArgs) -> Result<String> {
    if args.window == 0 {
        return Err(Error::usage("--window is 0", "it is a length in bytes, 2000 for example"));
    }
    let bytes = std::fs::read(&args.text).map_err(|error| Error::io(&args.text, error))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::usage(format!("{} is no text in UTF-8", args.text.display()), "iconv -t UTF-8 converts it")
    })?;
    match text.trim().is_empty() {
        true => Err(Error::StageEmpty {
            stage: "eval perplexity",
            reason: format!("{} has no words", args.text.display()),
            hint: "any plain text will do that the model was not trained on for this run",
        }),
        false => Ok(text),
    }
}

fn measure(
    scorer: &Scorer,
    text: &str,
    adapted: bool,
    args: &EvalPerplexityArgs,
    output: Output,
) -> Result<PerplexityFigures> {
    let windows = windows(text, args.window);
    let mut bar = output.counter(if adapted { "windows, adapted" } else { "windows" }, windows.len() as u64);
    let mut seen = Vec::with_capacity(windows.len());
    for window in windows {
        for score in scorer.engine.blocking_score_text(vec![window.to_owned()], scorer.adapters(adapted))? {
            let tokens = score.token_log_probs.len();
            seen.push(Window { log_prob: score.log_prob(), tokens, bytes: window.len() });
        }
        bar.set(seen.len() as u64);
    }
    Ok(PerplexityFigures::of(&seen, args.seed))
}
