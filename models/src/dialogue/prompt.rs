//! What each role is asked. Personas, transcripts and hints come as JSON: their content is data, and no quotation mark
//! of a file becomes part of a sentence.

use serde_json::{Value, json};

use crate::provider::Schema;
use crate::record::{ChatMessage, Induced, Persona, Speaker};

/// What was revealed.
pub(super) static INDUCED: Schema = Schema {
    name: "induced",
    json: r#"{"type":"object","properties":{"profile":{"type":["string","null"]},"personality":{"type":["string","null"]}},"required":["profile","personality"],"additionalProperties":false}"#,
};

/// Which reply is better.
pub(super) static VERDICT: Schema = Schema {
    name: "verdict",
    json: r#"{"type":"object","properties":{"better":{"type":"string","enum":["first","second"]}},"required":["better"],"additionalProperties":false}"#,
};

const USER: &str = "\
You play a person in a chat. Stay this person, whose profile and personality follow as JSON. You are chatting with a \
friend, not asking a helper for services: talk about your day, your life, your opinions, and answer what is said to you. \
In each message reveal at most one or two small parts of your profile, in passing and in your own words; never list \
facts, never quote the profile. Let the personality show in how you write rather than by naming traits. Write as people \
do in a chat: one to three short sentences, no greeting after the first message, no stage directions. Answer with the \
next message alone.";

const INDUCER: &str = "\
You read a chat and a description of one of its speakers, the user: a profile and a personality. Say which parts of the \
description the user's own messages have revealed so far. Be conservative: take a part only if the messages state it or \
clearly show it; what the other speaker guesses does not count. Use the wording of the description. Where nothing has \
been revealed, answer null.
Example 1. Description: {\"profile\": \"Ola is a 50-year-old dentist in Poznan. She keeps bees and has a brother at \
sea.\", \"personality\": \"Laughs at everything. Hates waiting.\"} Chat: [{\"user\": \"Ugh, third patient cancelled today, \
so I went to look after my hives. Stung again, haha!\"}] Answer: {\"profile\": \"Ola is a dentist. She keeps bees.\", \
\"personality\": \"Laughs at everything.\"}
Example 2. Description: {\"profile\": \"Ben is a 20-year-old baker with two cats.\", \"personality\": \"Shy.\"} Chat: \
[{\"user\": \"Hi, how are you?\"}] Answer: {\"profile\": null, \"personality\": null}
Answer with one JSON object of this form and nothing else.";

const RESPONDER: &str = "\
You chat with somebody as a friend would. Answer the last message in at most three sentences, in a natural, human tone: \
no lists, no headings, no offers of further help.";

const WITH_HINT: &str = "\
This is what the person has shown of themselves so far, as JSON. Let it guide what you talk about and how you say it, \
so that the answer suits exactly this person. Never mention that you know it, and never repeat its wording.";

const JUDGE: &str = "\
Two replies to the last message of a chat are compared. The user's profile and personality follow as JSON. The better \
reply is the one that this person would rather get: its tone suits the personality, its content suits the profile, and \
it is natural, engaging and short. Do not let the order of the replies or their length decide. Answer with one JSON \
object, {\"better\": \"first\"} or {\"better\": \"second\"}, and nothing else.";

/// The persona's next message.
pub(super) fn user(persona: &Persona, history: &[ChatMessage]) -> Vec<ChatMessage> {
    let ask = if history.is_empty() {
        "The chat has not begun. Write your first message.".to_owned()
    } else {
        format!("The chat so far: {}\nWrite your next message.", transcript(history, "you", "friend"))
    };
    vec![ChatMessage::system(format!("{USER}\n{}", described(persona))), ChatMessage::user(ask)]
}

/// What has been revealed.
pub(super) fn induce(persona: &Persona, history: &[ChatMessage]) -> Vec<ChatMessage> {
    let ask =
        format!("Description: {} Chat: {} Answer:", described(persona), transcript(history, "user", "other speaker"));
    vec![ChatMessage::system(INDUCER), ChatMessage::user(ask)]
}

/// A reply, with what is known of the person or without.
pub(super) fn reply(history: &[ChatMessage], hint: Option<&Induced>) -> Vec<ChatMessage> {
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

/// Which of two replies is better.
pub(super) fn judge(persona: &Persona, history: &[ChatMessage], first: &str, second: &str) -> Vec<ChatMessage> {
    let ask = format!(
        "Person: {}\nChat: {}\nFirst reply: {}\nSecond reply: {}",
        described(persona),
        transcript(history, "user", "friend"),
        Value::from(first),
        Value::from(second)
    );
    vec![ChatMessage::system(JUDGE), ChatMessage::user(ask)]
}

fn described(persona: &Persona) -> Value {
    json!({ "profile": persona.profile, "personality": persona.personality })
}

fn transcript(history: &[ChatMessage], user: &str, other: &str) -> Value {
    let line = |message: &ChatMessage| {
        let name = if message.role == Speaker::User { user } else { other };
        json!({ name: message.content })
    };
    history.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_schema() {
        for schema in [&INDUCED, &VERDICT] {
            let form: Value = serde_json::from_str(schema.json).expect("JSON");
            assert_eq!(form["type"], "object");
        }
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
}
