//! `aloe export`: an adapter as GGUF, as PEFT or in its base; or a run's conversations in the paper's format.

mod card;
mod phone_manifest;

use std::path::{Path, PathBuf};

use aloekit::engine::{Quantization, quantize};
use serde_json::json;

use super::model_files::ModelFiles;
use super::train::{base_of, set_threads};
use crate::cli::{AdapterExportArgs, AdapterFormat};
use crate::error::{Error, Result};
use crate::export::{gguf_adapter, merged};
use crate::output::{Output, mib};
use crate::run_dir::{hash_of_file, write_whole};
use crate::settings::Settings;
use crate::train::{Base, read_adapter, write_adapter};

pub(crate) fn run(args: &AdapterExportArgs, settings: &Settings, output: Output) -> Result<()> {
    if let Some(paper) = args.paper_files() {
        return super::paper_files::export(&paper, output);
    }
    let (Some(folder), Some(format), Some(out)) = (&args.adapter, args.format, &args.out) else {
        return Err(Error::usage("an export is of an adapter or of conversations", "`aloe export --help` shows both"));
    };
    if args.quantize.is_some() && format != AdapterFormat::Merged {
        return Err(Error::usage("only a merged model is quantized", "--quantize goes with --format merged"));
    }
    let quantization = args.quantize.as_deref().map(quantization).transpose()?;
    set_threads(None)?;
    let base_path = base_path(args.base.as_deref(), folder, settings, output)?;
    let base = Base::open(&base_path)?;
    let adapter = read_adapter(folder, &base)?;
    if args.dry_run {
        output.note(&format!("{} matrices of {} would be changed", adapter.plan.pairs.len(), base_path.display()));
        return Ok(());
    }
    let _spinner = output.spinner("writing");
    match (format, quantization) {
        (AdapterFormat::Gguf, _) => gguf_adapter(&adapter, &name_of(folder), out)?,
        (AdapterFormat::Peft, _) => write_adapter(out, &adapter, &base, &base_path.to_string_lossy())?,
        (AdapterFormat::Merged, None) => merged(&adapter, &base, out)?,
        (AdapterFormat::Merged, Some(wanted)) => {
            let beside = out.with_extension("merging.gguf");
            let written = merged(&adapter, &base, &beside).and_then(|()| quantized(&beside, out, wanted));
            let _ = std::fs::remove_file(&beside);
            written?;
        }
    }
    if format == AdapterFormat::Merged {
        phone_manifest::write(out, &base_path, &name_of(folder), quantization)?;
        write_origin(out, &base_path, folder, quantization)?;
    }
    let stored = (format == AdapterFormat::Merged)
        .then(|| quantization.map_or("F16 where the adapter changes it", Quantization::name));
    card::write(args, settings, (folder, out, format), (&base, &adapter), stored)?;
    tell(args, out, output)
}

/// llama.cpp writes in place: the name appears when the file is whole.
fn quantized(source: &Path, out: &Path, wanted: Quantization) -> Result<()> {
    let part = out.with_extension("part.gguf");
    let done = quantize(source, &part, wanted).map_err(Error::from);
    let done = done.and_then(|()| std::fs::rename(&part, out).map_err(|error| Error::io(out, error)));
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

/// The core knows the names; the command line only carries the word.
fn quantization(word: &str) -> Result<Quantization> {
    let named = Quantization::ALL.into_iter().find(|quantization| quantization.name().eq_ignore_ascii_case(word));
    named.ok_or_else(|| {
        let names: Vec<_> = Quantization::ALL.into_iter().map(Quantization::name).collect();
        Error::usage(format!("weights cannot be stored as {word}"), format!("--quantize takes {}", names.join(", ")))
    })
}

/// The base that was named, or that the adapter names.
pub(super) fn base_path(wanted: Option<&str>, folder: &Path, settings: &Settings, output: Output) -> Result<PathBuf> {
    match wanted {
        Some(name) => ModelFiles::new(settings, output)?.chat_model(Some(name)),
        None => base_of(folder).ok_or_else(|| {
            let reason = format!("{} does not name a base that is here", folder.display());
            Error::usage(reason, "--base names the GGUF that it was trained on")
        }),
    }
}

pub(super) fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_else(|| "adapter".to_owned())
}

/// What the merged file was made of, beside it.
fn write_origin(out: &Path, base: &Path, folder: &Path, quantize: Option<Quantization>) -> Result<()> {
    let document = json!({
        "file": name_of(out), "blake3": hash_of_file(out)?, "made_by": concat!("aloe ", env!("CARGO_PKG_VERSION")),
        "base": name_of(base), "base_blake3": hash_of_file(base)?,
        "adapter_blake3": hash_of_file(&folder.join("adapter_model.safetensors"))?,
        "quantization": quantize.map_or("F16 where the adapter changes it", Quantization::name),
    });
    let mut bytes = serde_json::to_vec_pretty(&document).map_err(Error::internal)?;
    bytes.push(b'\n');
    write_whole(&out.with_extension("json"), &bytes)
}

fn tell(args: &AdapterExportArgs, out: &Path, output: Output) -> Result<()> {
    let size = std::fs::metadata(out).map_or(0, |facts| facts.len());
    if args.json {
        output.json(&json!({ "out": out, "bytes": size }))?;
    }
    output.note(&format!("{}, {}", out.display(), mib(size)));
    Ok(())
}
