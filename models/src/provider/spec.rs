//! From `SPEC` on the command line to a provider: who plays which role.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::Batch;
use super::gateway::Seat;
use super::http::{Http, HttpParams};
use super::ledger::{Estimate, Prices};
use super::local::{Local, LocalParams};
use super::replay::Replay;
use super::scripted::Scripted;
use super::task::Role;
use super::{Drawing, Provider};
use crate::error::{Error, Result};
use crate::preset::ProviderNumbers;
use crate::settings::Token;

const FORMS: &str = "local:MODEL, http:MODEL@BASE_URL, batch:MODEL@BASE_URL, replay:FILE or scripted";

/// What opening a provider needs from elsewhere.
pub(crate) struct Openers<'a> {
    /// The GGUF file of a model by name or path.
    pub(crate) model_file: &'a dyn Fn(&str) -> Result<PathBuf>,
    /// The key of a host.
    pub(crate) key: &'a dyn Fn(&str) -> Option<Token>,
    /// Where a batch that is under way is written down.
    pub(crate) batches: &'a Path,
    pub(crate) numbers: &'a ProviderNumbers,
}

/// Who plays which role, as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roles(BTreeMap<Role, String>);

impl Roles {
    /// `all` for every one of `roles`, but `ROLE=SPEC` where it is given.
    pub(crate) fn parse(roles: &[Role], all: Option<&str>, single: &[String]) -> Result<Self> {
        let mut named = BTreeMap::new();
        for text in single {
            let (name, spec) = text
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("{text} names no role"), format!("--role ROLE=SPEC: {FORMS}")))?;
            let role = roles.iter().find(|role| role.as_str() == name).ok_or_else(|| {
                let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                Error::usage(format!("no role is called {name}"), format!("here there are {}", names.join(", ")))
            })?;
            named.insert(*role, spec.to_owned());
        }
        for role in roles {
            let spec = named.get(role).map(String::as_str).or(all);
            let spec = spec.ok_or_else(|| {
                Error::usage(format!("nobody plays {}", role.as_str()), format!("--provider SPEC: {FORMS}"))
            })?;
            named.insert(*role, spec.to_owned());
        }
        Ok(Self(named))
    }

    /// The spec of each role, for the configuration. A path or address, never a key.
    pub(crate) fn by_name(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(role, spec)| (role.as_str().to_owned(), spec.clone())).collect()
    }

    /// The spec of one role.
    pub(crate) fn spec(&self, role: Role) -> &str {
        self.0.get(&role).map_or("", String::as_str)
    }

    /// What a role would take; its price by the model that its spec names.
    pub(crate) fn estimate(
        &self,
        role: Role,
        calls: u64,
        prompt_tokens: u64,
        completion_tokens: u64,
        prices: &Prices,
    ) -> Estimate {
        let spec = self.spec(role);
        let paid = spec.starts_with("http:") || spec.starts_with("batch:");
        let cost = if paid { prices.cost(model_of(spec), prompt_tokens, completion_tokens) } else { Some(0.0) };
        Estimate { role: role.as_str(), provider: spec.to_owned(), calls, prompt_tokens, completion_tokens, cost }
    }

    /// Whether any of them is played by rule.
    pub(crate) fn scripted(&self) -> bool {
        self.0.values().any(|spec| spec == "scripted")
    }

    /// Opens each provider once, however many roles it plays.
    pub(crate) fn seats(
        &self,
        openers: &Openers<'_>,
        drawing: impl Fn(Role) -> Drawing,
    ) -> Result<BTreeMap<Role, Seat>> {
        let mut open: HashMap<&str, Arc<dyn Provider>> = HashMap::new();
        let mut seats = BTreeMap::new();
        for (role, spec) in &self.0 {
            let provider = match open.get(spec.as_str()) {
                Some(provider) => Arc::clone(provider),
                None => {
                    let provider = open_one(spec, openers)?;
                    open.insert(spec, Arc::clone(&provider));
                    provider
                }
            };
            seats.insert(*role, Seat { provider, drawing: drawing(*role) });
        }
        Ok(seats)
    }
}

/// The model that a spec names; for prices before anything is opened.
fn model_of(spec: &str) -> &str {
    let (_, rest) = spec.split_once(':').unwrap_or(("", spec));
    rest.rsplit_once('@').map_or(rest, |(model, _)| model)
}

fn open_one(spec: &str, openers: &Openers<'_>) -> Result<Arc<dyn Provider>> {
    let numbers = openers.numbers;
    let wrong = || Error::usage(format!("{spec} is no provider"), FORMS);
    Ok(match spec.split_once(':') {
        None if spec == "scripted" => Arc::new(Scripted::new()),
        Some(("replay", file)) => Arc::new(Replay::open(Path::new(file), numbers.connections)?),
        Some(("local", model)) => {
            let file = (openers.model_file)(model)?;
            Arc::new(Local::open(&LocalParams {
                file,
                ctx: numbers.ctx,
                sequences: numbers.sequences,
                threads: (numbers.threads > 0).then_some(numbers.threads),
            })?)
        }
        Some((kind @ ("http" | "batch"), rest)) => {
            let (model, addresses) = rest.rsplit_once('@').ok_or_else(wrong)?;
            let params = HttpParams::parse(model, addresses, openers.key, numbers.clone())?;
            match kind {
                "http" => Arc::new(Http::new(params)),
                _ => Arc::new(Batch::open(params, openers.batches)?),
            }
        }
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_needs_somebody_and_may_have_somebody_of_its_own() {
        let roles = Roles::parse(&Role::DIALOGUE, Some("scripted"), &["judge=replay:a=b".to_owned()]).expect("parsed");
        assert_eq!((roles.spec(Role::Judge), roles.spec(Role::User)), ("replay:a=b", "scripted"));
        assert!(Roles::parse(&Role::DIALOGUE, None, &["judge=scripted".to_owned()]).is_err());
        assert!(Roles::parse(&Role::DIALOGUE, Some("scripted"), &["juge=scripted".to_owned()]).is_err());
        assert!(Roles::parse(&Role::DIALOGUE, Some("scripted"), &["judge".to_owned()]).is_err());
    }

    #[test]
    fn the_model_of_a_spec_is_known_before_it_is_opened() {
        assert_eq!(model_of("http:some/model@http://localhost:1/v1"), "some/model");
        assert_eq!(model_of("local:smollm2-135m-instruct"), "smollm2-135m-instruct");
    }
}
