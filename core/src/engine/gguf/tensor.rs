//! The tensors of a GGUF file: names, shapes, types, and where their bytes lie.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::defect::{Checked, corrupt, incompatible, quoted};
use super::source::Source;
use super::value::read_name;

/// llama.cpp keeps names in 64 bytes, the closing NUL included.
const MAX_NAME_BYTES: u64 = 63;
const MAX_DIMENSIONS: u32 = 4;
const MAX_TENSORS: u64 = 65_536;

/// How the elements of a tensor are stored, with the number that stands in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, non_camel_case_types, reason = "llama.cpp's own names")]
pub enum GgmlType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
    NVFP4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,
}

use GgmlType::*;

/// Every type with its elements a block and bytes a block.
const LAYOUTS: [(GgmlType, u64, u64); 35] = [
    (F32, 1, 4),
    (F16, 1, 2),
    (Q4_0, 32, 18),
    (Q4_1, 32, 20),
    (Q5_0, 32, 22),
    (Q5_1, 32, 24),
    (Q8_0, 32, 34),
    (Q8_1, 32, 36),
    (Q2_K, 256, 84),
    (Q3_K, 256, 110),
    (Q4_K, 256, 144),
    (Q5_K, 256, 176),
    (Q6_K, 256, 210),
    (Q8_K, 256, 292),
    (IQ2_XXS, 256, 66),
    (IQ2_XS, 256, 74),
    (IQ3_XXS, 256, 98),
    (IQ1_S, 256, 50),
    (IQ4_NL, 32, 18),
    (IQ3_S, 256, 110),
    (IQ2_S, 256, 82),
    (IQ4_XS, 256, 136),
    (I8, 1, 1),
    (I16, 1, 2),
    (I32, 1, 4),
    (I64, 1, 8),
    (F64, 1, 8),
    (IQ1_M, 256, 56),
    (BF16, 1, 2),
    (TQ1_0, 256, 54),
    (TQ2_0, 256, 66),
    (MXFP4, 32, 17),
    (NVFP4, 64, 36),
    (Q1_0, 128, 18),
    (Q2_0, 64, 18),
];

impl GgmlType {
    /// All types this version knows.
    pub fn all() -> impl Iterator<Item = Self> {
        LAYOUTS.iter().map(|layout| layout.0)
    }

    /// The type with this number in files.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::all().find(|known| *known as u32 == number)
    }

    /// Elements in a block; a row is a whole number of blocks.
    #[must_use]
    pub fn block_elements(self) -> u64 {
        self.layout().1
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.layout().2
    }

    /// Bytes of a row of this many elements; `None` where it is not a whole number of blocks or absurdly long.
    #[must_use]
    pub fn row_bytes(self, elements: u64) -> Option<u64> {
        let (_, per_block, bytes) = self.layout();
        elements.is_multiple_of(per_block).then(|| (elements / per_block).checked_mul(bytes)).flatten()
    }

    /// Whether llama.cpp can multiply by a matrix of this type; with the others it aborts the process.
    #[must_use]
    pub fn can_multiply(self) -> bool {
        !matches!(self, I8 | I16 | I32 | I64 | F64 | Q8_1 | Q8_K)
    }

    fn layout(self) -> (Self, u64, u64) {
        *LAYOUTS.iter().find(|layout| layout.0 == self).expect("every type stands in the table")
    }
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, 1 to 63 bytes.
    pub name: String,
    /// Its lengths, the row's first (`ne` in llama.cpp), one to four, none of them 0.
    pub shape: Vec<u64>,
    /// How its elements are stored.
    pub ggml_type: GgmlType,
    /// Where it begins, in bytes after the beginning of the data.
    pub offset: u64,
    /// Its size in bytes, without padding.
    pub bytes: u64,
}

pub(super) fn read_tensors<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Checked<Vec<Tensor>> {
    source.expect_room(count, 33, "a tensor count of")?;
    if count > MAX_TENSORS {
        return corrupt(format!("a tensor count of {count}"));
    }
    let tensors = (0..count).map(|_| read_tensor(source)).collect::<Checked<Vec<_>>>()?;
    let mut names = HashSet::new();
    match tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
        Some(tensor) => corrupt(format!("the tensor {} is there twice", quoted(&tensor.name))),
        None => Ok(tensors),
    }
}

fn read_tensor<R: Read + Seek>(source: &mut Source<R>) -> Checked<Tensor> {
    let name = read_name(source, MAX_NAME_BYTES, "tensor name")?;
    let dimensions = source.u32()?;
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return corrupt(format!("the tensor {} has {dimensions} dimensions", quoted(&name)));
    }
    let shape = (0..dimensions).map(|_| source.u64()).collect::<Checked<Vec<_>>>()?;
    let number = source.u32()?;
    let Some(ggml_type) = GgmlType::from_number(number) else {
        return incompatible(format!("the tensor {} has the type {number}, which is unknown here", quoted(&name)));
    };
    let offset = source.u64()?;
    match tensor_bytes(ggml_type, &shape) {
        Some(bytes) => Ok(Tensor { name, shape, ggml_type, offset, bytes }),
        None => corrupt(format!("the tensor {} has the impossible shape {shape:?} for {ggml_type:?}", quoted(&name))),
    }
}

/// `None` for a zero dimension, a broken block, or more elements or bytes than a signed 64-bit count holds.
fn tensor_bytes(ggml_type: GgmlType, shape: &[u64]) -> Option<u64> {
    let (row, rest) = shape.split_first()?;
    let rows = rest.iter().try_fold(1_u64, |rows, &n| rows.checked_mul(n))?;
    let elements = row.checked_mul(rows)?;
    let bytes = ggml_type.row_bytes(*row)?.checked_mul(rows)?;
    (elements > 0 && elements <= i64::MAX as u64 && bytes <= i64::MAX as u64).then_some(bytes)
}

/// Each tensor must begin where the one before it ends, rounded up to `alignment`, as llama.cpp demands, and lie
/// within the file: so none overlaps another and none is unaligned.
pub(super) fn check_extents(tensors: &[Tensor], data_offset: u64, alignment: u64, length: u64) -> Checked<()> {
    let mut expected = 0_u64;
    for tensor in tensors {
        if tensor.offset != expected {
            let name = quoted(&tensor.name);
            return corrupt(format!("the tensor {name} is said to begin at {}, not at {expected}", tensor.offset));
        }
        let end = expected.checked_add(tensor.bytes);
        let Some(end) = end.filter(|end| data_offset.checked_add(*end).is_some_and(|end| end <= length)) else {
            let name = quoted(&tensor.name);
            return corrupt(format!("the file of {length} bytes ends before the data of tensor {name} does"));
        };
        expected = end.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    }
    Ok(())
}
