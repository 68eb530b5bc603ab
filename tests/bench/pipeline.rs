//! The pipeline's own program: the pool's filter against the paper's way of encoding, conversations of a local model at
//! once against one at a time, and an import of 100,000 conversations.
//!
//! Runs the release binary beside this one, as users do; `./dev bench` builds both.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod measure;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use aloekit_tests::fixtures::model_path;
use measure::{Table, announce, rounds};
use serde_json::{Value, json};
use tempfile::TempDir;

fn main() {
    let rounds = rounds(1);
    announce("pipeline: pool filter, local conversations, import");
    for members in [500, 3000] {
        pool_filter(members);
    }
    for _ in 0..rounds {
        local_conversations();
    }
    import(&[10_000, 100_000]);
}

/// `aloe` with these words, in a folder: its summary, seconds, and greatest resident size in MiB.
fn aloe(line: &str) -> (Value, f64, f64) {
    let binary = binary();
    let mut words = vec!["-v".to_owned(), binary.to_string_lossy().into_owned()];
    words.extend(line.split_whitespace().map(str::to_owned));
    // GNU time knows the greatest size; without it only that column is missing.
    let timed = Path::new("/usr/bin/time").exists();
    let mut command = if timed { Command::new("/usr/bin/time") } else { Command::new(&binary) };
    command.args(if timed { &words[..] } else { &words[2..] }).stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output().expect("aloe runs; `./dev bench` builds it");
    let (seconds, stderr) = (started.elapsed().as_secs_f64(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "aloe {line}: {stderr}");
    let size = stderr.lines().find_map(|line| line.trim().strip_prefix("Maximum resident set size (kbytes): "));
    let mib = size.and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0);
    let summary = output.stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
    (serde_json::from_slice(summary).unwrap_or(Value::Null), seconds, mib)
}

/// The binary lies two folders above a benchmark's own.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a benchmark has a path");
    own.ancestors().nth(2).expect("target/release/deps").join("aloe")
}

/// Grows a pool by rule and counts what was embedded; the paper's script encodes the candidate and the whole pool again
/// for each candidate, which is counted from the same log and timed by its rate.
fn pool_filter(members: usize) {
    let folder = TempDir::new().expect("temporary folder");
    let run = folder.path().join("run");
    let line = format!(
        "personas --run {} --profiles {members} --personalities 20 --provider scripted --max-cosine 0.97 --seed 1 --json \
         --set personas.max_overlap=0.97",
        run.display()
    );
    let (summary, seconds, mib) = aloe(&line);
    let pool = &summary["pools"][0];
    let number = |name: &str| pool[name].as_u64().unwrap_or_default();
    let (ours, grown) = (number("embedded"), number("members"));
    let paper = papers_encodings(&run.join("personas/profile.iterations.jsonl"));
    // What one encoding takes here, both pools and the start of the program in it: an upper bound of ours.
    let each_s = seconds / ours.max(1) as f64;
    let caption = format!("pool filter, {grown} profiles of {} candidates, by rule", number("candidates"));
    let mut table = Table::new(caption, &["", "encodings", "seconds", "MiB"]);
    table.row(["aloe personas".into(), ours.to_string(), format!("{seconds:.1}"), format!("{mib:.0}")]);
    let hours = format!("{:.0} at the same rate", paper as f64 * each_s);
    table.row(["the paper's script, same candidates".into(), paper.to_string(), hours, String::new()]);
    table.row([
        "times fewer".into(),
        format!("{:.0}", paper as f64 / ours.max(1) as f64),
        String::new(),
        String::new(),
    ]);
    table.print();
}

/// Each candidate once and each member of the pool at that time once again, for every candidate.
fn papers_encodings(log: &Path) -> u64 {
    let text = std::fs::read_to_string(log).expect("a log of iterations");
    let waves = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let iterations: Vec<Value> =
        waves.flat_map(|wave| wave["iterations"].as_array().cloned().unwrap_or_default()).collect();
    let mut encodings = 0;
    for iteration in &iterations {
        let candidates = iteration["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
        let taken = candidates.iter().filter(|candidate| candidate.get("refused").is_none()).count() as u64;
        let mut pool = iteration["pool"].as_u64().unwrap_or_default() - taken;
        for candidate in candidates {
            encodings += 1 + pool;
            pool += u64::from(candidate.get("refused").is_none());
        }
    }
    encodings
}

/// Whole conversations of the default model: everything that the stage does, with as many at once as given.
fn local_conversations() {
    let caption = "conversations of the local model, 8 of 2 turns with a judge";
    let mut table = Table::new(caption, &["at once", "seconds", "answer tok/s", "ratio", "all tok/s", "MiB"]);
    let mut alone = None;
    for at_once in [1, 8] {
        let folder = TempDir::new().expect("temporary folder");
        let run = folder.path().join("run");
        aloe(&format!(
            "personas --run {} --profiles 21 --personalities 20 --provider scripted --seed 1",
            run.display()
        ));
        let line = format!(
            "trees --run {} --conversations 8 --rounds 2 --provider local:{} --seed 1 --json --set trees.attempts=1 \
             --set provider.threads=2 --set provider.sequences={at_once} --set trees.inducer_max_tokens=120 --quiet",
            run.display(),
            model_path().display()
        );
        let (summary, seconds, mib) = aloe(&line);
        let sum = |name: &str| -> f64 {
            let calls = summary["calls"].as_object().into_iter().flatten();
            calls.filter_map(|(_, totals)| totals[name].as_f64()).sum()
        };
        let rate = sum("completion_tokens") / seconds;
        let ratio = rate / *alone.get_or_insert(rate);
        let all = (sum("completion_tokens") + sum("prompt_tokens")) / seconds;
        table.row([
            at_once.to_string(),
            format!("{seconds:.1}"),
            format!("{rate:.1}"),
            format!("{ratio:.2}"),
            format!("{all:.0}"),
            format!("{mib:.0}"),
        ]);
    }
    table.print();
}

/// The paper's conversations.jsonl, in and out again.
fn import(counts: &[usize]) {
    let mut table =
        Table::new("import and export of the paper's conversations.jsonl", &["", "seconds", "a second", "MiB"]);
    for &count in counts {
        let folder = TempDir::new().expect("temporary folder");
        let (file, run) = (folder.path().join("conversations.jsonl"), folder.path().join("run"));
        std::fs::write(&file, papers_file(count)).expect("written");
        for verb in ["import", "export"] {
            let (_, seconds, mib) = aloe(&format!("{verb} --run {} --conversations {}", run.display(), file.display()));
            let rate = count as f64 / seconds;
            table.row([format!("{verb} {count}"), format!("{seconds:.1}"), format!("{rate:.0}"), format!("{mib:.0}")]);
        }
    }
    table.print();
}

fn papers_file(count: usize) -> String {
    let turn = |number: usize| {
        json!({
            "user": format!("Today was long, and number {number} of the hens got out again. What would you do?"),
            "assistant": { "preferred": "Ha, again! Did you try the neighbour's trick with the bell?", "rejected": "I am sorry to hear that. There are several options." },
            "chosen": if number.is_multiple_of(2) { "preferred" } else { "rejected" },
            "inferred_profile": "Keeps hens.", "inferred_personality": "None",
        })
    };
    let line = |number: usize| {
        let turns: Vec<_> = (0..4).map(|at| turn(number + at)).collect();
        json!({ "profile": format!("Jo is a baker, number {number}, and keeps hens."), "personality": "Playful.", "conversations": turns })
    };
    (0..count).map(|number| format!("{}\n", line(number))).collect()
}
