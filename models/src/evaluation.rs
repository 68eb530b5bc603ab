//! What is measured, and how: the ALOE benchmark's numbers, retrieval, induction, multiple choice.
//!
//! Pure functions of scores, ranks and labels, apart from where a store or an engine has to be asked; nothing is printed
//! here. Means come with how far they can be trusted.

mod agreement;
mod alignment;
mod benchmark;
mod gain;
mod induction;
mod known_persona;
mod mcq;
mod perplexity;
mod plain_words;
mod ranking;
mod retrieval;
mod score;
mod side_by_side;
mod specificity;
mod statistics;
mod table;

pub(crate) use agreement::Agreement;
pub(crate) use alignment::Improvement;
pub(crate) use benchmark::{
    Benchmark, Candidate, FOLDER, GAIN, JUDGE, Logs, Outcome, REPORT, Said, TIMINGS, TRANSCRIPTS, Talker, Transcript,
    run_all, score_again,
};
pub(crate) use gain::{Context, GainFigures, Likelihood, PreferenceFigures, contexts};
pub(crate) use induction::{InductionFigures, Labelled, judged};
pub(crate) use known_persona::{KnownPersona, PersonaFigures};
pub(crate) use mcq::{McqFigures, McqItem, shuffled};
pub(crate) use perplexity::{PerplexityFigures, Window, windows};
pub(crate) use ranking::Ranked;
pub(crate) use retrieval::{Method, OwnerStore, read_owners};
pub(crate) use score::{Report, pairs, report};
pub(crate) use side_by_side::{SideBySide, System};
pub(crate) use specificity::{SpecificityFigures, strangers};
pub(crate) use statistics::{Comparison, Interval, bootstrap, compare};
pub(crate) use table::{csv, markdown};
