//! What a test says when the machine lacks what it needs: `./dev test` counts it as skipped and repeats the reason.

use std::io::Write;

/// Past the test harness, which keeps the words of a test that passes to itself.
pub(crate) fn skipped(test: &str, reason: &str) {
    writeln!(std::io::stderr(), "\nSKIPPED {test}: {reason}").expect("somebody reads it");
}
