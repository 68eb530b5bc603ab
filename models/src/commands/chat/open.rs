//! From options to an open assistant: models fetched where they are missing, parameters of the core filled in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aloekit::engine::{EngineParams, KvType, SamplingParams};
use aloekit::memory::{ConversationId, Embedder, MemoryParams, OrtEmbedder, OrtEmbedderParams, Pooling};
use aloekit::{Assistant, AssistantParams, Conversation, SessionParams};

use super::options::{Generation, Options, Start};
use crate::catalogue::Catalogue;
use crate::cli::KvTypeArg;
use crate::error::{Error, Result};
use crate::manifest::{self, FileRole, Kind, Manifest};
use crate::output::Output;
use crate::settings::Settings;
use crate::store::Store;

/// The assistant that `options` describe.
pub(crate) fn assistant(options: &Options, settings: &Settings, output: Output) -> Result<Assistant> {
    let files = Files { catalogue: settings.catalogue()?, store: Store::new(settings, output), output };
    let model = files.model(options.model.as_deref())?;
    let embedder = files.embedder(options)?;
    private_folder(&options.data)?;
    let _spinner = output.spinner("loading");
    Ok(Assistant::open(AssistantParams {
        engine: engine(model, &options.generation),
        memory: MemoryParams::file(options.data.join("memory.db")),
        embedder,
        snapshots: Some(snapshots(&options.data)),
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
        ..SessionParams::default()
    }
}

/// Where the KV state of conversations is kept between launches.
pub(crate) fn snapshots(data: &Path) -> PathBuf {
    data.join("snapshots")
}

struct Files<'a> {
    catalogue: Catalogue,
    store: Store<'a>,
    output: Output,
}

impl Files<'_> {
    /// A name of the list, or else a path.
    fn model(&self, wanted: Option<&str>) -> Result<PathBuf> {
        let Some(wanted) = wanted else {
            return self.file(self.catalogue.default_of(Kind::ChatModel)?, FileRole::Weights);
        };
        match self.catalogue.find_kind(wanted, Kind::ChatModel) {
            Ok(manifest) => self.file(manifest, FileRole::Weights),
            Err(error) => {
                let path = PathBuf::from(wanted);
                let meant = path.components().count() > 1 || path.exists() || wanted.ends_with(".gguf");
                if meant { Ok(path) } else { Err(error) }
            }
        }
    }

    fn embedder(&self, options: &Options) -> Result<Option<Arc<dyn Embedder>>> {
        let manifest = match options.embedder.as_deref() {
            Some("none") => return Ok(None),
            Some(name) => self.catalogue.find_kind(name, Kind::Embedder)?,
            None => self.catalogue.default_of(Kind::Embedder)?,
        };
        let runtime_library = match &options.onnx_runtime {
            Some(path) => path.clone(),
            None => match self.file(self.catalogue.default_of(Kind::Library)?, FileRole::Library) {
                // Search by words still works, so a machine without a bundled library chats all the same.
                Err(error @ Error::NoFileForTarget { .. }) => {
                    self.output.warn(&format!("{error}; memory is searched by words alone"));
                    return Ok(None);
                }
                found => found?,
            },
        };
        Ok(Some(Arc::new(OrtEmbedder::open(self.embedder_params(manifest, runtime_library)?)?)))
    }

    fn embedder_params(&self, manifest: &Manifest, runtime_library: PathBuf) -> Result<OrtEmbedderParams> {
        let embedding = manifest.embedding.as_ref();
        let embedding = embedding.ok_or_else(|| Error::internal("an embedder's manifest without its section"))?;
        Ok(OrtEmbedderParams {
            runtime_library,
            model: self.file(manifest, FileRole::Weights)?,
            tokenizer: self.file(manifest, FileRole::Tokenizer)?,
            pooling: match embedding.pooling {
                manifest::Pooling::Mean => Pooling::Mean,
                manifest::Pooling::Cls => Pooling::Cls,
                manifest::Pooling::InGraph => Pooling::InGraph,
            },
            query_prefix: embedding.query_prefix.clone(),
            document_prefix: embedding.document_prefix.clone(),
            max_tokens: embedding.max_tokens,
            threads: 1,
        })
    }

    fn file(&self, manifest: &Manifest, role: FileRole) -> Result<PathBuf> {
        self.store.ensure(manifest)?;
        self.store.path(manifest, role)
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
