//! The linear layer that weighs cues and meaning: four logistic regressions, trained offline on labelled sentences.
//!
//! One decides fact or no fact, three which kind. Their weights are a file of this crate; the program that makes them
//! is `tests/examples/train_induction.rs`. The part that reads vectors holds for one embedding space only, so the file
//! also keeps a few sentences with their vectors: an embedder that does not reproduce them is not used, and the cues
//! decide alone, with weights of their own.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::super::embed::{EmbedPurpose, Embedder, embed_checked, normalise};
use super::super::index::dot;
use super::super::persona::MemoryKind;
use super::cues::{self, Cues};
use crate::Result;

const SOURCE: &str = include_str!("weights.txt");

/// Sentences by whose vectors the embedding space is known.
pub(super) const PROBES: [&str; 3] = [
    "I have lived by the sea all my life.",
    "Could you write this a little shorter?",
    "My favourite dish is a thick lentil soup.",
];

/// Quantized variants of one model reproduce its vectors above 0.97; another model is near 0.
const SAME_SPACE: f32 = 0.95;

/// The regressions: fact, then one for each of [`KINDS`].
const OUTPUTS: usize = 4;
const KINDS: [MemoryKind; 3] = [MemoryKind::Profile, MemoryKind::Personality, MemoryKind::Preference];

/// What the layer says of a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    /// Probability that it states something lasting about the user.
    pub(super) fact: f32,
    /// Of which kind it would be.
    pub(super) kind: MemoryKind,
}

/// Weights for the case with vectors or that without.
#[derive(Debug)]
struct Weights {
    threshold: f32,
    bias: [f32; OUTPUTS],
    /// `[cues, OUTPUTS]`
    cues: Vec<[f32; OUTPUTS]>,
}

/// The layer, read once.
#[derive(Debug)]
pub(super) struct Linear {
    with_meaning: Weights,
    cues_only: Weights,
    /// `[OUTPUTS, dimension]`
    meaning: Vec<Vec<f32>>,
    /// `[PROBES, dimension]`, L2-normalised.
    probes: Vec<Vec<f32>>,
}

/// The one layer of the program.
pub(super) fn linear() -> &'static Linear {
    static READ: OnceLock<Linear> = OnceLock::new();
    READ.get_or_init(|| Linear::read(SOURCE).expect("the weights that are part of the program can be read"))
}

impl Linear {
    fn read(source: &str) -> Option<Self> {
        let lines: HashMap<&str, &str> =
            source.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
        let scales = numbers(lines.get("scale")?)?;
        let quantized = |name: &str, scale: f32| Some(dequantize(lines.get(name)?, scale));
        Some(Self {
            with_meaning: Weights::read(&lines, "with_meaning", 0)?,
            cues_only: Weights::read(&lines, "cues_only", OUTPUTS)?,
            meaning: (0..OUTPUTS)
                .map(|n| quantized(&format!("meaning_{n}"), *scales.get(n)?))
                .collect::<Option<_>>()?,
            probes: (0..PROBES.len())
                .map(|n| quantized(&format!("probe_{n}"), 1.0).and_then(|mut row| normalise(&mut row).map(|()| row)))
                .collect::<Option<_>>()?,
        })
    }

    /// Whether the embedder's vectors are those that the layer was trained on.
    pub(super) fn knows(&self, embedder: &dyn Embedder) -> Result<bool> {
        if embedder.dimension() != self.probes[0].len() {
            return Ok(false);
        }
        let vectors = embed_checked(embedder, &PROBES, EmbedPurpose::Document)?;
        Ok(vectors.iter().zip(&self.probes).all(|(vector, probe)| dot(vector, probe) > SAME_SPACE))
    }

    /// Weighs a sentence by its cues and, where there is one, its vector.
    pub(super) fn weigh(&self, cues: &Cues, vector: Option<&[f32]>) -> Verdict {
        let weights = self.weights(vector.is_some());
        let mut sums = weights.bias;
        for (row, _) in weights.cues.iter().zip(&cues.values).filter(|(_, value)| **value) {
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
        }
        if let Some(vector) = vector {
            sums.iter_mut().zip(&self.meaning).for_each(|(sum, row)| *sum += dot(row, vector));
        }
        let best = (0..KINDS.len()).max_by(|a, b| sums[a + 1].total_cmp(&sums[b + 1])).expect("there are kinds");
        Verdict { fact: logistic(sums[0]), kind: KINDS[best] }
    }

    /// From which probability a sentence is taken for a fact.
    pub(super) fn threshold(&self, with_meaning: bool) -> f32 {
        self.weights(with_meaning).threshold
    }

    fn weights(&self, with_meaning: bool) -> &Weights {
        if with_meaning { &self.with_meaning } else { &self.cues_only }
    }
}

impl Weights {
    /// A line per cue holds the weights of both cases one after the other; `skip` says where this case begins.
    fn read(lines: &HashMap<&str, &str>, case: &str, skip: usize) -> Option<Self> {
        let header = numbers(lines.get(case)?)?;
        let row = |name: &str| numbers(lines.get(name)?)?.get(skip..skip + OUTPUTS)?.try_into().ok();
        Some(Self {
            threshold: *header.first()?,
            bias: header.get(1..=OUTPUTS)?.try_into().ok()?,
            cues: cues::names().map(row).collect::<Option<_>>()?,
        })
    }
}

fn numbers(text: &str) -> Option<Vec<f32>> {
    text.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
}

/// Signed bytes in hexadecimal, two digits each.
fn dequantize(hex: &str, scale: f32) -> Vec<f32> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| f32::from((digit(pair[0]) << 4 | digit(pair[1])) as i8) * scale).collect()
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0)
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::super::super::HashingEmbedder;
    use super::*;

    #[test]
    fn every_cue_has_its_weights() {
        let names: Vec<_> = cues::names().collect();
        assert_eq!(linear().with_meaning.cues.len(), names.len());
        let lines: Vec<_> = SOURCE.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
        for name in &names {
            assert_eq!(lines.iter().filter(|line| *line == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn another_embedding_space_is_known_as_such() {
        assert!(!linear().knows(&HashingEmbedder::new(64)).expect("it embeds"));
        assert!(!linear().knows(&HashingEmbedder::new(linear().probes[0].len())).expect("it embeds"));
    }

    #[test]
    fn signed_bytes_are_read_from_hexadecimal() {
        assert_eq!(dequantize("007fff80", 0.5), [0.0, 63.5, -0.5, -64.0]);
    }
}
