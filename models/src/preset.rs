//! The numbers of the pipeline: a named preset, a file over it, single values over both.
//!
//! Every number stands in `presets/aloe-paper.toml`; nothing has a second default in code. Names are checked, so a
//! misspelt one is a mistake and not a wish.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// The preset that all others stand on.
const BASE: &str = include_str!("../presets/aloe-paper.toml");
const PRESETS: &[(&str, &str)] = &[("aloe-paper", BASE), ("aloe-small", include_str!("../presets/aloe-small.toml"))];

/// All numbers of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    pub(crate) personas: PersonaNumbers,
    pub(crate) trees: TreeNumbers,
    pub(crate) dataset: DatasetNumbers,
    pub(crate) benchmark: BenchmarkNumbers,
    pub(crate) provider: ProviderNumbers,
    pub(crate) train: TrainNumbers,
}

/// The numbers of `aloe personas`; the preset file says what each is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonaNumbers {
    pub(crate) profiles: usize,
    pub(crate) personalities: usize,
    pub(crate) eval_profiles: usize,
    pub(crate) eval_personalities: usize,
    pub(crate) personalities_per_profile: usize,
    pub(crate) eval_personalities_per_profile: usize,
    pub(crate) pool_examples: usize,
    pub(crate) asked_for: usize,
    pub(crate) max_iterations: u64,
    pub(crate) max_overlap: f32,
    pub(crate) max_cosine: f32,
    pub(crate) split_cosine: f32,
    pub(crate) temperature: f32,
    pub(crate) max_tokens: u32,
    pub(crate) wave: usize,
    pub(crate) saturation_window: usize,
    pub(crate) saturation_accept_rate: f64,
    pub(crate) profile_min_words: usize,
    pub(crate) profile_max_words: usize,
    pub(crate) profile_min_facts: usize,
    pub(crate) profile_max_facts: usize,
    pub(crate) personality_min_words: usize,
    pub(crate) personality_max_words: usize,
    pub(crate) personality_min_facts: usize,
    pub(crate) personality_max_facts: usize,
}

/// The numbers of `aloe trees`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TreeNumbers {
    pub(crate) conversations: usize,
    pub(crate) rounds: usize,
    pub(crate) branch: usize,
    pub(crate) judge: bool,
    pub(crate) contrast_share: f64,
    pub(crate) temperature: f32,
    pub(crate) judge_temperature: f32,
    pub(crate) inducer_temperature: f32,
    pub(crate) user_max_tokens: u32,
    pub(crate) reply_max_tokens: u32,
    pub(crate) inducer_max_tokens: u32,
    pub(crate) judge_max_tokens: u32,
    pub(crate) attempts: u32,
    pub(crate) max_reply_words: usize,
    pub(crate) max_reply_sentences: usize,
    pub(crate) max_user_words: usize,
    pub(crate) max_new_facts_per_turn: usize,
    pub(crate) max_reply_likeness: f32,
    pub(crate) max_hint_words_in_row: usize,
    pub(crate) min_latin_share: f32,
}

/// What becomes of turns on which the judge did not agree with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ties {
    Keep,
    Drop,
}

/// The numbers of `aloe dataset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatasetNumbers {
    pub(crate) validation_share: f64,
    pub(crate) ties: Ties,
    pub(crate) mix_ratio: f64,
    pub(crate) system: String,
    pub(crate) memory_share: f64,
}

/// The numbers of `aloe eval aloe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BenchmarkNumbers {
    pub(crate) cases: usize,
    pub(crate) rounds: usize,
    pub(crate) temperature: f32,
    pub(crate) judge_temperature: f32,
    pub(crate) user_max_tokens: u32,
    pub(crate) reply_max_tokens: u32,
    pub(crate) judge_max_tokens: u32,
}

/// How calls are made; nothing of it changes what is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderNumbers {
    pub(crate) idle_timeout_s: u64,
    pub(crate) call_timeout_s: u64,
    pub(crate) attempts: usize,
    pub(crate) first_pause_ms: u64,
    pub(crate) longest_pause_s: u64,
    pub(crate) max_body_mib: u64,
    pub(crate) failure_window: usize,
    pub(crate) failure_share: f64,
    pub(crate) parse_attempts: u32,
    pub(crate) connections: usize,
    pub(crate) requests_per_min: u64,
    pub(crate) tokens_per_min: u64,
    pub(crate) ctx: u32,
    pub(crate) sequences: u32,
    pub(crate) threads: u32,
    pub(crate) batch_linger_s: u64,
    pub(crate) batch_poll_s: u64,
    pub(crate) batch_max_calls: usize,
}

/// The numbers of `aloe train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainNumbers {
    pub(crate) rank: usize,
    pub(crate) alpha: f32,
    pub(crate) dropout: f32,
    pub(crate) targets: Vec<String>,
    pub(crate) lr: f64,
    pub(crate) schedule: String,
    pub(crate) warmup_share: f64,
    pub(crate) weight_decay: f64,
    pub(crate) max_grad_norm: f64,
    pub(crate) beta: f64,
    pub(crate) label_smoothing: f64,
    pub(crate) accumulation: usize,
    pub(crate) max_tokens: usize,
    pub(crate) epochs: usize,
    pub(crate) max_steps: usize,
    pub(crate) checkpoint_every: usize,
    pub(crate) eval_every: usize,
    pub(crate) max_eval_examples: usize,
}

