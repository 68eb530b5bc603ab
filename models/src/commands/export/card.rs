//! Gathers what the card of an export says: the base's manifest, the adapter's records, runs of the benchmark.

use std::path::{Path, PathBuf};

use super::name_of;
use crate::cli::{AdapterExportArgs, AdapterFormat};
use crate::error::Result;
use crate::evaluation::{SideBySide, System, markdown};
use crate::export::{BaseFacts, Exported, ModelCard, Records};
use crate::manifest::Kind;
use crate::provider::Prices;
use crate::run_dir::hash_of_file;
use crate::settings::Settings;
use crate::train::{Adapter, Base};

/// Writes the card: README.md in a folder, and beside a file one of its name.
pub(super) fn write(
    args: &AdapterExportArgs,
    settings: &Settings,
    (folder, out, format): (&Path, &Path, AdapterFormat),
    (base, adapter): (&Base, &Adapter),
    stored: Option<&'static str>,
) -> Result<PathBuf> {
    let (exported, card) = match format {
        AdapterFormat::Gguf => (Exported::Gguf, out.with_extension("md")),
        AdapterFormat::Peft => (Exported::Peft, out.join("README.md")),
        AdapterFormat::Merged => (Exported::Merged, out.with_extension("md")),
    };
    let file = if format == AdapterFormat::Peft { None } else { Some((name_of(out), hash_of_file(out)?)) };
    let facts = base_facts(base, settings)?;
    let benchmark = benchmark(&args.eval)?;
    let config = &adapter.plan.config;
    ModelCard {
        exported,
        name: &name_of(&out.with_extension("")),
        file: file.as_ref().map(|(name, hash)| (&name[..], &hash[..])),
        stored,
        base: &facts,
        adapter_blake3: &hash_of_file(&folder.join("adapter_model.safetensors"))?,
        lora: (config.rank, config.alpha, config.targets.iter().map(|target| target.peft_name()).collect()),
        records: &Records::read(folder),
        benchmark: benchmark.as_deref(),
    }
    .write(&card)?;
    Ok(card)
}

/// What the manifest with this very file says, or else the file itself.
fn base_facts(base: &Base, settings: &Settings) -> Result<BaseFacts> {
    let path = base.file.path();
    let (file, blake3) = (name_of(path), hash_of_file(path)?);
    let size = std::fs::metadata(path).ok().map(|facts| facts.len());
    let catalogue = settings.catalogue()?;
    let manifest = catalogue.all().iter().find(|manifest| {
        let is_it = |artefact: &crate::manifest::Artefact| artefact.name == file && artefact.size == size;
        manifest.kind == Kind::ChatModel && manifest.files.iter().any(is_it)
    });
    let in_file = base.file.header().metadata().text("general.license").map(str::to_owned);
    Ok(BaseFacts {
        file,
        blake3,
        licence: manifest.map(|manifest| manifest.licence.clone()).or(in_file),
        hf_base: manifest.and_then(|manifest| manifest.hf_base.clone()),
    })
}

fn benchmark(runs: &[PathBuf]) -> Result<Option<String>> {
    if runs.is_empty() {
        return Ok(None);
    }
    let prices = Prices::parse(&[])?;
    let systems = runs.iter().map(|run| System::read(run, None, &prices, 0)).collect::<Result<_>>()?;
    Ok(Some(markdown(&SideBySide::of(systems, 0))))
}
