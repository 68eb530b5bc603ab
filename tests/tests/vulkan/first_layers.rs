//! A small F32 model for comparisons between devices: the first layers of a real one, its weights dequantized.
//!
//! Real weights, because random ones give logits near zero, where any two devices agree.

use std::io::{BufReader, Read};
use std::path::Path;

use aloekit::engine::gguf::{GgmlType, Header, Tensor};
use aloekit_tests::gguf_writer::{GgufWriter, MetaValue, TensorType};

/// Writes the first `n_layer` layers of `from`, with its vocabulary and output, to `to`.
pub(crate) fn write(from: &Path, to: &Path, n_layer: u32) {
    let header = Header::read(from).expect("the default model is sound");
    let bytes = std::fs::read(from).expect("the default model can be read");
    let mut small = GgufWriter::default();
    copy_metadata(&bytes, &mut small);
    small.set("llama.block_count", n_layer).set("general.file_type", 0_u32);
    for tensor in header.tensors().iter().filter(|tensor| is_kept(&tensor.name, n_layer)) {
        let start = usize::try_from(header.data_offset() + tensor.offset).expect("the file is in memory");
        let data = &bytes[start..start + usize::try_from(tensor.bytes).expect("the file is in memory")];
        small.tensor(&tensor.name, &tensor.shape, TensorType::F32, &dequantized(tensor, data));
    }
    small.write(to).expect("the folder has room");
}

fn is_kept(name: &str, n_layer: u32) -> bool {
    let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    layer.is_none_or(|layer| layer < n_layer)
}

/// Copies every key with its value's bytes as they are; the vocabulary is among them.
fn copy_metadata(file: &[u8], to: &mut GgufWriter) {
    let mut rest = Cursor(BufReader::new(file));
    rest.take(16); // magic, version, number of tensors
    for _ in 0..rest.u64() {
        let length = rest.u64();
        let key = rest.take(length);
        let number = rest.u32();
        let mut value = Vec::new();
        rest.value(number, &mut value);
        to.metadata.push((key, MetaValue::Raw(number, value)));
    }
}

/// Walks through a sound GGUF header.
struct Cursor<R>(R);

impl<R: Read> Cursor<R> {
    fn take(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut bytes).expect("it is in memory");
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().expect("the header is whole"))
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("the header is whole"))
    }

    fn value(&mut self, number: u32, out: &mut Vec<u8>) {
        match number {
            8 => self.text(out),
            9 => self.array(out),
            _ => out.extend(self.take(scalar_bytes(number))),
        }
    }

    fn text(&mut self, out: &mut Vec<u8>) {
        let length = self.u64();
        out.extend(length.to_le_bytes());
        out.extend(self.take(length));
    }

    fn array(&mut self, out: &mut Vec<u8>) {
        let (element, count) = (self.u32(), self.u64());
        out.extend(element.to_le_bytes());
        out.extend(count.to_le_bytes());
        for _ in 0..count {
            self.value(element, out);
        }
    }
}

/// Bytes of a number or truth value of this type.
fn scalar_bytes(number: u32) -> u64 {
    match number {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => panic!("GGUF has no value type {number}"),
    }
}

/// The weights of a tensor as 32-bit floats.
fn dequantized(tensor: &Tensor, data: &[u8]) -> Vec<f32> {
    match tensor.ggml_type {
        GgmlType::F32 => data.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        GgmlType::Q4_1 => data.as_chunks::<20>().0.iter().flat_map(q4_1).collect(),
        GgmlType::Q8_0 => data.as_chunks::<34>().0.iter().flat_map(q8_0).collect(),
        other => panic!("{} is {other:?}, which the default model does not use", tensor.name),
    }
}

/// A block of 32: scale d, minimum m, then 4-bit numbers n, the low halves first: d n + m.
fn q4_1(block: &[u8; 20]) -> impl Iterator<Item = f32> {
    let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
    let low = block[4..].iter().map(|byte| byte & 0x0F);
    let high = block[4..].iter().map(|byte| byte >> 4);
    low.chain(high).map(move |n| d * f32::from(n) + m)
}

/// A block of 32: scale d, then signed bytes n: d n.
fn q8_0(block: &[u8; 34]) -> impl Iterator<Item = f32> {
    let d = half(block[0], block[1]);
    block[2..].iter().map(move |&n| d * f32::from(n.cast_signed()))
}

/// IEEE half precision, little-endian; finite numbers only.
fn half(low: u8, high: u8) -> f32 {
    let bits = u16::from_le_bytes([low, high]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_become_the_numbers_they_stand_for() {
        let known = [(0x3C00, 1.0), (0xC000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x0000, 0.0)];
        for (bits, number) in known {
            let [low, high] = u16::to_le_bytes(bits);
            assert_eq!(half(low, high), number);
        }
    }
}
