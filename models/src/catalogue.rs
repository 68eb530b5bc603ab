//! The list of known models: the manifests compiled in, and those of the user.
//!
//! A user's manifest replaces a built-in one of the same id: a mirror or another quantization is a file away.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::manifest::{Kind, Manifest};

macro_rules! built_in {
    ($($id:literal),* $(,)?) => {
        &[$(($id, include_str!(concat!("../manifests/", $id, ".toml")))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "smollm2-135m-instruct",
    "llama-3.2-1b-instruct-q4_k_m",
    "llama-3.2-1b-instruct-q4_0",
    "llama-3.2-3b-instruct-q4_k_m",
    "llama-3.2-3b-instruct-q4_0",
    "llama-3-8b-instruct-q4_k_m",
    "llama-3-8b-instruct-q4_0",
    "gemma3-270m",
    "all-minilm-l6-v2",
    "onnxruntime",
];

/// Every model that can be named.
#[derive(Debug)]
pub(crate) struct Catalogue {
    manifests: Vec<Manifest>,
}

impl Catalogue {
    /// The built-in manifests, then those of `folders` in order; a folder that does not exist is passed over
    /// unless it was `demanded`.
    pub(crate) fn load(folders: &[PathBuf], demanded: Option<&Path>) -> Result<Self> {
        let mut catalogue = Self { manifests: Vec::new() };
        for (id, text) in BUILT_IN {
            catalogue.insert(Manifest::parse(text, id)?);
        }
        for folder in folders.iter().map(PathBuf::as_path).filter(|folder| folder.is_dir()).chain(demanded) {
            for path in manifest_files(folder)? {
                let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
                catalogue.insert(Manifest::parse(&text, &path.display().to_string())?);
            }
        }
        Ok(catalogue)
    }

    /// The model called `name`, whatever the case of its letters.
    pub(crate) fn find(&self, name: &str) -> Result<&Manifest> {
        let found = self.manifests.iter().find(|manifest| manifest.id.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::UnknownModel { name: name.to_owned(), nearest: self.nearest(name) })
    }

    /// The model called `name`, which must be of `kind`.
    pub(crate) fn find_kind(&self, name: &str, kind: Kind) -> Result<&Manifest> {
        let manifest = self.find(name)?;
        if manifest.kind == kind {
            return Ok(manifest);
        }
        Err(Error::WrongKind { name: name.to_owned(), kind: manifest.kind.as_str(), wanted: kind.as_str() })
    }

    /// The models of the default set.
    pub(crate) fn defaults(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().filter(|manifest| manifest.default)
    }

    /// The default of one kind.
    pub(crate) fn default_of(&self, kind: Kind) -> Result<&Manifest> {
        let found = self.defaults().find(|manifest| manifest.kind == kind);
        found.ok_or_else(|| Error::internal(format!("no default {}", kind.as_str())))
    }

    /// All of them, built-in ones first.
    pub(crate) fn all(&self) -> &[Manifest] {
        &self.manifests
    }

    fn insert(&mut self, manifest: Manifest) {
        match self.manifests.iter_mut().find(|known| known.id.eq_ignore_ascii_case(&manifest.id)) {
            Some(known) => *known = manifest,
            None => self.manifests.push(manifest),
        }
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let scored = self.manifests.iter().map(|manifest| (edit_distance(&name, &manifest.id), &manifest.id));
        let starts = self.manifests.iter().find(|manifest| name.len() >= 4 && manifest.id.starts_with(&name));
        let close = scored.min().filter(|(distance, id)| *distance <= id.len() / 3).map(|(_, id)| id);
        starts.map(|manifest| &manifest.id).or(close).cloned()
    }
}

fn manifest_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Levenshtein's distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::load(&[], None).expect("the built-in manifests are valid")
    }

    #[test]
    fn every_built_in_manifest_is_valid_and_carries_the_name_of_its_file() {
        for (id, text) in BUILT_IN {
            assert_eq!(Manifest::parse(text, id).expect("valid").id, *id);
        }
    }

    #[test]
    fn every_default_is_pinned_by_size_and_hash() {
        let catalogue = catalogue();
        for file in catalogue.defaults().flat_map(|manifest| &manifest.files) {
            assert!(file.size.is_some() && file.sha256.is_some(), "{}", file.name);
        }
        for kind in [Kind::ChatModel, Kind::Embedder, Kind::Library] {
            assert!(catalogue.default_of(kind).is_ok());
        }
    }

    #[test]
    fn a_mistyped_name_gets_the_nearest_one_as_a_hint() {
        let error = catalogue().find("smolm2-135m-instruct").expect_err("mistyped");
        assert_eq!(error.hint().as_deref(), Some("did you mean smollm2-135m-instruct?"));
        let error = catalogue().find("gemma").expect_err("cut short");
        assert_eq!(error.hint().as_deref(), Some("did you mean gemma3-270m?"));
    }

    #[test]
    fn a_manifest_of_the_user_replaces_a_built_in_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let text = BUILT_IN[0].1.replace("SmolLM2 135M Instruct", "my mirror");
        std::fs::write(folder.path().join("mine.toml"), text).expect("written");
        let catalogue = Catalogue::load(&[], Some(folder.path())).expect("loaded");
        assert_eq!(catalogue.all().len(), BUILT_IN.len());
        assert!(catalogue.find(BUILT_IN[0].0).expect("there").summary.starts_with("my mirror"));
    }
}
