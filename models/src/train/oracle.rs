//! What tests of the passes share: a tiny Llama with what TRL and PEFT made of it, and a batch whose sequences branch.
//!
//! `models/tests/oracle/parity.py` wrote the fixtures.

use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde_json::Value;

use super::batch::{Sequence, TokenizedExample};
use super::llama::{Base, Projection};
use super::lora::{LoraConfig, LoraPlan};
use super::peft::numbers_of;

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name)
}

pub(super) fn base() -> Base {
    Base::open(&fixture("base.gguf")).expect("the fixture opens")
}

pub(super) fn plan(base: &Base) -> LoraPlan {
    let config = LoraConfig { rank: 4, alpha: 8.0, dropout: 0.0, targets: Projection::ALL.to_vec() };
    LoraPlan::new(&config, &base.shape).expect("it fits")
}

pub(super) fn numbers(file: &str, prefix: &str, plan: &LoraPlan, base: &Base) -> Vec<f32> {
    let bytes = std::fs::read(fixture(file)).expect("the fixture is there");
    let tensors = SafeTensors::deserialize(&bytes).expect("sound");
    numbers_of(&tensors, prefix, plan, &base.shape).expect("complete")
}

fn rows(batch: &Value, key: &str) -> Vec<Vec<i64>> {
    serde_json::from_value(batch[key].clone()).expect("rows of integers")
}

/// A row of a padded batch, up to its last token with loss.
fn sequence(ids: &[i64], learned: impl Fn(usize) -> bool) -> Sequence {
    let len = (0..ids.len()).rev().find(|at| learned(*at)).expect("something is learned") + 1;
    Sequence { tokens: ids[..len].iter().map(|id| *id as u32).collect(), learned: (0..len).map(learned).collect() }
}

pub(super) fn examples(batch: &Value) -> Vec<TokenizedExample> {
    let ids = rows(batch, "input_ids");
    if batch.get("labels").is_some() {
        let labels = rows(batch, "labels");
        let of = |(ids, labels): (&Vec<i64>, &Vec<i64>)| sequence(ids, |at| labels[at] != -100);
        return ids
            .iter()
            .zip(&labels)
            .map(of)
            .map(|s| TokenizedExample { line: 0, group: 0, sequences: vec![s] })
            .collect();
    }
    let mask = rows(batch, "completion_mask");
    let of = |at: usize| sequence(&ids[at], |token| mask[at][token] == 1);
    let pairs = ids.len() / 2;
    (0..pairs).map(|at| TokenizedExample { line: 0, group: at, sequences: vec![of(at), of(at + pairs)] }).collect()
}

/// Norm of the difference over the norm.
pub(super) fn error(ours: &[f32], theirs: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(theirs).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut theirs.iter().map(|v| f64::from(*v)))
}

/// Twelve conversations of which many begin alike.
pub(super) fn branching() -> Vec<TokenizedExample> {
    let mut draws = crate::random::Draws::new(5, "branching", 0);
    let mut known: Vec<Vec<u32>> = vec![(10..30).collect()];
    let mut one = || {
        let from = draws.below(known.len());
        let mut tokens = known[from].clone();
        tokens.truncate(10 + draws.below(tokens.len() - 9));
        tokens.extend((0..8).map(|_| 6 + draws.below(80) as u32));
        known.push(tokens.clone());
        let learned = (0..tokens.len()).map(|at| at + 8 >= tokens.len()).collect();
        Sequence { tokens, learned }
    };
    (0..12).map(|group| TokenizedExample { line: 0, group, sequences: vec![one(), one()] }).collect()
}
