//! Whom the benchmark's systems meet: personas of a run or a file, the paper's own profiles and personalities, or the
//! evaluation pool that comes with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::EvalAloeArgs;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::persona::{CombinePlan, FOLDER, PERSONAS, combine, evaluation_texts, read_pool_file};
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
    /// The evaluation pool that comes with the program.
    Own,
}

/// How a run's configuration names the program's own pool; another number where a text in it changes.
const OWN_POOL: &str = "evaluation pool 1";

impl People {
    pub(super) fn of(args: &EvalAloeArgs) -> Self {
        match (&args.profiles, &args.personalities) {
            (Some(profiles), Some(personalities)) => {
                Self::Paper { profiles: profiles.clone(), personalities: personalities.clone() }
            }
            _ => {
                let path = args.personas.as_ref().unwrap_or(&args.run.dir);
                let path = if path.is_file() { path.clone() } else { path.join(FOLDER).join(PERSONAS) };
                if args.personas.is_some() || path.exists() { Self::Personas(path) } else { Self::Own }
            }
        }
    }

    /// The files, by the names under which their hashes are kept.
    pub(super) fn inputs(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Personas(path) => vec![("personas", path)],
            Self::Paper { profiles, personalities } => vec![("profiles", profiles), ("personalities", personalities)],
            Self::Own => Vec::new(),
        }
    }

    /// What a run's configuration says of people that are in no file.
    pub(super) fn described(&self) -> Option<(String, String)> {
        matches!(self, Self::Own).then(|| ("personas".to_owned(), OWN_POOL.to_owned()))
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
            Self::Own => combined(&evaluation_texts(PoolKind::Profile)?, &evaluation_texts(PoolKind::Personality)?),
        };
        people.retain(|persona| persona.split == Split::Eval);
        let mut people = spread(people);
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

/// Every profile with the first personalities that fit its pronouns.
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
    combine(&profiles, &personalities, CombinePlan { train: 0, eval: PERSONALITIES, seed: 0 })
}

/// In an order in which a part of the cases meets as many profiles as it can, and their personalities in turn.
fn spread(people: Vec<Persona>) -> Vec<Persona> {
    let mut of_profile: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for persona in &people {
        let place = of_profile.len();
        of_profile.entry(&persona.profile_id).or_insert((place, 0)).1 += 1;
    }
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let keys: Vec<_> = people
        .iter()
        .map(|persona| {
            let (place, count) = of_profile[persona.profile_id.as_str()];
            let seen = met.entry(&persona.profile_id).or_default();
            *seen += 1;
            ((*seen - 1 + count - place % count) % count, place)
        })
        .collect();
    let mut keyed: Vec<_> = keys.into_iter().zip(people).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, persona)| persona).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_profiles_and_seven_personalities_are_a_hundred_cases() {
        let texts = |what: &str, count: usize| (0..count).map(|at| format!("{what} {at}")).collect::<Vec<_>>();
        let own = |kind| evaluation_texts(kind).expect("JSON");
        for people in [
            spread(combined(&texts("profile", 20), &texts("personality", 7))),
            spread(combined(&own(PoolKind::Profile), &own(PoolKind::Personality))),
        ] {
            assert_eq!(people.len(), 100);
            assert_eq!(people.iter().map(|one| &one.id).collect::<std::collections::BTreeSet<_>>().len(), 100);
            let first: std::collections::BTreeSet<_> = people[..20].iter().map(|one| &one.profile).collect();
            assert_eq!(first.len(), 20, "the first cases are different people");
            let characters: std::collections::BTreeSet<_> = people[..5].iter().map(|one| &one.personality_id).collect();
            assert_eq!(characters.len(), 5, "of different characters");
        }
    }
}
