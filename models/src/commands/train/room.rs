//! Whether training has room: what is kept between the two ways, and what to change where it does not fit.

use crate::error::{Error, Result};
use crate::train::{Base, Keep, TrainData, TrainPlan, TrainingMemory, largest_batch};

/// Batches smaller than this are not proposed.
const LEAST_TOKENS: usize = 64;

/// Keeps activations where the memory is there for them, and refuses what does not fit without them either.
///
/// Of what the machine has free activations may take half, because others live there too; of what was named, all.
pub(super) fn fit(
    plan: &mut TrainPlan,
    data: &TrainData,
    base: &Base,
    named_mib: Option<u64>,
    free_mib: u64,
) -> Result<TrainingMemory> {
    let (tokens, learned) = largest_batch(plan, data);
    let available_mib = named_mib.unwrap_or(free_mib);
    let of = |tokens, learned, keep| TrainingMemory::estimate(&base.shape, &plan.lora, tokens, learned, keep);
    let quick = of(tokens, learned, Keep::Activations);
    if quick.mib() <= available_mib / if named_mib.is_some() { 1 } else { 2 } {
        plan.keep = Keep::Activations;
        return Ok(quick);
    }
    let small = of(tokens, learned, Keep::LayerInputs);
    if small.mib() <= available_mib {
        plan.keep = Keep::LayerInputs;
        return Ok(small);
    }
    let fits = |part: &usize| of(*part, learned * part / tokens.max(1), Keep::LayerInputs).mib() <= available_mib;
    let smaller = std::iter::successors(Some(tokens / 2), |tokens| Some(tokens / 2));
    let max_tokens = smaller.take_while(|tokens| *tokens >= LEAST_TOKENS).find(fits);
    Err(Error::TrainingTooLarge { required_mib: small.mib(), available_mib, max_tokens })
}
