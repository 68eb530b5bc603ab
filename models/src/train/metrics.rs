//! What is seen of a run: the figures of each step and each measurement, one JSON object a line.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::event_file::EventFile;
use super::memory::peak_mib;
use super::step::{Objective, Sums};
use crate::error::{Error, Result};
use crate::run_dir::{AppendLog, read_lines, write_whole};

/// The figures of pairs, named as in TRL.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rewards {
    #[serde(rename = "rewards/chosen")]
    pub(crate) chosen: f64,
    #[serde(rename = "rewards/rejected")]
    pub(crate) rejected: f64,
    #[serde(rename = "rewards/margins")]
    pub(crate) margins: f64,
    #[serde(rename = "rewards/accuracies")]
    pub(crate) accuracies: f64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepMetrics {
    pub(crate) step: usize,
    pub(crate) epoch: f64,
    pub(crate) loss: f64,
    pub(crate) token_accuracy: f64,
    #[serde(flatten)]
    pub(crate) rewards: Option<Rewards>,
    pub(crate) grad_norm: f64,
    pub(crate) lr: f64,
    /// Examples of this step.
    pub(crate) examples: f64,
    /// Tokens that went through the model; shared ones count once.
    pub(crate) tokens: f64,
    pub(crate) tokens_per_s: f64,
    pub(crate) step_s: f64,
    pub(crate) peak_mib: Option<u64>,
}

/// A measurement on what is held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    pub(crate) step: usize,
    pub(crate) eval_loss: f64,
    pub(crate) eval_token_accuracy: f64,
    #[serde(flatten)]
    pub(crate) rewards: Option<Rewards>,
    pub(crate) eval_examples: f64,
}

fn rewards(sums: &Sums, objective: Objective) -> Option<Rewards> {
    let mean = |sum: f64| sum / sums.examples.max(1.0);
    matches!(objective, Objective::Pairs(_)).then(|| Rewards {
        chosen: mean(sums.chosen_reward),
        rejected: mean(sums.rejected_reward),
        margins: mean(sums.chosen_reward - sums.rejected_reward),
        accuracies: mean(sums.accurate),
    })
}

impl StepMetrics {
    pub(super) fn new(
        step: usize,
        epoch: f64,
        lr: f64,
        grad_norm: f64,
        step_s: f64,
        sums: &Sums,
        objective: Objective,
    ) -> Self {
        Self {
            step,
            epoch,
            loss: sums.loss,
            token_accuracy: sums.hits / sums.learned_tokens.max(1.0),
            rewards: rewards(sums, objective),
            grad_norm,
            lr,
            examples: sums.examples,
            tokens: sums.tokens,
            tokens_per_s: sums.tokens / step_s.max(1e-9),
            step_s,
            peak_mib: peak_mib(),
        }
    }
}

impl Evaluation {
    pub(super) fn new(step: usize, sums: &Sums, objective: Objective) -> Self {
        Self {
            step,
            eval_loss: sums.loss,
            eval_token_accuracy: sums.hits / sums.learned_tokens.max(1.0),
            rewards: rewards(sums, objective),
            eval_examples: sums.examples,
        }
    }
}

/// The files that figures are appended to: lines of JSON, and events for TensorBoard.
pub(super) struct Log {
    files: Vec<AppendLog>,
    events: Option<EventFile>,
    evaluations: Vec<Evaluation>,
}

impl Log {
    /// Of a resumed run the lines up to its checkpoint stay; what came after is done again.
    pub(super) fn open(paths: &[PathBuf], events: Option<&Path>, step: usize, resume: bool) -> Result<Self> {
        let mut log = Self { files: Vec::new(), events: None, evaluations: Vec::new() };
        for path in paths {
            let lines: Vec<serde_json::Value> = match resume && path.exists() {
                // Opening cuts off half a line that a kill may have left.
                true => AppendLog::open(path).and_then(|_| read_lines(path))?,
                false => Vec::new(),
            };
            let early = |line: &&serde_json::Value| line["step"].as_u64().is_some_and(|at| at <= step as u64);
            let kept: Vec<_> = lines.iter().filter(early).collect();
            let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
            write_whole(path, text.as_bytes())?;
            if log.evaluations.is_empty() {
                let evaluations = kept.iter().filter_map(|line| serde_json::from_value((*line).clone()).ok());
                log.evaluations = evaluations.collect();
            }
            log.files.push(AppendLog::open(path)?);
        }
        log.events = events.map(|folder| EventFile::open(folder, step, resume)).transpose()?;
        Ok(log)
    }

    pub(super) fn write(&mut self, metrics: &StepMetrics) -> Result<()> {
        self.append("train", metrics.step, metrics)
    }

    pub(super) fn write_evaluation(&mut self, evaluation: &Evaluation) -> Result<()> {
        self.evaluations.push(*evaluation);
        self.append("eval", evaluation.step, evaluation)
    }

    fn append<T: Serialize>(&mut self, part: &str, step: usize, figures: &T) -> Result<()> {
        for file in &mut self.files {
            file.append_soon(figures)?;
        }
        match &mut self.events {
            Some(events) => events.write(part, step, &serde_json::to_value(figures).map_err(Error::internal)?),
            None => Ok(()),
        }
    }

    /// What was measured at this step.
    pub(super) fn evaluation(&self, step: usize) -> Option<Evaluation> {
        self.evaluations.iter().find(|known| known.step == step).copied()
    }
}
