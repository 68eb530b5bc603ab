//! The only way to print: data to stdout, words to stderr, progress where a terminal shows it.
//!
//! Nothing else in the crate writes to either stream, so `--json` and pipes stay clean by construction.

mod panel;

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

pub(crate) use panel::Panel;

use crate::error::{Error, Result};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// Where words, data and progress go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    color_out: bool,
    color_err: bool,
    progress: bool,
    quiet: bool,
}

impl Output {
    /// The streams of this process.
    pub(crate) fn new(choice: ColorChoice, quiet: bool) -> Self {
        let wanted = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color(),
        };
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self { color_out: wanted(out), color_err: wanted(err), progress: err && !dumb_terminal(), quiet }
    }

    /// Whether data on stdout may carry escape sequences.
    pub(crate) fn color_out(&self) -> bool {
        self.color_out
    }

    /// One line of data.
    pub(crate) fn data(&self, line: &str) {
        self.raw(line);
        self.raw("\n");
    }

    /// One line of JSON.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result<()> {
        self.data(&serde_json::to_string(value).map_err(Error::internal)?);
        Ok(())
    }

    /// Data without a line end, shown at once.
    pub(crate) fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        // A reader that has seen enough (`| head`) is no failure, and nobody is left to tell of another one.
        if written.is_err() {
            std::process::exit(0);
        }
    }

    /// Words for the person; silent with `--quiet`.
    pub(crate) fn note(&self, words: &str) {
        if !self.quiet {
            self.words(words);
        }
    }

    /// Something that went another way than asked, but went on.
    pub(crate) fn warn(&self, words: &str) {
        self.words(&format!("{} {words}", self.painted("warning:", "33")));
    }

    /// A failure, and what to do about it.
    pub(crate) fn error(&self, error: &Error) {
        self.words(&format!("{} {error}", self.painted("error:", "1;31")));
        if let Some(hint) = error.hint() {
            self.words(&format!("{} {hint}", self.painted("hint:", "36")));
        }
    }

    /// Asks the person a question that is answered with yes or no; nothing where nobody is there to answer.
    pub(crate) fn confirms(&self, question: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        Some(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Columns of the terminal that data goes to; nothing where it goes elsewhere.
    pub(crate) fn columns(&self) -> Option<usize> {
        let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        columns.filter(|columns| *columns > 0 && std::io::stdout().is_terminal() && !dumb_terminal())
    }

    /// A bar that counts bytes up to `total`, or just counts where the total is not known.
    pub(crate) fn bar(&self, label: &str, total: Option<u64>) -> Progress {
        self.bar_in(Unit::Bytes, label, total)
    }

    /// A bar that counts things up to `total`.
    pub(crate) fn counter(&self, label: &str, total: u64) -> Progress {
        self.bar_in(Unit::Things, label, Some(total))
    }

    fn bar_in(&self, unit: Unit, label: &str, total: Option<u64>) -> Progress {
        let shown = self.progress && !self.quiet;
        let bar = if shown { drawn_bar(unit, total) } else { ProgressBar::hidden() };
        bar.set_message(label.to_owned());
        let plain = (!shown && !self.quiet).then_some(*self);
        let next_line = Instant::now() + PLAIN_EVERY;
        Progress { bar, plain, unit, label: label.to_owned(), total, at: 0, next_line }
    }

    /// A sign of life where nothing can be counted; gone when dropped.
    pub(crate) fn spinner(&self, words: &str) -> Spinner {
        if !self.progress || self.quiet {
            return Spinner(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(words.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }

    fn painted(&self, text: &str, code: &str) -> String {
        if self.color_err { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn words(&self, words: &str) {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{words}");
    }
}

/// What a bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Things,
}

impl Unit {
    fn shown(self, count: u64) -> String {
        if self == Self::Bytes { mib(count) } else { count.to_string() }
    }
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// A progress bar, or a plain line now and then where there is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    plain: Option<Output>,
    unit: Unit,
    label: String,
    total: Option<u64>,
    at: u64,
    next_line: Instant,
}

impl Progress {
    /// Moves to `at` from the start.
    pub(crate) fn set(&mut self, at: u64) {
        self.at = at;
        self.bar.set_position(at);
        if let Some(output) = self.plain
            && Instant::now() >= self.next_line
        {
            self.next_line = Instant::now() + PLAIN_EVERY;
            let of = self.total.map(|total| format!(" of {}", self.unit.shown(total))).unwrap_or_default();
            output.note(&format!("{}: {}{of}", self.label, self.unit.shown(self.at)));
        }
    }

    /// Says something else in front of the bar.
    pub(crate) fn say(&mut self, label: String) {
        self.bar.set_message(label.clone());
        self.label = label;
    }

    /// Says how many bytes there will be, once it is known.
    pub(crate) fn set_total(&mut self, bytes: u64) {
        self.total = Some(bytes);
        self.bar.set_length(bytes);
        self.bar.set_style(counted_style(self.unit));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A sign of life; dropping it takes it off the screen.
pub(crate) struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A size as people read it.
pub(crate) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.2} GiB", mib / 1024.0) }
}

fn drawn_bar(unit: Unit, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    bar.set_style(if total.is_some() { counted_style(unit) } else { uncounted_style() });
    bar
}

fn counted_style(unit: Unit) -> ProgressStyle {
    let template = match unit {
        Unit::Bytes => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        Unit::Things => "{msg} {wide_bar} {pos}/{len} {per_sec} {eta}",
    };
    ProgressStyle::with_template(template).expect("the template is a constant that the tests draw")
}

fn uncounted_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {bytes} {bytes_per_sec}")
        .expect("the template is a constant that the tests draw")
}

/// Text that came from outside, without what a terminal would obey.
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The convention of no-color.org: set and not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || dumb_terminal()
}

fn dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        assert_eq!(mib(98_362_432), "93.8 MiB");
        assert_eq!(mib(4_920_734_272), "4.58 GiB");
    }

    #[test]
    fn every_style_can_be_drawn() {
        let _ = (counted_style(Unit::Bytes), counted_style(Unit::Things), uncounted_style());
    }
}
