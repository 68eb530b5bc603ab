//! Perplexity on plain text: what training did to everything that it was not about.
//!
//! The text goes by in windows of whole words, each from its own beginning, so that the same text makes the same windows
//! for every model and adapter.

use serde::Serialize;

use super::statistics::{Interval, bootstrap};

/// What a model said of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// Natural logarithm of the probability of all of its tokens.
    pub(crate) log_prob: f64,
    pub(crate) tokens: usize,
    pub(crate) bytes: usize,
}

/// How well a model foresees a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct PerplexityFigures {
    pub(crate) windows: usize,
    pub(crate) tokens: usize,
    /// exp(-sum of log p / tokens), over all windows; the interval is over windows.
    pub(crate) perplexity: Option<Interval>,
    /// -sum of log2 p / bytes: comparable between models with other tokens.
    pub(crate) bits_per_byte: f64,
}

impl PerplexityFigures {
    pub(crate) fn of(windows: &[Window], seed: u64) -> Self {
        let sum = |of: fn(&Window) -> f64| windows.iter().map(of).sum::<f64>();
        let bytes = sum(|window| window.bytes as f64).max(1.0);
        Self {
            windows: windows.len(),
            tokens: windows.iter().map(|window| window.tokens).sum(),
            perplexity: bootstrap(windows, seed, perplexity),
            bits_per_byte: -sum(|window| window.log_prob) / std::f64::consts::LN_2 / bytes,
        }
    }
}

fn perplexity(windows: &[&Window]) -> Option<f64> {
    let tokens: usize = windows.iter().map(|window| window.tokens).sum();
    let log_prob: f64 = windows.iter().map(|window| window.log_prob).sum();
    (tokens > 0).then(|| (-log_prob / tokens as f64).exp())
}

/// The text in windows of about `bytes`, cut between words; a word that is longer is a window of its own.
pub(crate) fn windows(text: &str, bytes: usize) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while rest.len() > bytes {
        let within = rest.floor_char_boundary(bytes);
        let word_end = rest[..within].rfind(char::is_whitespace).filter(|at| *at > 0);
        let end = word_end.or_else(|| rest[within..].find(char::is_whitespace).map(|at| within + at));
        let (window, after) = rest.split_at(end.unwrap_or(rest.len()));
        found.push(window.trim_end());
        rest = after.trim_start();
    }
    found.push(rest);
    found.retain(|window| !window.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_every_word_once_and_cut_none() {
        let text = "  one two three\nfour fünf extraordinarily six ";
        for bytes in 1..60 {
            let found = windows(text, bytes);
            let words: Vec<&str> = found.iter().flat_map(|window| window.split_whitespace()).collect();
            assert_eq!(words, text.split_whitespace().collect::<Vec<_>>(), "{bytes}");
            assert!(found.iter().all(|window| window.len() <= bytes || !window.contains(' ')), "{bytes}: {found:?}");
        }
        assert!(windows(" \n", 8).is_empty());
    }

    #[test]
    fn a_coin_that_is_fair_has_a_perplexity_of_two() {
        let window = |tokens: usize| Window { log_prob: tokens as f64 * 0.5_f64.ln(), tokens, bytes: tokens * 4 };
        let found = PerplexityFigures::of(&[window(10), window(30)], 0);
        let perplexity = found.perplexity.expect("there are tokens");
        assert!([perplexity.value, perplexity.low, perplexity.high].iter().all(|value| (value - 2.0).abs() < 1e-12));
        assert!((found.bits_per_byte - 0.25).abs() < 1e-12 && found.tokens == 40);
        assert_eq!(PerplexityFigures::of(&[], 0).perplexity, None);
    }
}
