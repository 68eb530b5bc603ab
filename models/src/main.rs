//! The desktop tool `aloe`: grammar → settings → command → exit code.

mod bundle;
mod cache;
mod catalogue;
mod cli;
mod commands;
mod dataset;
mod dialogue;
mod error;
mod evaluation;
mod export;
mod manifest;
mod output;
mod persona;
mod pins;
mod preset;
mod provider;
mod random;
mod record;
mod roleplay;
mod run_dir;
mod settings;
mod source;
mod store;
mod train;
mod view;
mod weights;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::error::Result;
use crate::output::Output;
use crate::settings::Settings;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&refusal),
    };
    let output = Output::new(cli.global.color, cli.global.quiet);
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<()> {
    let settings = Settings::resolve(&cli.global)?;
    match cli.command {
        Command::Chat(args) => commands::chat::run(*args, &settings, output),
        Command::Memory(command) => commands::memory::run(command, &settings, output),
        Command::Models(command) => commands::models::run(command, &settings, output),
        Command::Personas(args) => commands::personas::run(&args, &settings, output),
        Command::Trees(args) => commands::trees::run(&args, &settings, output),
        Command::Dataset(args) => commands::dataset::run(&args, output),
        Command::Eval(command) => commands::eval::run(command, &settings, output),
        Command::Import(args) => commands::paper_files::import(&args, output),
        Command::Train(command) => commands::train::run(&command, &settings, output),
        Command::Export(args) => commands::export::run(&args, &settings, output),
        Command::Score(args) => commands::score::run(&args, &settings, output),
        Command::View(args) => commands::view::view(&args, &settings, output),
        Command::Report(args) => commands::view::report(&args, &settings, output),
        Command::Provider(command) => commands::provider::run(&command, output),
    }
}

/// Help and version are answers; anything else is the user's mistake (clap alone would exit with 2).
fn refuse(refusal: &clap::Error) -> ExitCode {
    // clap writes to the stream that fits; where it is closed there is nobody to tell.
    let _ = refusal.print();
    if refusal.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}
