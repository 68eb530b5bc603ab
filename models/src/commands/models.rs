//! `aloe models`: what there is, what is here, and bringing the two together.

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::cli::ModelsCommand;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::output::{Output, mib};
use crate::settings::Settings;
use crate::store::{State, Store};

/// Does what `command` says.
pub(crate) fn run(command: ModelsCommand, settings: &Settings, output: Output) -> Result<()> {
    let catalogue = settings.catalogue()?;
    let models = Models { store: Store::new(settings, output), catalogue, output };
    match command {
        ModelsCommand::List { json } => models.list(json),
        ModelsCommand::Pull { names, defaults } => models.pull(&names, defaults),
        ModelsCommand::Verify { names, json } => models.verify(&names, json),
        ModelsCommand::Remove { names } => models.remove(&names),
        ModelsCommand::Path { name } => models.path(&name),
    }
}

struct Models<'a> {
    store: Store<'a>,
    catalogue: Catalogue,
    output: Output,
}

/// A line of `list --json`: the manifest, and whether it is here.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    state: &'static str,
}

#[derive(Serialize)]
struct Verified<'a> {
    id: &'a str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Models<'_> {
    fn list(&self, json: bool) -> Result<()> {
        let widest = self.catalogue.all().iter().map(|manifest| manifest.id.len()).max().unwrap_or_default();
        for manifest in self.catalogue.all() {
            let state = self.state_word(manifest)?;
            if json {
                self.output.json(&Listed { manifest, state })?;
            } else {
                self.output.data(&listing(manifest, state, widest));
            }
        }
        Ok(())
    }

    fn pull(&self, names: &[String], defaults: bool) -> Result<()> {
        let mut wanted = self.named(names)?;
        wanted.extend(self.catalogue.defaults().filter(|_| defaults));
        for manifest in wanted {
            // Said of what was named; the set-up asks for the defaults each time and would say it each time.
            if !self.store.ensure(manifest)? && !defaults {
                self.output.note(&format!("{} is here", manifest.id));
            }
        }
        Ok(())
    }

    fn verify(&self, names: &[String], json: bool) -> Result<()> {
        let mut failure = None;
        let wanted = if names.is_empty() { self.present()? } else { self.named(names)? };
        for manifest in wanted {
            let result = self.store.verify(manifest);
            if json {
                let error = result.as_ref().err().map(ToString::to_string);
                self.output.json(&Verified { id: &manifest.id, ok: error.is_none(), error })?;
            } else if result.is_ok() {
                self.output.data(&format!("{} is sound", manifest.id));
            }
            if let Err(error) = result {
                // Every model is looked at, and every fault but the last is told here; the last ends the command.
                if let Some(earlier) = failure.replace(error) {
                    self.output.error(&earlier);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn remove(&self, names: &[String]) -> Result<()> {
        for manifest in self.named(names)? {
            let words = if self.store.remove(manifest)? { "is removed" } else { "was not here" };
            self.output.note(&format!("{} {words}", manifest.id));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Result<()> {
        let manifest = self.catalogue.find(name)?;
        for file in manifest.files_here()? {
            let path = self.store.path(manifest, file.role)?;
            if !path.is_file() {
                return Err(Error::Missing { path });
            }
            self.output.data(&path.display().to_string());
        }
        Ok(())
    }

    fn named(&self, names: &[String]) -> Result<Vec<&Manifest>> {
        names.iter().map(|name| self.catalogue.find(name)).collect()
    }

    fn present(&self) -> Result<Vec<&Manifest>> {
        let mut present = Vec::new();
        for manifest in self.catalogue.all() {
            if !matches!(self.state_word(manifest)?, "missing" | "unsupported") {
                present.push(manifest);
            }
        }
        Ok(present)
    }

    fn state_word(&self, manifest: &Manifest) -> Result<&'static str> {
        match self.store.state(manifest) {
            Ok(State::Missing) => Ok("missing"),
            Ok(State::Verified) => Ok("here"),
            Ok(State::Unverified) => Ok("unverified"),
            Err(Error::NoFileForTarget { .. }) => Ok("unsupported"),
            Err(error) => Err(error),
        }
    }
}

fn listing(manifest: &Manifest, state: &str, widest: usize) -> String {
    let planned = manifest.files_here().unwrap_or_default().iter().filter_map(|file| file.planned_size()).sum();
    let size = mib(planned);
    let kind = manifest.kind.as_str();
    format!("{:widest$}  {kind:10}  {state:11}  {size:>10}  {}", manifest.id, manifest.summary)
}
