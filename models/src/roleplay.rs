//! What trees and the benchmark both ask: the next message of whoever plays a persona, and a friend's reply to it; and
//! how an answer is read.
//!
//! Personas, transcripts and hints come as JSON: their content is data, and no quotation mark of a file becomes part of
//! a sentence.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::provider::Answer;
use crate::record::{ChatMessage, Induced, Persona, Speaker, sentences};

/// Names that models put before a message.
const LABELS: &[&str] = &["user", "you", "me", "assistant", "friend", "answer", "reply", "message", "next message"];

const USER: &str = "\
You play a person in a chat. Stay this person, whose profile and personality follow as JSON. You are chatting with a \
friend, not asking a helper for services: talk about your day, your life, your opinions, and answer what is said to you. \
In each message reveal at most one or two small parts of your profile, in passing and in your own words; never list \
facts, never quote the profile. Let the personality show in how you write rather than by naming traits. Write as people \
do in a chat: one to three short sentences, no greeting after the first message, no stage directions. Answer with the \
next message alone.";

/// The instructions of whoever replies.
pub(crate) const RESPONDER: &str = "\
You chat with somebody as a friend would. Answer the last message in at most three sentences, in a natural, human tone: \
no lists, no headings, no offers of further help.";

const WITH_HINT: &str = "\
This is what the person has shown of themselves so far, as JSON. Let it guide what you talk about and how you say it, \
so that the answer suits exactly this person. Never mention that you know it, and never repeat its wording.";

/// The persona's next message.
pub(crate) fn user(persona: &Persona, history: &[ChatMessage]) -> Vec<ChatMessage> {
    let ask = if history.is_empty() {
        "The chat has not begun. Write your first message.".to_owned()
    } else {
        format!("The chat so far: {}\nWrite your next message.", transcript(history, "you", "friend"))
    };
    vec![ChatMessage::system(format!("{USER}\n{}", described(persona))), ChatMessage::user(ask)]
}

/// A reply, with what is known of the person or without.
pub(crate) fn reply(history: &[ChatMessage], hint: Option<&Induced>) -> Vec<ChatMessage> {
    let known = hint.filter(|hint| hint.profile.is_some() || hint.personality.is_some());
    let instructions = match known {
        Some(hint) => {
            let hint = json!({ "profile": hint.profile, "personality": hint.personality });
            format!("{RESPONDER}\n{WITH_HINT}\n{hint}")
        }
        None => RESPONDER.to_owned(),
    };
    let mut messages = vec![ChatMessage::system(instructions)];
    messages.extend_from_slice(history);
    messages
}

/// A persona as prompts have it: its content is data.
pub(crate) fn described(persona: &Persona) -> Value {
    json!({ "profile": persona.profile, "personality": persona.personality })
}

/// A chat as prompts have it, with a name for each side.
pub(crate) fn transcript(history: &[ChatMessage], user: &str, other: &str) -> Value {
    let line = |message: &ChatMessage| {
        let name = if message.role == Speaker::User { user } else { other };
        json!({ name: message.content })
    };
    history.iter().map(line).collect()
}

/// A message of a person or an assistant: without label and quotation marks, and whole sentences where it was cut.
pub(crate) fn message(answer: &Answer) -> Option<String> {
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

/// The one JSON object of an answer, also in a fence or behind a sentence.
pub(crate) fn object<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    serde_json::from_str(text.get(start..=end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, cut: bool) -> Answer {
        Answer { text: text.to_owned(), model: String::new(), prompt_tokens: 0, completion_tokens: 0, cut }
    }

    #[test]
    fn a_reply_without_a_hint_is_asked_for_without_a_word_of_it() {
        let history = [ChatMessage::user("Hello")];
        let hint = Induced { profile: Some("Keeps bees.".into()), personality: None, writer: None, seed: 0 };
        assert!(reply(&history, Some(&hint))[0].content.contains("Keeps bees."));
        assert_eq!(reply(&history, None)[0].content, RESPONDER);
        let nothing = Induced { profile: None, ..hint };
        assert_eq!(reply(&history, Some(&nothing)), reply(&history, None));
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
