//! Which words of a message state what a conversation's records say it revealed.
//!
//! A tree says after each turn what is known of the person, in the persona's wording; an inducer has to quote the person.
//! So each fact that is new at a turn is laid beside the sentences of that turn's message, and the one that shares most of
//! its words states it. A fact that no sentence shares enough with was guessed, and is not taught.

use aloekit::memory::MemoryKind;

use crate::record::{ConversationTree, Induced, sentences};

/// Least share of a fact's words that the sentence which states it has.
const LEAST_SHARED: f64 = 0.6;

/// Words that say nothing of what a sentence is about; a person says `I` where a profile says `she`.
const EMPTY: &[&str] = &[
    "a", "am", "an", "and", "are", "as", "at", "be", "been", "for", "has", "have", "he", "her", "his", "i", "i'm",
    "in", "is", "it", "its", "me", "my", "of", "on", "or", "she", "that", "the", "their", "them", "they", "to", "was",
    "were", "with", "who",
];
/// Words by which a sentence about a life tells a taste.
const TASTES: &[&str] = &[
    "adore",
    "adores",
    "dislike",
    "dislikes",
    "enjoy",
    "enjoys",
    "favorite",
    "favourite",
    "hate",
    "hates",
    "like",
    "likes",
    "love",
    "loves",
    "prefer",
    "prefers",
];

/// A sentence of a message and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stated {
    pub(crate) kind: MemoryKind,
    pub(crate) words: String,
}

/// A message of the person, what it states for the first time, and what is left of it without that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) facts: Vec<Stated>,
    pub(crate) rest: String,
}

/// The person's messages along a path of nodes.
pub(crate) fn told(tree: &ConversationTree, path: &[usize]) -> Vec<Told> {
    let mut known: Vec<String> = Vec::new();
    let mut told = Vec::new();
    for node in path.iter().filter_map(|place| tree.nodes.get(*place)) {
        let new: Vec<_> = facts(&node.induced).into_iter().filter(|(fact, _)| !known.contains(fact)).collect();
        known.extend(new.iter().map(|(fact, _)| fact.clone()));
        told.push(message(&node.user.text, &new));
    }
    told
}

fn facts(induced: &Induced) -> Vec<(String, MemoryKind)> {
    let of = |text: &Option<String>, kind| {
        sentences(text.as_deref().unwrap_or_default()).into_iter().map(move |fact| (fact, kind)).collect::<Vec<_>>()
    };
    let mut all = of(&induced.profile, MemoryKind::Profile);
    all.extend(of(&induced.personality, MemoryKind::Personality));
    all
}

fn message(text: &str, new: &[(String, MemoryKind)]) -> Told {
    let parts = sentences(text);
    let mut kinds: Vec<Option<MemoryKind>> = vec![None; parts.len()];
    for (fact, kind) in new {
        let wanted = words(fact);
        let shares = parts.iter().enumerate().map(|(at, part)| (at, shared(&wanted, &words(part))));
        let best = shares.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share >= LEAST_SHARED);
        if let Some((at, _)) = best {
            kinds[at].get_or_insert(*kind);
        }
    }
    let (mut facts, mut rest) = (Vec::new(), Vec::new());
    for (part, kind) in parts.iter().zip(kinds) {
        match kind {
            Some(kind) => facts.push(Stated { kind: with_taste(kind, part), words: part.clone() }),
            None => rest.push(part.as_str()),
        }
    }
    Told { text: text.to_owned(), facts, rest: rest.join(" ") }
}

/// What a profile tells of likes and dislikes is a preference where it is remembered.
fn with_taste(kind: MemoryKind, sentence: &str) -> MemoryKind {
    let tastes = words(sentence).iter().any(|word| TASTES.contains(&word.as_str()));
    if kind == MemoryKind::Profile && tastes { MemoryKind::Preference } else { kind }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').map(str::to_lowercase);
    words.filter(|word| !word.is_empty() && !EMPTY.contains(&word.as_str())).collect()
}

/// Share of the words that occur in the others; `lives` and `live` are the same.
fn shared(wanted: &[String], there: &[String]) -> f64 {
    let stem = |word: &String| word.trim_end_matches('s').to_owned();
    let there: Vec<String> = there.iter().map(stem).collect();
    let found = wanted.iter().filter(|word| there.contains(&stem(word))).count();
    found as f64 / wanted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_quoted_in_the_words_of_the_message() {
        let new = [
            ("Amina is a nurse in Porto.".to_owned(), MemoryKind::Profile),
            ("She loves chess.".to_owned(), MemoryKind::Profile),
            ("Plans every trip twice.".to_owned(), MemoryKind::Personality),
            ("Her brother sails.".to_owned(), MemoryKind::Profile),
        ];
        let text = "Hello! I am a nurse in Porto. I love chess. People who know me would say: plans every trip twice. And you?";
        let told = message(text, &new);
        let stated: Vec<_> = told.facts.iter().map(|fact| (fact.kind, fact.words.as_str())).collect();
        let said = "People who know me would say: plans every trip twice.";
        assert_eq!(
            stated,
            [
                (MemoryKind::Profile, "I am a nurse in Porto."),
                (MemoryKind::Preference, "I love chess."),
                (MemoryKind::Personality, said),
            ]
        );
        assert_eq!(told.rest, "Hello! And you?");
        assert!(told.facts.iter().all(|fact| text.contains(&fact.words)));
    }
}
