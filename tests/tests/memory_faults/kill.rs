//! kill -9 at any moment, over and over on one store: what was acknowledged is there, the call that was under way is
//! done or not done, and what was forgotten left no byte.
//!
//! The child writes down each call before it makes it and acknowledges it after it returned. A second store, in which
//! the same calls are made undisturbed, says row by row what the killed one must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aloekit::memory::{MemoryParams, MemoryStore};
use serde::{Deserialize, Serialize};

use crate::contents::{Contents, canaries_in, canaries_in_files, canary_end, expect_whole};
use crate::operation::{Answer, Operation, Random, canary, draw, embedder, quick_folder};

const THIS: &str = "kill::killed_at_any_moment_a_store_holds_what_it_acknowledged_and_no_half_of_anything";
/// Set for the child: what it works on until it is killed.
const JOB: &str = "ALOE_TEST_KILLED_JOB";
/// How often to kill, in the place of [`CYCLES`].
const CYCLES_ASKED: &str = "ALOE_TEST_KILL_CYCLES";
const CYCLES: u64 = 500;
/// A store starts anew after so many, so that comparing all of it stays quick.
const CYCLES_OF_A_STORE: u64 = 20;
const LONGEST_WAIT_US: usize = 18_000;

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// The store is about to be opened.
    Opening,
    Begins(Operation),
    Done(Answer),
}

#[derive(Serialize, Deserialize)]
struct Job {
    store: PathBuf,
    seed: u64,
    dimension: usize,
}

impl Job {
    fn of_child() -> Option<Self> {
        let job = std::env::var(JOB).ok()?;
        Some(serde_json::from_str(&job).expect("the parent wrote it"))
    }

    fn work_until_killed(&self) -> ! {
        let mut random = Random(self.seed);
        tell(&Told::Opening);
        let store = open(&self.store, self.dimension);
        loop {
            let operation = draw(&store, &mut random);
            tell(&Told::Begins(operation.clone()));
            tell(&Told::Done(operation.apply(&store).expect("nothing hinders it")));
        }
    }

    fn spawn(&self) -> Child {
        let job = serde_json::to_string(self).expect("it is JSON");
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--exact", THIS, "--nocapture"]).env(JOB, job);
        child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the child starts")
    }
}

fn open(path: &Path, dimension: usize) -> MemoryStore {
    MemoryStore::open(MemoryParams::file(path), Some(embedder(dimension))).expect("the store opens")
}

/// One write a line, so that a line is whole or not there. It begins anew: the test harness may have left one unfinished.
fn tell(told: &Told) {
    let line = format!("\n{}\n", serde_json::to_string(told).expect("it is JSON"));
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).expect("the parent listens");
}

/// What a killed child had acknowledged, and what it was about.
struct Killed {
    done: Vec<(Operation, Answer)>,
    in_flight: Option<Operation>,
}

/// Kills the child some time after it said its first word.
fn kill_after(mut child: Child, patience: Duration) -> Killed {
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut told = lines.filter(|line| line.starts_with(['{', '"'])).filter_map(|l| serde_json::from_str(&l).ok());
    assert!(matches!(told.next(), Some(Told::Opening)), "the child began otherwise");
    std::thread::sleep(patience);
    child.kill().expect("SIGKILL");
    assert_eq!(child.wait().expect("it ended").signal(), Some(9), "the child ended by itself");
    let mut killed = Killed { done: Vec::new(), in_flight: None };
    for told in told {
        match told {
            Told::Opening => panic!("it opened twice"),
            Told::Begins(operation) => killed.in_flight = Some(operation),
            Told::Done(answer) => {
                let operation = killed.in_flight.take().expect("it began before it was done");
                killed.done.push((operation, answer));
            }
        }
    }
    killed
}

