//! The loop: steps in an order that the seed decides, each from the checkpoint before it and nothing else.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::batch::{Batch, TokenizedExample, order, pack};
use super::checkpoint::{self, Checkpoint};
use super::llama::{Keep, Lora};
use super::lora::{Dropout, LoraPlan};
use super::metrics::{Evaluation, Log, StepMetrics};
use super::model::Model;
use super::optimizer::{AdamW, LearningRate, clip};
use super::peft::{self, Adapter};
use super::reference::Reference;
use super::step::{Objective, Share, Sums};
use crate::error::{Error, Result};
use crate::random::Draws;

/// What a run is, beside its data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainPlan {
    pub(crate) objective: Objective,
    pub(crate) lora: LoraPlan,
    /// The adapter that training begins with; a pair's reference is the model with it.
    pub(crate) start: Option<Vec<f32>>,
    pub(crate) lr: f64,
    pub(crate) schedule: super::optimizer::Schedule,
    pub(crate) warmup_share: f64,
    pub(crate) weight_decay: f64,
    pub(crate) max_grad_norm: f64,
    /// Examples a step.
    pub(crate) accumulation: usize,
    /// Tokens of a batch.
    pub(crate) max_tokens: usize,
    pub(crate) epochs: usize,
    /// 0 is all of them.
    pub(crate) max_steps: usize,
    pub(crate) checkpoint_every: usize,
    /// 0 is the beginning and the end alone.
    pub(crate) eval_every: usize,
    pub(crate) seed: u64,
    pub(crate) keep: Keep,
}

/// Data as token sequences.
#[derive(Debug, Default)]
pub(crate) struct TrainData {
    pub(crate) train: Vec<TokenizedExample>,
    pub(crate) held_out: Vec<TokenizedExample>,
}

/// Where a run writes.
#[derive(Debug)]
pub(crate) struct TrainFiles {
    /// Checkpoint and reference.
    pub(crate) state: PathBuf,
    /// The adapter.
    pub(crate) out: PathBuf,
    /// Lines of JSON; the first is the one that is read when a run goes on.
    pub(crate) logs: Vec<PathBuf>,
    /// Folder for TensorBoard's events.
    pub(crate) events: Option<PathBuf>,
    /// For people, in the adapter's configuration.
    pub(crate) base_name: String,
}

/// What a finished run has to say.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Outcome {
    pub(crate) steps: usize,
    pub(crate) before: Option<Evaluation>,
    pub(crate) after: Option<Evaluation>,
}

/// Somebody who watches.
pub(crate) trait Watch {
    fn step(&mut self, metrics: &StepMetrics, of: usize);
    fn evaluation(&mut self, _evaluation: &Evaluation) {}
    fn stage(&mut self, words: &str);
}

impl TrainPlan {
    /// Steps in all.
    pub(crate) fn steps(&self, examples: usize) -> usize {
        let all = examples.div_ceil(self.accumulation) * self.epochs;
        if self.max_steps == 0 { all } else { all.min(self.max_steps) }
    }

    fn rate(&self, steps: usize) -> LearningRate {
        let warmup_steps = (self.warmup_share * steps as f64).round() as usize;
        LearningRate { peak: self.lr, warmup_steps, steps, schedule: self.schedule }
    }

    /// Tokens that an epoch computes, and those of its sequences one by one.
    pub(crate) fn epoch_tokens(&self, data: &TrainData) -> (usize, usize) {
        let steps = data.train.len().div_ceil(self.accumulation);
        let packed = (0..steps).flat_map(|step| self.batches(&data.train, step)).map(|batch| batch.tokens()).sum();
        let alone =
            data.train.iter().flat_map(|example| &example.sequences).map(|sequence| sequence.tokens.len()).sum();
        (packed, alone)
    }

