//! What a run of the tool left: shared by the tests that run `aloe` as its users do.

use std::process::Output;

use serde_json::Value;

/// Exit code and what was said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The user's mistake, told with these words and a hint.
    #[track_caller]
    pub(crate) fn failed_with(self, words: &str) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.contains(words), "{words}: {self:?}");
        assert!(self.stderr.contains("hint:"), "{self:?}");
        self
    }

    /// The summary on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let mut lines = self.stdout.lines();
        let value = lines.next().and_then(|line| serde_json::from_str(line).ok()).expect("one JSON object");
        assert_eq!(lines.next(), None, "{self:?}");
        value
    }
}