/// How it stands after some kills.
#[derive(Default)]
struct Tally {
    cycles: u64,
    acknowledged: u64,
    between_calls: u64,
    /// Of each kind of call: how often it was under way, and how often it was found done.
    under_way: BTreeMap<String, (u64, u64)>,
    /// Found with rows but not yet all vectors, as an import or re-embedding may be.
    vectors_to_come: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.cycles += other.cycles;
        self.acknowledged += other.acknowledged;
        self.between_calls += other.between_calls;
        self.vectors_to_come += other.vectors_to_come;
        for (kind, (met, landed)) in other.under_way {
            let mine = self.under_way.entry(kind).or_default();
            *mine = (mine.0 + met, mine.1 + landed);
        }
    }

    fn print(&self, took: Duration) {
        let Self { cycles, acknowledged, between_calls, vectors_to_come, .. } = self;
        println!(
            "{cycles} kills in {:.1} s, {acknowledged} calls acknowledged, 0 lost, 0 half-written",
            took.as_secs_f64()
        );
        println!("between two calls or opening: {between_calls}; rows there and vectors to come: {vectors_to_come}");
        for (kind, (met, landed)) in &self.under_way {
            println!("under way: {kind} {met}, of these found done {landed}");
        }
    }
}

/// A store that is killed again and again, and the undisturbed one beside it.
struct Pair {
    folder: tempfile::TempDir,
    /// What the user said in acknowledged turns that were not forgotten: a second witness beside the undisturbed store.
    said: BTreeMap<i64, String>,
}

impl Pair {
    fn new(folder: tempfile::TempDir) -> Self {
        for name in ["killed", "undisturbed"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder, said: BTreeMap::new() }
    }

    fn killed(&self) -> PathBuf {
        self.folder.path().join("killed/memory.db")
    }

    fn undisturbed(&self) -> PathBuf {
        self.folder.path().join("undisturbed/memory.db")
    }

    fn cycle(&mut self, random: &mut Random, tally: &mut Tally) {
        let dimension = [48, 64][random.below(2)];
        let job = Job { store: self.killed(), seed: random.next(), dimension };
        let patience = Duration::from_micros(random.below(LONGEST_WAIT_US) as u64);
        let killed = kill_after(job.spawn(), patience);
        let undisturbed = open(&self.undisturbed(), dimension);
        for (operation, answer) in &killed.done {
            let expected = operation.apply(&undisturbed).expect("nothing hinders it");
            assert_eq!(*answer, expected, "{operation:?}");
            self.note(operation, answer);
        }
        tally.cycles += 1;
        tally.acknowledged += killed.done.len() as u64;
        self.compare(&undisturbed, dimension, killed.in_flight, tally);
    }

    fn note(&mut self, operation: &Operation, answer: &Answer) {
        match (operation, answer.turn) {
            (Operation::Say { number, .. }, Some(turn)) => drop(self.said.insert(turn, canary(*number))),
            (Operation::Erase, _) => self.said.clear(),
            _ => self.said.retain(|turn, _| !answer.gone.contains(turn)),
        }
    }

    /// Reopens the killed store and holds it against the other.
    fn compare(
        &mut self,
        undisturbed: &MemoryStore,
        dimension: usize,
        under_way: Option<Operation>,
        tally: &mut Tally,
    ) {
        let before = Contents::read(&self.undisturbed());
        let store = open(&self.killed(), dimension);
        let found = Contents::read(&self.killed());
        let difference = before.difference(&found);
        match &under_way {
            None => {
                assert_eq!(difference, None, "between two calls");
                tally.between_calls += 1;
            }
            Some(operation) => {
                let counts = tally.under_way.entry(operation.kind()).or_default();
                counts.0 += 1;
                if let Some(difference) = difference {
                    let answer = operation.apply(undisturbed).expect("nothing hinders it");
                    self.note(operation, &answer);
                    self.expect_done(undisturbed, &store, operation, [&before, &found], &difference, tally);
                }
            }
        }
        self.expect_sound(&store, under_way);
    }

