//! Trains the linear layer of the extractive inducer on the tune half and the training sentences, and writes its file.
//!
//! `cargo run --release -p aloekit-tests --example train_induction`, with the environment that `./dev test` sets.
//! Never reads the test half.

use std::path::Path;

use aloekit::memory::{OrtEmbedder, OrtEmbedderParams};
use aloekit_tests::fixtures::{embedder_file, ort_library};
use aloekit_tests::induction::{
    Case, Features, Half, Judged, Labelled, Table, cross_validated, features, held, train, training, weights_file,
};

fn main() {
    let model = embedder_file("model.onnx");
    let folder = model.parent().expect("a file lies in a folder");
    let embedder = OrtEmbedder::open(OrtEmbedderParams::minilm(ort_library(), folder)).expect("the embedder opens");
    let with_features = |messages: Vec<Labelled>| -> Vec<(Features, Labelled)> {
        features(&messages, &embedder).into_iter().zip(messages).collect()
    };
    let (tune, more) = (with_features(held(Half::Tune)), with_features(training()));
    for case in [Case::WithMeaning, Case::CuesOnly] {
        let verdicts = cross_validated(&tune, &more, case);
        let messages: Vec<Labelled> = tune.iter().map(|(_, message)| message.clone()).collect();
        for threshold in [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85] {
            let judged: Vec<Judged> = verdicts.iter().map(|(p, kind)| (*p >= threshold).then_some(*kind)).collect();
            let table = Table::new(&format!("{case:?}, tune half, cross-validated, {threshold}"), &messages, &judged);
            if threshold == case.threshold() {
                println!("{table}");
            } else {
                println!("{case:?} {threshold}: precision {:.3} recall {:.3}", table.precision(), table.recall());
            }
        }
    }
    report_gate(&tune, &more);
    let examples: Vec<_> = tune.iter().chain(&more).map(|(features, message)| (features, message.kind())).collect();
    let file = weights_file(&train(&examples, Case::WithMeaning), &train(&examples, Case::CuesOnly), &embedder);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/memory/induce/weights.txt");
    std::fs::write(&path, &file).expect("the source tree can be written");
    println!("\n{} bytes written", file.len());
}

/// What it costs to embed only what grammar does not rule out.
fn report_gate(tune: &[(Features, Labelled)], more: &[(Features, Labelled)]) {
    let meaning = cross_validated(tune, more, Case::WithMeaning);
    let grammar = cross_validated(tune, more, Case::CuesOnly);
    for gate in [0.04, 0.08, 0.12, 0.16] {
        let ruled_out = |place: &usize| grammar[*place].0 < gate;
        let places: Vec<usize> = (0..tune.len()).filter(ruled_out).collect();
        let lost = places
            .iter()
            .filter(|place| tune[**place].1.kind().is_some() && meaning[**place].0 >= Case::WithMeaning.threshold());
        println!(
            "gate {gate}: {} of {} are not embedded, {} facts are lost by it",
            places.len(),
            tune.len(),
            lost.count()
        );
    }
}
