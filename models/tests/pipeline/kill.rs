//! kill -9 at any point: a resumed run ends with the files of one that was never interrupted, and pays nothing twice.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::endpoint::{Act, Endpoint};
use crate::run::{Run, lines_of};

/// Runs `line` again and again, each time killed a little later, until it ends by itself; says how often it was killed.
fn killed_until_done(run: &Run, line: &str, mut wait: impl FnMut(u32)) -> u32 {
    for kills in 0.. {
        let mut child = run.command(line).stdout(std::process::Stdio::null()).spawn().expect("started");
        wait(kills);
        child.kill().expect("SIGKILL");
        let output = child.wait_with_output().expect("ended");
        check_lines(&run.dir());
        match output.status.signal() {
            Some(9) => {}
            _ => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                return kills;
            }
        }
        assert!(kills < 400, "it never ends");
    }
    unreachable!("the loop has an end")
}

/// No record is broken but the newest of a log, which the next run cuts off.
fn check_lines(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("read") {
        let path = entry.expect("read").path();
        if path.is_dir() {
            check_lines(&path);
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            let text = std::fs::read_to_string(&path).expect("read");
            let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
            let bad = whole.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
            assert_eq!(bad, 0, "{}", path.display());
            let log = path.ends_with("calls.jsonl") || path.to_string_lossy().contains(".log.") || whole.is_empty();
            let log = log || path.to_string_lossy().contains(".iterations.");
            assert!(log || whole.len() == text.len(), "half a line in {}", path.display());
        }
    }
}

/// Every file of a run by name; the order of calls is that in which they ended.
fn files(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("read") {
        let path = entry.expect("read").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if name.starts_with(".part-") {
            continue; // what a kill left of a file that was being written
        }
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("read");
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if name == "calls.jsonl" {
            lines.sort();
        }
        found.insert(name, lines);
    }
    found
}

/// Times that are different every run and hit every phase sooner or later.
fn pauses(from_ms: u64, step_ms: u64) -> impl FnMut(u32) {
    let jitter = u64::from(std::process::id()) % 7;
    move |kills| {
        let wait = from_ms + jitter + step_ms * u64::from(kills % 60) + u64::from(kills / 60) * 100;
        std::thread::sleep(Duration::from_millis(wait));
    }
}

const TREES: &str = "trees --conversations 120 --rounds 3 --seed 5 --branch 1 --provider";

#[test]
fn killed_conversations_end_as_if_nothing_had_happened() {
    let whole = Run::with_personas(7);
    whole.aloe(&format!("{TREES} scripted")).succeeded();
    let killed = Run::with_personas(7);
    let kills = killed_until_done(&killed, &format!("{TREES} scripted"), pauses(4, 2));
    assert_eq!(files(&whole.dir()), files(&killed.dir()));
    assert!(kills > 3, "it was killed {kills} times only");
}

#[test]
fn no_finished_call_is_made_again() {
    let line = "trees --conversations 8 --rounds 3 --seed 5 --set provider.connections=2 --provider";
    // Slow enough to be killed in the middle.
    let slow = || {
        Endpoint::start(|_, _| {
            std::thread::sleep(Duration::from_millis(10));
            Act::Answer
        })
    };
    let (first, whole) = (slow(), Run::with_personas(4));
    whole.aloe(&format!("{line} {}", first.spec())).succeeded();
    let killed = Run::with_personas(4);
    // The same address, since it is part of the configuration.
    let before = first.requests().len();
    let kills = killed_until_done(&killed, &format!("{line} {}", first.spec()), |_| {
        // By calls and not by time: how fast the machine is must not decide how often it is killed.
        let (seen, started) = (first.requests().len(), Instant::now());
        while first.requests().len() < seen + 17 && started.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(files(&whole.dir()), files(&killed.dir()));
    let mut asked: HashMap<Vec<u8>, usize> = HashMap::new();
    for request in &first.requests()[before..] {
        *asked.entry(request.body.clone()).or_default() += 1;
    }
    let (again, kept) = (asked.values().map(|times| times - 1).sum::<usize>(), killed.lines("calls.jsonl").len());
    assert_eq!(asked.len(), kept);
    assert!(kills > 2, "it was killed {kills} times only");
    // What was under way at a kill is asked for again, and nothing else: two connections.
    assert!(again <= 2 * kills as usize, "{again} calls again after {kills} kills");
}

#[test]
fn a_recording_answers_like_the_model_did_also_when_killed() {
    let endpoint = Endpoint::with(Vec::new());
    let recorded = Run::with_personas(4);
    let line = "trees --conversations 40 --rounds 3 --seed 9";
    recorded.aloe(&format!("{line} --provider {}", endpoint.spec())).succeeded();
    let replay = format!("{line} --provider replay:{}", recorded.path("calls.jsonl").display());
    let (whole, killed) = (Run::with_personas(4), Run::with_personas(4));
    whole.aloe(&replay).succeeded();
    killed_until_done(&killed, &replay, pauses(4, 2));
    assert_eq!(files(&whole.dir()), files(&killed.dir()));
    let texts = |run: &Run| {
        lines_of(&run.path("trees/trees.jsonl")).iter().map(|tree| tree["nodes"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&recorded), texts(&whole));
    let other = Run::with_personas(4);
    other.aloe(&replay.replace("--seed 9", "--seed 8")).failed_with("no answer to this request is recorded");
}

#[test]
fn killed_pools_end_as_if_nothing_had_happened() {
    let line = "personas --profiles 40 --personalities 22 --provider scripted --max-cosine 0.75 --seed 3 \
        --set personas.asked_for=2 --set personas.wave=2";
    let whole = Run::new();
    whole.aloe(line).succeeded();
    let killed = Run::new();
    killed_until_done(&killed, line, pauses(300, 250));
    assert_eq!(files(&whole.dir()), files(&killed.dir()));
}
