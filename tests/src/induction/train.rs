//! Training and cross-validating the linear layer of the extractive inducer, and writing its file.

use std::collections::HashMap;
use std::fmt::Write;

use aloekit::memory::{EmbedPurpose, Embedder, INDUCTION_PROBES, MemoryKind, induction_cue_names, induction_cues};

use super::data::Labelled;
use super::regression::Regression;

/// Inverse strength of the L2 penalty. Chosen by cross-validation on the tune half; anything from 0.1 to 0.4 is near.
const STRENGTH: f32 = 0.2;
/// Vectors have length 1, so they are stretched: else the penalty would leave all to the cues. 2 to 6 are near.
const STRETCH: f32 = 3.5;
const FOLDS: usize = 10;
/// From which probability on a sentence is a fact, with meaning and by cues alone: where precision in
/// cross-validation is a good deal above 0.9, since the lexicon was written with the tune half in view.
pub const FACT_THRESHOLDS: [f32; 2] = [0.70, 0.75];

/// Which inputs are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Cues and the sentence's vector.
    WithMeaning,
    /// Cues.
    CuesOnly,
}

impl Case {
    /// From which probability on a sentence is a fact.
    #[must_use]
    pub fn threshold(self) -> f32 {
        FACT_THRESHOLDS[usize::from(self == Self::CuesOnly)]
    }
}

/// The inputs of one sentence.
#[derive(Debug, Clone)]
pub struct Features {
    cues: Vec<f32>,
    all: Vec<f32>,
}

impl Features {
    fn of(&self, case: Case) -> &[f32] {
        match case {
            Case::WithMeaning => &self.all,
            Case::CuesOnly => &self.cues,
        }
    }
}

/// The inputs of each message.
///
/// # Panics
/// When the embedder fails.
#[must_use]
pub fn features(messages: &[Labelled], embedder: &dyn Embedder) -> Vec<Features> {
    let one = |message: &Labelled| {
        let cues = induction_cues(&message.text);
        let vector = embedder.embed(&[&message.text], EmbedPurpose::Document).expect("the embedder works").remove(0);
        let all = cues.iter().copied().chain(vector.iter().map(|x| x * STRETCH)).collect();
        Features { cues, all }
    };
    messages.iter().map(one).collect()
}

/// A trained layer: fact or not, then each kind against the others.
#[derive(Debug)]
pub struct Trained {
    regressions: Vec<Regression>,
}

const KINDS: [MemoryKind; 3] = [MemoryKind::Profile, MemoryKind::Personality, MemoryKind::Preference];

impl Trained {
    /// Probability of a fact, and its kind.
    fn weigh(&self, row: &[f32]) -> (f32, MemoryKind) {
        let scores: Vec<f32> = self.regressions.iter().map(|regression| regression.score(row)).collect();
        let best = (0..KINDS.len()).max_by(|a, b| scores[a + 1].total_cmp(&scores[b + 1])).expect("there are kinds");
        (1.0 / (1.0 + (-scores[0]).exp()), KINDS[best])
    }
}

/// Trains on pairs of inputs and truth.
#[must_use]
pub fn train(examples: &[(&Features, Option<MemoryKind>)], case: Case) -> Trained {
    let rows: Vec<&[f32]> = examples.iter().map(|(features, _)| features.of(case)).collect();
    let truths: Vec<bool> = examples.iter().map(|(_, kind)| kind.is_some()).collect();
    let mut regressions = vec![Regression::fit(&rows, &truths, STRENGTH)];
    let facts: Vec<_> =
        examples.iter().filter_map(|(features, kind)| kind.map(|kind| (features.of(case), kind))).collect();
    let rows: Vec<&[f32]> = facts.iter().map(|(row, _)| *row).collect();
    for kind in KINDS {
        let truths: Vec<bool> = facts.iter().map(|(_, of)| *of == kind).collect();
        regressions.push(Regression::fit(&rows, &truths, STRENGTH));
    }
    Trained { regressions }
}

/// What a layer trained without it says of each of `messages`; `more` is trained on every time.
#[must_use]
pub fn cross_validated(
    messages: &[(Features, Labelled)],
    more: &[(Features, Labelled)],
    case: Case,
) -> Vec<(f32, MemoryKind)> {
    let folds = folds(messages);
    let mut verdicts = vec![(0.0, MemoryKind::Profile); messages.len()];
    for fold in 0..FOLDS {
        let others = messages.iter().zip(&folds).filter(|(_, of)| **of != fold).map(|(message, _)| message);
        let examples: Vec<_> = others.chain(more).map(|(features, labelled)| (features, labelled.kind())).collect();
        let trained = train(&examples, case);
        for (place, (features, _)) in messages.iter().enumerate().filter(|(place, _)| folds[*place] == fold) {
            verdicts[place] = trained.weigh(features.of(case));
        }
    }
    verdicts
}

/// Folds with the same share of each label and trap; the file's order is random already.
fn folds(messages: &[(Features, Labelled)]) -> Vec<usize> {
    let mut dealt: HashMap<String, usize> = HashMap::new();
    let deal = |(_, message): &(Features, Labelled)| {
        let stratum = message.stratum();
        let first = stratum.len(); // another fold to begin with for each stratum
        let count = dealt.entry(stratum).or_insert(first);
        *count += 1;
        *count % FOLDS
    };
    messages.iter().map(deal).collect()
}

/// The file that the inducer reads.
///
/// # Panics
/// When the embedder fails.
#[must_use]
pub fn weights_file(with_meaning: &Trained, cues_only: &Trained, embedder: &dyn Embedder) -> String {
    let names = induction_cue_names();
    let mut file = String::from(
        "# Weights of the linear layer: fact, profile, personality, preference. Written by tests/examples/train_induction.rs.\n\
         # A cue's line has them for the case with vectors, then for that without. Vectors are signed bytes in hexadecimal.\n",
    );
    for (name, trained, threshold) in
        [("with_meaning", with_meaning, FACT_THRESHOLDS[0]), ("cues_only", cues_only, FACT_THRESHOLDS[1])]
    {
        let biases: Vec<String> = trained.regressions.iter().map(|r| format!("{:.2}", r.bias)).collect();
        let _ = writeln!(file, "{name} {threshold} {}", biases.join(" "));
    }
    for (cue, name) in names.iter().enumerate() {
        let all = with_meaning.regressions.iter().chain(&cues_only.regressions);
        let weights: Vec<String> = all.map(|r| format!("{:.2}", r.weights[cue])).collect();
        let _ = writeln!(file, "{name} {}", weights.join(" "));
    }
    let meaning: Vec<(f32, String)> = with_meaning
        .regressions
        .iter()
        .map(|r| quantized(&r.weights[names.len()..].iter().map(|w| w * STRETCH).collect::<Vec<_>>()))
        .collect();
    let scales: Vec<String> = meaning.iter().map(|(scale, _)| format!("{scale:.6}")).collect();
    let _ = writeln!(file, "scale {}", scales.join(" "));
    for (n, (_, hex)) in meaning.iter().enumerate() {
        let _ = writeln!(file, "meaning_{n} {hex}");
    }
    let probes = embedder.embed(&INDUCTION_PROBES, EmbedPurpose::Document).expect("the embedder works");
    for (n, probe) in probes.iter().enumerate() {
        let _ = writeln!(file, "probe_{n} {}", quantized(probe).1);
    }
    file
}

fn quantized(row: &[f32]) -> (f32, String) {
    let scale = row.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / 127.0;
    (scale, row.iter().map(|x| format!("{:02x}", (x / scale).round() as i8)).collect())
}
