//! `aloe export`: an adapter as GGUF, as PEFT or in its base; or a run's conversations in the paper's format.

use std::path::{Path, PathBuf};

use aloekit::engine::{Quantization, quantize};
use serde_json::json;

use super::model_files::ModelFiles;
use super::train::{base_of, set_threads};
use crate::cli::{AdapterExportArgs, AdapterFormat, QuantizeArg};
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
    set_threads(None)?;
    let base_path = base_path(args.base.as_deref(), folder, settings, output)?;
    let base = Base::open(&base_path)?;
    let adapter = read_adapter(folder, &base)?;
    if args.dry_run {
        output.note(&format!("{} matrices of {} would be changed", adapter.plan.pairs.len(), base_path.display()));
        return Ok(());
    }
    let _spinner = output.spinner("writing");
    match (format, args.quantize) {
        (AdapterFormat::Gguf, _) => gguf_adapter(&adapter, &name_of(folder), out)?,
        (AdapterFormat::Peft, _) => write_adapter(out, &adapter, &base.shape, &base_path.to_string_lossy())?,
        (AdapterFormat::Merged, None) => merged(&adapter, &base, out)?,
        (AdapterFormat::Merged, Some(wanted)) => {
            let beside = out.with_extension("merging.gguf");
            let written = merged(&adapter, &base, &beside).and_then(|()| quantized(&beside, out, wanted));
            let _ = std::fs::remove_file(&beside);
            written?;
        }
    }
    if format == AdapterFormat::Merged {
        write_manifest(out, &base_path, folder, args.quantize)?;
    }
    tell(args, out, output)
}

/// llama.cpp writes in place: the name appears when the file is whole.
fn quantized(source: &Path, out: &Path, wanted: QuantizeArg) -> Result<()> {
    let part = out.with_extension("part.gguf");
    let done = quantize(source, &part, quantization(wanted)).map_err(Error::from);
    let done = done.and_then(|()| std::fs::rename(&part, out).map_err(|error| Error::io(out, error)));
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

fn quantization(wanted: QuantizeArg) -> Quantization {
    match wanted {
        QuantizeArg::F16 => Quantization::F16,
        QuantizeArg::Q4_0 => Quantization::Q4_0,
        QuantizeArg::Q4_1 => Quantization::Q4_1,
        QuantizeArg::Q5_0 => Quantization::Q5_0,
        QuantizeArg::Q5_1 => Quantization::Q5_1,
        QuantizeArg::Q8_0 => Quantization::Q8_0,
        QuantizeArg::Q4_K_M => Quantization::Q4_K_M,
        QuantizeArg::Q5_K_M => Quantization::Q5_K_M,
        QuantizeArg::Q6_K => Quantization::Q6_K,
    }
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
fn write_manifest(out: &Path, base: &Path, folder: &Path, quantize: Option<QuantizeArg>) -> Result<()> {
    let size = std::fs::metadata(out).map_err(|error| Error::io(out, error))?.len();
    let document = json!({
        "file": name_of(out), "size": size, "blake3": hash_of_file(out)?, "made_by": concat!("aloe ", env!("CARGO_PKG_VERSION")),
        "base": name_of(base), "base_blake3": hash_of_file(base)?,
        "adapter_blake3": hash_of_file(&folder.join("adapter_model.safetensors"))?,
        "quantization": quantize.map_or_else(|| "F16 where the adapter changes it".to_owned(), |q| format!("{q:?}")),
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
