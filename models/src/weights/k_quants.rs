//! From stored blocks to `f32`: the formats with 256 elements a block and scales of their own inside it.

use super::block_formats::half;

/// Elements of a block.
pub(super) const BLOCK: usize = 256;

/// Eight scales and eight minima of six bits each, in twelve bytes.
fn scale_and_min(packed: &[u8], at: usize) -> (f32, f32) {
    let (scale, min) = if at < 4 {
        (packed[at] & 63, packed[at + 4] & 63)
    } else {
        let scale = (packed[at + 4] & 15) | ((packed[at - 4] >> 6) << 4);
        let min = (packed[at + 4] >> 4) | ((packed[at] >> 6) << 4);
        (scale, min)
    };
    (f32::from(scale), f32::from(min))
}

pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; BLOCK]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    let (packed, quants) = block[4..].split_at(12);
    for (part, (q, y)) in quants.chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        for high in 0..2 {
            let (s, m) = scale_and_min(packed, 2 * part + high);
            let (s, m) = (scale * s, min * m);
            let y = &mut y[32 * high..32 * high + 32];
            y.iter_mut().zip(q).for_each(|(y, q)| *y = s * f32::from((q >> (4 * high)) & 15) - m);
        }
    }
}

pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; BLOCK]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    let (packed, rest) = block[4..].split_at(12);
    let (fifths, quants) = rest.split_at(32);
    for (part, (q, y)) in quants.chunks_exact(32).zip(out.chunks_exact_mut(64)).enumerate() {
        for high in 0..2 {
            let bit = 2 * part + high;
            let (s, m) = scale_and_min(packed, bit);
            let (s, m) = (scale * s, min * m);
            let y = &mut y[32 * high..32 * high + 32];
            for ((y, q), fifth) in y.iter_mut().zip(q).zip(fifths) {
                let quant = ((q >> (4 * high)) & 15) + ((fifth >> bit) & 1) * 16;
                *y = s * f32::from(quant) - m;
            }
        }
    }
}

pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; BLOCK]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let scale = half(rest, 16);
    for part in 0..2 {
        let (low, high, scales) = (&low[64 * part..], &high[32 * part..], &rest[8 * part..]);
        let y = &mut out[128 * part..128 * part + 128];
        for quarter in 0..4 {
            let (from, shift) = (32 * (quarter % 2), 4 * (quarter / 2));
            for l in 0..32 {
                let quant = ((low[from + l] >> shift) & 15) | (((high[l] >> (2 * quarter)) & 3) << 4);
                let s = f32::from(scales[2 * quarter + l / 16].cast_signed());
                y[32 * quarter + l] = scale * s * (f32::from(quant) - 32.0);
            }
        }
    }
}
