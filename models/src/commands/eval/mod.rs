//! `aloe eval`: figures of memory, models and series, for people and for programs.

mod aloe;
mod candidate;
mod cases;
mod judge;
mod known_persona;
mod likelihood;
mod mcq;
mod memory;
mod metrics;
mod perplexity;
mod report;

use crate::cli::EvalCommand;
use crate::error::Result;
use crate::output::Output;
use crate::settings::Settings;

/// Does what `command` says.
pub(crate) fn run(command: EvalCommand, settings: &Settings, output: Output) -> Result<()> {
    match command {
        EvalCommand::Aloe(args) => aloe::run(*args, settings, output),
        EvalCommand::Report(args) => report::run(&args, output),
        EvalCommand::Preference(args) => likelihood::preference(&args, settings, output),
        EvalCommand::Gain(args) => likelihood::gain(&args, settings, output),
        EvalCommand::Perplexity(args) => perplexity::run(&args, settings, output),
        EvalCommand::Judge(args) => judge::run(*args, settings, output),
        EvalCommand::Memory(args) => memory::run(&args, settings, output),
        EvalCommand::Mcq(args) => mcq::run(&args, settings, output),
        EvalCommand::Metrics(args) => metrics::run(&args, output),
    }
}

/// A figure that may not exist.
fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.4}"))
}
