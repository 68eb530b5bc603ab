//! From stored blocks to `f32`: plain floats and the formats with 32 elements a block.
//!
//! The layouts are those of ggml's `dequantize_row_*`; the tests compare with a fixture of gguf's own Python
//! (`models/tests/oracle/blocks.py`).

use half::{bf16, f16};

use super::gguf_file::GgmlType;
use super::k_quants;

/// Elements of a block of the older formats.
const BLOCK: usize = 32;

/// Whether [`dequantize`] knows the type.
pub(super) fn is_readable(ggml_type: GgmlType) -> bool {
    use GgmlType::{BF16, F16, F32, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
    matches!(ggml_type, F32 | F16 | BF16 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | Q4_K | Q5_K | Q6_K)
}

/// Writes the values of whole blocks; `bytes` and `out` must be of matching length, and the type readable.
pub(super) fn dequantize(ggml_type: GgmlType, bytes: &[u8], out: &mut [f32]) {
    match ggml_type {
        GgmlType::F32 => floats::<4>(bytes, out, f32::from_le_bytes),
        GgmlType::F16 => floats::<2>(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
        GgmlType::BF16 => floats::<2>(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        GgmlType::Q4_0 => blocks::<18, BLOCK>(bytes, out, |b, y| nibbles(&b[2..], y, half(b, 0), -8.0 * half(b, 0))),
        GgmlType::Q4_1 => blocks::<20, BLOCK>(bytes, out, |b, y| nibbles(&b[4..], y, half(b, 0), half(b, 2))),
        GgmlType::Q5_0 => blocks::<22, BLOCK>(bytes, out, |b, y| {
            five_bits(&b[6..], high_bits(b, 2), y, half(b, 0), -16.0 * half(b, 0));
        }),
        GgmlType::Q5_1 => blocks::<24, BLOCK>(bytes, out, |b, y| {
            five_bits(&b[8..], high_bits(b, 4), y, half(b, 0), half(b, 2));
        }),
        GgmlType::Q8_0 => blocks::<34, BLOCK>(bytes, out, |b, y| {
            let scale = half(b, 0);
            y.iter_mut().zip(&b[2..]).for_each(|(y, q)| *y = scale * f32::from(q.cast_signed()));
        }),
        GgmlType::Q4_K => blocks::<144, { k_quants::BLOCK }>(bytes, out, k_quants::q4_k),
        GgmlType::Q5_K => blocks::<176, { k_quants::BLOCK }>(bytes, out, k_quants::q5_k),
        GgmlType::Q6_K => blocks::<210, { k_quants::BLOCK }>(bytes, out, k_quants::q6_k),
        other => unreachable!("{other:?} was refused when the file was opened"),
    }
}

/// The half-precision number at this byte of a block.
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn floats<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    let (values, _) = bytes.as_chunks::<N>();
    out.iter_mut().zip(values).for_each(|(y, b)| *y = read(*b));
}

fn blocks<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    read: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let (stored, _) = bytes.as_chunks::<BYTES>();
    let (values, _) = out.as_chunks_mut::<ELEMENTS>();
    stored.iter().zip(values).for_each(|(b, y)| read(b, y));
}

/// Low nibbles are the first half of the block, high ones the second.
fn nibbles(quants: &[u8], y: &mut [f32; BLOCK], scale: f32, offset: f32) {
    let (low, high) = y.split_at_mut(BLOCK / 2);
    for ((q, low), high) in quants.iter().zip(low).zip(high) {
        *low = scale * f32::from(q & 15) + offset;
        *high = scale * f32::from(q >> 4) + offset;
    }
}

fn five_bits(quants: &[u8], high_bits: u32, y: &mut [f32; BLOCK], scale: f32, offset: f32) {
    let (low, high) = y.split_at_mut(BLOCK / 2);
    for (at, ((q, low), high)) in quants.iter().zip(low).zip(high).enumerate() {
        let fifth = |bit: usize| ((high_bits >> bit) & 1) as u8 * 16;
        *low = scale * f32::from((q & 15) | fifth(at)) + offset;
        *high = scale * f32::from((q >> 4) | fifth(at + 16)) + offset;
    }
}

fn high_bits(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Stored {
        bytes: String,
        values: String,
    }

    fn from_hex(digits: &str) -> Vec<u8> {
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        (0..digits.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn every_type_has_the_values_that_the_reference_reads() {
        let fixture = include_str!("../../tests/fixtures/blocks.json");
        let fixture: HashMap<String, Stored> = serde_json::from_str(fixture).expect("the fixture is JSON");
        let readable: Vec<_> = GgmlType::all().filter(|ggml_type| is_readable(*ggml_type)).collect();
        assert_eq!((readable.len(), fixture.len()), (11, 11));
        for ggml_type in readable {
            let Stored { bytes, values } = &fixture[&format!("{ggml_type:?}")];
            let expected: Vec<f32> =
                from_hex(values).as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
            let mut found = vec![0.0; expected.len()];
            dequantize(ggml_type, &from_hex(bytes), &mut found);
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let near = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0);
                assert!(near, "{ggml_type:?} value {at}: {found} is not {expected}");
            }
        }
    }
}
