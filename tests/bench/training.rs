//! `aloe train` against TRL and PEFT on the same model, tokens and logits: a plain step, and an epoch of DPO over trees.
//!
//! CPU seconds of one thread on either side, because a clock also measures who else computes. The packages of the peer are
//! gigabytes: `ALOE_BENCH_PYTHON` names a Python that has them (models/tests/oracle/requirements.txt), else that part is
//! skipped with a word.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;
mod python;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aloekit_tests::fixtures::model_path;
use measure::{Samples, Table, announce, rounds};
use python::Peer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Steps whose CPU time is taken, after one that warms up.
const STEPS: usize = 6;

/// What one side took.
struct Taken {
    cpu_s: f64,
    peak_mib: f64,
}

/// The tools of the peer, or why it is left out.
type Peers = Result<PathBuf, String>;

fn main() {
    let rounds = rounds(1);
    announce("training: a plain step and an epoch of DPO, one thread, CPU seconds");
    if !Path::new("/usr/bin/time").exists() {
        println!("SKIPPED training: /usr/bin/time is not there, and nothing else tells what a process took");
        return;
    }
    let folder = TempDir::new().expect("temporary folder");
    let peers = saved_model(folder.path());
    if let Err(reason) = &peers {
        println!("SKIPPED the peers of training: {reason}; ALOE_BENCH_PYTHON names a Python with torch, peft and trl");
    }
    step(folder.path(), &peers, rounds);
    dpo_epoch(folder.path(), &peers);
}

