//! From template segments to tokens, keeping the tokens that are already in the KV cache.
//!
//! A reply was sampled token by token, and its text may tokenize to other tokens. Where the cache spells exactly the
//! text of a segment, its tokens are taken as they are: so a conversation's prefix stays reusable from turn to turn
//! and across launches, and no second record of tokens has to be kept in step with the text.

use super::native::{Model, Token};
use super::template::Segment;

/// Tokens of a prompt. `cached` is what the sequence holds.
///
/// Control segments are tokenized with control tokens, contents never: what a person writes stays text.
pub(super) fn tokenize(model: &Model, segments: &[Segment], cached: &[Token]) -> Vec<Token> {
    let vocab = model.safe().vocab();
    let mut tokens = if vocab.should_add_bos() { vec![vocab.bos()] } else { Vec::new() };
    let mut follows_cache = cached.starts_with(&tokens);
    for segment in segments {
        let start = tokens.len();
        match segment {
            Segment::Control(text) => {
                let control = vocab.tokenize(text.as_bytes(), false, true);
                let written_bos = usize::from(start == 1 && tokens.first() == control.first());
                tokens.extend_from_slice(&control[written_bos..]);
            }
            Segment::Content { text, .. } => {
                let rest = cached.get(start..).filter(|_| follows_cache).unwrap_or_default();
                let (len, spelled) = spelled(model, rest, text.as_bytes());
                tokens.extend_from_slice(&rest[..len]);
                tokens.extend(vocab.tokenize(&text.as_bytes()[spelled..], false, false));
            }
        }
        follows_cache = follows_cache && cached.get(start..tokens.len()).is_some_and(|seen| seen == &tokens[start..]);
    }
    tokens
}

/// How many of `tokens` spell `text`, and how many of its bytes.
///
/// They may spell all of it, or its beginning where the cache ends (the last token drawn is never decoded) or where the
/// text was cut inside a token (a stop string). Otherwise none are taken: half a message of other tokens than the
/// tokenizer gives would read differently to the model.
fn spelled(model: &Model, tokens: &[Token], text: &[u8]) -> (usize, usize) {
    const NONE: (usize, usize) = (0, 0);
    let vocab = model.safe().vocab();
    let mut rest = text;
    let mut piece = Vec::with_capacity(32);
    for (index, &token) in tokens.iter().enumerate() {
        if rest.is_empty() {
            return (index, text.len());
        }
        if vocab.is_control(token) || vocab.is_eog(token) {
            return NONE;
        }
        piece.clear();
        vocab.token_to_piece_into(token, &mut piece, false, None);
        rest = match rest.strip_prefix(piece.as_slice()) {
            Some(after) => after,
            None if piece.starts_with(rest) => return (index, text.len() - rest.len()),
            None => return NONE,
        };
    }
    (tokens.len(), text.len() - rest.len())
}

/// Length of the common beginning.
pub(super) fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// A run of cached tokens that the prompt has too, further on than their common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MovedRun {
    /// Where it stands in the cache.
    pub(super) cached_at: usize,
    /// Where it stands in the prompt.
    pub(super) prompt_at: usize,
    /// Its length in tokens.
    pub(super) len: usize,
}

/// The longest run at the end of the cache that stands in the prompt at another place, at least `least` tokens long.
///
/// This is what a context shift keeps: old turns were dropped, the newer ones moved towards the start.
pub(super) fn moved_run(cached: &[Token], prompt: &[Token], prefix: usize, least: usize) -> Option<MovedRun> {
    let window = least.max(1);
    let mut best: Option<MovedRun> = None;
    let mut places = std::collections::HashMap::new();
    for (at, run) in cached.windows(window).enumerate().skip(prefix) {
        places.entry(run).or_insert(at);
    }
    let mut prompt_at = prefix;
    while prompt_at + window <= prompt.len() {
        let Some(&cached_at) = places.get(&prompt[prompt_at..prompt_at + window]) else {
            prompt_at += 1;
            continue;
        };
        let len = common_prefix(&cached[cached_at..], &prompt[prompt_at..]);
        if best.is_none_or(|b| len > b.len) {
            best = Some(MovedRun { cached_at, prompt_at, len });
        }
        prompt_at += len;
    }
    best.filter(|run| run.cached_at != run.prompt_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(ids: std::ops::Range<i32>) -> Vec<Token> {
        ids.map(Token::new).collect()
    }

    #[test]
    fn a_conversation_whose_oldest_turns_are_dropped_keeps_the_rest_as_a_moved_run() {
        let cached = tokens(0..200);
        let prompt = [tokens(0..20), tokens(900..910), tokens(100..200), tokens(300..320)].concat();
        let run = moved_run(&cached, &prompt, 20, 16).expect("the tail moved");
        assert_eq!(run, MovedRun { cached_at: 100, prompt_at: 30, len: 100 });
    }

    #[test]
    fn nothing_moved_where_the_prompt_only_grows_or_shares_nothing() {
        let cached = tokens(0..100);
        assert_eq!(moved_run(&cached, &tokens(0..150), 100, 16), None);
        assert_eq!(moved_run(&cached, &tokens(500..600), 0, 16), None);
        assert_eq!(moved_run(&cached, &[], 0, 16), None);
    }
}
