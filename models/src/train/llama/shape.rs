//! What a base must be to be trained here, read from its header.

use crate::error::{Error, Result};
use crate::weights::GgufFile;

/// The numbers of a Llama model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) n_layer: usize,
    pub(crate) n_embd: usize,
    pub(crate) n_head: usize,
    pub(crate) n_head_kv: usize,
    pub(crate) head_dim: usize,
    pub(crate) n_ff: usize,
    pub(crate) n_vocab: usize,
    pub(crate) n_ctx: usize,
    pub(crate) rms_eps: f32,
    /// Radians a position for each pair of a head's elements, `[head_dim / 2]`.
    pub(crate) frequencies: Vec<f64>,
}

/// A matrix that a layer multiplies with, and that an adapter may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Projection {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
}

impl Projection {
    /// In the order in which a layer uses them.
    pub(crate) const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];

    /// Its name in GGUF files.
    pub(crate) fn gguf_name(self) -> &'static str {
        match self {
            Self::Q => "attn_q",
            Self::K => "attn_k",
            Self::V => "attn_v",
            Self::O => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// Its name in PEFT's lists of targets.
    pub(crate) fn peft_name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The tensor of a layer.
    pub(crate) fn tensor(self, layer: usize) -> String {
        format!("blk.{layer}.{}.weight", self.gguf_name())
    }
}

impl Shape {
    /// Columns and rows of a matrix: what goes in and what comes out.
    pub(crate) fn in_and_out(&self, projection: Projection) -> (usize, usize) {
        let (q, kv) = (self.n_head * self.head_dim, self.n_head_kv * self.head_dim);
        match projection {
            Projection::Q => (self.n_embd, q),
            Projection::K | Projection::V => (self.n_embd, kv),
            Projection::O => (q, self.n_embd),
            Projection::Gate | Projection::Up => (self.n_embd, self.n_ff),
            Projection::Down => (self.n_ff, self.n_embd),
        }
    }

    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`Error::BaseUnfit`] for another architecture, or one whose layers are not all alike and plain.
    pub(super) fn read(file: &GgufFile) -> Result<Self> {
        let unfit = |reason: String| Error::BaseUnfit { path: file.path().to_owned(), reason };
        let header = file.header();
        let numbers = header.hyperparameters();
        if numbers.architecture != "llama" {
            return Err(unfit(format!("its architecture is {}; llama can be trained", numbers.architecture)));
        }
        if numbers.n_expert > 0 {
            return Err(unfit("it is a mixture of experts; dense models can be trained".into()));
        }
        let uniform = |name: &str, values: &[u32]| match values.iter().all(|value| *value == values[0]) {
            true => Ok(values[0] as usize),
            false => Err(unfit(format!("its layers differ in {name}"))),
        };
        refuse_biases(file)?;
        let head_dim = numbers.key_length as usize;
        let eps = header.metadata().f32("llama.attention.layer_norm_rms_epsilon");
        let shape = Self {
            n_layer: numbers.n_layer as usize,
            n_embd: numbers.n_embd as usize,
            n_head: uniform("head_count", &numbers.n_head)?,
            n_head_kv: uniform("head_count_kv", &numbers.n_head_kv)?,
            head_dim,
            n_ff: uniform("feed_forward_length", &numbers.n_ff)?,
            n_vocab: header.tokens().len(),
            n_ctx: numbers.n_ctx_train as usize,
            rms_eps: eps.ok_or_else(|| unfit("it has no layer_norm_rms_epsilon".into()))?,
            frequencies: frequencies(file, head_dim)?,
        };
        shape.check_matrices(file)?;
        Ok(shape)
    }

    fn check_matrices(&self, file: &GgufFile) -> Result<()> {
        for layer in 0..self.n_layer {
            for projection in Projection::ALL {
                let tensor = file.expect(&projection.tensor(layer))?;
                let (n_in, n_out) = self.in_and_out(projection);
                if tensor.shape != [n_in as u64, n_out as u64] {
                    let reason = format!("{} has the shape {:?}, not [{n_in}, {n_out}]", tensor.name, tensor.shape);
                    return Err(Error::BaseUnfit { path: file.path().to_owned(), reason });
                }
            }
        }
        Ok(())
    }
}

/// Tensors that this forward pass would leave out.
fn refuse_biases(file: &GgufFile) -> Result<()> {
    let known = |name: &str| name.ends_with(".weight");
    match file.header().tensors().iter().find(|tensor| !known(&tensor.name)) {
        Some(tensor) => {
            let reason = format!("it has {}, which cannot be trained with", tensor.name);
            Err(Error::BaseUnfit { path: file.path().to_owned(), reason })
        }
        None => Ok(()),
    }
}

/// `base^(-2i / head_dim)`, divided by the factors of a file that has some (Llama 3.1 and later).
fn frequencies(file: &GgufFile, head_dim: usize) -> Result<Vec<f64>> {
    let unfit = |reason: &str| Error::BaseUnfit { path: file.path().to_owned(), reason: reason.to_owned() };
    let metadata = file.header().metadata();
    let base = f64::from(metadata.f32("llama.rope.freq_base").unwrap_or(10_000.0));
    let slower = match metadata.text("llama.rope.scaling.type") {
        None | Some("none") => 1.0,
        Some("linear") => f64::from(metadata.f32("llama.rope.scaling.factor").unwrap_or(1.0)),
        Some(_) => return Err(unfit("its rope scaling is neither linear nor Llama 3's")),
    };
    let factors = match file.tensor("rope_freqs.weight") {
        Some(tensor) if tensor.shape == [head_dim as u64 / 2] => file.whole(tensor)?,
        Some(_) => return Err(unfit("its rope_freqs are not one for each pair of a head")),
        None => vec![1.0; head_dim / 2],
    };
    let of = |(pair, factor): (usize, &f32)| {
        base.powf(-(2.0 * pair as f64) / head_dim as f64) / (f64::from(*factor) * slower.max(f64::MIN_POSITIVE))
    };
    Ok(factors.iter().enumerate().map(of).collect())
}
