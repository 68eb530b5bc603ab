//! Latency of embedding one sentence through `OrtEmbedder`, against Python's onnxruntime and tokenizers on the same
//! files.
//!
//! Both run in turn, block by block; each takes its times inside its own process.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
mod python;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod quiet;

use aloekit::memory::{EmbedPurpose, Embedder, OrtEmbedder, OrtEmbedderParams};
use aloekit_tests::fixtures::{embedder_file, ort_library};
use measure::{Samples, Table, announce, rounds, timed};
use python::Peer;
use quiet::Quiet;

/// Calls in one block; both sides get one block a round.
const BLOCK: usize = 25;

const SHORT: &str = "I play the cello.";
const MEDIUM: &str = "My sister Jule is allergic to peanuts, so we bake our own bread with sunflower seeds on Sundays.";
const LONG: &str = "We moved to the coast three years ago because my husband found work at the shipyard, and although I \
    missed the mountains at first, I now swim every morning before breakfast, know half the village by name, and have \
    started to restore an old wooden boat with the neighbour's daughter, who wants to sail to Norway once she has \
    finished school and keeps asking me to teach her everything about knots, weather maps and the names of the winds.";

fn main() {
    let rounds = rounds(12);
    announce("embedding: one sentence through OrtEmbedder and through Python");
    let ours = OrtEmbedder::open(OrtEmbedderParams {
        model: embedder_file("model.onnx"),
        tokenizer: embedder_file("tokenizer.json"),
        ..OrtEmbedderParams::minilm(ort_library(), "")
    });
    let ours = ours.expect("the default embedder opens");
    let mut python = Peer::start("embed.py", &[&embedder_file("model.onnx"), &embedder_file("tokenizer.json")]);
    if let Err(reason) = &python {
        println!("skipped: the comparison with Python: {reason}");
    }
    let many: Vec<&str> = (0..32).map(|n| [SHORT, MEDIUM, LONG][n % 3]).collect();
    let cases: [(&str, &[&str]); 4] =
        [("short", &[SHORT]), ("medium", &[MEDIUM]), ("long", &[LONG]), ("32 mixed, one call", &many)];
    let caption = format!("one thread each, up to {} calls a side in turn; ms, p50 / p99", rounds * BLOCK);
    let mut table = Table::new(caption, &["", "OrtEmbedder", "Python", "Python / ours, p50", "cosine"]);
    for (name, texts) in cases {
        table.row(compare(name, texts, rounds, &ours, &mut python));
    }
    table.print();
}

fn compare(
    name: &str,
    texts: &[&str],
    rounds: usize,
    ours: &OrtEmbedder,
    python: &mut Result<Peer, String>,
) -> [String; 5] {
    let times = if texts.len() > 1 { 1 } else { BLOCK };
    let (mut mine, mut theirs, mut ratios) = (Samples::default(), Samples::default(), Samples::default());
    let (mut cosine, mut quiet) = (f32::NAN, Quiet::default());
    for round in 0..=rounds {
        quiet.wait();
        let (block, vector) = embed(ours, texts, times);
        let peers = python.as_mut().ok().and_then(|peer| ask(peer, texts, times));
        if round == 0 {
            continue; // warms both
        }
        if let Some((peers, peers_vector)) = peers {
            cosine = vector.iter().zip(peers_vector).map(|(a, b)| a * b).sum();
            ratios.push(peers.median() / block.median());
            theirs.extend(peers);
        }
        mine.extend(block);
    }
    [name.into(), mine.tail(2), theirs.tail(2), ratios.spread(2), format!("{cosine:.5}")]
}

fn embed(embedder: &OrtEmbedder, texts: &[&str], times: usize) -> (Samples, Vec<f32>) {
    let (mut took, mut vector) = (Samples::default(), Vec::new());
    for _ in 0..times {
        let (vectors, ms) = timed(|| embedder.embed(texts, EmbedPurpose::Query).expect("sentences embed"));
        vector = vectors.into_iter().next().unwrap_or_default();
        took.push(ms);
    }
    (took, vector)
}

/// The peer's times for as many calls, and its first vector.
fn ask(peer: &mut Peer, texts: &[&str], times: usize) -> Option<(Samples, Vec<f32>)> {
    let answer = peer.ask(&serde_json::json!({ "texts": texts, "times": times }));
    let answer = answer.inspect_err(|reason| println!("skipped: a block of the Python peer: {reason}")).ok()?;
    let numbers = |key: &str| answer[key].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64);
    Some((numbers("ms").collect(), numbers("vector").map(|number| number as f32).collect()))
}
