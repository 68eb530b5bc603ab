//! Best of n: several replies to one message, of which the alignment meter chooses one.
//!
//! Candidates are drawn one after the other in the conversation's own place in the KV cache, so the prompt is computed
//! once and no more room is taken than by one reply. They are compared by nats per token: by the sum, the longest would
//! win. Nothing is shown before the choice, and those not chosen are kept nowhere.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::alignment::{Alignment, Meter};
use super::record::Recorder;
use super::{Inner, State};
use crate::engine::{
    CancelHandle, GenerateParams, Generated, GenerationObserver, GenerationStats, StopReason, TokenStream,
};
use crate::error::{Error, Result};
use crate::message::Message;

/// Replies that may be drawn to one message: each takes as long as a reply.
pub const MOST_CANDIDATES: usize = 8;

/// What there is to choose from, and by what.
pub(super) struct BestOf {
    inner: Arc<Inner>,
    prompt: Vec<Message>,
    candidates: Vec<GenerateParams>,
    meter: Meter,
    begun: Instant,
}

/// What was measured before a reply was given.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) chosen: Option<Alignment>,
    /// In the order in which they were drawn.
    pub(super) candidates: Vec<Alignment>,
}

/// Refuses numbers of candidates that nobody would wait for.
pub(super) fn check_best_of(best_of: usize) -> Result<()> {
    if (1..=MOST_CANDIDATES).contains(&best_of) {
        return Ok(());
    }
    let reason = format!("{best_of} is outside 1 to {MOST_CANDIDATES}");
    Err(Error::InvalidInput { what: "best_of", reason })
}

impl State {
    /// Refuses a choice that has nothing to choose by, or nothing to choose from.
    pub(super) fn check_choice(&self) -> Result<()> {
        let reason = match self.params.best_of {
            1 => return Ok(()),
            _ if self.adapters.is_empty() => {
                "the session has no adapters to choose by; give it some with set_adapters, or draw one reply"
            }
            _ if self.params.sampling.temperature == 0.0 => {
                "at temperature 0 every candidate is the same; raise it, or draw one reply"
            }
            _ => return Ok(()),
        };
        Err(Error::InvalidInput { what: "best_of", reason: reason.into() })
    }

    /// The first has the session's own seed: it is the reply that would be given without a choice.
    fn candidates(&self, given_up_with: &CancelHandle) -> Vec<GenerateParams> {
        let seeded = |n| {
            let mut params = self.generate_params();
            params.sampling.seed = params.sampling.seed.map(|seed| seed.wrapping_add(n));
            params.ends_with = Some(given_up_with.clone());
            params
        };
        (0..).take(self.params.best_of).map(seeded).collect()
    }
}

impl BestOf {
    /// The reply as a stream, and what it was chosen by. A thread of its own waits for the engine n times.
    pub(super) fn start(
        inner: Arc<Inner>,
        state: &State,
        prompt: Vec<Message>,
        meter: Meter,
        mut recorder: Recorder,
    ) -> Result<(TokenStream, oneshot::Receiver<Measured>)> {
        let (relay, stream) = inner.shared.engine.relay();
        let (answer, measured) = oneshot::channel();
        let candidates = state.candidates(relay.cancel_handle());
        let meter = meter.evicting().ending_with(relay.cancel_handle().clone());
        let choice = Self { inner, prompt, candidates, meter, begun: Instant::now() };
        let work = move || {
            let outcome = choice.run().map(|(generated, measured)| {
                let _ = answer.send(measured);
                generated
            });
            recorder.on_end(&outcome);
            relay.end(outcome);
        };
        std::thread::Builder::new()
            .name("aloekit-best-of".into())
            .spawn(work)
            .map_err(|e| Error::internal(format_args!("cannot start a thread to choose a reply: {e}")))?;
        Ok((stream, measured))
    }

    /// The reply that is given. Cancelled before the choice it is empty: nobody saw a word of it.
    fn run(self) -> Result<(Generated, Measured)> {
        let begun = self.begun;
        match self.choose() {
            Ok((mut generated, measured)) => {
                generated.stats.ttft_ms = begun.elapsed().as_secs_f64() * 1e3;
                Ok((generated, measured))
            }
            Err(Error::Cancelled) => Ok((Generated::cancelled(), Measured::default())),
            Err(error) => Err(error),
        }
    }

    fn choose(self) -> Result<(Generated, Measured)> {
        let Self { inner, prompt, candidates, meter, .. } = self;
        let draw = |params| match inner.sequence.generate(&prompt, params)?.blocking_finish()? {
            Generated { stop: StopReason::Cancelled, .. } => Err(Error::Cancelled),
            generated => Ok(generated),
        };
        let mut drawn = candidates.into_iter().map(draw).collect::<Result<Vec<_>>>()?;
        let measured = match meter.blocking_measure(drawn.iter().map(|one| one.text.clone()).collect()) {
            // Tokenized anew, the longest may be a token longer than the context: no reason to lose the others.
            Err(Error::ContextExceeded { .. }) => Vec::new(),
            measured => measured?,
        };
        let best = best(&measured).unwrap_or(0);
        let prefill = drawn[0].stats;
        let mut chosen = drawn.swap_remove(best);
        // What the prompt took, the first paid.
        chosen.stats = GenerationStats {
            reply_tokens: chosen.stats.reply_tokens,
            decode_tokens_per_s: chosen.stats.decode_tokens_per_s,
            ..prefill
        };
        let reading = measured.get(best).copied().filter(|one| one.tokens > 0);
        Ok((chosen, Measured { chosen: reading, candidates: measured }))
    }
}

/// Which one the adapters lean towards most; of equals the first. An empty reply is chosen only where all are.
fn best(candidates: &[Alignment]) -> Option<usize> {
    let said = candidates.iter().enumerate().filter(|(_, one)| one.tokens > 0);
    // `max_by` takes the last of equals.
    said.rev().max_by(|(_, a), (_, b)| a.nats_per_token.total_cmp(&b.nats_per_token)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alignment(nats: f64, tokens: usize) -> Alignment {
        Alignment { nats, tokens, nats_per_token: nats / tokens.max(1) as f64 }
    }

    /// Nats and tokens of each candidate.
    type Measured<'a> = &'a [(f64, usize)];

    #[test]
    fn the_best_is_that_with_most_nats_a_token_not_the_longest_the_empty_or_the_last_of_equals() {
        let cases: [(Measured<'_>, Option<usize>); 5] = [
            (&[(2.0, 1), (6.0, 6), (1.0, 1)], Some(0)),
            (&[(-3.0, 1), (0.0, 0), (-2.0, 1)], Some(2)),
            (&[(1.0, 1), (2.0, 2)], Some(0)),
            (&[(0.0, 0), (0.0, 0)], None),
            (&[], None),
        ];
        for (measured, expected) in cases {
            let candidates: Vec<_> = measured.iter().map(|&(nats, tokens)| alignment(nats, tokens)).collect();
            assert_eq!(best(&candidates), expected, "{measured:?}");
        }
    }
}
