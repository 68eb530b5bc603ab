//! Log-probability of given continuations: what evaluation and the alignment meter stand on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::native::{BatchRow, Context, Decoded, Model, SequenceNumber, Token};
use super::slots::AdapterSet;
use super::stream::CancelHandle;
use super::template::Segment;
use super::tokens::tokenize;
use super::worker::Command;
use super::{AdapterId, Engine};
use crate::error::{Error, Result};
use crate::message::Message;

/// Continuations to be scored after one prompt.
pub(super) struct ScoreRequest {
    pub(super) segments: Vec<Segment>,
    pub(super) continuations: Vec<String>,
    pub(super) adapters: AdapterSet,
    /// Whether idle conversations may be evicted for it.
    pub(super) may_evict: bool,
    /// Raised when the engine is being closed.
    pub(super) closing: Arc<AtomicBool>,
    /// The reply that is scored for somebody who may give it up.
    pub(super) ends_with: Option<CancelHandle>,
    pub(super) reply: oneshot::Sender<Result<Vec<Score>>>,
}

impl ScoreRequest {
    /// # Errors
    /// [`Error::Closed`] and [`Error::Cancelled`] when nobody waits for the answer any more.
    pub(super) fn expect_wanted(&self) -> Result<()> {
        let given_up = self.ends_with.as_ref().is_some_and(CancelHandle::is_given_up);
        match () {
            () if self.closing.load(Ordering::SeqCst) => Err(Error::Closed),
            () if given_up || self.reply.is_closed() => Err(Error::Cancelled),
            () => Ok(()),
        }
    }
}

/// What a scoring is asked for with.
pub(crate) struct ScoreParams {
    /// Adapters to apply, each with its scale.
    pub(crate) adapters: Vec<(AdapterId, f32)>,
    /// Whether idle conversations may be evicted for it; otherwise it ends with [`Error::Busy`] where it does not fit.
    pub(crate) may_evict: bool,
    /// Cancelling this ends it with [`Error::Cancelled`].
    pub(crate) ends_with: Option<CancelHandle>,
}

impl ScoreParams {
    /// For whoever asks outright: idle conversations make room.
    fn evicting(adapters: Vec<(AdapterId, f32)>) -> Self {
        Self { adapters, may_evict: true, ends_with: None }
    }
}

/// Where scores are awaited, or waited for.
pub(crate) type Scores = oneshot::Receiver<Result<Vec<Score>>>;

/// How likely the model finds a continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Natural logarithm of the probability of each token given all before it, `[tokens]`.
    pub token_log_probs: Vec<f32>,
}

impl Score {
    /// Log-probability of the whole continuation, in nats.
    #[must_use]
    pub fn log_prob(&self) -> f64 {
        self.token_log_probs.iter().map(|&p| f64::from(p)).sum()
    }

    /// Log-probability per token, in nats; 0 for an empty continuation.
    #[must_use]
    pub fn mean_log_prob(&self) -> f64 {
        if self.token_log_probs.is_empty() { 0.0 } else { self.log_prob() / self.token_log_probs.len() as f64 }
    }
}

impl Engine {
    /// Log-probability of each continuation as the assistant's answer to these messages, in nats. Dropping the future
    /// ends the work.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`] when prompt and continuation do not fit, [`Error::Closed`].
    pub async fn score(
        &self,
        messages: &[Message],
        continuations: Vec<String>,
        adapters: Vec<(AdapterId, f32)>,
    ) -> Result<Vec<Score>> {
        self.begin_score(messages, continuations, ScoreParams::evicting(adapters))?.await.unwrap_or(Err(Error::Closed))
    }

    /// [`Engine::score`] for a thread that may block.
    ///
    /// # Errors
    /// As [`Engine::score`].
    pub fn blocking_score(
        &self,
        messages: &[Message],
        continuations: Vec<String>,
        adapters: Vec<(AdapterId, f32)>,
    ) -> Result<Vec<Score>> {
        self.begin_score(messages, continuations, ScoreParams::evicting(adapters))?
            .blocking_recv()
            .unwrap_or(Err(Error::Closed))
    }

    /// Log-probability of each text from its beginning, without a chat around it, in nats: after the token that begins
    /// a text, for perplexity. For a thread that may block.
    ///
    /// # Errors
    /// As [`Engine::score`]; [`Error::InvalidInput`] where the model has no token that begins a text.
    pub fn blocking_score_text(&self, texts: Vec<String>, adapters: Vec<(AdapterId, f32)>) -> Result<Vec<Score>> {
        self.begin_segments(Vec::new(), texts, ScoreParams::evicting(adapters))?
            .blocking_recv()
            .unwrap_or(Err(Error::Closed))
    }

    /// Asks for scores and does not wait for them; whoever drops the receiver wants them no more.
    pub(crate) fn begin_score(
        &self,
        messages: &[Message],
        continuations: Vec<String>,
        params: ScoreParams,
    ) -> Result<Scores> {
        self.begin_segments(self.render(messages)?, continuations, params)
    }

