//! What one endpoint can take: requests and tokens a minute, calls at once, and when it asked to be left alone.
//!
//! Calls at once follow AIMD: one more after as many good answers as there are calls, half of them after a refusal.
//! Rates are known from the flags, or from the headers of the first answers; what is known is a bucket that refills.

use std::time::{Duration, Instant};

use crate::error::CallFault;
use crate::preset::ProviderNumbers;

/// The longest that a server is believed when it says to come back later.
const LONGEST_WISH: Duration = Duration::from_secs(600);

/// How long an endpoint is left alone after its first failure; it doubles up to 64 times that.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// What the headers of an answer say of limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::provider) struct LimitHeaders {
    pub(super) requests: Option<u64>,
    pub(super) requests_left: Option<u64>,
    pub(super) requests_reset: Option<Duration>,
    pub(super) tokens: Option<u64>,
    pub(super) tokens_left: Option<u64>,
    pub(super) tokens_reset: Option<Duration>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered, with so many tokens.
    Answered(u64),
    /// Refused for the rate; with when to come back, if it said so.
    Refused(Option<Duration>),
    /// The server failed or was not there.
    Failed,
}

impl Outcome {
    pub(super) fn of(fault: &CallFault) -> Self {
        match fault {
            CallFault::Status { status: 429 | 503, retry_after_ms } => {
                Self::Refused(retry_after_ms.map(Duration::from_millis))
            }
            CallFault::Status { .. } | CallFault::Unreachable(_) | CallFault::Stalled(_) => Self::Failed,
            _ => Self::Answered(0),
        }
    }
}

/// A rate: so many a minute, with what is left of it now.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    per_min: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_min: u64, at: Instant) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let per_min = per_min as f64;
        Self { per_min, left: per_min, at }
    }

    fn refill(&mut self, now: Instant) {
        let minutes = now.saturating_duration_since(self.at).as_secs_f64() / 60.0;
        self.left = (self.left + minutes * self.per_min).min(self.per_min);
        self.at = now.max(self.at);
    }

    fn wait(&mut self, amount: f64, now: Instant) -> Duration {
        self.refill(now);
        // What is larger than the whole bucket goes when it is full.
        let missing = amount.min(self.per_min) - self.left;
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.per_min * 60.0) }
    }
}

/// The state of one endpoint.
#[derive(Debug)]
pub(super) struct Limits {
    in_flight: usize,
    /// Calls at once that it seems to bear.
    allowed: f64,
    most: f64,
    not_before: Option<Instant>,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// Given by flags: headers do not change them.
    fixed: (bool, bool),
    /// Failures in a row: a server that is gone is asked ever less often, so that the others take its calls.
    failures: u32,
    /// There is no other endpoint: the caller's own pauses are enough.
    alone: bool,
}

impl Limits {
    pub(super) fn new(numbers: &ProviderNumbers, alone: bool) -> Self {
        let bucket = |per_min: u64| (per_min > 0).then(|| Bucket::new(per_min, Instant::now()));
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let most = numbers.connections as f64;
        Self {
            in_flight: 0,
            allowed: most,
            most,
            not_before: None,
            requests: bucket(numbers.requests_per_min),
            tokens: bucket(numbers.tokens_per_min),
            fixed: (numbers.requests_per_min > 0, numbers.tokens_per_min > 0),
            failures: 0,
            alone,
        }
    }

