//! Waits for the machine to be quiet, and tells which runs were disturbed.
//!
//! One program beside us on few cores makes a token take many times as long: a median over such runs says nothing.
//! What other programs took is the machine's CPU time less our own, from Linux's `/proc`; elsewhere every run counts as
//! undisturbed.

use std::time::{Duration, Instant};

/// More than this of one core taken by others disturbs a run.
const OTHERS_CORES: f64 = 0.06;
/// Tries of one run before a disturbed one is taken.
const TRIES: usize = 3;
/// The longest wait for quiet before one try.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait for quiet in one table: on a machine that never rests, the runs are taken as they come.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(150);
const GLANCE: Duration = Duration::from_millis(250);

/// Repeats disturbed runs and counts those it had to take.
#[derive(Default)]
pub(crate) struct Quiet {
    runs: usize,
    disturbed: usize,
    waited: Duration,
}

impl Quiet {
    /// The result of a run beside which nothing else ran, or of the last of several tries.
    pub(crate) fn run<T>(&mut self, mut work: impl FnMut() -> T) -> T {
        self.runs += 1;
        let mut tries = 1..=TRIES;
        loop {
            self.wait();
            let before = Usage::now();
            let done = work();
            let disturbed = is_disturbed(before.as_ref(), Usage::now().as_ref());
            let last = tries.next() == Some(TRIES) || self.waited >= PATIENCE_IN_ALL;
            if !disturbed || last {
                self.disturbed += usize::from(disturbed);
                return done;
            }
        }
    }

    /// Returns when other programs leave the cores alone, or when waiting has taken too long.
    pub(crate) fn wait(&mut self) {
        let (started, left) = (Instant::now(), PATIENCE_IN_ALL.saturating_sub(self.waited));
        while started.elapsed() < PATIENCE.min(left) {
            let before = Usage::now();
            std::thread::sleep(GLANCE);
            if !is_disturbed(before.as_ref(), Usage::now().as_ref()) {
                break;
            }
        }
        self.waited += started.elapsed();
    }

    /// How much the numbers can be trusted.
    pub(crate) fn verdict(&self) -> String {
        match self.disturbed {
            0 => format!("all {} runs undisturbed", self.runs),
            disturbed => format!("{disturbed} of {} runs disturbed by other programs", self.runs),
        }
    }
}

fn is_disturbed(before: Option<&Usage>, after: Option<&Usage>) -> bool {
    before.zip(after).is_some_and(|(before, after)| {
        let others_s = (after.machine_s - before.machine_s) - (after.own_s - before.own_s);
        let elapsed_s = after.at.duration_since(before.at).as_secs_f64();
        // The clocks of /proc tick every 10 ms on each core.
        others_s > 0.02 + OTHERS_CORES * elapsed_s
    })
}

/// CPU seconds since the start of the machine and of this process.
pub(crate) struct Usage {
    at: Instant,
    machine_s: f64,
    pub(crate) own_s: f64,
}

/// Linux tells CPU time in hundredths of a second, whatever its own clock.
const TICKS_PER_S: f64 = 100.0;

impl Usage {
    pub(crate) fn now() -> Option<Self> {
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        // user nice system idle iowait irq softirq steal: all but idle and iowait is somebody's work.
        let ticks: Vec<f64> = numbers(machine.lines().next()?.strip_prefix("cpu")?);
        let busy = ticks.iter().take(8).sum::<f64>() - ticks.get(3)? - ticks.get(4)?;
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in brackets; user and system time are fields 14 and 15.
        let fields: Vec<f64> = numbers(own.rsplit_once(')')?.1);
        let own = fields.get(11)? + fields.get(12)?;
        Some(Self { at: Instant::now(), machine_s: busy / TICKS_PER_S, own_s: own / TICKS_PER_S })
    }
}

/// The words of a line as numbers; what is none counts as 0 and keeps its place.
fn numbers(line: &str) -> Vec<f64> {
    line.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect()
}
