//! The shape of a model, read from its metadata and checked before llama.cpp asserts on it.

use super::defect::{Checked, corrupt, incompatible, quoted};
use super::value::{Metadata, Value};

/// Decoder-only chat models that this llama.cpp runs with an ordinary KV cache, by `general.architecture`.
///
/// Recurrent, hybrid, encoder, diffusion and vision models are left out: the engine shifts and reuses the cache.
const ARCHITECTURES: [&str; 27] = [
    "llama",
    "mistral3",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "gemma",
    "gemma2",
    "gemma3",
    "phi3",
    "smollm3",
    "stablelm",
    "internlm2",
    "minicpm",
    "granite",
    "granitemoe",
    "olmo2",
    "olmoe",
    "exaone",
    "exaone4",
    "command-r",
    "cohere2",
    "starcoder2",
    "arcee",
    "ernie4_5",
    "glm4",
    "seed_oss",
];

/// llama.cpp's `LLAMA_MAX_LAYERS`; outside 1 to this it aborts the process.
const MAX_LAYERS: u32 = 512;

/// The numbers that say how a model is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hyperparameters {
    /// `general.architecture`, one that this engine runs.
    pub architecture: String,
    /// Layers, 1 to 512.
    pub n_layer: u32,
    /// Length of a token's vector.
    pub n_embd: u32,
    /// Tokens of context that the model was trained with.
    pub n_ctx_train: u32,
    /// Query heads, by layer.
    pub n_head: Vec<u32>,
    /// Key and value heads, by layer.
    pub n_head_kv: Vec<u32>,
    /// Length of one head's key.
    pub key_length: u32,
    /// Length of one head's value.
    pub value_length: u32,
    /// Width of the feed-forward network, by layer; of one expert in a mixture of experts.
    pub n_ff: Vec<u32>,
    /// Experts, 0 for a dense model.
    pub n_expert: u32,
}

impl Hyperparameters {
    pub(super) fn read(metadata: &Metadata) -> Checked<Self> {
        let architecture = architecture(metadata)?;
        let keys = Keys { metadata, architecture };
        let n_layer = keys.number("block_count")?;
        if !(1..=MAX_LAYERS).contains(&n_layer) {
            return incompatible(format!("its block_count is {n_layer}; 1 to {MAX_LAYERS} are supported"));
        }
        let n_embd = keys.number_in("embedding_length", 1, 1 << 17)?;
        let n_ctx_train = keys.number_in("context_length", 16, 1 << 24)?;
        let n_head = keys.per_layer("attention.head_count", n_layer, 1 << 12)?;
        let Some(n_head) = n_head else { return corrupt("its attention.head_count is missing") };
        let n_head_kv = keys.per_layer("attention.head_count_kv", n_layer, 1 << 12)?.unwrap_or_else(|| n_head.clone());
        if n_head.iter().zip(&n_head_kv).any(|(head, kv)| head % kv != 0) {
            return corrupt("its attention.head_count is not a multiple of its attention.head_count_kv");
        }
        let key_length = keys.head_length("attention.key_length", n_embd, n_head[0])?;
        let value_length = keys.head_length("attention.value_length", n_embd, n_head[0])?;
        let n_expert = keys.experts(n_layer)?;
        let n_ff = keys.feed_forward(n_layer, n_expert)?;
        keys.check_rope(key_length, value_length)?;
        keys.check_epsilon()?;
        Ok(Self {
            architecture: architecture.to_owned(),
            n_layer,
            n_embd,
            n_ctx_train,
            n_head,
            n_head_kv,
            key_length,
            value_length,
            n_ff,
            n_expert,
        })
    }
}

fn architecture(metadata: &Metadata) -> Checked<&str> {
    const KEY: &str = "general.architecture";
    let architecture = metadata.required(KEY, metadata.text(KEY))?;
    if ARCHITECTURES.contains(&architecture) {
        return Ok(architecture);
    }
    incompatible(format!("its architecture {} is not among those this engine runs", quoted(architecture)))
}

