//! Writes GGUF files, sound and unsound ones: what the engine's reader and loader are tested with.
//!
//! It checks nothing, so that a test can write any damage; `tiny_model` builds sound files with it.

use std::io::Write;
use std::path::Path;

/// A value of the metadata.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MetaValue {
    U8(u8),
    U16(u16),
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Bool(bool),
    Text(String),
    /// A string that need not be UTF-8.
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    U32s(Vec<u32>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
    /// The number of a type and the bytes that follow it, whatever they are.
    Raw(u32, Vec<u8>),
}

macro_rules! from {
    ($($source:ty => $variant:ident),*) => {
        $(impl From<$source> for MetaValue {
            fn from(value: $source) -> Self {
                Self::$variant(value)
            }
        })*
    };
}
from!(u8 => U8, u16 => U16, u32 => U32, i32 => I32, u64 => U64, f32 => F32, bool => Bool, String => Text,
    Vec<String> => Texts, Vec<u32> => U32s, Vec<i32> => I32s, Vec<f32> => F32s);

impl From<&str> for MetaValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// How the elements of a tensor are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, non_camel_case_types, reason = "llama.cpp's own names")]
pub enum TensorType {
    F32,
    F16,
    Q8_0,
}

/// A tensor as it will stand in the file.
#[derive(Debug, Clone)]
pub struct TensorData {
    /// Its name.
    pub name: Vec<u8>,
    /// Its lengths, the row's first.
    pub shape: Vec<u64>,
    /// The number of its type.
    pub number: u32,
    /// Its bytes.
    pub data: Vec<u8>,
    /// What the header says of its offset, where that is not the truth.
    pub claimed_offset: Option<u64>,
}

/// A GGUF file in the making; every field may be changed before it is written.
#[derive(Debug, Clone)]
pub struct GgufWriter {
    /// The first four bytes.
    pub magic: [u8; 4],
    /// The version of the format.
    pub version: u32,
    /// Alignment of the tensors; tell the file of another than 32 by `general.alignment`.
    pub alignment: usize,
    /// The metadata, in order.
    pub metadata: Vec<(Vec<u8>, MetaValue)>,
    /// The tensors, in order.
    pub tensors: Vec<TensorData>,
}

impl Default for GgufWriter {
    fn default() -> Self {
        Self { magic: *b"GGUF", version: 3, alignment: 32, metadata: Vec::new(), tensors: Vec::new() }
    }
}

impl GgufWriter {
    /// Sets a key, in its place if it is there already.
    pub fn set(&mut self, key: &str, value: impl Into<MetaValue>) -> &mut Self {
        let value = value.into();
        match self.metadata.iter_mut().find(|(known, _)| known == key.as_bytes()) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.as_bytes().to_vec(), value)),
        }
        self
    }

    /// Removes a key.
    pub fn unset(&mut self, key: &str) -> &mut Self {
        self.metadata.retain(|(known, _)| known != key.as_bytes());
        self
    }

    /// Adds a tensor; `values` are row-major, `shape` has the row's length first.
    pub fn tensor(&mut self, name: &str, shape: &[u64], tensor_type: TensorType, values: &[f32]) -> &mut Self {
        assert_eq!(shape.iter().product::<u64>(), values.len() as u64, "{name}");
        let (number, data) = match tensor_type {
            TensorType::F32 => (0, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            TensorType::F16 => (1, values.iter().flat_map(|v| half(*v).to_le_bytes()).collect()),
            TensorType::Q8_0 => (8, q8_0(values)),
        };
        let name = name.as_bytes().to_vec();
        self.tensors.push(TensorData { name, shape: shape.to_vec(), number, data, claimed_offset: None });
        self
    }

    /// The tensor of this name, to damage it.
    ///
    /// # Panics
    /// If there is none.
    pub fn tensor_mut(&mut self, name: &str) -> &mut TensorData {
        let found = self.tensors.iter_mut().find(|tensor| tensor.name == name.as_bytes());
        found.unwrap_or_else(|| panic!("no tensor {name}"))
    }

    /// The header alone, padded to where the tensors begin.
    #[must_use]
    pub fn header_bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_bytes(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            put_bytes(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(tensor.number.to_le_bytes());
            out.extend(tensor.claimed_offset.unwrap_or(offset).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(self.alignment) as u64;
        }
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out
    }

    /// The whole file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.header_bytes();
        for tensor in &self.tensors {
            out.extend(&tensor.data);
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        out
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::File::create(path)?.write_all(&self.to_bytes())
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn put_array<T>(out: &mut Vec<u8>, number: u32, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    out.extend(9_u32.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend((items.len() as u64).to_le_bytes());
    items.iter().for_each(|item| put(out, item));
}

fn put_value(out: &mut Vec<u8>, value: &MetaValue) {
    let mut scalar = |number: u32, bytes: &[u8]| {
        out.extend(number.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        MetaValue::U8(v) => scalar(0, &v.to_le_bytes()),
        MetaValue::U16(v) => scalar(2, &v.to_le_bytes()),
        MetaValue::U32(v) => scalar(4, &v.to_le_bytes()),
        MetaValue::I32(v) => scalar(5, &v.to_le_bytes()),
        MetaValue::F32(v) => scalar(6, &v.to_le_bytes()),
        MetaValue::Bool(v) => scalar(7, &[u8::from(*v)]),
        MetaValue::U64(v) => scalar(10, &v.to_le_bytes()),
        MetaValue::Raw(number, bytes) => scalar(*number, bytes),
        MetaValue::Text(text) => {
            scalar(8, &[]);
            put_bytes(out, text.as_bytes());
        }
        MetaValue::Bytes(bytes) => {
            scalar(8, &[]);
            put_bytes(out, bytes);
        }
        MetaValue::Texts(items) => put_array(out, 8, items, |out, item| put_bytes(out, item.as_bytes())),
        MetaValue::U32s(items) => put_array(out, 4, items, |out, item| out.extend(item.to_le_bytes())),
        MetaValue::I32s(items) => put_array(out, 5, items, |out, item| out.extend(item.to_le_bytes())),
        MetaValue::F32s(items) => put_array(out, 6, items, |out, item| out.extend(item.to_le_bytes())),
    }
}

/// IEEE half precision, rounded to nearest; beyond its range infinite, below its normal range zero.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let rounded = bits.wrapping_add(0x1000) & 0x7FFF_FFFF;
    match rounded {
        0x4780_0000.. => sign | 0x7C00,
        0x3880_0000.. => sign | ((rounded - 0x3800_0000) >> 13) as u16,
        _ => sign,
    }
}

/// Blocks of 32: a half-precision scale and 32 signed bytes.
fn q8_0(values: &[f32]) -> Vec<u8> {
    assert_eq!(values.len() % 32, 0, "Q8_0 has blocks of 32");
    let mut out = Vec::new();
    for block in values.chunks(32) {
        let scale = block.iter().fold(0.0_f32, |most, v| most.max(v.abs())) / 127.0;
        out.extend(half(scale).to_le_bytes());
        out.extend(block.iter().map(|v| if scale == 0.0 { 0 } else { (v / scale).round() as i8 as u8 }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision_of_known_numbers() {
        let known = [(0.0, 0), (1.0, 0x3C00), (-2.0, 0xC000), (0.5, 0x3800), (65504.0, 0x7BFF), (1e6, 0x7C00)];
        known.iter().for_each(|(value, bits)| assert_eq!(half(*value), *bits, "{value}"));
    }
}