    fn begin_segments(
        &self,
        segments: Vec<Segment>,
        continuations: Vec<String>,
        params: ScoreParams,
    ) -> Result<Scores> {
        self.expect_foreground()?;
        let (reply, answer) = oneshot::channel();
        let closing = Arc::clone(&self.shared.closing);
        let ScoreParams { adapters, may_evict, ends_with } = params;
        let adapters = AdapterSet::new(adapters)?;
        let request = ScoreRequest { segments, continuations, adapters, may_evict, closing, ends_with, reply };
        self.send(Command::Score(Box::new(request)))?;
        Ok(answer)
    }
}

/// KV cells for the prompt and the longest continuation.
pub(super) fn cells_needed(model: &Model, request: &ScoreRequest) -> usize {
    let longest = request.continuations.iter().map(|text| content_tokens(model, text).len()).max().unwrap_or(0);
    prompt_tokens(model, request).len() + longest
}

/// The prompt, or where there is none what begins a text; empty for a model without such a token.
fn prompt_tokens(model: &Model, request: &ScoreRequest) -> Vec<Token> {
    let prompt = tokenize(model, &request.segments, &[]);
    let begin = model.safe().vocab().bos();
    if prompt.is_empty() && begin.0 >= 0 { vec![begin] } else { prompt }
}

fn content_tokens(model: &Model, text: &str) -> Vec<Token> {
    model.safe().vocab().tokenize(text.as_bytes(), false, false)
}

/// Scores every continuation in `sequence`, which must be empty and is left empty. The prompt is computed once.
pub(super) fn score(context: &mut Context, sequence: SequenceNumber, request: &ScoreRequest) -> Result<Vec<Score>> {
    let model = Arc::clone(context.model());
    let prompt = prompt_tokens(&model, request);
    let outcome = (|| {
        let (&last, before) = prompt
            .split_last()
            .ok_or_else(|| Error::InvalidInput { what: "prompt", reason: "it has no tokens".into() })?;
        decode_all(context, sequence, 0, before, request)?;
        request
            .continuations
            .iter()
            .map(|text| {
                let tokens = content_tokens(&model, text);
                let scored = score_tokens(context, sequence, before.len(), last, &tokens, request);
                context.truncate(sequence, before.len());
                scored
            })
            .collect()
    })();
    context.truncate(sequence, 0);
    outcome
}

/// Log-probabilities of `tokens` after `last`, which stands at position `at`.
fn score_tokens(
    context: &mut Context,
    sequence: SequenceNumber,
    at: usize,
    last: Token,
    tokens: &[Token],
    request: &ScoreRequest,
) -> Result<Score> {
    let mut token_log_probs = Vec::with_capacity(tokens.len());
    let inputs: Vec<Token> = std::iter::once(last).chain(tokens.iter().copied()).collect();
    let chunk_len = (context.params().n_outputs_max.min(context.params().n_batch)) as usize;
    for (chunk, start) in tokens.chunks(chunk_len).zip((0..).step_by(chunk_len)) {
        let rows: Vec<_> = (start..start + chunk.len())
            .map(|i| BatchRow { token: inputs[i], position: at + i, sequence, logits: true })
            .collect();
        decode(context, &rows, request)?;
        for (row, &target) in chunk.iter().enumerate() {
            let logits = context.logits(row).ok_or_else(|| Error::internal("no logits for a scored token"))?;
            token_log_probs.push(log_softmax(logits, target));
        }
    }
    Ok(Score { token_log_probs })
}

fn decode_all(
    context: &mut Context,
    sequence: SequenceNumber,
    at: usize,
    tokens: &[Token],
    request: &ScoreRequest,
) -> Result<()> {
    let n_batch = context.params().n_batch as usize;
    for (chunk, start) in tokens.chunks(n_batch).zip((at..).step_by(n_batch)) {
        let rows: Vec<_> = chunk
            .iter()
            .zip(start..)
            .map(|(&token, position)| BatchRow { token, position, sequence, logits: false })
            .collect();
        decode(context, &rows, request)?;
    }
    Ok(())
}

fn decode(context: &mut Context, rows: &[BatchRow], request: &ScoreRequest) -> Result<()> {
    loop {
        request.expect_wanted()?;
        match context.decode(rows)? {
            Decoded::Done => return Ok(()),
            // Somebody else's cancel: lower the flag after the worker's manner and do this batch again.
            Decoded::Aborted => {
                context.truncate(rows[0].sequence, rows[0].position);
                context.abort_flag().store(false, Ordering::SeqCst);
            }
            Decoded::NoRoom => return Err(Error::Busy),
            Decoded::Failed(code) => return Err(Error::internal(format_args!("llama_decode answered {code}"))),
        }
    }
}

/// log softmax(logits)\[target\] = logits\[target\] - log Σ exp(logits), the maximum taken out first.
fn log_softmax(logits: &[f32], target: Token) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - max).exp()).sum();
    let index = usize::try_from(target.0).unwrap_or(0);
    (f64::from(logits[index] - max) - sum.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_softmax_sums_to_one_and_does_not_overflow() {
        let logits = [1000.0, 999.0, -1000.0];
        let total: f64 = (0..3).map(|i| f64::from(log_softmax(&logits, Token::new(i))).exp()).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
    }
}
