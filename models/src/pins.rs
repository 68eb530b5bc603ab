//! `models.lock`: the hash, size and commit of what was first downloaded without a hash in its manifest.
//!
//! Kept beside the configuration and not in the cache, so that clearing the cache does not clear the trust.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The file of pins.
#[derive(Debug)]
pub(crate) struct Pins {
    path: PathBuf,
}

/// What a source gave when it was first downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Pin {
    /// The source, as `Artefact::source_key` writes it.
    pub(crate) source: String,
    pub(crate) sha256: String,
    /// In bytes.
    pub(crate) size: u64,
    /// The commit that a moving revision stood for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Document {
    #[serde(default)]
    pin: Vec<Pin>,
}

impl Pins {
    /// The pins kept in `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("models.lock") }
    }

    /// The pin of `source`, if it was downloaded before.
    pub(crate) fn get(&self, source: &str) -> Result<Option<Pin>> {
        Ok(self.read()?.pin.into_iter().find(|pin| pin.source == source))
    }

    /// Adds `pin`; one that is there already stays, and a different hash is refused.
    pub(crate) fn add(&self, pin: Pin) -> Result<()> {
        let folder = self.path.parent().ok_or_else(|| Error::internal("models.lock has no folder"))?;
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let guard_path = folder.join("models.lock.guard");
        let guard = File::create(&guard_path).map_err(|error| Error::io(&guard_path, error))?;
        guard.lock().map_err(|error| Error::io(&guard_path, error))?;
        let mut document = self.read()?;
        if let Some(known) = document.pin.iter().find(|known| known.source == pin.source) {
            return if known.sha256 == pin.sha256 { Ok(()) } else { Err(self.mismatch(known, &pin)) };
        }
        document.pin.push(pin);
        document.pin.sort_by(|a, b| a.source.cmp(&b.source));
        self.write(folder, &document)
    }

    fn mismatch(&self, known: &Pin, found: &Pin) -> Error {
        Error::HashMismatch { path: self.path.clone(), expected: known.sha256.clone(), got: found.sha256.clone() }
    }

    fn read(&self) -> Result<Document> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Document::default()),
            Err(error) => return Err(Error::io(&self.path, error)),
        };
        // A damaged file of pins is an error and never an empty one: it would unpin everything in silence.
        toml::from_str(&text)
            .map_err(|error| Error::SettingsInvalid { path: self.path.clone(), reason: error.message().to_owned() })
    }

    fn write(&self, folder: &Path, document: &Document) -> Result<()> {
        let text = toml::to_string(document).map_err(Error::internal)?;
        let failed = |error| Error::io(&self.path, error);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(b"# Written by aloe: what was first downloaded, enforced from then on.\n\n").map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| Error::io(&self.path, error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(source: &str, digit: char) -> Pin {
        Pin { source: source.to_owned(), sha256: digit.to_string().repeat(64), size: 1, commit: None }
    }

    #[test]
    fn a_pin_is_kept_and_another_hash_for_it_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let pins = Pins::in_folder(folder.path());
        pins.add(pin("a", '1')).expect("first");
        pins.add(pin("b", '2')).expect("second");
        pins.add(pin("a", '1')).expect("the same again");
        assert!(matches!(pins.add(pin("a", '3')), Err(Error::HashMismatch { .. })));
        assert_eq!(pins.get("a").expect("read"), Some(pin("a", '1')));
    }

    #[test]
    fn a_damaged_lock_file_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("models.lock"), "[[pin]]\nsha256 = ").expect("written");
        assert!(matches!(Pins::in_folder(folder.path()).get("a"), Err(Error::SettingsInvalid { .. })));
    }
}
