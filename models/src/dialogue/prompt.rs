//! What each role is asked. Personas, transcripts and hints come as JSON: their content is data, and no quotation mark
//! of a file becomes part of a sentence.

use serde_json::Value;

use crate::provider::Schema;
use crate::record::{ChatMessage, Persona};
use crate::roleplay::{described, transcript};

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

const JUDGE: &str = "\
Two replies to the last message of a chat are compared. The user's profile and personality follow as JSON. The better \
reply is the one that this person would rather get: its tone suits the personality, its content suits the profile, and \
it is natural, engaging and short. Do not let the order of the replies or their length decide. Answer with one JSON \
object, {\"better\": \"first\"} or {\"better\": \"second\"}, and nothing else.";

/// What has been revealed.
pub(super) fn induce(persona: &Persona, history: &[ChatMessage]) -> Vec<ChatMessage> {
    let ask =
        format!("Description: {} Chat: {} Answer:", described(persona), transcript(history, "user", "other speaker"));
    vec![ChatMessage::system(INDUCER), ChatMessage::user(ask)]
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
}
