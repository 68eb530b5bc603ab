//! The way from a stage to its providers: what was answered before is found, what is answered now is kept and counted,
//! and when too much fails it ends.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::journal::{Journal, request_hash};
use super::ledger::{Ledger, Prices, Totals};
use super::task::{Role, Schema, Task};
use super::{Answer, Call, Drawing, Provider};
use crate::error::{CallFault, Error, Result};
use crate::preset::ProviderNumbers;
use crate::random::Draws;
use crate::record::{ChatMessage, Writer};

/// Who plays a role, and how.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) drawing: Drawing,
}

/// The providers of a stage, with cache and counts.
pub(crate) struct Gateway {
    seats: BTreeMap<Role, Seat>,
    journal: Journal,
    ledger: Ledger,
    prices: Prices,
    parse_attempts: u32,
    recent: Mutex<Recent>,
}

/// Whether the newest calls went well.
struct Recent {
    failed: VecDeque<bool>,
    window: usize,
    share: f64,
}

/// A question to a role.
pub(crate) struct Asked<'a> {
    pub(crate) role: Role,
    pub(crate) task: Task<'a>,
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) schema: Option<&'static Schema>,
    /// Tries after an unusable answer have seeds that follow from this one.
    pub(crate) seed: u32,
}

/// An answer that could be read.
pub(crate) struct Told<T> {
    pub(crate) value: T,
    pub(crate) seed: u32,
}

impl Gateway {
    /// A gateway that keeps what it is told in `journal`.
    pub(crate) fn open(
        seats: BTreeMap<Role, Seat>,
        journal: &Path,
        prices: Prices,
        numbers: &ProviderNumbers,
    ) -> Result<Self> {
        Ok(Self {
            seats,
            journal: Journal::open(journal)?,
            ledger: Ledger::default(),
            prices,
            parse_attempts: numbers.parse_attempts.max(1),
            recent: Mutex::new(Recent {
                failed: VecDeque::new(),
                window: numbers.failure_window,
                share: numbers.failure_share,
            }),
        })
    }

    /// Asks until an answer can be read, each time with another seed; answers that cannot be are kept as well, so a
    /// resumed run meets them again and asks no more than this one did.
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::TooManyFailures`].
    pub(crate) fn ask<T>(&self, asked: &Asked<'_>, read: impl Fn(&Answer) -> Option<T>) -> Result<Told<T>> {
        let mut seeds = Draws::new(u64::from(asked.seed), "another try", 0);
        let mut seed = asked.seed;
        let mut fault = CallFault::NotParsed(self.parse_attempts);
        for _ in 0..self.parse_attempts {
            let answer = self.answer(asked, seed)?;
            if let Some(value) = read(&answer) {
                return Ok(Told { value, seed });
            }
            if answer.cut {
                fault = CallFault::CutAtLength;
            }
            seed = seeds.call_seed();
        }
        let host = self.seat(asked.role)?.provider.model().to_owned();
        Err(Error::Call { host, fault })
    }

    /// Who a role is, for the records.
    pub(crate) fn writer(&self, role: Role) -> Result<Writer> {
        let seat = self.seat(role)?;
        Ok(Writer {
            role: role.as_str().to_owned(),
            provider: seat.provider.kind().to_owned(),
            model: seat.provider.model().to_owned(),
            temperature: seat.drawing.temperature,
            max_tokens: seat.drawing.max_tokens,
        })
    }

    /// Conversations that are worth having at once: as many as the narrowest role has lanes.
    pub(crate) fn lanes(&self) -> usize {
        self.seats.values().map(|seat| seat.provider.lanes()).min().unwrap_or(1).max(1)
    }

    /// What was counted so far, by role.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, Totals> {
        self.ledger.totals()
    }

    /// Dollars spent so far; nothing where a price is not known.
    pub(crate) fn cost(&self) -> Option<f64> {
        let asked = |totals: &&Totals| totals.calls > totals.cached;
        self.totals().values().filter(asked).try_fold(0.0, |sum, totals| Some(sum + totals.cost?))
    }

    fn answer(&self, asked: &Asked<'_>, seed: u32) -> Result<Answer> {
        let seat = self.seat(asked.role)?;
        let call = Call {
            role: asked.role,
            task: &asked.task,
            messages: &asked.messages,
            schema: asked.schema,
            drawing: seat.drawing,
            seed,
        };
        let provider = &seat.provider;
        if !provider.worth_keeping() {
            return self.make(provider.as_ref(), &call);
        }
        let request = request_hash(&call);
        if let Some(answer) = self.journal.find(&request, provider.model())? {
            self.ledger.cached(call.role);
            return Ok(answer);
        }
        let answer = self.make(provider.as_ref(), &call)?;
        self.journal.keep(&request, provider.model(), &call, &answer)?;
        Ok(answer)
    }

    fn make(&self, provider: &dyn Provider, call: &Call<'_>) -> Result<Answer> {
        let made = provider.complete(call);
        match &made {
            Ok(answer) => {
                // Rules, recordings and our own engine cost nothing; an endpoint's price is what was given.
                let paid = matches!(provider.kind(), "http" | "batch");
                let price = || self.prices.cost(provider.model(), answer.prompt_tokens, answer.completion_tokens);
                let cost = if paid { price() } else { Some(0.0) };
                self.ledger.made(call.role, answer.prompt_tokens, answer.completion_tokens, cost);
            }
            Err(_) => self.ledger.failed(call.role),
        }
        // An answer that was withheld or too long says nothing of the provider's health.
        let bad = |error: &Error| !matches!(error, Error::Call { fault, .. } if fault.final_for_request());
        self.note(made.as_ref().is_err_and(bad));
        made.map_err(|error| self.given_up(error))
    }

    fn note(&self, failed: bool) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.failed.push_back(failed);
        if recent.failed.len() > recent.window {
            recent.failed.pop_front();
        }
    }

    /// The same error, or that too many of them came.
    fn given_up(&self, error: Error) -> Error {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, failed) = (recent.failed.len(), recent.failed.iter().filter(|failed| **failed).count());
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let too_many = of >= recent.window && failed as f64 > recent.share * of as f64;
        match error {
            Error::Call { host, fault } if too_many && !fault.final_for_request() => {
                Error::TooManyFailures { failed, of, host, fault }
            }
            error => error,
        }
    }

    fn seat(&self, role: Role) -> Result<&Seat> {
        self.seats.get(&role).ok_or_else(|| Error::internal(format!("nobody plays {}", role.as_str())))
    }
}