    /// How long a call of so many tokens has to wait; zero when it may go now.
    pub(super) fn wait(&mut self, tokens: u64, now: Instant) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let full = self.in_flight as f64 + 1.0 > self.allowed.max(1.0);
        let place = if full { Duration::MAX } else { Duration::ZERO };
        let pause = self.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let tokens_wait = self.tokens.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(tokens as f64, now));
        let requests_wait = self.requests.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(1.0, now));
        place.max(pause).max(tokens_wait).max(requests_wait)
    }

    /// Share of its places that are taken.
    pub(super) fn load(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let taken = self.in_flight as f64;
        taken / self.allowed.max(1.0)
    }

    pub(super) fn take(&mut self, tokens: u64, now: Instant) {
        self.in_flight += 1;
        for (bucket, amount) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.refill(now);
                #[expect(clippy::cast_precision_loss, reason = "a rate")]
                let amount = amount as f64;
                bucket.left -= amount;
            }
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome, reserved_tokens: u64, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered(used) => {
                self.failures = 0;
                self.allowed = (self.allowed + 1.0 / self.allowed.max(1.0)).min(self.most);
                // What was reserved for a longer answer goes back.
                if let Some(bucket) = &mut self.tokens {
                    #[expect(clippy::cast_precision_loss, reason = "a rate")]
                    let unused = reserved_tokens.saturating_sub(used) as f64;
                    bucket.left = (bucket.left + unused).min(bucket.per_min);
                }
            }
            Outcome::Refused(wish) => {
                self.allowed = (self.allowed / 2.0).max(1.0);
                if let Some(wish) = wish {
                    self.pause(now + wish.min(LONGEST_WISH));
                }
            }
            Outcome::Failed => {
                self.allowed = (self.allowed / 2.0).max(1.0);
                if !self.alone {
                    self.pause(now + FAILURE_PAUSE * 2u32.pow(self.failures.min(6)));
                }
                self.failures += 1;
            }
        }
    }

    /// Takes over what the server says of itself.
    pub(super) fn hear(&mut self, headers: &LimitHeaders, now: Instant) {
        hear_one(&mut self.requests, self.fixed.0, headers.requests, headers.requests_left, now);
        hear_one(&mut self.tokens, self.fixed.1, headers.tokens, headers.tokens_left, now);
        let empty = [(headers.requests_left, headers.requests_reset), (headers.tokens_left, headers.tokens_reset)];
        for (left, reset) in empty {
            if let (Some(0), Some(reset)) = (left, reset) {
                self.pause(now + reset.min(LONGEST_WISH));
            }
        }
    }

    fn pause(&mut self, until: Instant) {
        self.not_before = Some(self.not_before.map_or(until, |before| before.max(until)));
    }
}

fn hear_one(bucket: &mut Option<Bucket>, fixed: bool, limit: Option<u64>, left: Option<u64>, now: Instant) {
    if fixed {
        return;
    }
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        let bucket = bucket.get_or_insert_with(|| Bucket::new(limit, now));
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let limit = limit as f64;
        bucket.per_min = limit;
        bucket.left = bucket.left.min(limit);
    }
    if let (Some(bucket), Some(left)) = (bucket, left) {
        bucket.refill(now);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let left = left as f64;
        bucket.left = bucket.left.min(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    fn limits(set: &[&str]) -> Limits {
        let set: Vec<_> = set.iter().map(|text| (*text).to_owned()).collect();
        Limits::new(&Preset::resolve("aloe-paper", &set).expect("resolved").provider, true)
    }

    #[test]
    fn a_rate_lets_calls_through_as_it_refills() {
        let now = Instant::now();
        let mut limits = limits(&["provider.requests_per_min=60", "provider.connections=100"]);
        for _ in 0..60 {
            assert!(limits.wait(0, now).is_zero());
            limits.take(0, now);
            limits.finish(Outcome::Answered(0), 0, now);
        }
        let wait = limits.wait(0, now);
        assert!(wait > Duration::from_millis(900) && wait < Duration::from_millis(1100), "{wait:?}");
        assert!(limits.wait(0, now + Duration::from_millis(1100)).is_zero());
    }

    #[test]
    fn a_refusal_halves_the_calls_at_once_and_answers_bring_them_back() {
        let now = Instant::now();
        let mut limits = limits(&["provider.connections=8"]);
        limits.take(0, now);
        limits.finish(Outcome::Refused(Some(Duration::from_secs(2))), 0, now);
        assert!(limits.wait(0, now) > Duration::from_secs(1));
        let later = now + Duration::from_secs(3);
        for _ in 0..4 {
            assert!(limits.wait(0, later).is_zero());
            limits.take(0, later);
        }
        assert!(!limits.wait(0, later).is_zero());
        for _ in 0..4 {
            limits.finish(Outcome::Answered(0), 0, later);
        }
        for _ in 0..40 {
            limits.take(0, later);
            limits.finish(Outcome::Answered(0), 0, later);
        }
        assert!((limits.allowed - 8.0).abs() < 0.5, "{}", limits.allowed);
    }

    #[test]
    fn headers_set_the_rate_unless_a_flag_did() {
        let now = Instant::now();
        let said = LimitHeaders { tokens: Some(1000), tokens_left: Some(100), ..LimitHeaders::default() };
        let mut adaptive = limits(&[]);
        adaptive.hear(&said, now);
        assert!(!adaptive.wait(500, now).is_zero() && adaptive.wait(50, now).is_zero());
        let mut fixed = limits(&["provider.tokens_per_min=100000"]);
        fixed.hear(&said, now);
        assert!(fixed.wait(500, now).is_zero());
    }
}
