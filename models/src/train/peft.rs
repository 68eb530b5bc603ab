//! Adapters as PEFT keeps them: a folder with `adapter_config.json` and `adapter_model.safetensors`.
//!
//! This is what training leaves, so an adapter that was trained elsewhere comes in the same way. Hugging Face and GGUF
//! order the rows of queries and keys differently; the order changes here and nowhere else.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use super::llama::{Base, Projection, Shape};
use super::lora::{LoraConfig, LoraPlan, Pair};
use super::vocabulary;
use crate::error::{Error, Result};
use crate::run_dir::write_whole;

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// An adapter with all its numbers, in the order of the base's file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adapter {
    pub(crate) plan: LoraPlan,
    pub(crate) numbers: Vec<f32>,
}

/// The adapter in a folder, for this base.
///
/// # Errors
/// [`Error::AdapterUnfit`] for one of another kind or of other shapes.
pub(crate) fn read(folder: &Path, base: &Base) -> Result<Adapter> {
    let unfit = |reason: String| Error::AdapterUnfit { path: folder.to_owned(), reason };
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| Error::io(path, error))
    };
    let config: Value = serde_json::from_slice(&file(CONFIG)?).map_err(|_| unfit(format!("{CONFIG} is not JSON")))?;
    let config = read_config(&config).map_err(unfit)?;
    let bytes = file(WEIGHTS)?;
    vocabulary::check(folder, base)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|_| unfit(format!("{WEIGHTS} is damaged")))?;
    let plan = LoraPlan::new(&config, &base.shape)?;
    let numbers = numbers_of(&tensors, "base_model.model.", &plan, &base.shape).map_err(unfit)?;
    if tensors.len() != 2 * plan.pairs.len() {
        return Err(unfit(format!("it has {} tensors and its config {}", tensors.len(), 2 * plan.pairs.len())));
    }
    Ok(Adapter { plan, numbers })
}

