//! The container of a saved KV state: what it was made with, which tokens it holds, and a checksum.
//!
//! llama.cpp loads a corrupt state silently and a state of another model as nonsense, so nothing reaches it that is
//! not exactly what was written. A damaged or foreign snapshot is no error to anybody: the cache is rebuilt from text.
//!
//! Layout, little-endian: magic `ALOEKV` and version `01` (8 bytes), fingerprint (32), number of tokens (u32), tokens
//! (i32 each), length of the state (u64), state, BLAKE3 of all that precedes (32).

use super::native::Token;

const MAGIC: &[u8; 8] = b"ALOEKV01";
const HASH_LEN: usize = 32;

/// What a KV state is only valid with: version of llama.cpp, model, adapters and their scales, KV type.
pub(super) type Fingerprint = [u8; 32];

/// A KV state and the tokens it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) tokens: Vec<Token>,
    pub(super) state: Vec<u8>,
}

impl Snapshot {
    /// The bytes to keep.
    pub(super) fn seal(&self, fingerprint: &Fingerprint) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + 2 * HASH_LEN + 12 + self.tokens.len() * 4 + self.state.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(fingerprint);
        bytes.extend_from_slice(&u32::try_from(self.tokens.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.tokens.iter().for_each(|token| bytes.extend_from_slice(&token.0.to_le_bytes()));
        bytes.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.state);
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// The snapshot in these bytes, or why it cannot be used.
    pub(super) fn open(bytes: &[u8], fingerprint: &Fingerprint) -> Result<Self, &'static str> {
        let body_len = bytes.len().checked_sub(HASH_LEN).ok_or("too short")?;
        let (body, hash) = bytes.split_at(body_len);
        let body = body.strip_prefix(MAGIC.as_slice()).ok_or("not a snapshot of this version")?;
        let (made_with, mut rest) = body.split_first_chunk::<HASH_LEN>().ok_or("too short")?;
        if made_with != fingerprint {
            return Err("made with another model, adapter or setting");
        }
        if blake3::hash(&bytes[..body_len]).as_bytes() != hash {
            return Err("checksum differs");
        }
        let n_tokens = u32::from_le_bytes(take(&mut rest)?) as usize;
        if n_tokens.checked_mul(4).is_none_or(|len| len > rest.len()) {
            return Err("token list is cut");
        }
        let (tokens, mut rest) = rest.split_at(n_tokens * 4);
        let tokens = tokens.chunks_exact(4).map(|b| Token::new(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
        let len = u64::from_le_bytes(take(&mut rest)?);
        if len != rest.len() as u64 {
            return Err("state is cut");
        }
        Ok(Self { tokens, state: rest.to_vec() })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (head, tail) = bytes.split_first_chunk::<N>().ok_or("too short")?;
    *bytes = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Snapshot {
        Snapshot { tokens: (5..25).map(Token::new).collect(), state: (0..=255).collect() }
    }

    #[test]
    fn what_was_sealed_is_opened() {
        assert_eq!(Snapshot::open(&sample().seal(&[7; 32]), &[7; 32]), Ok(sample()));
    }

    #[test]
    fn another_model_is_told_apart_from_damage() {
        let error = Snapshot::open(&sample().seal(&[7; 32]), &[8; 32]).expect_err("made with another model");
        assert_eq!(error, "made with another model, adapter or setting");
    }

    proptest! {
        #[test]
        fn a_flipped_bit_or_a_cut_anywhere_is_refused(at in 0_usize..460, bit in 0_u8..8, cut: bool) {
            let mut bytes = sample().seal(&[7; 32]);
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert!(Snapshot::open(&bytes, &[7; 32]).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_panic(bytes: Vec<u8>) {
            prop_assert!(Snapshot::open(&bytes, &[0; 32]).is_err());
        }
    }
}
