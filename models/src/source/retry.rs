//! When to try again and how long to wait: doubling pauses, the server's wish respected, an end to it.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::Download;

/// The longest pause, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What counts as progress between two failures, in bytes: less could go on for ever.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Counts failures in a row.
pub(crate) struct Retry<'a> {
    download: &'a Download,
    failures: u32,
    reached: u64,
}

impl<'a> Retry<'a> {
    /// A fresh count.
    pub(crate) fn new(download: &'a Download) -> Self {
        Self { download, failures: 0, reached: 0 }
    }

    /// Waits after `error` with `received` bytes so far, or gives it back when it is final.
    pub(crate) fn wait(&mut self, error: Error, received: u64, output: Output) -> Result<()> {
        if received >= self.reached + PROGRESS_BYTES {
            self.failures = 0;
        }
        self.reached = self.reached.max(received);
        self.failures += 1;
        if !error.retryable() || self.failures >= self.download.attempts {
            return Err(error);
        }
        let pause = self.pause(&error);
        output.note(&format!("{error}; trying again in {:.0} s", pause.as_secs_f32().ceil()));
        std::thread::sleep(pause);
        Ok(())
    }

    fn pause(&self, error: &Error) -> Duration {
        let doubled = self.download.first_pause * 2u32.saturating_pow(self.failures.min(10) - 1);
        let wished = match error {
            Error::Status { retry_after_s: Some(seconds), .. } => Duration::from_secs(*seconds),
            _ => Duration::ZERO,
        };
        doubled.max(wished).min(LONGEST_PAUSE)
    }
}