    fn expect_done(
        &self,
        undisturbed: &MemoryStore,
        store: &MemoryStore,
        operation: &Operation,
        [before, found]: [&Contents; 2],
        difference: &str,
        tally: &mut Tally,
    ) {
        tally.under_way.entry(operation.kind()).or_default().1 += 1;
        let after = Contents::read(&self.undisturbed());
        let Some(still) = after.difference(found) else { return };
        let is_right = operation.may_leave_vectors_for_later() && found.is_on_its_way(before, &after);
        assert!(is_right, "{operation:?}\nneither as before: {difference}\nnor as after: {still}");
        tally.vectors_to_come += 1;
        undisturbed.reembed().expect("nothing hinders it");
        store.reembed().expect("it goes on where it was");
        assert_eq!(Contents::read(&self.undisturbed()).difference(&Contents::read(&self.killed())), None);
    }

    fn expect_sound(&self, store: &MemoryStore, under_way: Option<Operation>) {
        assert!(store.wipe().expect("nothing hinders it"));
        store.check().expect("the store is whole");
        expect_whole(&self.killed());
        let contents = Contents::read(&self.killed());
        let turns = contents.turns();
        for (turn, canary) in &self.said {
            assert!(turns.get(turn).is_some_and(|words| words.contains(canary)), "turn {turn} was acknowledged");
        }
        // What was never acknowledged was never forgotten either: a log may hold it until the store is closed.
        let never_done = under_way.iter().flat_map(Operation::canaries).map(|canary| canary_end(&canary));
        let expected: BTreeSet<String> = contents.canaries().into_iter().chain(never_done).collect();
        let files = canaries_in_files(self.killed().parent().expect("a folder"));
        let left: Vec<_> = files.iter().filter(|(canary, _)| !expected.contains(*canary)).collect();
        for (_, file) in &left {
            let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            let evidence = std::env::temp_dir().join(format!("aloekit-forgotten-{}-{name}", std::process::id()));
            std::fs::copy(file, &evidence).expect("copied");
            println!("kept as {}", evidence.display());
        }
        assert!(left.is_empty(), "forgotten and still there: {left:?}, under way: {under_way:?}");
    }
}

/// Every other store, from the first or the second on: one for each core of the smallest machine.
fn lane(first: u64, stores: u64, cycles: u64) -> Tally {
    let mut tally = Tally::default();
    for number in (first..stores).step_by(2) {
        let mut random = Random(number);
        // Half of the stores lie on the disk, where calls often wait for a flush, and half where none takes any time.
        let mut pair = Pair::new(if first == 0 { tempfile::tempdir().expect("a folder") } else { quick_folder() });
        for _ in 0..CYCLES_OF_A_STORE.min(cycles - number * CYCLES_OF_A_STORE) {
            pair.cycle(&mut random, &mut tally);
        }
    }
    tally
}

#[test]
fn killed_at_any_moment_a_store_holds_what_it_acknowledged_and_no_half_of_anything() {
    if let Some(job) = Job::of_child() {
        job.work_until_killed();
    }
    let cycles = std::env::var(CYCLES_ASKED).map_or(CYCLES, |asked| asked.parse().expect("a number of cycles"));
    let stores = cycles.div_ceil(CYCLES_OF_A_STORE);
    let began = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let lanes = [0, 1].map(|first| scope.spawn(move || lane(first, stores, cycles)));
        lanes.into_iter().for_each(|lane| tally.add(lane.join().expect("no lane found anything wrong")));
    });
    tally.print(began.elapsed());
    assert_eq!(tally.cycles, cycles);
    assert!(tally.acknowledged > cycles / 4, "the children hardly got to work");
}

#[test]
fn a_canary_is_told_from_its_last_letters() {
    let whole = canary(7);
    assert_eq!(canaries_in(whole.as_bytes()).collect::<Vec<_>>(), [canary_end(&whole)]);
    assert_eq!(canaries_in(&whole.as_bytes()[5..]).count(), 1, "the index leaves out what a term shares with another");
}
