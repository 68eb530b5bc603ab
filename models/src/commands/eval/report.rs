//! `aloe eval report`: runs of the benchmark beside each other, for people and for programs.

use std::path::Path;

use crate::cli::EvalReportArgs;
use crate::error::{Error, Result};
use crate::evaluation::{SideBySide, System, csv, markdown};
use crate::output::Output;
use crate::provider::Prices;
use crate::run_dir::write_whole;
use crate::view::{benchmark_page, secret};

pub(super) fn run(args: &EvalReportArgs, output: Output) -> Result<()> {
    let prices = Prices::parse(&args.price)?;
    let spinner = output.spinner("reading the runs");
    let systems = args.runs.iter().map(|named| read(named, &prices, args.seed)).collect::<Result<_>>()?;
    let all = SideBySide::of(systems, args.seed);
    let tables = markdown(&all);
    let out = std::path::absolute(&args.out).map_err(|error| Error::io(&args.out, error))?;
    std::fs::create_dir_all(&out).map_err(|error| Error::io(&out, error))?;
    write_whole(&out.join("report.html"), benchmark_page(&all, &secret()?)?.as_bytes())?;
    write_whole(&out.join("report.json"), &serde_json::to_vec_pretty(&all).map_err(Error::internal)?)?;
    write_whole(&out.join("report.csv"), csv(&all).as_bytes())?;
    write_whole(&out.join("report.md"), tables.as_bytes())?;
    drop(spinner);
    match args.json {
        true => output.json(&all)?,
        false => output.data(tables.trim_end()),
    }
    output.note(&format!("{}", args.out.join("report.html").display()));
    Ok(())
}

/// A folder, or a name and a folder; a folder whose own name has an equals sign is a folder.
fn read(named: &str, prices: &Prices, seed: u64) -> Result<System> {
    match named.split_once('=') {
        Some((name, folder)) if !Path::new(named).exists() => System::read(Path::new(folder), Some(name), prices, seed),
        _ => System::read(Path::new(named), None, prices, seed),
    }
}
