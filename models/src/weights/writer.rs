//! GGUF files written: metadata, then tensors whose bytes are made one after the other.

use std::io::{self, Write};

use super::gguf_file::{GgmlType, GgufFile};
use crate::error::Result;

/// Alignment of tensors in a file that states none.
const ALIGNMENT: usize = 32;

/// A value of the metadata to write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WriteValue {
    F32(f32),
    Text(String),
}

/// A tensor that will stand in the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorPlan {
    pub(crate) name: String,
    /// The row's length first.
    pub(crate) shape: Vec<u64>,
    pub(crate) ggml_type: GgmlType,
}

/// A file in the making.
#[derive(Debug)]
pub(crate) struct GgufWriter {
    alignment: usize,
    metadata: Vec<u8>,
    n_keys: u64,
    tensors: Vec<TensorPlan>,
}

impl TensorPlan {
    /// Bytes of its data.
    pub(crate) fn bytes(&self) -> usize {
        let rows: u64 = self.shape[1..].iter().product();
        (self.ggml_type.row_bytes(self.shape[0]).expect("planned with whole blocks") * rows) as usize
    }
}

impl GgufWriter {
    /// A file without anything.
    pub(crate) fn new() -> Self {
        Self { alignment: ALIGNMENT, metadata: Vec::new(), n_keys: 0, tensors: Vec::new() }
    }

    /// A file with the metadata of another one.
    pub(crate) fn like(file: &GgufFile) -> Result<Self> {
        let (metadata, n_keys) = file.metadata_bytes()?;
        let alignment = file.header().metadata().u32("general.alignment").unwrap_or(ALIGNMENT as u32) as usize;
        Ok(Self { alignment, metadata, n_keys, tensors: Vec::new() })
    }

    /// Adds a key.
    pub(crate) fn set(&mut self, key: &str, value: &WriteValue) {
        put_text(&mut self.metadata, key);
        match value {
            WriteValue::F32(value) => put(&mut self.metadata, 6, &value.to_le_bytes()),
            WriteValue::Text(text) => {
                put(&mut self.metadata, 8, &[]);
                put_text(&mut self.metadata, text);
            }
        }
        self.n_keys += 1;
    }

    /// Adds a tensor.
    pub(crate) fn tensor(&mut self, plan: TensorPlan) {
        self.tensors.push(plan);
    }

    /// Writes header and tensors; `data` gives the bytes of the tensor of this number.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        mut data: impl FnMut(usize, &TensorPlan) -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let header = self.header();
        out.write_all(&header)?;
        for (at, plan) in self.tensors.iter().enumerate() {
            let bytes = data(at, plan)?;
            debug_assert_eq!(bytes.len(), plan.bytes(), "{}", plan.name);
            out.write_all(&bytes)?;
            out.write_all(&vec![0; bytes.len().next_multiple_of(self.alignment) - bytes.len()])?;
        }
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let mut header = b"GGUF".to_vec();
        header.extend(3_u32.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend(self.n_keys.to_le_bytes());
        header.extend(&self.metadata);
        let mut offset = 0;
        for plan in &self.tensors {
            put_text(&mut header, &plan.name);
            header.extend((plan.shape.len() as u32).to_le_bytes());
            plan.shape.iter().for_each(|length| header.extend(length.to_le_bytes()));
            header.extend((plan.ggml_type as u32).to_le_bytes());
            header.extend((offset as u64).to_le_bytes());
            offset += plan.bytes().next_multiple_of(self.alignment);
        }
        header.resize(header.len().next_multiple_of(self.alignment), 0);
        header
    }
}

fn put(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    out.extend(number.to_le_bytes());
    out.extend(bytes);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}
