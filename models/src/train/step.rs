//! One step of training: every batch forward and backward, gradients summed, and what was seen on the way.

use super::batch::Batch;
use super::llama::{Keep, Lora};
use super::model::{Model, Predicted as _};
use super::objective::{PairObjective, Reply};
use crate::error::Result;

/// What is made small in this run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Objective {
    /// Mean cross-entropy of a token.
    Sft,
    /// Mean of a loss over pairs.
    Pairs(PairObjective),
}

/// Log-probabilities of the chosen and rejected reply of each example, by the reference.
pub(crate) type Reference = [[f64; 2]];

/// Sums over examples, from which a step's figures are made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) loss: f64,
    pub(crate) examples: f64,
    pub(crate) learned_tokens: f64,
    pub(crate) hits: f64,
    pub(crate) chosen_reward: f64,
    pub(crate) rejected_reward: f64,
    pub(crate) accurate: f64,
    /// Tokens that went through the model.
    pub(crate) tokens: f64,
}

/// How a batch's part of the loss is weighted: one over the step's tokens or pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share(pub(crate) f64);

impl Share {
    /// For the batches of one step.
    pub(crate) fn of(objective: Objective, batches: &[Batch]) -> Self {
        let count: usize = match objective {
            Objective::Sft => batches.iter().flat_map(|batch| &batch.parts).flatten().map(Vec::len).sum(),
            Objective::Pairs(_) => batches.iter().map(|batch| batch.examples.len()).sum(),
        };
        Self(1.0 / count.max(1) as f64)
    }
}

impl Objective {
    /// The loss of a batch, the gradient of each target's log-probability, and what there is to see.
    fn apply(
        &self,
        batch: &Batch,
        log_probs: &[f32],
        hits: &[bool],
        reference: &Reference,
        share: Share,
    ) -> (Sums, Vec<f32>) {
        let mut gradient = vec![0.0_f64; batch.targets.len()];
        let mut sums = Sums { tokens: batch.tokens() as f64, ..Sums::default() };
        for (example, parts) in batch.examples.iter().zip(&batch.parts) {
            let log_prob = |part: &[usize]| part.iter().map(|at| f64::from(log_probs[*at])).sum::<f64>();
            sums.examples += 1.0;
            // Of a pair the chosen reply alone says how well the model would have written it.
            sums.learned_tokens += parts[0].len() as f64;
            sums.hits += parts[0].iter().filter(|at| hits[**at]).count() as f64;
            let slopes = match self {
                Self::Sft => {
                    sums.loss -= log_prob(&parts[0]) * share.0;
                    vec![-1.0]
                }
                Self::Pairs(objective) => {
                    let known = reference[*example];
                    let reply = |side: usize| Reply {
                        policy: log_prob(&parts[side]),
                        reference: known[side],
                        tokens: parts[side].len(),
                    };
                    let (chosen, rejected) = (reply(0), reply(1));
                    let (loss, slopes) = objective.of(chosen, rejected);
                    sums.loss += loss * share.0;
                    sums.chosen_reward += objective.beta * chosen.gain();
                    sums.rejected_reward += objective.beta * rejected.gain();
                    sums.accurate += f64::from(u8::from(chosen.gain() > rejected.gain()));
                    slopes.to_vec()
                }
            };
            for (part, slope) in parts.iter().zip(slopes) {
                part.iter().for_each(|at| gradient[*at] += slope * share.0);
            }
        }
        (sums, gradient.into_iter().map(|g| g as f32).collect())
    }

    /// Forward and backward; adds to `gradients`, but stops before the way back where the loss is no finite number.
    pub(crate) fn learn(
        &self,
        model: &impl Model,
        lora: Lora<'_>,
        batch: &Batch,
        (reference, share, keep): (&Reference, Share, Keep),
        gradients: &mut [f32],
    ) -> Result<Sums> {
        let trace = model.forward(&batch.packed, &batch.targets, Some(lora), keep)?;
        let (sums, slopes) = self.apply(batch, trace.log_probs(), trace.hits(), reference, share);
        if !sums.loss.is_finite() {
            return Ok(sums);
        }
        model.backward(&batch.packed, &batch.targets, lora, trace, &slopes, gradients)?;
        Ok(sums)
    }

    /// Forward alone.
    pub(crate) fn look(
        &self,
        model: &impl Model,
        lora: Option<Lora<'_>>,
        batch: &Batch,
        (reference, share): (&Reference, Share),
    ) -> Result<Sums> {
        let trace = model.forward(&batch.packed, &batch.targets, lora, Keep::Nothing)?;
        Ok(self.apply(batch, trace.log_probs(), trace.hits(), reference, share).0)
    }
}

/// Log-probability of each sequence of each example of a batch.
pub(crate) fn sequence_log_probs(model: &impl Model, lora: Option<Lora<'_>>, batch: &Batch) -> Result<Vec<Vec<f64>>> {
    let trace = model.forward(&batch.packed, &batch.targets, lora, Keep::Nothing)?;
    let sum = |part: &Vec<usize>| part.iter().map(|at| f64::from(trace.log_probs()[*at])).sum();
    Ok(batch.parts.iter().map(|parts| parts.iter().map(sum).collect()).collect())
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.examples += other.examples;
        self.learned_tokens += other.learned_tokens;
        self.hits += other.hits;
        self.chosen_reward += other.chosen_reward;
        self.rejected_reward += other.rejected_reward;
        self.accurate += other.accurate;
        self.tokens += other.tokens;
    }
}
