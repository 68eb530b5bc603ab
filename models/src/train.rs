//! Stage four: LoRA adapters trained on the very file that the phone runs.
//!
//! Reads datasets and a frozen GGUF base, and writes a checkpoint from which it goes on exactly and the adapter. Owns the
//! model's forward and backward pass, the losses and the loop. Knows no provider and no conversation: examples are token
//! sequences with a mask by the time they come here, and what they share is found in the tokens.

mod batch;
mod checkpoint;
mod device;
mod event_file;
#[cfg(feature = "train-gpu")]
mod gpu;
mod llama;
mod lora;
mod memory;
mod metrics;
mod model;
mod objective;
mod ops;
mod optimizer;
#[cfg(test)]
mod oracle;
mod peft;
mod reference;
mod step;
mod token_tree;
mod trainer;
mod vocabulary;

pub(crate) use batch::{Batch, Sequence, TokenizedExample};
pub(crate) use device::{DeviceName, Place};
pub(crate) use llama::{Base, Keep, Lora, Projection};
pub(crate) use lora::{LoraConfig, LoraPlan};
pub(crate) use memory::TrainingMemory;
#[cfg(test)]
pub(crate) use metrics::Rewards;
pub(crate) use metrics::{Evaluation, StepMetrics};
pub(crate) use objective::{PairLoss, PairObjective};
pub(crate) use ops::{Mat, Onto, multiply};
pub(crate) use optimizer::Schedule;
pub(crate) use peft::{Adapter, read as read_adapter, write as write_adapter};
pub(crate) use step::{Objective, sequence_log_probs};
pub(crate) use trainer::{Outcome, TrainData, TrainFiles, TrainPlan, Trainer, Watch, is_begun, largest_batch};