/// The keys that begin with the architecture's name.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn optional_number(&self, name: &str) -> Checked<Option<u32>> {
        let key = self.key(name);
        self.metadata.optional(&key, self.metadata.u32(&key))
    }

    fn number(&self, name: &str) -> Checked<u32> {
        let key = self.key(name);
        self.metadata.required(&key, self.metadata.u32(&key))
    }

    fn number_in(&self, name: &str, low: u32, high: u32) -> Checked<u32> {
        match self.number(name)? {
            value if (low..=high).contains(&value) => Ok(value),
            value => corrupt(format!("its {name} is {value}; {low} to {high} make sense")),
        }
    }

    fn float(&self, name: &str) -> Checked<Option<f32>> {
        let key = self.key(name);
        self.metadata.optional(&key, self.metadata.f32(&key))
    }

    /// One number for all layers, or an array with one for each; all within 1 to `high`.
    fn per_layer(&self, name: &str, n_layer: u32, high: u32) -> Checked<Option<Vec<u32>>> {
        let values = match self.metadata.get(&self.key(name)) {
            None => return Ok(None),
            Some(Value::U32(value)) => vec![i64::from(*value); n_layer as usize],
            Some(Value::Array(array)) if array.count == u64::from(n_layer) => match &array.integers {
                Some(integers) => integers.clone(),
                None => return corrupt(format!("its {name} is not an array of integers")),
            },
            Some(_) => return corrupt(format!("its {name} is neither a number nor one number a layer")),
        };
        let checked = values.iter().map(|&value| u32::try_from(value).ok().filter(|v| (1..=high).contains(v)));
        match checked.collect() {
            Some(values) => Ok(Some(values)),
            None => corrupt(format!("its {name} holds a number outside 1 to {high}")),
        }
    }

    fn head_length(&self, name: &str, n_embd: u32, n_head: u32) -> Checked<u32> {
        match self.optional_number(name)? {
            Some(length) if (1..=1 << 13).contains(&length) => Ok(length),
            Some(length) => corrupt(format!("its {name} is {length}")),
            None if n_embd.is_multiple_of(n_head) => Ok(n_embd / n_head),
            None => corrupt(format!("its embedding_length {n_embd} is not a multiple of its {n_head} heads")),
        }
    }

    fn experts(&self, n_layer: u32) -> Checked<u32> {
        let n_expert = self.optional_number("expert_count")?.unwrap_or(0);
        let used = self.per_layer_or_zero("expert_used_count", n_layer)?;
        if self.optional_number("nextn_predict_layers")?.unwrap_or(0) >= n_layer {
            return corrupt("its nextn_predict_layers is not less than its block_count");
        }
        if self.optional_number("expert_group_count")?.unwrap_or(0) > 1 {
            return incompatible("it groups its experts, which is not supported here");
        }
        match (n_expert, used) {
            (0, 0) => Ok(0),
            (1..=512, 1..) if used <= n_expert => Ok(n_expert),
            _ => corrupt(format!("it uses {used} of its {n_expert} experts")),
        }
    }

    fn per_layer_or_zero(&self, name: &str, n_layer: u32) -> Checked<u32> {
        if self.metadata.u32(&self.key(name)) == Some(0) {
            return Ok(0);
        }
        Ok(self.per_layer(name, n_layer, 512)?.and_then(|used| used.into_iter().max()).unwrap_or(0))
    }

    fn feed_forward(&self, n_layer: u32, n_expert: u32) -> Checked<Vec<u32>> {
        let expert = if n_expert > 0 { self.per_layer("expert_feed_forward_length", n_layer, 1 << 20)? } else { None };
        let widths = match expert {
            Some(widths) => Some(widths),
            None => self.per_layer("feed_forward_length", n_layer, 1 << 20)?,
        };
        widths.map_or_else(|| corrupt("its feed_forward_length is missing"), Ok)
    }

    /// llama.cpp asserts on most of these while it builds the graph.
    fn check_rope(&self, key_length: u32, value_length: u32) -> Checked<()> {
        let rotated = self.optional_number("rope.dimension_count")?.unwrap_or(key_length);
        if rotated == 0 || rotated > key_length || rotated % 2 != 0 {
            return corrupt(format!("its rope.dimension_count is {rotated} of a key_length of {key_length}"));
        }
        if self.architecture == "llama" && (rotated != key_length || key_length != value_length) {
            return corrupt(format!(
                "its heads disagree: key_length {key_length}, value_length {value_length}, rope.dimension_count {rotated}"
            ));
        }
        if self.float("rope.freq_base")?.is_some_and(|base| !base.is_finite() || base <= 0.0) {
            return corrupt("its rope.freq_base is not a positive number");
        }
        if self.float("rope.scaling.factor")?.is_some_and(|factor| !factor.is_finite() || factor < 0.0) {
            return corrupt("its rope.scaling.factor is not a positive number");
        }
        let key = self.key("rope.scaling.type");
        match self.metadata.optional(&key, self.metadata.text(&key))? {
            None | Some("none" | "linear" | "yarn" | "longrope") => Ok(()),
            Some(other) => incompatible(format!("its rope.scaling.type {} is unknown", quoted(other))),
        }
    }

    fn check_epsilon(&self) -> Checked<()> {
        let rms = self.float("attention.layer_norm_rms_epsilon")?;
        let plain = self.float("attention.layer_norm_epsilon")?;
        match rms.or(plain) {
            None => corrupt("its layer_norm_epsilon is missing"),
            Some(_) if [rms, plain].into_iter().flatten().all(|e| (0.0..1.0).contains(&e)) => Ok(()),
            Some(_) => corrupt("its layer_norm_epsilon is not a small positive number"),
        }
    }
}
