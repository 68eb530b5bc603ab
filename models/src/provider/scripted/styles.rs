//! What is planted: styles that a personality asks for, and topics that a profile holds.

use super::lexicon::{TOPICS, Topic};
use crate::random::Draws;

/// How somebody likes to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Brief,
    Playful,
    Warm,
    Curious,
    Structured,
    Vivid,
}

impl Style {
    pub(super) const ALL: [Self; 6] =
        [Self::Brief, Self::Playful, Self::Warm, Self::Curious, Self::Structured, Self::Vivid];

    /// How words begin by which a personality asks for it, any of them.
    fn cues(self) -> &'static [&'static str] {
        match self {
            Self::Brief => &["short answers", "brief", "blunt", "few words", "to the point", "concise"],
            Self::Playful => &["jok", "playful", "humour", "tease", "witty", "laugh"],
            Self::Warm => &["warm", "empath", "gentle", "kindness", "comfort", "tender"],
            Self::Curious => &["curious", "question", "debate", "inquisitive"],
            Self::Structured => &["plans", "lists", "a list", "organis", "methodical", "steps", "orderly"],
            Self::Vivid => &["poet", "imagin", "daydream", "vivid", "storytell", "artistic"],
        }
    }

    /// The style that a personality asks for most often; the first of several.
    pub(super) fn of(personality: &str) -> Option<Self> {
        let text = personality.to_lowercase();
        let begins_word = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
        let count = |cue: &&str| text.match_indices(cue).filter(|(at, _)| begins_word(*at)).count();
        let asked = |style: Self| style.cues().iter().map(count).sum::<usize>();
        let most = Self::ALL.into_iter().map(asked).max().filter(|most| *most > 0)?;
        Self::ALL.into_iter().find(|style| asked(*style) == most)
    }

    /// A reply in this style.
    pub(super) fn write(self, topic: Option<&Topic>, draws: &mut Draws) -> String {
        let thing = topic.map_or("that", |topic| topic.word);
        let idea = topic.map_or("Take it one day at a time.", |topic| topic.idea);
        let forms: &[&str] = match self {
            Self::Brief => &["{idea}", "Simple: {idea}"],
            Self::Playful => &[
                "{idea} And if anyone asks, {thing} made you do it, haha!",
                "Haha, {thing} again, I see a pattern! {idea}",
            ],
            Self::Warm => &[
                "That means a lot, thank you for telling me. {idea} I am glad that you have {thing}.",
                "I hear you, and it makes sense. {idea} Be gentle with yourself.",
            ],
            Self::Curious => &[
                "{idea} What drew you to {thing} in the first place?",
                "What is it about {thing} that keeps you coming back? {idea} And what would you try next?",
            ],
            Self::Structured => &[
                "First, set aside an hour. Second: {idea} Third, note how it went.",
                "First: {idea} Second, tell a friend. Third, look at it again on Sunday.",
            ],
            Self::Vivid => &[
                "Picture it: {thing}, like a lantern in fog. {idea}",
                "It is like a window thrown open in spring. {idea}",
            ],
        };
        fill(draws.pick(forms).copied().unwrap_or_default(), thing, idea)
    }

    /// Whether a reply is in this style.
    pub(super) fn shows_in(self, reply: &str) -> bool {
        match self {
            Self::Brief => reply.split_whitespace().count() <= 16,
            Self::Playful => reply.contains("aha"),
            Self::Warm => reply.contains("I hear you") || reply.contains("I am glad"),
            Self::Curious => reply.contains("What "),
            Self::Structured => reply.contains("First") && reply.contains("Second"),
            Self::Vivid => reply.contains("like a "),
        }
    }
}

/// A reply to somebody whose style is not known yet.
pub(super) fn plain(topic: Option<&Topic>, draws: &mut Draws) -> String {
    let Some(topic) = topic else { return "Thanks for telling me, it is good to get to know you a little.".to_owned() };
    let forms = ["With {thing} in your life I would say this: {idea}", "{idea} That goes well with {thing}, I think."];
    fill(draws.pick(&forms).copied().unwrap_or_default(), topic.word, topic.idea)
}

/// Topics that a text holds, in the order in which it names them.
pub(super) fn topics(text: &str) -> Vec<&'static Topic> {
    let lower = text.to_lowercase();
    let mut found: Vec<_> = TOPICS.iter().filter_map(|topic| lower.find(topic.word).map(|at| (at, topic))).collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, topic)| topic).collect()
}

fn fill(form: &str, thing: &str, idea: &str) -> String {
    form.replace("{thing}", thing).replace("{idea}", idea)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trait_that_asks_for_nothing_is_no_style() {
        use crate::provider::scripted::lexicon::{TRAITS, style_sentences};
        for plain in TRAITS {
            assert_eq!(Style::of(plain), None, "{plain}");
        }
        for style in Style::ALL {
            for sentence in style_sentences(style) {
                assert_eq!(Style::of(sentence), Some(style), "{sentence}");
            }
        }
    }

    #[test]
    fn every_style_shows_in_what_it_writes() {
        for style in Style::ALL {
            for seed in 0..20 {
                let mut draws = Draws::new(seed, "style", 0);
                let topic = draws.pick(TOPICS);
                let reply = style.write(topic, &mut draws);
                assert!(style.shows_in(&reply), "{style:?}: {reply}");
            }
        }
    }
}
