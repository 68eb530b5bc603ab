//! `aloe eval memory`: retrieval against gold turns, and induction against labels.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aloekit::engine::{AdapterId, Constraint, Engine, EngineParams, GenerateParams, SamplingParams, Sequence};
use aloekit::memory::{Embedder, ExtractiveInducer, Inducer, InductionPrompt, PromptedInducer};
use serde_json::{Value, json};

use super::shown;
use crate::cli::{EvalMemoryArgs, InducerArg};
use crate::commands::model_files::ModelFiles;
use crate::error::{Error, Result};
use crate::evaluation::{InductionFigures, Labelled, Method, OwnerStore, Ranked, bootstrap, judged, read_owners};
use crate::output::Output;
use crate::run_dir::Lines;
use crate::settings::Settings;

/// Greatest length of what a prompted inducer finds in one message, in tokens.
const MOST_TOKENS: usize = 256;

pub(super) fn run(args: &EvalMemoryArgs, settings: &Settings, output: Output) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let files = ModelFiles::new(settings, output)?;
    let embedder = files.embedder(args.embedder.as_deref(), settings.chat.onnx_runtime.as_deref(), threads)?;
    let mut told = serde_json::Map::new();
    if let Some(path) = &args.jsonl {
        told.insert("retrieval".to_owned(), retrieval(path, args, embedder.as_ref(), output)?);
    }
    if let Some(path) = &args.induction {
        let messages: Vec<Labelled> = Lines::open(path)?.collect::<Result<_>>()?;
        let found = match args.inducer {
            InducerArg::Extractive => read_all(&ExtractiveInducer::new(embedder)?, messages, args, output)?,
            InducerArg::Prompted => {
                let engine = Engine::open(&EngineParams::new(files.chat_model(args.model.as_deref())?))?;
                let model = engine.info().fingerprint.clone();
                let adapter = args.adapter.as_ref().map(|path| engine.blocking_load_adapter(path)).transpose()?;
                let adapters: Vec<_> = adapter.map(|id| (id, 1.0)).into_iter().collect();
                // One sequence: what every prompt begins with is computed once.
                let sequence = engine.sequence();
                let complete = |prompt: &InductionPrompt| complete(&sequence, &adapters, prompt);
                read_all(&PromptedInducer::new(&model, complete), messages, args, output)?
            }
        };
        told.insert("induction".to_owned(), found);
    }
    if args.json { output.json(&told) } else { Ok(()) }
}

fn retrieval(
    path: &Path,
    args: &EvalMemoryArgs,
    embedder: Option<&Arc<dyn Embedder>>,
    output: Output,
) -> Result<Value> {
    let owners = read_owners(path, args.split.as_deref())?;
    let questions: usize = owners.iter().map(|owner| owner.question_count()).sum();
    if questions == 0 {
        let reason =
            format!("{} has no question{}", path.display(), args.split.as_ref().map_or("", |_| " of this split"));
        return Err(Error::StageEmpty { stage: "eval memory", reason, hint: "questions have `query` and `gold`" });
    }
    let mut bar = output.counter("stores", owners.len() as u64);
    let mut stores = Vec::with_capacity(owners.len());
    for owner in owners {
        stores.push(OwnerStore::fill(owner, embedder.cloned(), args.learn)?);
        bar.set(stores.len() as u64);
    }
    drop(bar);
    let mut methods = serde_json::Map::new();
    for method in Method::ALL.into_iter().filter(|method| embedder.is_some() || !method.needs_embedder()) {
        let mut by_kind: BTreeMap<&str, Vec<Ranked>> = BTreeMap::new();
        for store in &stores {
            for (kind, ranked) in store.measure(method)? {
                by_kind.entry(kind.unwrap_or("all")).or_default().push(ranked);
            }
        }
        methods.insert(method.as_str().to_owned(), method_told(method, &by_kind, args, output));
    }
    Ok(json!({ "questions": questions, "stores": stores.len(), "facts_learnt": args.learn, "methods": methods }))
}

/// Prints the rows of a method, and gives them back for JSON.
fn method_told(method: Method, by_kind: &BTreeMap<&str, Vec<Ranked>>, args: &EvalMemoryArgs, output: Output) -> Value {
    let all: Vec<Ranked> = by_kind.values().flatten().copied().collect();
    let kinds = by_kind.iter().map(|(kind, ranked)| (*kind, ranked.as_slice())).filter(|(kind, _)| *kind != "all");
    let mut told = serde_json::Map::new();
    if !args.json && method == Method::Words {
        output.data("method\tkind\tquestions\trecall@1\t@5\t@10\tMRR\tNDCG@10\tMRR, 95%");
    }
    for (kind, ranked) in kinds.chain([("all", all.as_slice())]) {
        let mean = Ranked::mean(ranked);
        let mrr = bootstrap(ranked, args.seed, |of| {
            (!of.is_empty()).then(|| of.iter().map(|one| one.mrr).sum::<f64>() / of.len() as f64)
        });
        if !args.json {
            let Ranked { recall_at_1, recall_at_5, recall_at_10, mrr: rank, ndcg_at_10 } = mean;
            let interval = mrr.map(|mrr| format!("{:.3} to {:.3}", mrr.low, mrr.high)).unwrap_or_default();
            output.data(&format!(
                "{}\t{kind}\t{}\t{recall_at_1:.3}\t{recall_at_5:.3}\t{recall_at_10:.3}\t{rank:.3}\t{ndcg_at_10:.3}\t{interval}",
                method.as_str(),
                ranked.len(),
            ));
        }
        told.insert(kind.to_owned(), json!({ "questions": ranked.len(), "figures": mean, "mrr_95": mrr }));
    }
    Value::Object(told)
}

fn read_all(inducer: &dyn Inducer, messages: Vec<Labelled>, args: &EvalMemoryArgs, output: Output) -> Result<Value> {
    let wanted = |message: &Labelled| args.split.is_none() || message.split == args.split;
    let messages: Vec<Labelled> = messages.into_iter().filter(wanted).collect();
    let mut bar = output.counter("reading", messages.len() as u64);
    let mut found = Vec::with_capacity(messages.len());
    for chunk in messages.chunks(32) {
        found.extend(judged(inducer, chunk)?);
        bar.set(found.len() as u64);
    }
    drop(bar);
    let figures = InductionFigures::of(messages.iter().zip(found.iter().copied()));
    if !args.json {
        let InductionFigures { messages, precision, recall, kind_accuracy } = figures;
        output.data("inducer\tmessages\tprecision\trecall\tright kind");
        let (precision, recall, kind) = (shown(precision), shown(recall), shown(kind_accuracy));
        output.data(&format!("{}\t{messages}\t{precision}\t{recall}\t{kind}", inducer.name()));
    }
    Ok(json!({ "inducer": inducer.name(), "figures": figures }))
}

fn complete(sequence: &Sequence, adapters: &[(AdapterId, f32)], prompt: &InductionPrompt) -> aloekit::Result<String> {
    let params = GenerateParams {
        sampling: SamplingParams::greedy(),
        constraint: Constraint::JsonSchema(prompt.schema.to_owned()),
        max_tokens: MOST_TOKENS,
        adapters: adapters.to_vec(),
        ..GenerateParams::default()
    };
    Ok(sequence.generate(&prompt.messages, params)?.blocking_finish()?.text)
}
