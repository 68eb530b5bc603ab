//! Any endpoint that speaks OpenAI's chat completions: one model at one or several addresses.
//!
//! Answers are asked for whole and not as a stream: nothing is done with half an answer, and a whole one says how long
//! it is, so a cut one is seen. Redirects are not followed, since a key would go along. Text of prompts and answers
//! never reaches an error.

mod endpoints;
mod limits;
mod retry_after;
mod wire;

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};

use self::endpoints::{Endpoint, Endpoints};
use self::limits::Outcome;
use super::{Answer, Call, Provider, estimated_tokens};
use crate::error::{CallFault, Error, Result};
use crate::preset::ProviderNumbers;
use crate::settings::Token;
use crate::source::address::Address;

pub(super) use wire::{Reply, Sender, body_of, read_completion};

/// Where a model answers, and how it is asked.
pub(super) struct HttpParams {
    pub(super) model: String,
    pub(super) addresses: Vec<(Address, Option<Token>)>,
    pub(super) numbers: ProviderNumbers,
}

impl HttpParams {
    /// Reads `BASE_URL[,BASE_URL]`; each host has its own key.
    pub(super) fn parse(
        model: &str,
        addresses: &str,
        key: &dyn Fn(&str) -> Option<Token>,
        numbers: ProviderNumbers,
    ) -> Result<Self> {
        let parse = |text: &str| {
            let address = Address::parse(text.trim().trim_end_matches('/'))?;
            let key = key(&address.host());
            Ok((address, key))
        };
        let addresses = addresses.split(',').map(parse).collect::<Result<Vec<_>>>()?;
        if model.is_empty() {
            return Err(Error::usage("the provider names no model", "http:MODEL@BASE_URL"));
        }
        Ok(Self { model: model.to_owned(), addresses, numbers })
    }
}

/// A model behind endpoints.
pub(super) struct Http {
    model: String,
    endpoints: Endpoints,
    sender: Sender,
    numbers: ProviderNumbers,
}

impl Http {
    pub(super) fn new(params: HttpParams) -> Self {
        let HttpParams { model, addresses, numbers } = params;
        let endpoints = Endpoints::new(addresses, &numbers);
        Self { model, endpoints, sender: Sender::new(&numbers), numbers }
    }

    fn pauses(&self, seed: u32) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(self.numbers.first_pause_ms))
            .with_max_delay(Duration::from_secs(self.numbers.longest_pause_s))
            .with_max_times(self.numbers.attempts - 1)
            .with_jitter()
            .with_jitter_seed(u64::from(seed))
            .build()
    }

    fn once(&self, call: &Call<'_>, tokens: u64) -> Result<Answer, (String, CallFault)> {
        let lease = self.endpoints.acquire(tokens);
        let endpoint = lease.endpoint();
        let started = Instant::now();
        let structured = call.schema.filter(|_| endpoint.structured());
        let sent = self.send(endpoint, call, structured.is_some());
        let (outcome, result) = match sent {
            Ok(reply) => match read_completion(&reply.body) {
                Ok(answer) => (Outcome::Answered(answer.prompt_tokens + answer.completion_tokens), Ok(answer)),
                Err(fault) => (Outcome::of(&fault), Err(fault)),
            },
            // An endpoint without structured outputs says so in its own way: asked again without them, once and for all.
            Err(CallFault::Status { status: 400 | 422 | 501, .. }) if structured.is_some() => {
                endpoint.give_up_structure();
                match self.send(endpoint, call, false).and_then(|reply| read_completion(&reply.body)) {
                    Ok(answer) => (Outcome::Answered(answer.prompt_tokens + answer.completion_tokens), Ok(answer)),
                    Err(fault) => (Outcome::of(&fault), Err(fault)),
                }
            }
            Err(fault) => (Outcome::of(&fault), Err(fault)),
        };
        let host = endpoint.host();
        tracing::debug!(host, ms = started.elapsed().as_millis(), ok = result.is_ok(), "call");
        lease.finish(outcome, tokens);
        result.map_err(|fault| (host, fault))
    }

    fn send(&self, endpoint: &Endpoint, call: &Call<'_>, structured: bool) -> Result<Reply, CallFault> {
        let body = body_of(&self.model, call, structured);
        let reply = self.sender.post(endpoint.address(), endpoint.key(), "/chat/completions", &body)?;
        endpoint.hear(&reply.limits);
        Ok(reply)
    }
}

impl Provider for Http {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn lanes(&self) -> usize {
        self.endpoints.lanes()
    }

    fn complete(&self, call: &Call<'_>) -> Result<Answer> {
        let prompt: u64 = call.messages.iter().map(|message| estimated_tokens(&message.content)).sum();
        let tokens = prompt + u64::from(call.drawing.max_tokens);
        let mut pauses = self.pauses(call.seed);
        loop {
            let (host, fault) = match self.once(call, tokens) {
                Ok(answer) => return Ok(Answer { model: self.model.clone(), ..answer }),
                Err(failed) => failed,
            };
            let Some(pause) = pauses.next().filter(|_| fault.retryable()) else {
                return Err(Error::Call { host, fault });
            };
            // A server that said when is asked then: the endpoint itself keeps calls back until that time.
            if !matches!(fault, CallFault::Status { retry_after_ms: Some(_), .. }) {
                std::thread::sleep(pause);
            }
        }
    }
}
