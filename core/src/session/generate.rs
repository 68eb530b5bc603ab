//! Has the engine answer a prompt: as a stream of one reply, or as the best of several.

use std::sync::Arc;

use super::alignment::Meter;
use super::best_of::BestOf;
use super::record::Recorder;
use super::reply::Measuring;
use super::{Inner, State};
use crate::engine::{GenerateParams, TokenStream};
use crate::error::Result;
use crate::message::Message;

impl Inner {
    /// The reply, which `recorder` writes down, and how its alignment is measured.
    pub(super) fn generate(
        self: &Arc<Self>,
        state: &State,
        prompt: Vec<Message>,
        recorder: Recorder,
    ) -> Result<(TokenStream, Measuring)> {
        let meter = |prompt| Meter::new(&self.shared.engine, prompt, state.adapters.clone());
        if state.params.best_of > 1 {
            let (stream, measured) = BestOf::start(Arc::clone(self), state, prompt.clone(), meter(prompt), recorder)?;
            return Ok((stream, Measuring::Before(measured)));
        }
        let params = GenerateParams { observer: Some(Box::new(recorder)), ..state.generate_params() };
        let stream = self.sequence.generate(&prompt, params)?;
        let measures = state.params.measure_alignment && !state.adapters.is_empty();
        let after = measures.then(|| Box::new(meter(prompt).ending_with(stream.cancel_handle())));
        Ok((stream, after.map_or(Measuring::Not, Measuring::After)))
    }
}

impl State {
    /// How the session talks, for the engine.
    pub(super) fn generate_params(&self) -> GenerateParams {
        GenerateParams {
            sampling: self.params.sampling.clone(),
            constraint: self.params.constraint.clone(),
            stop: self.params.stop.clone(),
            max_tokens: self.params.max_reply_tokens,
            adapters: self.adapters.clone(),
            may_evict: true,
            ends_with: None,
            observer: None,
        }
    }
}
