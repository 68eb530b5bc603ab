//! The models that commands run, by name or path: fetched where they are missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aloekit::memory::{Embedder, OrtEmbedder, OrtEmbedderParams, Pooling};

use crate::catalogue::Catalogue;
use crate::error::{Error, Result};
use crate::manifest::{self, FileRole, Kind, Manifest};
use crate::output::Output;
use crate::settings::Settings;
use crate::store::Store;

/// The known models and where they are kept.
pub(crate) struct ModelFiles<'a> {
    catalogue: Catalogue,
    store: Store<'a>,
    output: Output,
}

impl<'a> ModelFiles<'a> {
    pub(crate) fn new(settings: &'a Settings, output: Output) -> Result<Self> {
        Ok(Self { catalogue: settings.catalogue()?, store: Store::new(settings, output), output })
    }

    /// The weights of a chat model: a name of the list, or else a path.
    pub(crate) fn chat_model(&self, wanted: Option<&str>) -> Result<PathBuf> {
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

    /// The embedder of this name, or the default one; nothing for `none` and where this machine has no library for it.
    pub(crate) fn embedder(
        &self,
        name: Option<&str>,
        onnx_runtime: Option<&Path>,
        threads: usize,
    ) -> Result<Option<Arc<dyn Embedder>>> {
        let manifest = match name {
            Some("none") => return Ok(None),
            Some(name) => self.catalogue.find_kind(name, Kind::Embedder)?,
            None => self.catalogue.default_of(Kind::Embedder)?,
        };
        let runtime_library = match onnx_runtime {
            Some(path) => path.to_owned(),
            None => match self.file(self.catalogue.default_of(Kind::Library)?, FileRole::Library) {
                // Search by words still works, so a machine without a bundled library goes on all the same.
                Err(error @ Error::NoFileForTarget { .. }) => {
                    self.output.warn(&format!("{error}; memory is searched by words alone"));
                    return Ok(None);
                }
                found => found?,
            },
        };
        Ok(Some(Arc::new(OrtEmbedder::open(self.embedder_params(manifest, runtime_library, threads)?)?)))
    }

    fn embedder_params(
        &self,
        manifest: &Manifest,
        runtime_library: PathBuf,
        threads: usize,
    ) -> Result<OrtEmbedderParams> {
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
            threads,
        })
    }

    fn file(&self, manifest: &Manifest, role: FileRole) -> Result<PathBuf> {
        self.store.ensure(manifest)?;
        self.store.path(manifest, role)
    }
}
