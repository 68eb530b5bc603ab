//! From a trained adapter to what others load: a GGUF adapter for the SDK, or the base with the adapter in it.
//!
//! Knows files and nothing of training; that an export says the same as the model that was trained is shown by logits,
//! in the tests.

mod card;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use half::f16;

pub(crate) use card::{BaseFacts, Exported, ModelCard, Records};

use crate::error::Result;
use crate::run_dir::replace_with;
use crate::train::{Adapter, Base, Mat, Onto, multiply};
use crate::weights::{GgmlType, GgufWriter, TensorPlan, WriteValue};

/// Writes the adapter as llama.cpp reads it: the scale is `alpha / rank`, matrices are those of PEFT in the base's order.
pub(crate) fn gguf_adapter(adapter: &Adapter, name: &str, out: &Path) -> Result<()> {
    let rank = adapter.plan.config.rank as u64;
    let mut writer = GgufWriter::new();
    for (key, text) in [("general.architecture", "llama"), ("general.type", "adapter"), ("adapter.type", "lora")] {
        writer.set(key, &WriteValue::Text(text.to_owned()));
    }
    writer.set("general.name", &WriteValue::Text(name.to_owned()));
    writer.set("adapter.lora.alpha", &WriteValue::F32(adapter.plan.config.alpha));
    let mut parts = Vec::with_capacity(2 * adapter.plan.pairs.len());
    for pair in &adapter.plan.pairs {
        let stem = pair.projection.tensor(pair.layer);
        let halves = [("lora_a", [pair.n_in as u64, rank], &pair.a), ("lora_b", [rank, pair.n_out as u64], &pair.b)];
        for (half, shape, range) in halves {
            writer.tensor(TensorPlan { name: format!("{stem}.{half}"), shape: shape.into(), ggml_type: GgmlType::F32 });
            parts.push(range.clone());
        }
    }
    let bytes = |at: usize| adapter.numbers[parts[at].clone()].iter().flat_map(|x| x.to_le_bytes()).collect();
    write(out, &writer, |at, _| Ok(bytes(at)))
}

/// Writes the base with `W + alpha / rank B A` in place of each `W` that the adapter changes, as F16; all else as it was.
pub(crate) fn merged(adapter: &Adapter, base: &Base, out: &Path) -> Result<()> {
    let mut writer = GgufWriter::like(&base.file)?;
    let tensors = base.file.header().tensors();
    let pair_of = |name: &str| adapter.plan.pairs.iter().find(|pair| pair.projection.tensor(pair.layer) == name);
    for tensor in tensors {
        let ggml_type = if pair_of(&tensor.name).is_some() { GgmlType::F16 } else { tensor.ggml_type };
        writer.tensor(TensorPlan { name: tensor.name.clone(), shape: tensor.shape.clone(), ggml_type });
    }
    write(out, &writer, |at, plan| {
        let Some(pair) = pair_of(&plan.name) else { return base.file.bytes(&tensors[at]) };
        let mut matrix = base.file.whole(&tensors[at])?;
        let rank = adapter.plan.config.rank;
        let a = Mat::new(&adapter.numbers[pair.a.clone()], rank, pair.n_in);
        let b = Mat::new(&adapter.numbers[pair.b.clone()], pair.n_out, rank);
        multiply(&mut matrix, b, a, adapter.plan.scale(), Onto::Add);
        Ok(matrix.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect())
    })
}

fn write(out: &Path, writer: &GgufWriter, mut data: impl FnMut(usize, &TensorPlan) -> Result<Vec<u8>>) -> Result<()> {
    let mut failure = None;
    let whole = |file: &mut File| {
        let mut file = BufWriter::new(file);
        writer.write(&mut file, |at, plan| {
            data(at, plan).map_err(|error| {
                failure = Some(error);
                std::io::Error::other("a tensor could not be made")
            })
        })?;
        file.flush()
    };
    let written = replace_with(out, whole);
    // What went wrong while a tensor was made says more than that the file was not written.
    failure.map_or(written, Err)
}
