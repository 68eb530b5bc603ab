//! A model file as a whole: its structure and its meaning, both checked.

use std::io::{Read, Seek};
use std::path::Path;

use super::defect::{Checked, incompatible};
use super::hyperparameters::Hyperparameters;
use super::layout::{Layout, open};
use super::tensor::Tensor;
use super::tokens::Tokens;
use super::value::Metadata;
use super::vocabulary::{Special, check_vocabulary};
use super::weights::check_weights;
use crate::error::Result;

/// What the header of a model says, after it was found sound.
#[derive(Debug, Clone)]
pub struct Header {
    layout: Layout,
    hyperparameters: Hyperparameters,
    special: Special,
}

impl Header {
    /// Reads and checks the header of a model; of the weights it checks that they are there, not what they are.
    ///
    /// # Errors
    /// `ModelMissing`, `Io`; `ModelCorrupt` for a file that is damaged, cut short or no GGUF; `ModelIncompatible` for
    /// a sound one that this engine does not run.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (file, length) = open(path, "model")?;
        Self::from_reader(file, length, path)
    }

    /// As [`Header::read`], from a reader over `length` bytes; `path` only names them in errors.
    ///
    /// The reader may hold less than `length` bytes, as long as it holds the header.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn from_reader<R: Read + Seek>(reader: R, length: u64, path: &Path) -> Result<Self> {
        Layout::read(reader, length).and_then(Self::check).map_err(|defect| defect.at(path))
    }

    fn check(layout: Layout) -> Checked<Self> {
        check_kind(&layout.metadata)?;
        let hyperparameters = Hyperparameters::read(&layout.metadata)?;
        let special = check_vocabulary(&layout.metadata, &layout.tokens)?;
        check_weights(&layout.tensors, &hyperparameters, layout.tokens.len() as u64)?;
        Ok(Self { layout, hyperparameters, special })
    }

    /// The keys and values of the file.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.layout.metadata
    }

    /// The tensors, in the order of the file.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.layout.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.layout.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// How the model is built.
    #[must_use]
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyperparameters
    }

    /// `general.architecture`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.hyperparameters.architecture
    }

    /// The strings of the vocabulary.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.layout.tokens
    }

    /// The string of the token that begins a text; empty where the model has none.
    #[must_use]
    pub fn bos(&self) -> &str {
        self.special.bos.and_then(|id| self.tokens().get(id)).unwrap_or_default()
    }

    /// The string of the token that ends a text.
    #[must_use]
    pub fn eos(&self) -> &str {
        self.tokens().get(self.special.eos).unwrap_or_default()
    }

    /// The Jinja chat template of the file, where it has one.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.metadata().text("tokenizer.chat_template").filter(|template| !template.trim().is_empty())
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors().iter().map(|tensor| tensor.bytes).sum()
    }

    /// Where the tensors' bytes begin: the length of the header with its padding.
    #[must_use]
    pub fn data_offset(&self) -> u64 {
        self.layout.data_offset
    }
}

fn check_kind(metadata: &Metadata) -> Checked<()> {
    const SPLIT: &str = "split.count";
    let shards = match metadata.get(SPLIT) {
        Some(super::value::Value::U16(count)) => u32::from(*count),
        _ => metadata.optional(SPLIT, metadata.u32(SPLIT))?.unwrap_or(0),
    };
    if shards > 1 {
        return incompatible(format!("it is one of {shards} shards; merge them into one file first"));
    }
    match metadata.optional("general.type", metadata.text("general.type"))? {
        Some("adapter") => incompatible("it is an adapter, not a model; load it on its base"),
        Some(other @ ("vocab" | "imatrix" | "mmproj")) => incompatible(format!("it is a {other} file, not a model")),
        _ => Ok(()),
    }
}
