//! `aloe eval preference` and `aloe eval gain`: measures by log-probability, for which no judge is asked.

use std::path::{Path, PathBuf};

use aloekit::Message;
use aloekit::engine::{AdapterId, Engine, EngineParams, Score};
use serde_json::json;

use super::shown;
use crate::cli::{EvalGainArgs, EvalPreferenceArgs, ScoringModelArgs};
use crate::commands::model_files::ModelFiles;
use crate::error::{Error, Result};
use crate::evaluation::{
    Context, FOLDER, GAIN, GainFigures, Interval, Likelihood, PreferenceFigures, TRANSCRIPTS, Transcript, contexts,
};
use crate::output::Output;
use crate::provider::core_message;
use crate::record::{ChatMessage, PreferencePair};
use crate::run_dir::{hash_of_file, read_lines, write_whole};
use crate::settings::Settings;

/// A model that says how likely texts are.
pub(super) struct Scorer {
    pub(super) engine: Engine,
    adapters: Vec<(AdapterId, f32)>,
}

impl Scorer {
    pub(super) fn open(args: &ScoringModelArgs, settings: &Settings, output: Output) -> Result<Self> {
        if let Some(path) = args.adapter.as_ref().filter(|path| !path.is_file()) {
            return Err(Error::Missing { path: path.clone() });
        }
        let file = ModelFiles::new(settings, output)?.chat_model(args.model.as_deref())?;
        let engine = Engine::open(&EngineParams { n_ctx: args.ctx, ..EngineParams::new(file) })?;
        let adapters = match &args.adapter {
            Some(path) => vec![(engine.blocking_load_adapter(path)?, 1.0)],
            None => Vec::new(),
        };
        Ok(Self { engine, adapters })
    }

    /// How likely each continuation is; what they share is computed once.
    pub(super) fn score(
        &self,
        messages: &[ChatMessage],
        continuations: Vec<String>,
        adapted: bool,
    ) -> Result<Vec<Likelihood>> {
        let messages: Vec<Message> = messages.iter().map(core_message).collect();
        let scores = self.engine.blocking_score(&messages, continuations, self.adapters(adapted))?;
        Ok(scores
            .iter()
            .map(|score: &Score| Likelihood { sum: score.log_prob(), mean: score.mean_log_prob() })
            .collect())
    }

    pub(super) fn adapters(&self, adapted: bool) -> Vec<(AdapterId, f32)> {
        if adapted { self.adapters.clone() } else { Vec::new() }
    }
}

pub(super) fn preference(args: &EvalPreferenceArgs, settings: &Settings, output: Output) -> Result<()> {
    let path = args.data.clone();
    if !path.is_file() {
        return Err(Error::Missing { path });
    }
    let pairs: Vec<PreferencePair> = read_lines(&path)?;
    if pairs.is_empty() {
        let reason = format!("{} has no pair", path.display());
        return Err(Error::StageEmpty {
            stage: "eval preference",
            reason,
            hint: "each line is {prompt, chosen, rejected}",
        });
    }
    let scorer = Scorer::open(&args.model, settings, output)?;
    let base = ordered(&scorer, &pairs, false, args.seed, output)?;
    let adapted =
        args.model.adapter.is_some().then(|| ordered(&scorer, &pairs, true, args.seed, output)).transpose()?;
    if args.json {
        return output.json(&json!({
            "model": scorer.engine.info().fingerprint, "adapter": args.model.adapter, "data": hash_of_file(&path)?,
            "seed": args.seed, "base": base, "adapted": adapted,
        }));
    }
    output.data("\tpairs\taccuracy\t95%\tby token\t95%\tmargin\tby token");
    for (name, figures) in [("base", Some(base)), ("adapted", adapted)] {
        let Some(figures) = figures else { continue };
        let value = |interval: Option<Interval>| shown(interval.map(|i| i.value));
        output.data(&format!(
            "{name}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            figures.pairs,
            value(figures.accuracy),
            range(figures.accuracy),
            value(figures.accuracy_normalised),
            range(figures.accuracy_normalised),
            value(figures.margin),
            value(figures.margin_normalised),
        ));
    }
    Ok(())
}

fn ordered(
    scorer: &Scorer,
    pairs: &[PreferencePair],
    adapted: bool,
    seed: u64,
    output: Output,
) -> Result<PreferenceFigures> {
    let mut bar = output.counter(if adapted { "pairs, adapted" } else { "pairs" }, pairs.len() as u64);
    let text =
        |reply: &[ChatMessage]| reply.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
    let mut scored = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let replies = vec![text(&pair.chosen), text(&pair.rejected)];
        if let [chosen, rejected] = scorer.score(&pair.prompt, replies, adapted)?[..] {
            scored.push((chosen, rejected));
        }
        bar.set(scored.len() as u64);
    }
    Ok(PreferenceFigures::of(&scored, seed))
}

pub(super) fn gain(args: &EvalGainArgs, settings: &Settings, output: Output) -> Result<()> {
    let folder = args.run.join(FOLDER);
    let path = folder.join(TRANSCRIPTS);
    let mut transcripts: Vec<Transcript> = read_lines(&path)?;
    transcripts.truncate(args.cases.unwrap_or(usize::MAX));
    let there = transcripts.len().saturating_sub(1);
    if args.others == 0 || there < args.others {
        let reason = format!("--others {} cannot be met by the {there} other people of the run", args.others);
        return Err(Error::usage(reason, "--others N is at least 1 and less than there are cases"));
    }
    let planned = contexts(&transcripts, args.others, args.same_message, args.seed);
    if planned.is_empty() {
        let reason = format!("{} has no second turn", args.run.display());
        return Err(Error::StageEmpty { stage: "eval gain", reason, hint: "`aloe eval aloe --run DIR` plays cases" });
    }
    let scorer = Scorer::open(&args.model, settings, output)?;
    let figures = GainFigures::of(&gains(&scorer, &transcripts, planned, output)?, args.seed);
    let document = json!({
        "model": scorer.engine.info().fingerprint, "adapter": args.model.adapter, "others": args.others,
        "same_message": args.same_message, "seed": args.seed, "transcripts": hash_of_file(&path)?, "figures": figures,
    });
    let kept: PathBuf = folder.join(GAIN);
    write_whole(absolute(&kept)?.as_path(), format!("{document:#}\n").as_bytes())?;
    if args.json {
        return output.json(&document);
    }
    output.data("replies\tgain (nats)\t95%\tby token\t95%\tpositive\t95%");
    let cells = [figures.gain, figures.gain_normalised, figures.positive];
    let cells: Vec<String> = cells.map(|i| format!("{}\t{}", shown(i.map(|i| i.value)), range(i))).to_vec();
    output.data(&format!("{}\t{}", figures.replies, cells.join("\t")));
    Ok(())
}

fn gains(
    scorer: &Scorer,
    transcripts: &[Transcript],
    planned: Vec<Context>,
    output: Output,
) -> Result<Vec<(Context, Vec<Likelihood>)>> {
    let mut bar = output.counter("histories", planned.len() as u64);
    let mut scored = Vec::with_capacity(planned.len());
    for context in planned {
        let replies = context.replies.iter().map(|case| transcripts[*case].turns[context.turn].reply.clone()).collect();
        let likelihoods = scorer.score(&context.messages(transcripts), replies, true)?;
        scored.push((context, likelihoods));
        bar.set(scored.len() as u64);
    }
    Ok(scored)
}

pub(super) fn range(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "-".to_owned(), |i| format!("{:.4} to {:.4}", i.low, i.high))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(path, error))
}
