//! Numbers of repeated runs, and the small tables that show them.
//!
//! Owns medians, spreads, ratios and the words about the machine. Knows nothing of what is measured. A ratio is taken
//! within each round, whose sides ran one right after the other: a machine that becomes slower in between shifts both.

use std::time::{Duration, Instant};

/// What one side measured, one number a round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((percent / 100.0 * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    /// This divided by the other side, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine / theirs).collect())
    }

    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Median, then least and greatest.
    pub(crate) fn spread(&self, digits: usize) -> String {
        let (least, greatest) = (self.percentile(0.0), self.percentile(100.0));
        format!("{:.digits$} ({least:.digits$}-{greatest:.digits$})", self.median())
    }

    /// p50 / p99.
    pub(crate) fn tail(&self, digits: usize) -> String {
        format!("{:.digits$} / {:.digits$}", self.median(), self.percentile(99.0))
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl IntoIterator for Samples {
    type Item = f64;
    type IntoIter = std::vec::IntoIter<f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What the work gives, and the milliseconds it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let done = work();
    (done, ms(started.elapsed()))
}

/// A table with a caption; columns are as wide as their widest cell.
pub(crate) struct Table {
    caption: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        Self { caption: caption.into(), rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        if !self.caption.is_empty() {
            println!("\n{}", self.caption);
        }
        for row in self.rows.iter().filter(|row| row.iter().any(|cell| !cell.is_empty())) {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            println!("  {}", cells.join("  ").trim_end());
        }
    }
}

/// The rounds asked for on the command line (`--rounds N`), else `usual`. Ends the process on anything else.
pub(crate) fn rounds(usual: usize) -> usize {
    let mut rounds = usual;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let given = match word.as_str() {
            "--bench" => continue, // cargo's own
            "--rounds" => words.next().and_then(|number| number.parse().ok()).filter(|&n| n > 0),
            _ => None,
        };
        rounds = given.unwrap_or_else(|| {
            eprintln!("error: `{word}` is not understood\nhint: cargo bench -p aloekit-tests -- --rounds N");
            std::process::exit(1);
        });
    }
    rounds
}

/// Says what is about to be measured, and on what: a number without its machine means nothing.
pub(crate) fn announce(what: &str) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n== {what} ==\n{}, {cores} cores, {}", processor(), load());
}

/// How busy the machine is besides us.
pub(crate) fn load() -> String {
    match std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next().map(str::to_owned)) {
        Some(load) => format!("load average {load}"),
        None => "load unknown".to_owned(),
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Resident memory of this process in MiB, where the system tells (Linux).
pub(crate) fn resident_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().split(' ').next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
