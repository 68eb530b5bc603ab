//! What a chat is to be, from flags and configuration: every value checked, nothing loaded yet.

use std::path::{Path, PathBuf};

use crate::cli::{ChatArgs, KvTypeArg};
use crate::error::{Error, Result};
use crate::settings::{ChatDefaults, Settings, data_dir};

/// A chat as it was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) key_file: Option<PathBuf>,
    /// Name or path; the default model where neither flag nor file says one.
    pub(crate) model: Option<String>,
    pub(crate) adapters: Vec<(PathBuf, f32)>,
    /// Replies drawn to each message.
    pub(crate) best_of: usize,
    /// Whether each reply is measured, and not only when it is asked for.
    pub(crate) measure_alignment: bool,
    pub(crate) script: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) start: Start,
    pub(crate) memory: bool,
    pub(crate) embedder: Option<String>,
    pub(crate) onnx_runtime: Option<PathBuf>,
    pub(crate) generation: Generation,
}

/// Which conversation to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Latest,
    New,
    Id(i64),
}

/// How replies are made; `None` leaves it to the core.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) seed: Option<u32>,
    pub(crate) system: Option<String>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<u32>,
    pub(crate) min_p: Option<f32>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) ctx: Option<u32>,
    pub(crate) threads: Option<u32>,
    pub(crate) gpu_layers: Option<u32>,
    pub(crate) kv_type: Option<KvTypeArg>,
}

impl Options {
    /// The flags over the configuration file.
    pub(crate) fn resolve(args: ChatArgs, settings: &Settings) -> Result<Self> {
        let file = &settings.chat;
        let start = match (args.new, args.conversation) {
            (true, _) => Start::New,
            (false, Some(id)) => Start::Id(id),
            (false, None) => Start::Latest,
        };
        Ok(Self {
            data: args.data.clone().or(file.data.clone()).map_or_else(data_dir, Ok)?,
            key_file: args.key_file.clone(),
            model: args.model.clone().or(file.model.clone()),
            adapters: args.adapter.iter().map(|text| adapter(text)).collect::<Result<_>>()?,
            best_of: args.best_of.map_or(1, usize::from),
            measure_alignment: args.alignment,
            script: args.script.clone(),
            json: args.json,
            start,
            memory: !args.no_memory,
            embedder: args.embedder.clone().or(file.embedder.clone()),
            onnx_runtime: file.onnx_runtime.clone(),
            generation: Generation::resolve(args, file)?,
        })
    }
}

impl Generation {
    fn resolve(args: ChatArgs, file: &ChatDefaults) -> Result<Self> {
        let given = args.generation;
        let resolved = Self {
            seed: args.seed,
            system: given.system.or(file.system.clone()),
            temperature: given.temperature.or(file.temperature),
            top_p: given.top_p.or(file.top_p),
            top_k: given.top_k.or(file.top_k),
            min_p: given.min_p.or(file.min_p),
            max_tokens: given.max_tokens.or(file.max_tokens),
            ctx: given.ctx.or(file.ctx),
            threads: given.threads.or(file.threads),
            gpu_layers: given.gpu_layers.or(file.gpu_layers),
            kv_type: given.kv_type.or(file.kv_type),
        };
        within("--temperature", resolved.temperature, 0.0, 10.0)?;
        within("--top-p", resolved.top_p, 0.0, 1.0)?;
        within("--min-p", resolved.min_p, 0.0, 1.0)?;
        if resolved.max_tokens == Some(0) || resolved.ctx == Some(0) || resolved.threads == Some(0) {
            return Err(Error::usage(
                "--max-tokens, --ctx and --threads cannot be 0",
                "leave them out for the default",
            ));
        }
        Ok(resolved)
    }
}

fn within(flag: &str, value: Option<f32>, least: f32, most: f32) -> Result<()> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Error::usage(format!("{flag} {value} is out of range"), format!("it goes from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// `PATH[:SCALE]`; a colon that no number follows belongs to the path.
fn adapter(text: &str) -> Result<(PathBuf, f32)> {
    let scaled = text.rsplit_once(':').and_then(|(path, scale)| Some((path, scale.trim().parse::<f32>().ok()?)));
    let (path, scale) = match scaled {
        Some((path, scale)) if !Path::new(text).exists() => (path, scale),
        _ => (text, 1.0),
    };
    if path.is_empty() || !scale.is_finite() || scale < 0.0 {
        return Err(Error::usage(
            "--adapter is written PATH or PATH:SCALE",
            "the scale goes from 0 up; 1 is as trained",
        ));
    }
    Ok((PathBuf::from(path), scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_may_carry_a_scale() {
        assert_eq!(adapter("a.gguf").expect("plain"), (PathBuf::from("a.gguf"), 1.0));
        assert_eq!(adapter("a.gguf:0.5").expect("scaled"), (PathBuf::from("a.gguf"), 0.5));
        assert_eq!(adapter("C:a.gguf").expect("a drive"), (PathBuf::from("C:a.gguf"), 1.0));
        for bad in ["", ":1", "a:-1", "a:nan", "a:inf"] {
            assert!(adapter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (flag, value) in [("--top-p", 1.5), ("--top-p", f32::NAN), ("--temperature", -0.1)] {
            let most = if flag == "--top-p" { 1.0 } else { 10.0 };
            assert!(within(flag, Some(value), 0.0, most).is_err(), "{flag} {value}");
        }
    }
}
