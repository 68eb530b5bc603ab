//! What the stages of the pipeline share on the command line: who answers, what it would cost, where it is kept.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aloekit::memory::{EmbedPurpose, Embedder};
use serde::Serialize;
use serde_json::json;

use super::model_files::ModelFiles;
use crate::cli::StageArgs;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::preset::{Preset, ProviderNumbers, numbers_of};
use crate::provider::{CALLS, Drawing, Estimate, Gateway, Openers, Prices, Role, Roles};
use crate::run_dir::{Configuration, RunDir, hash_of_file};
use crate::settings::{Settings, key_of};

const BATCHES: &str = "batches.jsonl";

/// What a stage was asked for, resolved.
pub(super) struct Stage<'a> {
    pub(super) args: &'a StageArgs,
    pub(super) preset: Preset,
    pub(super) roles: Roles,
    pub(super) prices: Prices,
    pub(super) settings: &'a Settings,
    pub(super) output: Output,
}

impl<'a> Stage<'a> {
    pub(super) fn new(args: &'a StageArgs, roles: &[Role], settings: &'a Settings, output: Output) -> Result<Self> {
        Ok(Self {
            args,
            preset: Preset::resolve(&args.numbers.preset, &args.numbers.set)?,
            roles: Roles::parse(roles, args.provider.as_deref(), &args.role)?,
            prices: Prices::parse(&args.price)?,
            settings,
            output,
        })
    }

    /// The providers, loaded and ready.
    pub(super) fn gateway(&self, run: &RunDir, drawing: impl Fn(Role) -> Drawing) -> Result<Gateway> {
        let files = ModelFiles::new(self.settings, self.output)?;
        let model_file = |name: &str| files.chat_model(Some(name));
        let batches = run.file(BATCHES);
        let numbers: &ProviderNumbers = &self.preset.provider;
        let openers = Openers { model_file: &model_file, key: &key_of, batches: &batches, numbers };
        let spinner = self.output.spinner("opening the models");
        let seats = self.roles.seats(&openers, drawing)?;
        drop(spinner);
        Gateway::open(seats, &run.file(CALLS), self.prices.clone(), numbers)
    }

    /// Everything that decides what the stage writes.
    pub(super) fn configuration<T: Serialize>(&self, section: &T, inputs: &[(&str, &Path)]) -> Result<Configuration> {
        let hashed = inputs.iter().map(|(name, path)| Ok(((*name).to_owned(), hash_of_file(path)?)));
        Ok(Configuration {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.args.numbers.seed,
            numbers: numbers_of(section)?,
            roles: self.roles.by_name(),
            inputs: hashed.collect::<Result<BTreeMap<_, _>>>()?,
        })
    }

    /// Prints what it would take.
    pub(super) fn tell_estimate(&self, estimates: &[Estimate]) -> Result<()> {
        let sum = |of: fn(&Estimate) -> u64| estimates.iter().map(of).sum::<u64>();
        let cost: Option<f64> = estimates.iter().map(|estimate| estimate.cost).sum();
        let (calls, prompt, completion) = (sum(|e| e.calls), sum(|e| e.prompt_tokens), sum(|e| e.completion_tokens));
        if self.args.run.json {
            return self.output.json(&json!({
                "dry_run": true, "estimated": true, "calls": calls, "prompt_tokens": prompt,
                "completion_tokens": completion, "cost": cost, "roles": estimates,
            }));
        }
        self.output.data("role\tcalls\tprompt tokens\tanswer tokens\tcost\tprovider");
        for estimate in estimates {
            let Estimate { role, provider, calls, prompt_tokens, completion_tokens, cost } = estimate;
            let cost = dollars(*cost);
            self.output.data(&format!("{role}\t{calls}\t{prompt_tokens}\t{completion_tokens}\t{cost}\t{provider}"));
        }
        self.output.data(&format!("all\t{calls}\t{prompt}\t{completion}\t{}\t", dollars(cost)));
        self.output.note("estimated: lengths of answers are assumed, and retries are not counted");
        Ok(())
    }
}

/// Money as people read it.
pub(super) fn dollars(cost: Option<f64>) -> String {
    cost.map_or_else(|| "price unknown (--price MODEL=IN/OUT)".to_owned(), |cost| format!("${cost:.2}"))
}

/// The calls of a gateway, for people.
pub(super) fn calls_line(gateway: &Gateway) -> String {
    let totals = gateway.totals();
    let sum = |of: fn(&crate::provider::Totals) -> u64| totals.values().map(of).sum::<u64>();
    let (calls, cached) = (sum(|t| t.calls), sum(|t| t.cached));
    let tokens = sum(|t| t.prompt_tokens) + sum(|t| t.completion_tokens);
    let cost = gateway.cost().filter(|cost| *cost > 0.0).map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
    format!("{calls} calls ({cached} of them kept from before), {tokens} tokens{cost}")
}

/// An embedder as stages take it.
pub(super) struct Vectors {
    embedder: Arc<dyn Embedder>,
    /// By hash of the text: filter and split ask for the same ones, and a text is embedded once.
    known: Mutex<HashMap<blake3::Hash, Vec<f32>>>,
}

impl Vectors {
    /// The embedder of this name, or the default one.
    pub(super) fn open(name: Option<&str>, settings: &Settings, output: Output) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let files = ModelFiles::new(settings, output)?;
        let embedder = files.embedder(name, settings.chat.onnx_runtime.as_deref(), threads)?;
        let none = || Error::usage("the filter against similar texts needs an embedder", "--embedder NAME");
        embedder.map(|embedder| Self { embedder, known: Mutex::default() }).ok_or_else(none)
    }

    /// One vector of length 1 for each text.
    pub(super) fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hashes: Vec<_> = texts.iter().map(|text| blake3::hash(text.as_bytes())).collect();
        let new: Vec<_> = texts.iter().zip(&hashes).filter(|(_, hash)| !known.contains_key(*hash)).collect();
        let words: Vec<_> = new.iter().map(|(text, _)| text.as_str()).collect();
        let vectors = self.embedder.embed(&words, EmbedPurpose::Document)?;
        if vectors.len() != new.len() || vectors.iter().any(|vector| vector.len() != self.embedder.dimension()) {
            return Err(Error::internal("the embedder did not give one vector for each text"));
        }
        known.extend(new.iter().map(|(_, hash)| **hash).zip(vectors));
        Ok(hashes.iter().filter_map(|hash| known.get(hash).cloned()).collect())
    }

    /// Names weights and settings.
    pub(super) fn fingerprint(&self) -> &str {
        self.embedder.fingerprint()
    }
}