impl Preset {
    /// The preset of this name or file, with `set` (`SECTION.NAME=VALUE`) over it.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name, section or value that is none.
    pub(crate) fn resolve(name: &str, set: &[String]) -> Result<Self> {
        let mut table: Table = BASE.parse().map_err(Error::internal)?;
        merge(&mut table, named(name)?);
        for assignment in set {
            assign(&mut table, assignment)?;
        }
        let preset: Self = table.try_into().map_err(|error: toml::de::Error| {
            Error::usage(
                format!("preset {name}: {}", error.message()),
                "models/presets/aloe-paper.toml lists all names",
            )
        })?;
        preset.check()?;
        Ok(preset)
    }

    fn check(&self) -> Result<()> {
        let (personas, trees, provider) = (&self.personas, &self.trees, &self.provider);
        let at_least_one = [
            ("personas.profiles", personas.profiles),
            ("personas.personalities", personas.personalities),
            ("personas.asked_for", personas.asked_for),
            ("personas.wave", personas.wave),
            ("personas.saturation_window", personas.saturation_window),
            ("trees.conversations", trees.conversations),
            ("trees.rounds", trees.rounds),
            ("trees.attempts", trees.attempts as usize),
            ("provider.attempts", provider.attempts),
            ("provider.connections", provider.connections),
            ("provider.failure_window", provider.failure_window),
            ("train.rank", self.train.rank),
            ("train.accumulation", self.train.accumulation),
            ("train.max_tokens", self.train.max_tokens),
            ("train.epochs", self.train.epochs),
            ("train.checkpoint_every", self.train.checkpoint_every),
        ];
        if let Some((name, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(Error::usage(format!("{name} must be at least 1"), format!("--set {name}=1")));
        }
        let shares = [
            self.dataset.validation_share,
            self.dataset.memory_share,
            trees.contrast_share,
            provider.failure_share,
            personas.saturation_accept_rate,
        ];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::usage("a share lies between 0 and 1", "correct it with --set"));
        }
        Ok(())
    }
}

/// The fields of one section as they are kept in a configuration.
pub(crate) fn numbers_of<T: Serialize>(section: &T) -> Result<serde_json::Map<String, serde_json::Value>> {
    match serde_json::to_value(section).map_err(Error::internal)? {
        serde_json::Value::Object(map) => Ok(map),
        _ => Err(Error::internal("a section that is no table")),
    }
}

fn named(name: &str) -> Result<Table> {
    if let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) {
        return text.parse().map_err(Error::internal);
    }
    let path = Path::new(name);
    if !path.exists() {
        let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        return Err(Error::usage(
            format!("no preset and no file is called {name}"),
            format!("presets: {}", names.join(", ")),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    text.parse().map_err(|error: toml::de::Error| Error::SettingsInvalid {
        path: path.to_owned(),
        reason: error.message().to_owned(),
    })
}

fn merge(base: &mut Table, over: Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

fn assign(table: &mut Table, assignment: &str) -> Result<()> {
    let wrong = || Error::usage(format!("{assignment} is no assignment"), "--set SECTION.NAME=VALUE");
    let (name, value) = assignment.split_once('=').ok_or_else(wrong)?;
    let (section, name) = name.trim().split_once('.').ok_or_else(wrong)?;
    let there = table.get_mut(section).and_then(Value::as_table_mut).ok_or_else(wrong)?;
    // A word that is no TOML value is meant as text.
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut parsed| parsed.remove("value"));
    there.insert(name.to_owned(), parsed.unwrap_or_else(|| Value::String(value.trim().to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_of_the_paper_has_its_numbers() {
        let preset = Preset::resolve("aloe-paper", &[]).expect("resolved");
        let personas = &preset.personas;
        assert_eq!(personas.profiles - personas.eval_profiles, 331);
        assert_eq!((personas.profiles - personas.eval_profiles) * personas.personalities_per_profile, 3310);
        assert_eq!(personas.eval_profiles * personas.eval_personalities_per_profile, 100);
        assert_eq!((personas.pool_examples, personas.asked_for, personas.max_iterations), (5, 20, 3000));
        assert_eq!((preset.trees.rounds, preset.trees.conversations), (10, 3310));
    }

    #[test]
    fn a_small_model_is_trained_with_the_instructions_that_it_is_measured_with() {
        let preset = Preset::resolve("aloe-small", &[]).expect("resolved");
        assert_eq!(preset.dataset.system, crate::roleplay::RESPONDER);
    }

    #[test]
    fn single_values_go_over_the_preset_and_a_misspelt_one_is_a_mistake() {
        let set = |text: &str| Preset::resolve("aloe-small", &[text.to_owned()]);
        assert_eq!(set("trees.rounds=3").expect("resolved").trees.rounds, 3);
        assert_eq!(set("dataset.ties=drop").expect("resolved").dataset.ties, Ties::Drop);
        for wrong in ["trees.ruonds=3", "rounds=3", "trees.rounds", "trees.rounds=few", "trees.rounds=0"] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
        assert!(Preset::resolve("no-such", &[]).is_err());
    }
}