fn python() -> PathBuf {
    std::env::var_os("ALOE_BENCH_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

/// The model as transformers keep it.
fn saved_model(folder: &Path) -> Peers {
    let saved = folder.join("model");
    let mut peer = Peer::start_installed(&python(), "train.py", &[&model_path(), Path::new("f32")])?;
    peer.ask(&json!({ "task": "save", "folder": saved })).map(|_| saved)
}

fn asked(peers: &Peers, kind: &str, request: &Value) -> Option<Value> {
    let saved = peers.as_ref().ok()?;
    let answer =
        Peer::start_installed(&python(), "train.py", &[saved, Path::new(kind)]).and_then(|mut peer| peer.ask(request));
    answer.map_err(|reason| println!("SKIPPED {kind}: {reason}")).ok()
}

/// `aloe` with these words; its CPU seconds and peak.
fn aloe(folder: &Path, line: &str) -> Taken {
    let own = std::env::current_exe().expect("a benchmark has a path");
    let binary = own.ancestors().nth(2).expect("target/release/deps").join("aloe");
    let told = folder.join("time.txt");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U %S %M", "-o"]).arg(&told).arg(binary).args(line.split_whitespace());
    let output = command.current_dir(folder).stdin(Stdio::null()).output().expect("aloe runs; `./dev bench` builds it");
    assert!(output.status.success(), "aloe {line}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(told).expect("written");
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Taken { cpu_s: numbers[0] + numbers[1], peak_mib: numbers[2] / 1024.0 }
}

fn first_step(log: &Path) -> Value {
    let text = std::fs::read_to_string(log).expect("a log");
    text.lines().next().and_then(|line| serde_json::from_str(line).ok()).expect("a step")
}

/// One conversation of about 256 tokens, loss on its reply.
fn conversation() -> Value {
    let reply = "Start with the corner of the garden that gets the most light, because everything else follows from it. \
        Mark out a bed no wider than you can reach from either side, loosen the soil to the depth of a spade, and take \
        out the roots of the old grass as you go, since whatever stays will be back in May. Then wait a week, rake it \
        level, and sow the beans in two rows a hand apart, with the poles already in the ground so that you do not hurt \
        the roots later. Water in the evening and never at noon. When the first leaves are out, lay straw between the \
        rows: it keeps the soil moist and the slugs busy elsewhere. If you like, put a few marigolds at the ends, which \
        look cheerful and keep some pests away. After that there is not much to do but to watch, tie up what falls over, \
        and pick the pods while they are young and tender, every second day, because a plant that is picked goes on \
        bearing until the first frost.";
    json!([{"role": "user", "content": "How do I begin a bed of beans?"}, {"role": "assistant", "content": reply}])
}

fn step(folder: &Path, peers: &Peers, rounds: usize) {
    let messages = conversation();
    std::fs::write(folder.join("rows.jsonl"), json!({ "messages": messages }).to_string()).expect("written");
    let line = |epochs: usize| {
        format!(
            "train sft --base {} --data rows.jsonl --out step-{epochs} --preset aloe-small --max-tokens 1024 --threads 1 \
             --rank 16 --alpha 32 --lr 1e-4 --epochs {epochs} --set train.accumulation=1 --set train.eval_every=0 \
             --set train.checkpoint_every=1000 --json-log step.jsonl --quiet",
            model_path().display()
        )
    };
    let (mut ours, mut peak) = (Samples::default(), 0.0_f64);
    let mut theirs: Vec<(&str, Samples, Value)> = Vec::new();
    for _ in 0..rounds {
        let [short, long] = [1, 1 + STEPS].map(|epochs| {
            let taken = aloe(folder, &line(epochs));
            std::fs::remove_dir_all(folder.join(format!("step-{epochs}"))).expect("removed");
            taken
        });
        ours.push((long.cpu_s - short.cpu_s) / STEPS as f64);
        peak = peak.max(long.peak_mib);
        for kind in ["f32", "bf16"] {
            let request = json!({ "task": "step", "messages": messages, "steps": 1 + STEPS });
            let Some(answer) = asked(peers, kind, &request) else { continue };
            let seconds: Samples = answer["cpu_s"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            theirs.push((kind, seconds, answer));
        }
    }
    let log = first_step(&folder.join("step.jsonl"));
    let tokens = log["tokens"].as_f64().expect("a number");
    let columns = ["", "CPU s a step", "tokens", "tokens a CPU s", "loss", "peak MiB", "times ours"];
    let mut table = Table::new("a plain step, logits for the tokens of the reply", &columns);
    let mut row = |name: &str, seconds: &Samples, tokens: f64, loss: &Value, peak: f64| {
        let (rate, ratio) = (tokens / seconds.median(), seconds.median() / ours.median());
        let loss = loss.as_f64().unwrap_or(f64::NAN);
        table.row([
            name.to_owned(),
            seconds.spread(2),
            format!("{tokens:.0}"),
            format!("{rate:.0}"),
            format!("{loss:.4}"),
            format!("{peak:.0}"),
            format!("{ratio:.2}"),
        ]);
    };
    row("aloe train", &ours, tokens, &log["loss"], peak);
    for (kind, seconds, answer) in &theirs {
        let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
        row(&format!("PyTorch {kind}"), seconds, number("tokens"), &answer["loss"], number("peak_mib"));
    }
    table.print();
    if let Some((_, _, answer)) = theirs.first() {
        println!("  {}", answer["versions"]);
    }
}

fn dpo_epoch(folder: &Path, peers: &Peers) {
    const MAX_TOKENS: usize = 2048;
    const ACCUMULATION: usize = 8;
    aloe(folder, "personas --run run --profiles 21 --personalities 20 --provider scripted --seed 1");
    aloe(folder, "trees --run run --conversations 5 --rounds 4 --provider scripted --seed 1 --quiet");
    aloe(folder, "dataset --run run --format dpo --out pairs --seed 1");
    let pairs = folder.join("pairs/data/train.jsonl");
    let line = format!(
        "train dpo --base {} --data {} --out dpo --preset aloe-small --max-tokens {MAX_TOKENS} --threads 1 --rank 16 \
         --alpha 32 --beta 0.1 --lr 2e-4 --set train.accumulation={ACCUMULATION} --set train.eval_every=0 \
         --json-log dpo.jsonl --quiet",
        model_path().display(),
        pairs.display()
    );
    let ours = aloe(folder, &line);
    let count = std::fs::read_to_string(&pairs).expect("pairs").lines().count();
    let caption = format!("an epoch of DPO over {count} pairs of conversation trees, reference and start included");
    let mut table = Table::new(caption, &["", "CPU s", "times ours", "peak MiB", "times ours", "first loss", ""]);
    let mut row = |name: &str, taken: &Taken, loss: &Value, remark: &str| {
        table.row([
            name.to_owned(),
            format!("{:.1}", taken.cpu_s),
            format!("{:.2}", taken.cpu_s / ours.cpu_s),
            format!("{:.0}", taken.peak_mib),
            format!("{:.2}", taken.peak_mib / ours.peak_mib),
            format!("{:.4}", loss.as_f64().unwrap_or(f64::NAN)),
            remark.to_owned(),
        ]);
    };
    row("aloe train dpo", &ours, &first_step(&folder.join("dpo.jsonl"))["loss"], "");
    for kind in ["f32", "bf16"] {
        let request = json!({ "task": "dpo", "pairs": pairs, "max_tokens": MAX_TOKENS, "accumulation": ACCUMULATION });
        let Some(answer) = asked(peers, kind, &request) else { continue };
        let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
        let taken = Taken { cpu_s: number("cpu_s"), peak_mib: number("peak_mib") };
        let remark = if answer["padding_free"] == true { "padding_free" } else { "no padding_free, pairs one by one" };
        row(&format!("TRL {kind}"), &taken, &answer["loss"], remark);
    }
    table.print();
}
