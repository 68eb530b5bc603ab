//! Reading what roles answer: strictly, and never one thing for another.

use serde::Deserialize;

use crate::provider::Answer;
use crate::roleplay::object;

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
}
