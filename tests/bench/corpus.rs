//! Made-up sentences and vectors in any number, the same on every machine.
//!
//! Words are drawn as rarely as in language (Zipf), so full text has common and rare terms to deal with. Every sentence
//! has a topic, and vectors of one topic are near each other (cosine about 0.55), so a search by meaning finds
//! candidates to rank instead of noise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use aloekit::Result;
use aloekit::memory::{EmbedPurpose, Embedder, OrtEmbedder};

/// Of all-MiniLM-L6-v2.
pub(crate) const DIMENSION: usize = 384;
const TOPICS: usize = 400;
const VOCABULARY: usize = 8000;
/// Share of a vector's direction that is its topic's.
const TOPIC_SHARE: f32 = 0.75;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn direction(&mut self) -> Vec<f32> {
        let vector: Vec<f32> = (0..DIMENSION).map(|_| (self.share() + self.share() - 1.0) as f32).collect();
        normalised(vector)
    }

    /// A word of the vocabulary; the n-th is drawn about 1/n as often as the first.
    fn word(&mut self) -> String {
        let rank = (VOCABULARY as f64).powf(self.share()) as usize;
        spelled(rank)
    }
}

fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// A word of syllables that no list of function words holds.
fn spelled(number: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "lo", "mi", "ren", "tus", "vel", "dor", "pan", "zi", "qua", "fen", "gor", "sil", "bra", "nox", "hul"];
    let mut left = number + 256;
    let mut word = String::new();
    while left > 0 {
        word.push_str(SYLLABLES[left % SYLLABLES.len()]);
        left /= SYLLABLES.len();
    }
    word
}

/// The topic's own word; it stands in every sentence about it.
fn topic_word(topic: usize) -> String {
    format!("{}ix", spelled(topic + VOCABULARY))
}

/// Something the user might have said.
pub(crate) fn sentence(random: &mut Random) -> String {
    let (topic, mut word) = (topic_word(random.below(TOPICS)), || random.word());
    format!("I {} my {} {topic} with {} in the {} and {} {}.", word(), word(), word(), word(), word(), word())
}

/// A message that some memories matter to, and the words of it that tell something.
pub(crate) fn question(random: &mut Random) -> (String, Vec<String>) {
    let words = vec![topic_word(random.below(TOPICS)), random.word(), random.word(), random.word()];
    (format!("What did I say about the {} and {} with my {} {}?", words[0], words[1], words[2], words[3]), words)
}

/// Made-up vectors, with or without the time that a real embedder takes for a message.
pub(crate) struct CorpusEmbedder {
    topics: HashMap<String, Vec<f32>>,
    real: Option<OrtEmbedder>,
    takes_time: AtomicBool,
}

impl CorpusEmbedder {
    /// Without a real embedder messages take no time.
    pub(crate) fn new(real: Option<OrtEmbedder>) -> Self {
        let mut random = Random(11);
        let topics = (0..TOPICS).map(|topic| (topic_word(topic), random.direction())).collect();
        Self { topics, real, takes_time: AtomicBool::new(false) }
    }

    /// Whether messages are also embedded for real from now on, and the result thrown away.
    pub(crate) fn take_time(&self, takes_time: bool) {
        self.takes_time.store(takes_time, Ordering::SeqCst);
    }

    pub(crate) fn vector(&self, text: &str) -> Vec<f32> {
        let seed = text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3) // FNV-1a
        });
        let own = Random(seed).direction();
        let topic = text.split(' ').find_map(|word| self.topics.get(word));
        let Some(topic) = topic else { return own };
        let own_share = (1.0 - TOPIC_SHARE * TOPIC_SHARE).sqrt();
        normalised(topic.iter().zip(own).map(|(topic, own)| TOPIC_SHARE * topic + own_share * own).collect())
    }
}

impl Embedder for CorpusEmbedder {
    fn fingerprint(&self) -> &str {
        "made-up vectors"
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], purpose: EmbedPurpose) -> Result<Vec<Vec<f32>>> {
        if let Some(real) = self.real.as_ref().filter(|_| self.takes_time.load(Ordering::SeqCst)) {
            real.embed(texts, purpose)?;
        }
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}