    /// The batches of a step.
    fn batches(&self, data: &[TokenizedExample], step: usize) -> Vec<Batch> {
        let in_epoch = data.len().div_ceil(self.accumulation);
        let order = order(data, self.seed, step / in_epoch);
        let from = step % in_epoch * self.accumulation;
        let examples = &order[from..(from + self.accumulation).min(data.len())];
        pack(data, examples, self.max_tokens).iter().map(|examples| Batch::new(data, examples)).collect()
    }

    fn dropout(&self, step: usize, batch: usize) -> Option<Dropout> {
        let share = self.lora.config.dropout;
        let seed = Draws::new(self.seed, "dropout of a batch", ((step as u64) << 20) | batch as u64).number();
        (share > 0.0).then_some(Dropout { seed, share })
    }
}

/// A run under way.
pub(crate) struct Trainer<'a, M> {
    model: &'a M,
    plan: &'a TrainPlan,
    data: &'a TrainData,
    files: &'a TrainFiles,
    reference: Reference,
    log: Log,
    at: Checkpoint,
    /// The step of the checkpoint that this run goes on from.
    begun_at: usize,
}

impl<'a, M: Model> Trainer<'a, M> {
    /// Begins, or goes on from the newest checkpoint in the folder if `resume`.
    pub(crate) fn open(
        model: &'a M,
        plan: &'a TrainPlan,
        data: &'a TrainData,
        files: &'a TrainFiles,
        resume: bool,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        if !resume {
            checkpoint::forget(&files.state)?;
            Reference::forget(&files.state)?;
        }
        let begin = || {
            let numbers = plan.start.clone().unwrap_or_else(|| plan.lora.initial(plan.seed));
            Checkpoint { step: 0, adam: AdamW::new(numbers.len()), numbers }
        };
        let at = Checkpoint::read(&files.state, plan.lora.len)?.unwrap_or_else(begin);
        let reference = match plan.objective {
            Objective::Sft => Reference::none(data),
            Objective::Pairs(_) => {
                watch.stage("log-probabilities by the reference");
                Reference::open(model, plan, data, &files.state)?
            }
        };
        let log = Log::open(&files.logs, files.events.as_deref(), at.step, resume)?;
        let begun_at = at.step;
        Ok(Self { model, plan, data, files, reference, log, at, begun_at })
    }

    /// Trains to the end and writes the adapter.
    pub(crate) fn run(mut self, watch: &mut dyn Watch) -> Result<Outcome> {
        let steps = self.plan.steps(self.data.train.len());
        let before = self.evaluate_at(0, watch)?;
        while self.at.step < steps {
            let metrics = self.step(steps)?;
            self.log.write(&metrics)?;
            watch.step(&metrics, steps);
            let at = self.at.step;
            let due = |every: usize| every > 0 && at.is_multiple_of(every);
            if due(self.plan.eval_every) && at < steps {
                self.evaluate_at(at, watch)?;
            }
            if due(self.plan.checkpoint_every) || at == steps {
                self.at.write(&self.files.state)?;
            }
        }
        let after = self.evaluate_at(steps, watch)?;
        let adapter = Adapter { plan: self.plan.lora.clone(), numbers: self.at.numbers };
        peft::write(&self.files.out, &adapter, self.model.base(), &self.files.base_name)?;
        Ok(Outcome { steps, before, after })
    }

    fn step(&mut self, steps: usize) -> Result<StepMetrics> {
        let (started, step) = (Instant::now(), self.at.step);
        let batches = self.plan.batches(&self.data.train, step);
        let share = Share::of(self.plan.objective, &batches);
        let mut gradients = vec![0.0; self.at.numbers.len()];
        let mut sums = Sums::default();
        for (number, batch) in batches.iter().enumerate() {
            let lora =
                Lora { plan: &self.plan.lora, numbers: &self.at.numbers, dropout: self.plan.dropout(step, number) };
            let seen = (&self.reference.train[..], share, self.plan.keep);
            sums += self.plan.objective.learn(self.model, lora, batch, seen, &mut gradients)?;
            self.refuse_unless(sums.loss.is_finite(), "loss", &batch.examples)?;
        }
        let grad_norm = clip(&mut gradients, self.plan.max_grad_norm);
        let all: Vec<usize> = batches.iter().flat_map(|batch| batch.examples.clone()).collect();
        self.refuse_unless(grad_norm.is_finite(), "gradient", &all)?;
        let lr = self.plan.rate(steps).at(step);
        self.at.adam.step(&mut self.at.numbers, &gradients, lr, self.plan.weight_decay);
        self.at.step += 1;
        let epoch = (step + 1) as f64 / self.data.train.len().div_ceil(self.plan.accumulation) as f64;
        let seconds = started.elapsed().as_secs_f64();
        Ok(StepMetrics::new(self.at.step, epoch, lr, grad_norm, seconds, &sums, self.plan.objective))
    }

