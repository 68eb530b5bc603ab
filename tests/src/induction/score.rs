//! Precision and recall, over all and for each class, manner and trap.

use std::collections::BTreeMap;
use std::fmt;

use aloekit::memory::MemoryKind;

use super::data::Labelled;

/// What was made of a message: the kind of fact, or none.
pub type Judged = Option<MemoryKind>;

/// Counts of found and missed.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Counts {
    fn precision(self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }

    fn recall(self) -> f64 {
        self.right as f64 / (self.right + self.missed).max(1) as f64
    }

    fn f1(self) -> f64 {
        2.0 * self.right as f64 / (2 * self.right + self.wrong + self.missed).max(1) as f64
    }
}

/// How well facts were found.
#[derive(Debug)]
pub struct Table {
    title: String,
    fact: Counts,
    classes: BTreeMap<&'static str, Counts>,
    /// Per manner of personality: found as any fact, of how many.
    manners: BTreeMap<String, (usize, usize)>,
    /// Per kind of trap: wrongly taken, of how many.
    traps: BTreeMap<String, (usize, usize)>,
    confusion: BTreeMap<(&'static str, &'static str), usize>,
}

impl Table {
    /// Compares what was judged with what is so.
    #[must_use]
    pub fn new(title: &str, messages: &[Labelled], judged: &[Judged]) -> Self {
        let mut table = Self {
            title: title.to_owned(),
            fact: Counts::default(),
            classes: BTreeMap::new(),
            manners: BTreeMap::new(),
            traps: BTreeMap::new(),
            confusion: BTreeMap::new(),
        };
        messages.iter().zip(judged).for_each(|(message, judged)| table.add(message, *judged));
        table
    }

    fn add(&mut self, message: &Labelled, judged: Judged) {
        let truth = message.kind();
        match (truth, judged) {
            (Some(_), Some(_)) => self.fact.right += 1,
            (Some(_), None) => self.fact.missed += 1,
            (None, Some(_)) => self.fact.wrong += 1,
            (None, None) => {}
        }
        if let Some(truth) = truth {
            let counts = self.classes.entry(truth.as_str()).or_default();
            if judged == Some(truth) { counts.right += 1 } else { counts.missed += 1 }
        }
        if let Some(judged) = judged.filter(|judged| Some(*judged) != truth) {
            self.classes.entry(judged.as_str()).or_default().wrong += 1;
        }
        if let (Some(truth), Some(judged)) = (truth, judged) {
            *self.confusion.entry((truth.as_str(), judged.as_str())).or_default() += 1;
        }
        if let Some(manner) = &message.manner {
            count(&mut self.manners, manner, judged.is_some());
        }
        if truth.is_none() {
            count(&mut self.traps, message.trap.as_deref().unwrap_or("plain"), judged.is_some());
        }
    }

    /// Of what was taken for a fact, how much is one.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.fact.precision()
    }

    /// Of the facts, how many were taken.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.fact.recall()
    }

    /// Of the facts that were taken, how many as the right kind.
    #[must_use]
    pub fn kind_accuracy(&self) -> f64 {
        let right: usize = self.confusion.iter().filter(|((truth, judged), _)| truth == judged).map(|(_, n)| n).sum();
        right as f64 / self.fact.right.max(1) as f64
    }
}

fn count(of: &mut BTreeMap<String, (usize, usize)>, name: &str, hit: bool) {
    let (hits, all) = of.entry(name.to_owned()).or_default();
    *hits += usize::from(hit);
    *all += 1;
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== {} ==\n{:<14}{:>10}{:>8}{:>8}", self.title, "", "precision", "recall", "F1")?;
        let rows =
            std::iter::once(("fact", self.fact)).chain(self.classes.iter().map(|(name, counts)| (*name, *counts)));
        for (name, counts) in rows {
            writeln!(f, "{name:<14}{:>10.3}{:>8.3}{:>8.3}", counts.precision(), counts.recall(), counts.f1())?;
        }
        for (manner, (found, all)) in &self.manners {
            writeln!(f, "personality {manner}: {found} of {all} found")?;
        }
        let confused: Vec<String> =
            self.confusion.iter().map(|((truth, judged), n)| format!("{truth}>{judged} {n}")).collect();
        writeln!(f, "kinds: {} (right {:.3})", confused.join(", "), self.kind_accuracy())?;
        let taken: Vec<String> = self.traps.iter().map(|(trap, (n, all))| format!("{trap} {n}/{all}")).collect();
        write!(f, "traps wrongly taken: {}", taken.join(", "))
    }
}
