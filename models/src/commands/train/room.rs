//! Whether training has room: what is kept between the two ways, and what to change where it does not fit.

use crate::error::{Error, Result};
use crate::train::{Base, Keep, Place, TrainData, TrainPlan, TrainingMemory, largest_batch};

/// Batches smaller than this are not proposed.
const LEAST_TOKENS: usize = 64;

/// What a GPU is taken to have where nothing is named: neither Vulkan's interface as burn shows it nor burn tells.
const GPU_MIB: u64 = 8192;

/// The memory that there is, and whose.
pub(super) struct Room<'a> {
    pub(super) place: &'a Place,
    pub(super) named_mib: Option<u64>,
    /// Of the machine.
    pub(super) free_mib: u64,
}

/// Keeps activations where the memory is there for them, and refuses what does not fit without them either.
///
/// Of what the machine has free activations may take half, because others live there too; of what was named, all. On a GPU
/// weights that stay there come before activations: they save an upload of the whole base each way.
pub(super) fn fit(plan: &mut TrainPlan, data: &TrainData, base: &Base, room: &Room<'_>) -> Result<TrainingMemory> {
    let (tokens, learned) = largest_batch(plan, data);
    let of = |plan: &TrainPlan, tokens, learned, keep, resident| match room.place.gpu() {
        None => TrainingMemory::estimate(&base.shape, &plan.lora, tokens, learned, keep),
        Some(_) => TrainingMemory::on_gpu(&base.shape, &plan.lora, tokens, learned, keep, resident),
    };
    let available_mib = room.available_mib();
    for (keep, resident, most) in room.ways() {
        let memory = of(plan, tokens, learned, keep, resident);
        if memory.mib() <= most {
            plan.keep = keep;
            return Ok(memory);
        }
    }
    let least = |tokens, learned| of(plan, tokens, learned, Keep::LayerInputs, false).mib();
    let fits = |part: &usize| least(*part, learned * part / tokens.max(1)) <= available_mib;
    let smaller = std::iter::successors(Some(tokens / 2), |tokens| Some(tokens / 2));
    let max_tokens = smaller.take_while(|tokens| *tokens >= LEAST_TOKENS).find(fits);
    Err(Error::TrainingTooLarge { required_mib: least(tokens, learned), available_mib, max_tokens })
}

impl Room<'_> {
    fn available_mib(&self) -> u64 {
        self.named_mib.unwrap_or(if self.place.gpu().is_some() { GPU_MIB } else { self.free_mib })
    }

    /// What to keep, whether weights stay on the device, and the most that it may take; the quickest first.
    fn ways(&self) -> Vec<(Keep, bool, u64)> {
        let most = self.available_mib();
        match self.place.gpu() {
            None => {
                let half = most / if self.named_mib.is_some() { 1 } else { 2 };
                vec![(Keep::Activations, false, half), (Keep::LayerInputs, false, most)]
            }
            Some(_) => {
                let all = [
                    (Keep::Activations, true),
                    (Keep::LayerInputs, true),
                    (Keep::Activations, false),
                    (Keep::LayerInputs, false),
                ];
                all.map(|(keep, resident)| (keep, resident, most)).to_vec()
            }
        }
    }
}
