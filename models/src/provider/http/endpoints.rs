//! Several servers of one model: each call goes to the one with the most room, and none gets more than it can take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{LimitHeaders, Limits, Outcome};
use crate::preset::ProviderNumbers;
use crate::settings::Token;
use crate::source::address::Address;

/// The longest wait before limits are looked at again, should a wake-up be missed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// One address.
pub(super) struct Endpoint {
    address: Address,
    key: Option<Token>,
    /// Cleared when it turned a schema down.
    structured: AtomicBool,
    limits: Mutex<Limits>,
}

impl Endpoint {
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn key(&self) -> Option<&Token> {
        self.key.as_ref()
    }

    pub(super) fn host(&self) -> String {
        self.address.host()
    }

    pub(super) fn structured(&self) -> bool {
        self.structured.load(Ordering::Relaxed)
    }

    pub(super) fn give_up_structure(&self) {
        self.structured.store(false, Ordering::Relaxed);
    }

    /// Takes note of what the server said of its limits.
    pub(super) fn hear(&self, headers: &LimitHeaders) {
        self.limits().hear(headers, Instant::now());
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All addresses of a model.
pub(super) struct Endpoints {
    endpoints: Vec<Endpoint>,
    turn: Mutex<()>,
    freed: Condvar,
    connections: usize,
}

/// The right to one call; given back when finished.
pub(super) struct Lease<'a> {
    endpoints: &'a Endpoints,
    endpoint: &'a Endpoint,
}

impl Endpoints {
    pub(super) fn new(addresses: Vec<(Address, Option<Token>)>, numbers: &ProviderNumbers) -> Self {
        let alone = addresses.len() == 1;
        let endpoint = |(address, key)| Endpoint {
            address,
            key,
            structured: AtomicBool::new(true),
            limits: Mutex::new(Limits::new(numbers, alone)),
        };
        Self {
            endpoints: addresses.into_iter().map(endpoint).collect(),
            turn: Mutex::new(()),
            freed: Condvar::new(),
            connections: numbers.connections,
        }
    }

    /// Calls at once, over all of them.
    pub(super) fn lanes(&self) -> usize {
        self.connections * self.endpoints.len()
    }

    /// Waits until some endpoint can take a call of so many tokens, and takes the least loaded.
    pub(super) fn acquire(&self, tokens: u64) -> Lease<'_> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let waits: Vec<_> = self.endpoints.iter().map(|endpoint| endpoint.limits().wait(tokens, now)).collect();
            let free = self.endpoints.iter().zip(&waits).filter(|(_, wait)| wait.is_zero());
            let least = free.min_by(|(a, _), (b, _)| a.limits().load().total_cmp(&b.limits().load()));
            if let Some((endpoint, _)) = least {
                endpoint.limits().take(tokens, now);
                return Lease { endpoints: self, endpoint };
            }
            let shortest = waits.into_iter().min().unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
            let waited = self.freed.wait_timeout(turn, shortest.max(Duration::from_millis(1)));
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<'a> Lease<'a> {
    pub(super) fn endpoint(&self) -> &'a Endpoint {
        self.endpoint
    }

    /// Gives the place back, with what became of the call.
    pub(super) fn finish(self, outcome: Outcome, reserved_tokens: u64) {
        self.endpoint.limits().finish(outcome, reserved_tokens, Instant::now());
        self.endpoints.freed.notify_all();
    }
}