    /// Stops before a step that would spoil the adapter; the checkpoint stays as it was.
    fn refuse_unless(&self, sound: bool, what: &str, examples: &[usize]) -> Result<()> {
        if sound {
            return Ok(());
        }
        let every = self.plan.checkpoint_every;
        let checkpoint = (self.at.step / every * every).max(self.begun_at);
        let lines = lines_of(&self.data.train, examples);
        let what = format!("the {what} of step {}", self.at.step + 1);
        Err(Error::NotFinite { what, data: "the dataset", lines, checkpoint: Some(checkpoint).filter(|at| *at > 0) })
    }

    /// Measures on what is held out; of a resumed run the beginning is measured with the adapter that it began with.
    fn evaluate_at(&mut self, step: usize, watch: &mut dyn Watch) -> Result<Option<Evaluation>> {
        if self.data.held_out.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.log.evaluation(step) {
            watch.evaluation(&known);
            return Ok(Some(known));
        }
        watch.stage("measuring on what is held out");
        let started;
        let numbers = if step == self.at.step {
            &self.at.numbers
        } else {
            started = self.plan.start.clone().unwrap_or_else(|| self.plan.lora.initial(self.plan.seed));
            &started
        };
        let lora = Lora { plan: &self.plan.lora, numbers, dropout: None };
        let all: Vec<usize> = (0..self.data.held_out.len()).collect();
        let held_out = &self.data.held_out;
        let packed = pack(held_out, &all, self.plan.max_tokens);
        let batches: Vec<_> = packed.iter().map(|examples| Batch::new(held_out, examples)).collect();
        let share = Share::of(self.plan.objective, &batches);
        let mut sums = Sums::default();
        for batch in &batches {
            sums += self.plan.objective.look(self.model, Some(lora), batch, (&self.reference.held_out, share))?;
            if !sums.loss.is_finite() {
                let (what, lines) = (format!("the loss after step {step}"), lines_of(held_out, &batch.examples));
                return Err(Error::NotFinite { what, data: "what is held out", lines, checkpoint: None });
            }
        }
        let evaluation = Evaluation::new(step, &sums, self.plan.objective);
        self.log.write_evaluation(&evaluation)?;
        watch.evaluation(&evaluation);
        Ok(Some(evaluation))
    }
}

/// The lines that these examples stand on, in order.
pub(super) fn lines_of(all: &[TokenizedExample], examples: &[usize]) -> Vec<u64> {
    let mut lines: Vec<u64> = examples.iter().map(|place| all[*place].line).collect();
    lines.sort_unstable();
    lines
}

/// The folder holds a run's checkpoint.
pub(crate) fn is_begun(folder: &Path) -> bool {
    checkpoint::path(folder).exists() || Reference::is_begun(folder)
}

/// Tokens of the largest batch of an epoch, and the most that have a loss in one.
pub(crate) fn largest_batch(plan: &TrainPlan, data: &TrainData) -> (usize, usize) {
    let steps = data.train.len().div_ceil(plan.accumulation);
    let batches = (0..steps).flat_map(|step| plan.batches(&data.train, step));
    batches.fold((0, 0), |most, batch| (most.0.max(batch.tokens()), most.1.max(batch.targets.len())))
}
