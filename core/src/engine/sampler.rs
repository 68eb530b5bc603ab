//! Draws tokens from logits: penalties, truncation, temperature, grammar.
//!
//! The grammar is asked about the drawn token first and about the whole vocabulary only when it says no: checking
//! 128k candidates at each token would cost more than decoding does on a phone.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::native::{Model, Token};
use super::params::{Constraint, SamplingParams};
use crate::error::{Error, Result};

/// llama.cpp reserves the window at once, 8 GB for `i32::MAX`; no reply is longer than the longest context.
const LONGEST_PENALTY_WINDOW: u32 = 1 << 20;

/// The state of drawing for one reply.
pub(super) struct Sampler {
    chain: Option<LlamaSampler>,
    grammar: Option<LlamaSampler>,
    /// Kept from token to token: for a vocabulary of 128k it is 1.5 MB.
    candidates: LlamaTokenDataArray,
}

impl Sampler {
    pub(super) fn new(model: &Model, params: &SamplingParams, constraint: &Constraint) -> Result<Self> {
        params.check()?;
        let grammar = grammar(model, constraint)?;
        Ok(Self { chain: chain(model, params), grammar, candidates: LlamaTokenDataArray::new(Vec::new(), false) })
    }

    /// The next token, drawn from `logits` (`[n_vocab]`) and taken note of.
    pub(super) fn sample(&mut self, logits: &[f32]) -> Result<Token> {
        let token = match &mut self.grammar {
            None => self.draw(logits),
            Some(_) => self.draw_constrained(logits)?,
        };
        if let Some(chain) = &mut self.chain {
            chain.accept(token);
        }
        if let Some(grammar) = &mut self.grammar {
            grammar.try_accept(token).map_err(|e| Error::internal(format_args!("grammar refused its token: {e}")))?;
        }
        Ok(token)
    }

    fn draw(&mut self, logits: &[f32]) -> Token {
        match &mut self.chain {
            None => argmax(logits),
            Some(chain) => {
                fill(&mut self.candidates, logits);
                select(chain, &mut self.candidates)
            }
        }
    }

    fn draw_constrained(&mut self, logits: &[f32]) -> Result<Token> {
        let token = self.draw(logits);
        let grammar = self.grammar.as_mut().expect("called only with a grammar");
        let mut single = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
        grammar.apply(&mut single);
        if single.data[0].logit() != f32::NEG_INFINITY {
            return Ok(token);
        }
        fill(&mut self.candidates, logits);
        grammar.apply(&mut self.candidates);
        self.candidates.data.retain(|candidate| candidate.logit() != f32::NEG_INFINITY);
        if self.candidates.data.is_empty() {
            return Err(Error::InvalidInput { what: "constraint", reason: "no token can continue the grammar".into() });
        }
        Ok(match &mut self.chain {
            None => likeliest(&self.candidates.data),
            Some(chain) => select(chain, &mut self.candidates),
        })
    }
}

fn chain(model: &Model, params: &SamplingParams) -> Option<LlamaSampler> {
    let penalised =
        params.repetition_penalty != 1.0 || params.frequency_penalty != 0.0 || params.presence_penalty != 0.0;
    if params.temperature == 0.0 && !penalised {
        return None;
    }
    let mut parts = Vec::new();
    if penalised {
        parts.push(LlamaSampler::penalties(
            model.safe().n_vocab(),
            params.penalty_window.min(LONGEST_PENALTY_WINDOW).cast_signed(),
            params.repetition_penalty,
            params.frequency_penalty,
            params.presence_penalty,
        ));
    }
    if params.temperature == 0.0 {
        parts.push(LlamaSampler::greedy());
    } else {
        if params.top_k > 0 {
            parts.push(LlamaSampler::top_k(i32::try_from(params.top_k).unwrap_or(i32::MAX)));
        }
        parts.push(LlamaSampler::top_p(params.top_p, 1));
        parts.push(LlamaSampler::min_p(params.min_p, 1));
        parts.push(LlamaSampler::temp(params.temperature));
        parts.push(LlamaSampler::dist(params.seed.unwrap_or_else(random_seed)));
    }
    Some(LlamaSampler::chain_simple(parts))
}

fn grammar(model: &Model, constraint: &Constraint) -> Result<Option<LlamaSampler>> {
    let invalid = |reason: String| Error::InvalidInput { what: "constraint", reason };
    let text = match constraint {
        Constraint::None => return Ok(None),
        Constraint::Gbnf(text) => text.clone(),
        Constraint::JsonSchema(schema) => {
            serde_json::from_str::<serde_json::Value>(schema)
                .map_err(|e| invalid(format!("the JSON schema is not JSON: {e}")))?;
            llama_cpp_2::json_schema_to_grammar(schema)
                .map_err(|e| invalid(format!("the JSON schema cannot be made a grammar: {e}")))?
        }
    };
    LlamaSampler::grammar(model.safe(), &text, "root")
        .map(Some)
        .map_err(|e| invalid(format!("the grammar does not parse (it needs a rule named root): {e}")))
}

/// A seed from the standard library's own per-process randomness; nothing here needs to be unpredictable.
fn random_seed() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let mixed = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (mixed >> 32) as u32 ^ mixed as u32
}

fn fill(candidates: &mut LlamaTokenDataArray, logits: &[f32]) {
    candidates.sorted = false;
    candidates.data.clear();
    candidates.data.extend((0_i32..).zip(logits).map(|(id, &logit)| LlamaTokenData::new(Token::new(id), logit, 0.0)));
}

fn select(chain: &mut LlamaSampler, candidates: &mut LlamaTokenDataArray) -> Token {
    candidates.apply_sampler(chain);
    candidates.selected_token().unwrap_or_else(|| likeliest(&candidates.data))
}

fn likeliest(data: &[LlamaTokenData]) -> Token {
    data.iter().max_by(|a, b| a.logit().total_cmp(&b.logit())).map_or(Token::new(0), LlamaTokenData::id)
}

/// The index of the greatest logit. Sixteen lanes, so that the compiler vectorises it.
fn argmax(logits: &[f32]) -> Token {
    let greatest = logits
        .chunks(16)
        .fold([f32::NEG_INFINITY; 16], |mut lanes, chunk| {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &logit)| *lane = lane.max(logit));
            lanes
        })
        .into_iter()
        .fold(f32::NEG_INFINITY, f32::max);
    let index = logits.iter().position(|&logit| logit == greatest).unwrap_or(0);
    Token::new(i32::try_from(index).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_takes_the_first_of_equals_and_survives_nan() {
        assert_eq!(argmax(&[0.0, 3.0, 3.0, 1.0]).0, 1);
        assert_eq!(argmax(&[f32::NAN, 2.0, f32::NAN, 5.0]).0, 3);
        assert_eq!(argmax(&[f32::NAN; 4]).0, 0);
        let mut long = vec![0.5; 49_152];
        long[40_001] = 0.75;
        assert_eq!(argmax(&long).0, 40_001);
    }
}
