//! Log-probabilities of every pair by the reference, computed once and kept beside the checkpoint.
//!
//! The reference is the model as it stands before the first step: the bare base, or the base with the adapter that
//! training goes on from (TRL keeps a frozen copy of such an adapter as the reference too).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::batch::{Batch, TokenizedExample, pack};
use super::llama::Lora;
use super::model::Model;
use super::step::sequence_log_probs;
use super::trainer::{TrainData, TrainPlan, lines_of};
use crate::error::{Error, Result};
use crate::run_dir::{AppendLog, read_lines, remove_if_there};

const FILE: &str = "reference.jsonl";

/// `[examples]`: chosen, rejected.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) train: Vec<[f64; 2]>,
    pub(super) held_out: Vec<[f64; 2]>,
}

/// A pair as it is kept: the bits of the two numbers, because a decimal form may not come back the same.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    held_out: bool,
    example: usize,
    bits: [u64; 2],
}

impl Reference {
    /// For a loss that has none.
    pub(super) fn none(data: &TrainData) -> Self {
        Self { train: vec![[0.0; 2]; data.train.len()], held_out: vec![[0.0; 2]; data.held_out.len()] }
    }

    /// Reads what is there and computes the rest.
    pub(super) fn open(model: &impl Model, plan: &TrainPlan, data: &TrainData, folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut log = AppendLog::open(&path)?;
        let known: Vec<Line> = read_lines(&path)?;
        let mut reference = Self::none(data);
        for (held_out, examples) in [(false, &data.train), (true, &data.held_out)] {
            let mut found = vec![false; examples.len()];
            for line in known.iter().filter(|line| line.held_out == held_out && line.example < examples.len()) {
                found[line.example] = true;
                reference.part(held_out)[line.example] = line.bits.map(f64::from_bits);
            }
            for batch in batches(examples, plan.max_tokens) {
                if batch.iter().all(|example| found[*example]) {
                    continue;
                }
                let computed = compute(model, plan, examples, &batch)?;
                if computed.iter().flatten().any(|log_prob| !log_prob.is_finite()) {
                    let data = if held_out { "what is held out" } else { "the dataset" };
                    let (what, lines) = ("a log-probability by the reference".into(), lines_of(examples, &batch));
                    return Err(Error::NotFinite { what, data, lines, checkpoint: None });
                }
                for (example, pair) in batch.iter().zip(computed) {
                    reference.part(held_out)[*example] = pair;
                    log.append_soon(&Line { held_out, example: *example, bits: pair.map(f64::to_bits) })?;
                }
            }
        }
        Ok(reference)
    }

    pub(super) fn is_begun(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    pub(super) fn forget(folder: &Path) -> Result<()> {
        remove_if_there(&folder.join(FILE))
    }

    fn part(&mut self, held_out: bool) -> &mut Vec<[f64; 2]> {
        if held_out { &mut self.held_out } else { &mut self.train }
    }
}

/// In the order of the file, where neighbours share the most.
fn batches(examples: &[TokenizedExample], max_tokens: usize) -> Vec<Vec<usize>> {
    pack(examples, &(0..examples.len()).collect::<Vec<_>>(), max_tokens)
}

fn compute(
    model: &impl Model,
    plan: &TrainPlan,
    examples: &[TokenizedExample],
    batch: &[usize],
) -> Result<Vec<[f64; 2]>> {
    let lora = plan.start.as_ref().map(|numbers| Lora { plan: &plan.lora, numbers, dropout: None });
    let known = sequence_log_probs(model, lora, &Batch::new(examples, batch))?;
    Ok(known.iter().map(|sides| [sides[0], sides[1]]).collect())
}
