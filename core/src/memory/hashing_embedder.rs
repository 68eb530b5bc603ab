//! An embedder without weights, for tests: the same text gives the same vector on every machine, and texts that share
//! spelling are near. It knows nothing of meaning.

use super::embed::{EmbedPurpose, Embedder, normalise};
use crate::Result;

/// Counts of hashed letter trigrams, L2-normalised: `[dimension]`.
#[derive(Debug, Clone)]
pub struct HashingEmbedder {
    dimension: usize,
    fingerprint: String,
}

impl HashingEmbedder {
    /// An embedder of that many numbers a vector; 256 keeps chance collisions rare.
    ///
    /// # Panics
    /// With a dimension of 0.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        assert!(dimension > 0, "a vector has at least one number");
        Self { dimension, fingerprint: format!("hashing-trigrams-{dimension}") }
    }
}

impl Embedder for HashingEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, texts: &[&str], _purpose: EmbedPurpose) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| self.count(text)).collect())
    }
}

impl HashingEmbedder {
    fn count(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimension];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let padded: Vec<char> = format!("<{}>", word.to_lowercase()).chars().collect();
            for trigram in padded.windows(3) {
                vector[fnv1a(trigram) as usize % self.dimension] += 1.0;
            }
        }
        if normalise(&mut vector).is_none() {
            vector[0] = 1.0; // a text without letters still needs a direction
        }
        vector
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): stable over versions and machines, unlike the standard library's hasher.
fn fnv1a(letters: &[char]) -> u64 {
    let bytes = letters.iter().flat_map(|letter| u32::from(*letter).to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
