//! Whom the benchmark's systems meet: personas of a run or a file, or the paper's own profiles and personalities.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::EvalAloeArgs;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::persona::{CombinePlan, FOLDER, PERSONAS, combine, read_pool_file};
use crate::record::{Origin, Persona, PoolKind, PoolMember, Split};
use crate::run_dir::read_lines;

/// Personalities that each profile is met with, as in the paper: the first five of seven.
const PERSONALITIES: usize = 5;

/// Where personas come from.
#[derive(Debug, Clone)]
pub(super) enum People {
    /// A run, or a file of personas.
    Personas(PathBuf),
    /// Two files of the paper, a JSON string a line each.
    Paper { profiles: PathBuf, personalities: PathBuf },
}

impl People {
    pub(super) fn of(args: &EvalAloeArgs) -> Self {
        match (&args.profiles, &args.personalities) {
            (Some(profiles), Some(personalities)) => {
                Self::Paper { profiles: profiles.clone(), personalities: personalities.clone() }
            }
            _ => {
                let path = args.personas.clone().unwrap_or_else(|| args.run.dir.clone());
                Self::Personas(if path.is_dir() { path.join(FOLDER).join(PERSONAS) } else { path })
            }
        }
    }

    /// The files, by the names under which their hashes are kept.
    pub(super) fn inputs(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Personas(path) => vec![("personas", path)],
            Self::Paper { profiles, personalities } => vec![("profiles", profiles), ("personalities", personalities)],
        }
    }

    /// Those of the evaluation split, at most so many; never none.
    ///
    /// # Errors
    /// [`Error::StageEmpty`], and those of reading.
    pub(super) fn read(&self, most: usize, output: Output) -> Result<Vec<Persona>> {
        let mut people = match self {
            Self::Personas(path) => read_lines(path)?,
            Self::Paper { profiles, personalities } => {
                combined(&texts(profiles, output)?, &texts(personalities, output)?)
            }
        };
        people.retain(|persona| persona.split == Split::Eval);
        people.truncate(most);
        match people.is_empty() {
            false => Ok(people),
            true => {
                let names: Vec<String> = self.inputs().iter().map(|(_, path)| path.display().to_string()).collect();
                let reason = format!("{} has no persona of the evaluation split", names.join(" with "));
                let hint = "`aloe personas` makes them, or --personas, or --profiles with --personalities";
                Err(Error::StageEmpty { stage: "eval aloe", reason, hint })
            }
        }
    }
}

fn texts(path: &Path, output: Output) -> Result<Vec<String>> {
    let file = read_pool_file(path)?;
    for line in &file.left_out {
        output.warn(&format!("{} line {}: left out: {}", line.file, line.line, line.reason));
    }
    Ok(file.texts.into_iter().map(|text| text.text).collect())
}

/// Every profile with the first personalities that fit its pronouns; a part of the cases meets as many profiles as it can.
fn combined(profiles: &[String], personalities: &[String]) -> Vec<Persona> {
    let members = |kind: PoolKind, texts: &[String]| -> Vec<PoolMember> {
        let member = |(at, text): (usize, &String)| PoolMember {
            id: format!("{}-{at:04}", kind.as_str()),
            kind,
            text: text.clone(),
            split: Split::Eval,
            origin: Origin::File { name: kind.as_str().to_owned(), line: at as u64 + 1 },
            scripted: false,
        };
        texts.iter().enumerate().map(member).collect()
    };
    let (profiles, personalities) =
        (members(PoolKind::Profile, profiles), members(PoolKind::Personality, personalities));
    let plan = CombinePlan { train: 0, eval: PERSONALITIES, seed: 0 };
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut people: Vec<(usize, Persona)> = combine(&profiles, &personalities, plan)
        .into_iter()
        .map(|persona| {
            let round = met.entry(persona.profile_id.clone()).or_default();
            *round += 1;
            (*round, persona)
        })
        .collect();
    people.sort_by_key(|(round, _)| *round);
    people.into_iter().map(|(_, persona)| persona).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_profiles_and_seven_personalities_are_a_hundred_cases() {
        let texts = |what: &str, count: usize| (0..count).map(|at| format!("{what} {at}")).collect::<Vec<_>>();
        let people = combined(&texts("profile", 20), &texts("personality", 7));
        assert_eq!(people.len(), 100);
        assert_eq!(people.iter().map(|one| &one.id).collect::<std::collections::BTreeSet<_>>().len(), 100);
        let first: std::collections::BTreeSet<_> = people[..20].iter().map(|one| &one.profile).collect();
        assert_eq!(first.len(), 20, "the first cases are different people");
    }
}
