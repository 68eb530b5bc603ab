//! Reading what roles answer: strictly, and never one thing for another.

use serde::Deserialize;

use crate::provider::{Answer, sentences};

/// Names that models put before a message.
const LABELS: &[&str] = &["user", "you", "me", "assistant", "friend", "answer", "reply", "message", "next message"];

/// A message of a person or an assistant: without label and quotation marks, and whole sentences where it was cut.
pub(super) fn message(answer: &Answer) -> Option<String> {
    let mut text = answer.text.trim();
    if let Some((label, rest)) = text.split_once(':')
        && LABELS.contains(&label.trim_matches(['*', '[', ']', ' ']).to_lowercase().as_str())
    {
        text = rest.trim_start_matches('*').trim();
    }
    let quoted = text.len() > 2 && text.starts_with('"') && text.ends_with('"') && text.matches('"').count() == 2;
    let text = if quoted { text[1..text.len() - 1].trim() } else { text };
    let whole = if answer.cut { whole_sentences(text)? } else { text.to_owned() };
    whole.chars().any(char::is_alphanumeric).then_some(whole)
}

/// What stands before the last end of a sentence.
fn whole_sentences(text: &str) -> Option<String> {
    let mut all = sentences(text);
    if all.last().is_some_and(|last| !last.ends_with(['.', '!', '?'])) {
        all.pop();
    }
    (!all.is_empty()).then(|| all.join(" "))
}

/// What was revealed: profile and personality.
pub(super) type Revealed = (Option<String>, Option<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    profile: Option<String>,
    personality: Option<String>,
}

/// The inducer's object; anything else is no answer.
pub(super) fn revealed(answer: &Answer) -> Option<Revealed> {
    let stated: Stated = object(&answer.text)?;
    Some((something(stated.profile), something(stated.personality)))
}

/// Which reply the judge named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Better {
    First,
    Second,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    better: Better,
}

/// The judge's object; prose, a number or another word is no verdict.
pub(super) fn better(answer: &Answer) -> Option<Better> {
    object::<Judged>(&answer.text).map(|judged| judged.better)
}

/// The one JSON object of an answer, also in a fence or behind a sentence.
fn object<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    serde_json::from_str(text.get(start..=end)?).ok()
}

/// Models write `None` where they were asked for null.
fn something(text: Option<String>) -> Option<String> {
    let text = text?.trim().to_owned();
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    (!["", "none", "null", "n a", "n/a", "nothing", "unknown"].contains(&bare.as_str())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, cut: bool) -> Answer {
        Answer { text: text.to_owned(), model: String::new(), prompt_tokens: 0, completion_tokens: 0, cut }
    }

    #[test]
    fn only_an_object_that_names_a_reply_is_a_verdict() {
        for text in [r#"{"better": "first"}"#, "```json\n{\"better\":\"first\"}\n```", r#"Sure: {"better": "first"}"#] {
            assert_eq!(better(&answer(text, false)), Some(Better::First), "{text}");
        }
        for text in [
            "first",
            "The second is better.",
            "N/A",
            "",
            "false",
            "NaN",
            "11/10",
            "{}",
            r#"{"better": "First reply"}"#,
            r#"{"better": "1"}"#,
            r#"{"better": null}"#,
            r#"{"better": "first", "score": 11}"#,
            "{\"better\":",
        ] {
            assert_eq!(better(&answer(text, false)), None, "{text}");
        }
    }

    #[test]
    fn none_is_nothing_and_prose_is_no_answer() {
        let read = |text| revealed(&answer(text, false));
        assert_eq!(read(r#"{"profile": "None", "personality": null}"#), Some((None, None)));
        let some = read(r#"{"profile": "Keeps bees.", "personality": "None."}"#);
        assert_eq!(some, Some((Some("Keeps bees.".to_owned()), None)));
        assert_eq!(read("The user keeps bees."), None);
    }

    #[test]
    fn a_message_loses_its_label_and_half_a_sentence() {
        let read = |text, cut| message(&answer(text, cut));
        assert_eq!(read("User: \"I am fine.\"", false).as_deref(), Some("I am fine."));
        assert_eq!(read("It is late. I would", true).as_deref(), Some("It is late."));
        assert_eq!(read("I would", true), None);
        assert_eq!(read(" ... ", false), None);
        assert_eq!(read("Note: this stays.", false).as_deref(), Some("Note: this stays."));
    }
}
