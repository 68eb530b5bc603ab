//! Steps the number of compute threads down when throughput collapses.
//!
//! llama.cpp's threads wait for each other at every operation: one thread more than there are free cores and a token
//! takes hundreds of times as long (measured: 9 ms became 5 s). Cores can be taken away at any time on a phone.

use std::time::Duration;

/// Decode steps that make one judgement.
const WINDOW: u32 = 8;
/// This many times slower than the best window is a collapse.
const COLLAPSE: f64 = 3.0;
/// Windows at a lower count before more threads are tried again.
const PATIENCE: u32 = 32;

/// Watches the time of decode steps and proposes a number of threads.
#[derive(Debug)]
pub(super) struct ThreadGovernor {
    most: u32,
    now: u32,
    best_s: f64,
    sum_s: f64,
    steps: u32,
    windows_below: u32,
}

impl ThreadGovernor {
    pub(super) fn new(most: u32) -> Self {
        Self { most, now: most, best_s: f64::INFINITY, sum_s: 0.0, steps: 0, windows_below: 0 }
    }

    /// Takes the time of one decode step; answers with a new number of threads when it should change.
    pub(super) fn record(&mut self, step: Duration) -> Option<u32> {
        self.sum_s += step.as_secs_f64();
        self.steps += 1;
        let mean = self.sum_s / f64::from(self.steps);
        // A collapsed step takes seconds: do not wait for a whole window of them.
        if self.steps >= 2 && mean > COLLAPSE * self.best_s && self.now > 1 {
            return self.change(self.now - 1);
        }
        if self.steps < WINDOW {
            return None;
        }
        self.best_s = self.best_s.min(mean);
        (self.sum_s, self.steps) = (0.0, 0);
        self.windows_below += u32::from(self.now < self.most);
        if self.windows_below >= PATIENCE { self.change(self.now + 1) } else { None }
    }

    fn change(&mut self, threads: u32) -> Option<u32> {
        self.now = threads;
        // With other threads another speed is normal; the longer a context, the slower too.
        (self.sum_s, self.steps, self.windows_below) = (0.0, 0, 0);
        if threads < self.most {
            self.best_s *= f64::from(self.most) / f64::from(threads);
        } else {
            self.best_s = f64::INFINITY;
        }
        Some(threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(governor: &mut ThreadGovernor, ms: u64, steps: u32) -> Vec<u32> {
        (0..steps).filter_map(|_| governor.record(Duration::from_millis(ms))).collect()
    }

    #[test]
    fn steady_speed_changes_nothing() {
        let mut governor = ThreadGovernor::new(4);
        assert!(feed(&mut governor, 10, 400).is_empty());
    }

    #[test]
    fn a_collapse_steps_down_within_a_few_tokens_and_recovers_later() {
        let mut governor = ThreadGovernor::new(4);
        feed(&mut governor, 10, 40);
        assert_eq!(feed(&mut governor, 5_000, 2), [3]);
        assert_eq!(feed(&mut governor, 13, WINDOW * PATIENCE), [4]);
    }

    #[test]
    fn it_never_goes_below_one_thread() {
        let mut governor = ThreadGovernor::new(2);
        feed(&mut governor, 10, 16);
        feed(&mut governor, 9_000, 50);
        assert_eq!(governor.now, 1);
    }
}
