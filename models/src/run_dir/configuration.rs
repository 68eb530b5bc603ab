//! What a stage was begun with, and whether it may go on: a run whose second half was made otherwise is no run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StageDir;
use crate::error::{Error, Result};

const FILE: &str = "config.json";

/// Everything that decides what a stage writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// The version of the program that began it.
    pub(crate) version: String,
    pub(crate) seed: u64,
    /// The numbers of the stage, by their names in a preset.
    pub(crate) numbers: serde_json::Map<String, serde_json::Value>,
    /// Who plays each role; no key is part of it.
    pub(crate) roles: BTreeMap<String, String>,
    /// BLAKE3 of each input.
    pub(crate) inputs: BTreeMap<String, String>,
}

impl Configuration {
    /// Begins the stage, or goes on with one that was begun the same way; `growing` numbers may have changed.
    ///
    /// # Errors
    /// [`Error::RunDiffers`] naming what is not as it was.
    pub(crate) fn begin(&self, stage: &StageDir, growing: &[&str]) -> Result<()> {
        let path = stage.file(FILE);
        let before = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return stage.write_document(FILE, self),
            Err(error) => return Err(Error::io(path, error)),
        };
        let before: Self = serde_json::from_slice(&before).map_err(|_| Error::RecordInvalid {
            path: path.clone(),
            line: 1,
            reason: "not a configuration".into(),
        })?;
        if let Some(what) = self.difference(&before, growing) {
            return Err(Error::RunDiffers { path, what });
        }
        // The version that began it stays on record.
        stage.write_document(FILE, &Self { version: before.version, ..self.clone() })
    }

    fn difference(&self, before: &Self, growing: &[&str]) -> Option<String> {
        if self.seed != before.seed {
            return Some(format!("seed {} (it was {})", self.seed, before.seed));
        }
        let names: std::collections::BTreeSet<_> = self.numbers.keys().chain(before.numbers.keys()).collect();
        for name in names.into_iter().filter(|name| !growing.contains(&name.as_str())) {
            // What one of the two does not name: a device that is the CPU, say.
            let [value, was] = [self, before].map(|of| of.numbers.get(name).unwrap_or(&serde_json::Value::Null));
            if value != was {
                return Some(format!("{name} = {value} (it was {was})"));
            }
        }
        named_difference("role", &self.roles, &before.roles).or(named_difference("input", &self.inputs, &before.inputs))
    }
}

fn named_difference(kind: &str, now: &BTreeMap<String, String>, was: &BTreeMap<String, String>) -> Option<String> {
    let names: std::collections::BTreeSet<_> = now.keys().chain(was.keys()).collect();
    let changed = names.into_iter().find(|name| now.get(*name) != was.get(*name))?;
    Some(format!("{kind} {changed}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    fn configuration(profiles: u64, seed: u64) -> Configuration {
        let numbers = [("profiles", profiles.into()), ("rounds", 3.into())];
        Configuration {
            version: "0".into(),
            seed,
            numbers: numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            roles: BTreeMap::from([("judge".to_owned(), "scripted".to_owned())]),
            inputs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_stage_goes_on_only_as_it_was_begun() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let run = RunDir::open(&folder.path().join("run")).expect("opened");
        let stage = run.stage("personas").expect("made");
        configuration(3, 1).begin(&stage, &[]).expect("begun");
        configuration(3, 1).begin(&stage, &[]).expect("goes on");
        assert!(matches!(configuration(3, 2).begin(&stage, &[]), Err(Error::RunDiffers { .. })));
        assert!(matches!(configuration(4, 1).begin(&stage, &[]), Err(Error::RunDiffers { .. })));
        configuration(4, 1).begin(&stage, &["profiles"]).expect("grown");
        let mut with_more = configuration(4, 1);
        with_more.numbers.insert("device".into(), "a GPU".into());
        assert!(matches!(with_more.begin(&stage, &[]), Err(Error::RunDiffers { .. })), "named now");
        let stage = run.stage("train").expect("made");
        with_more.begin(&stage, &[]).expect("begun");
        assert!(matches!(configuration(4, 1).begin(&stage, &[]), Err(Error::RunDiffers { .. })), "named before");
    }
}
