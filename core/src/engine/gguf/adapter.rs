//! LoRA adapters in GGUF: checked against the base they are to be laid on.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;

use super::defect::{Checked, corrupt, mismatch, quoted};
use super::header::Header;
use super::layout::{Layout, open};
use super::tensor::Tensor;
use super::value::Metadata;
use crate::error::Result;

/// What the header of a LoRA adapter says, after it was found to fit its base.
#[derive(Debug, Clone)]
pub struct AdapterHeader {
    layout: Layout,
    alpha: f32,
    rank: u64,
    n_pairs: usize,
}

impl AdapterHeader {
    /// Reads and checks the header of an adapter for `base`.
    ///
    /// # Errors
    /// `ModelMissing`, `Io`; `ModelCorrupt` for a damaged file; `AdapterMismatch` for one of another architecture,
    /// kind, shape or rank.
    pub fn read(path: impl AsRef<Path>, base: &Header) -> Result<Self> {
        let path = path.as_ref();
        let (file, length) = open(path, "adapter")?;
        Self::from_reader(file, length, path, base)
    }

    /// As [`AdapterHeader::read`], from `length` bytes; `path` only names them in errors.
    ///
    /// # Errors
    /// As [`AdapterHeader::read`].
    pub fn from_reader<R: Read + Seek>(reader: R, length: u64, path: &Path, base: &Header) -> Result<Self> {
        Layout::read(reader, length).and_then(|layout| Self::check(layout, base)).map_err(|defect| defect.at(path))
    }

    /// The keys and values of the file.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.layout.metadata
    }

    /// The strength the adapter was trained with: its change is scaled by `alpha / rank`, by 1 where this is 0.
    #[must_use]
    pub fn alpha(&self) -> f32 {
        self.alpha
    }

    /// The greatest rank among its pairs.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.rank
    }

    /// How many weights of the base it changes.
    #[must_use]
    pub fn n_pairs(&self) -> usize {
        self.n_pairs
    }

    /// Bytes of its tensors: what it takes in memory.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.layout.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    fn check(layout: Layout, base: &Header) -> Checked<Self> {
        let alpha = check_kind(&layout.metadata, base)?;
        let pairs = pairs(&layout.tensors)?;
        let mut rank = 0;
        for (name, pair) in &pairs {
            rank = rank.max(check_pair(name, *pair, base)?);
        }
        let n_pairs = pairs.len();
        Ok(Self { alpha, rank, n_pairs, layout })
    }
}

/// The types are checked with the values: on some wrong ones llama.cpp asserts.
fn check_kind(metadata: &Metadata, base: &Header) -> Checked<f32> {
    let text = |key| metadata.required(key, metadata.text(key));
    let optional = |key| metadata.optional(key, metadata.text(key));
    match optional("general.type")? {
        Some("adapter") => {}
        Some(other) => return mismatch(format!("it is a {}, not an adapter", quoted(other))),
        None => return mismatch("it is a model, not an adapter"),
    }
    let architecture = text("general.architecture")?;
    if architecture != base.architecture() {
        return mismatch(format!("it is for {}, the base is {}", quoted(architecture), quoted(base.architecture())));
    }
    let kind = text("adapter.type")?;
    if kind != "lora" {
        return mismatch(format!("it is an adapter of the kind {}; only lora is supported", quoted(kind)));
    }
    if metadata.get("adapter.alora.invocation_tokens").is_some() {
        return mismatch("it is switched on by tokens of the text, which is not supported");
    }
    const ALPHA: &str = "adapter.lora.alpha";
    match metadata.optional(ALPHA, metadata.f32(ALPHA))?.unwrap_or(0.0) {
        alpha if alpha.is_finite() => Ok(alpha),
        _ => corrupt("its adapter.lora.alpha is not a number"),
    }
}

type Pair<'a> = (Option<&'a Tensor>, Option<&'a Tensor>);

fn pairs(tensors: &[Tensor]) -> Checked<BTreeMap<&str, Pair<'_>>> {
    let mut pairs: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    for tensor in tensors {
        if let Some(name) = tensor.name.strip_suffix(".lora_a") {
            pairs.entry(name).or_default().0 = Some(tensor);
        } else if let Some(name) = tensor.name.strip_suffix(".lora_b") {
            pairs.entry(name).or_default().1 = Some(tensor);
        } else {
            return mismatch(format!("its tensor {} ends in neither .lora_a nor .lora_b", quoted(&tensor.name)));
        }
    }
    if pairs.is_empty() { mismatch("it holds no tensors") } else { Ok(pairs) }
}

/// The rank of a pair that fits the base's weight of this name.
fn check_pair(name: &str, pair: Pair<'_>, base: &Header) -> Checked<u64> {
    let name = (name, quoted(name));
    let (Some(a), Some(b)) = pair else {
        return mismatch(format!("the pair of {} lacks its lora_a or lora_b", name.1));
    };
    let Some(weight) = base.tensor(name.0) else {
        return mismatch(format!("the base has no tensor {}", name.1));
    };
    let ([a_in, a_rank], [b_rank, b_out], [w_in, w_out]) = (&a.shape[..], &b.shape[..], &weight.shape[..]) else {
        return mismatch(format!("{} or its pair is not a matrix", name.1));
    };
    if [a, b].iter().any(|tensor| !tensor.ggml_type.can_multiply()) {
        return mismatch(format!("the pair of {} is of a type that cannot be computed with", name.1));
    }
    // Embeddings are looked up by row, so that llama.cpp wants their pair the other way round.
    let fits = match name.0.ends_with("token_embd.weight") {
        true => b_out == w_in && a_rank == w_out && a_in == b_rank,
        false => a_in == w_in && b_out == w_out && a_rank == b_rank,
    };
    if !fits {
        let (a, b, w) = (&a.shape, &b.shape, &weight.shape);
        return mismatch(format!("the pair of {} has the shapes {a:?} and {b:?}, the base's is {w:?}", name.1));
    }
    Ok(*b_rank)
}