/// Writes the folder; `base_name` is for people.
pub(crate) fn write(folder: &Path, adapter: &Adapter, base: &Base, base_name: &str) -> Result<()> {
    let (plan, shape) = (&adapter.plan, &base.shape);
    let mut stored: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    for pair in &plan.pairs {
        let (a, b) = names(pair);
        let rows = &adapter.numbers[pair.b.clone()];
        let rows = reordered(rows, pair, shape, plan.config.rank, Direction::ToHuggingFace);
        let prefix = "base_model.model.";
        stored.insert(
            format!("{prefix}{a}"),
            (vec![plan.config.rank, pair.n_in], bytes(&adapter.numbers[pair.a.clone()])),
        );
        stored.insert(format!("{prefix}{b}"), (vec![pair.n_out, plan.config.rank], bytes(&rows)));
    }
    let views = stored.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(Error::internal)?;
        Ok((name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let whole = safetensors::serialize(views, None).map_err(Error::internal)?;
    write_whole(&folder.join(WEIGHTS), &whole)?;
    vocabulary::write(folder, base)?;
    let mut config = serde_json::to_vec_pretty(&config_of(&plan.config, base_name)).map_err(Error::internal)?;
    config.push(b'\n');
    write_whole(&folder.join(CONFIG), &config)
}

/// The adapter's numbers out of tensors whose names begin with `prefix`.
pub(super) fn numbers_of(
    tensors: &SafeTensors<'_>,
    prefix: &str,
    plan: &LoraPlan,
    shape: &Shape,
) -> Result<Vec<f32>, String> {
    let mut numbers = vec![0.0; plan.len];
    let rank = plan.config.rank;
    for pair in &plan.pairs {
        let (a, b) = names(pair);
        numbers[pair.a.clone()].copy_from_slice(&tensor(tensors, &format!("{prefix}{a}"), [rank, pair.n_in])?);
        let rows = tensor(tensors, &format!("{prefix}{b}"), [pair.n_out, rank])?;
        numbers[pair.b.clone()].copy_from_slice(&reordered(&rows, pair, shape, rank, Direction::ToGguf));
    }
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err("it holds numbers that are not finite".into());
    }
    Ok(numbers)
}

fn names(pair: &Pair) -> (String, String) {
    let block = match pair.projection {
        Projection::Gate | Projection::Up | Projection::Down => "mlp",
        _ => "self_attn",
    };
    let stem = format!("model.layers.{}.{block}.{}", pair.layer, pair.projection.peft_name());
    (format!("{stem}.lora_A.weight"), format!("{stem}.lora_B.weight"))
}

fn tensor(tensors: &SafeTensors<'_>, name: &str, shape: [usize; 2]) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("it has no tensor {name}"))?;
    if view.shape() != shape {
        return Err(format!("{name} has the shape {:?}, and the base wants {shape:?}", view.shape()));
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()),
        Dtype::BF16 => Ok(bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()),
        other => Err(format!("{name} is {other:?}; F32, F16 and BF16 are read")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToGguf,
    ToHuggingFace,
}

/// Rows of `B`: in a GGUF neighbours are a rotated pair, in Hugging Face's order the two halves of a head are.
fn reordered(rows: &[f32], pair: &Pair, shape: &Shape, rank: usize, direction: Direction) -> Vec<f32> {
    if !matches!(pair.projection, Projection::Q | Projection::K) {
        return rows.to_vec();
    }
    let dim = shape.head_dim;
    let mut out = vec![0.0; rows.len()];
    for row in 0..pair.n_out {
        let (head, i) = (row / dim, row % dim);
        let (gguf, hf) = (row, head * dim + (i % 2) * dim / 2 + i / 2);
        let (to, from) = if direction == Direction::ToGguf { (gguf, hf) } else { (hf, gguf) };
        out[to * rank..(to + 1) * rank].copy_from_slice(&rows[from * rank..(from + 1) * rank]);
    }
    out
}

fn read_config(config: &Value) -> Result<LoraConfig, String> {
    if config["peft_type"] != "LORA" {
        return Err("its peft_type is not LORA".into());
    }
    for (key, why) in [
        ("use_dora", "DoRA"),
        ("modules_to_save", "whole modules"),
        ("alpha_pattern", "alphas by layer"),
        ("rank_pattern", "ranks by layer"),
        ("layers_to_transform", "some layers only"),
        ("layer_replication", "repeated layers"),
        ("use_qalora", "QALoRA"),
        ("use_bdlora", "block-diagonal matrices"),
    ] {
        let empty = match &config[key] {
            Value::Null | Value::Bool(false) => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            return Err(format!("it has {why} ({key}), which is not supported"));
        }
    }
    let rank = config["r"].as_u64().filter(|rank| *rank > 0).ok_or("it has no rank")? as usize;
    let mut alpha = config["lora_alpha"].as_f64().ok_or("it has no lora_alpha")? as f32;
    if config["use_rslora"] == true {
        // rsLoRA scales by alpha / sqrt(rank): the same as a greater alpha.
        alpha *= (rank as f32).sqrt();
    }
    let names = config["target_modules"].as_array().ok_or("its target_modules are not a list")?;
    let known = |name: &Value| Projection::ALL.into_iter().find(|p| name.as_str() == Some(p.peft_name()));
    let targets: Option<Vec<_>> = names.iter().map(known).collect();
    let mut targets = targets.ok_or("it changes modules that are not among the seven projections")?;
    targets.sort_unstable();
    Ok(LoraConfig { rank, alpha, dropout: config["lora_dropout"].as_f64().unwrap_or(0.0) as f32, targets })
}

fn config_of(config: &LoraConfig, base_name: &str) -> Value {
    let targets: Vec<_> = config.targets.iter().map(|target| target.peft_name()).collect();
    json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base_name, "r": config.rank,
        "lora_alpha": config.alpha, "lora_dropout": config.dropout, "target_modules": targets, "bias": "none",
        "fan_in_fan_out": false, "inference_mode": true, "use_rslora": false, "use_dora": false,
        "modules_to_save": null, "init_lora_weights": true,
    })
}
