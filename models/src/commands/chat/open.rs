//! From options to an open assistant: models fetched where they are missing, parameters of the core filled in.

use std::path::{Path, PathBuf};

use aloekit::engine::{EngineParams, KvType, SamplingParams};
use aloekit::memory::ConversationId;
use aloekit::{Assistant, AssistantParams, Conversation, Induction, SessionParams};

use super::options::{Generation, Options, Start};
use crate::cli::KvTypeArg;
use crate::commands::model_files::ModelFiles;
use crate::commands::{data_folder, store_key};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::Settings;

/// The assistant that `options` describe.
pub(crate) fn assistant(options: &Options, settings: &Settings, output: Output) -> Result<Assistant> {
    let files = ModelFiles::new(settings, output)?;
    let model = files.chat_model(options.model.as_deref())?;
    let embedder = files.embedder(options.embedder.as_deref(), options.onnx_runtime.as_deref(), 1)?;
    private_folder(&options.data)?;
    let _spinner = output.spinner("loading");
    Ok(Assistant::open(AssistantParams {
        engine: engine(model, &options.generation),
        memory: store_key::params(data_folder::store(&options.data), options.key_file.as_deref())?,
        embedder,
        snapshots: Some(data_folder::snapshots(&options.data)),
        induction: Induction::default(),
    })?)
}

/// The session that `options` describe, beginning at `start`.
pub(crate) fn session(options: &Options, start: Start, remember: bool) -> SessionParams {
    let defaults = SessionParams::default();
    let wanted = &options.generation;
    SessionParams {
        conversation: match start {
            Start::Latest => Conversation::Latest,
            Start::New => Conversation::New,
            Start::Id(id) => Conversation::Id(ConversationId(id)),
        },
        system_prompt: wanted.system.clone().unwrap_or(defaults.system_prompt),
        sampling: sampling(wanted, defaults.sampling),
        max_reply_tokens: wanted.max_tokens.unwrap_or(defaults.max_reply_tokens),
        remember,
        recall: remember,
        adapters: options.adapters.clone(),
        best_of: options.best_of,
        measure_alignment: options.measure_alignment,
        ..SessionParams::default()
    }
}

fn engine(model: PathBuf, wanted: &Generation) -> EngineParams {
    let defaults = EngineParams::new(model);
    EngineParams {
        n_ctx: wanted.ctx.unwrap_or(defaults.n_ctx),
        n_threads: wanted.threads.or(defaults.n_threads),
        n_gpu_layers: wanted.gpu_layers.unwrap_or(defaults.n_gpu_layers),
        kv_type: match wanted.kv_type {
            Some(KvTypeArg::F16) => KvType::F16,
            Some(KvTypeArg::Q8) => KvType::Q8_0,
            None => defaults.kv_type,
        },
        ..defaults
    }
}

fn sampling(wanted: &Generation, defaults: SamplingParams) -> SamplingParams {
    SamplingParams {
        temperature: wanted.temperature.unwrap_or(defaults.temperature),
        top_p: wanted.top_p.unwrap_or(defaults.top_p),
        top_k: wanted.top_k.unwrap_or(defaults.top_k),
        min_p: wanted.min_p.unwrap_or(defaults.min_p),
        seed: wanted.seed.or(defaults.seed),
        ..defaults
    }
}

/// The folder of what a person said is theirs alone.
fn private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| Error::io(path, error))
}
