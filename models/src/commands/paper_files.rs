//! `aloe import` and `aloe export`: the paper's conversations.jsonl into a run and out of one.

use serde_json::json;

use crate::cli::PaperFilesArgs;
use crate::dialogue::{FOLDER, TREES, TreeStore, export as write_out, import as read_in};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::run_dir::{RunDir, hash_of_file};

/// Hashes of the files that were imported, so that none is twice.
const IMPORTED: &str = "imported.json";

pub(crate) fn import(args: &PaperFilesArgs, output: Output) -> Result<()> {
    let spinner = output.spinner("importing");
    let report = if args.run.dry_run {
        read_in(&args.conversations, 0, None, &|_| {})?
    } else {
        let run = RunDir::open(&args.run.dir)?;
        let folder = run.stage(FOLDER)?;
        let hash = hash_of_file(&args.conversations)?;
        let mut before: Vec<String> = match std::fs::read(folder.file(IMPORTED)) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        if before.contains(&hash) {
            return Err(Error::usage("this file was imported before", "import another, or into another run"));
        }
        let mut store = TreeStore::open(&folder, u32::MAX)?;
        let report = read_in(&args.conversations, before.len() as u64, Some(&mut store), &|_| {})?;
        store.finish()?;
        before.push(hash);
        folder.write_document(IMPORTED, &before)?;
        report
    };
    drop(spinner);
    if args.run.json {
        output
            .json(&json!({ "imported": report.imported, "left_out": report.left_out, "dry_run": args.run.dry_run }))?;
    }
    for line in &report.left_out {
        output.warn(&format!("line {}: left out: {}", line.line, line.reason));
    }
    output.note(&format!("{} conversations, {} lines left out", report.imported, report.left_out.len()));
    Ok(())
}

pub(crate) fn export(args: &PaperFilesArgs, output: Output) -> Result<()> {
    let trees = args.run.dir.join(FOLDER).join(TREES);
    if !trees.exists() {
        let reason = format!("{} is not there", trees.display());
        return Err(Error::StageEmpty { stage: "export", reason, hint: "`aloe trees` or `aloe import` makes it" });
    }
    let out = (!args.run.dry_run).then_some(args.conversations.as_path());
    let spinner = output.spinner("exporting");
    let count = write_out(&trees, out, &|_| {})?;
    drop(spinner);
    if args.run.json {
        output.json(&json!({ "exported": count, "dry_run": args.run.dry_run }))?;
    }
    output.note(&format!("{count} conversations"));
    Ok(())
}
