//! The manifest of a merged model: what a phone, or `aloe models`, has to know of it before it is fetched.
//!
//! Written in the form of models/manifests. Its source is the file as it lies here; whoever publishes the model puts the
//! place of publication there, and nothing else has to change.

use std::path::Path;

use aloekit::engine::gguf::Header;
use aloekit::engine::{Engine, EngineParams, Quantization};

use super::name_of;
use crate::cache::sha256_of;
use crate::error::{Error, Result};
use crate::manifest::{Artefact, FileRole, Kind, Manifest, Source, Template};
use crate::run_dir::write_whole;

/// A context that a chat can be held in: what the least memory is counted for.
const SHORT_CONTEXT: u32 = 2048;
/// Least memory is told in steps, because machines are not measured more closely.
const STEP_MIB: u64 = 64;

/// Writes the manifest beside `out`, with the ending `toml`.
pub(super) fn write(out: &Path, base: &Path, adapter: &str, quantization: Option<Quantization>) -> Result<()> {
    let header = Header::read(out)?;
    let path = std::fs::canonicalize(out).map_err(|error| Error::io(out, error))?;
    let text = |key: &str| header.metadata().text(key).map(str::to_owned);
    let memory = Engine::estimate(&EngineParams { n_ctx: SHORT_CONTEXT, n_sessions: 1, ..EngineParams::new(out) })?;
    let name = plain(&name_of(out));
    let manifest = Manifest {
        id: plain(
            &out.with_extension("").file_name().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into()),
        ),
        kind: Kind::ChatModel,
        summary: format!("{} with the adapter {adapter} in it", text("general.name").unwrap_or_else(|| name_of(base))),
        licence: text("general.license").unwrap_or_else(|| "that of its base".to_owned()),
        default: false,
        n_ctx: Some(header.hyperparameters().n_ctx_train),
        template: template(header.chat_template()),
        quantization: Some(quantization.map_or("F16 where the adapter changes it", Quantization::name).to_owned()),
        least_memory_mib: memory.required_mib.next_multiple_of(STEP_MIB),
        hf_base: None,
        base: None,
        embedding: None,
        files: vec![Artefact {
            role: FileRole::Weights,
            target: None,
            name,
            size: Some(std::fs::metadata(out).map_err(|error| Error::io(out, error))?.len()),
            about_mib: None,
            sha256: Some(sha256_of(out)?),
            source: Source::File { path },
        }],
    };
    let text = toml::to_string(&manifest).map_err(Error::internal)?;
    let file = out.with_extension("toml");
    // What cannot be read again is no manifest.
    Manifest::parse(&text, &file.display().to_string())?;
    write_whole(&file, text.as_bytes())
}

/// A name that manifests allow: letters, digits, dots and dashes.
fn plain(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let plain: String = name.chars().map(allowed).collect();
    let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if plain.is_empty() { "model".to_owned() } else { plain.chars().take(128).collect() }
}

/// The family of a chat template by the marks that it writes; of another family nothing is said.
fn template(template: Option<&str>) -> Option<Template> {
    let Some(text) = template else { return Some(Template::None) };
    let families = [
        ("<|im_start|>", Template::Chatml),
        ("<|start_header_id|>", Template::Llama3),
        ("<start_of_turn>", Template::Gemma),
    ];
    families.into_iter().find(|(mark, _)| text.contains(mark)).map(|(_, family)| family)
}
