//! What is asked of a model that writes for the pool.

use crate::provider::Schema;
use crate::record::{ChatMessage, PoolKind};

/// A list of texts.
pub(super) static SCHEMA: Schema = Schema {
    name: "pool_items",
    json: r#"{"type":"object","properties":{"items":{"type":"array","items":{"type":"string"}}},"required":["items"],"additionalProperties":false}"#,
};

const PROFILE: &str = "\
You invent people for a study of conversation. Write profiles: the facts of a life, with no word on character or mood. \
A profile is one paragraph of about five sentences and 40 to 90 words. It begins with a first name and an age and holds \
eight to ten concrete facts, such as work, family, home, origin, health, faith, pets, pastimes, a skill, a plan, an \
oddity. People differ: every age from 18 to 90, every part of the world, every income, schooling, family form, body and \
belief. Avoid clichés about countries, and avoid people who resemble the examples.";

const PERSONALITY: &str = "\
You invent people for a study of conversation. Write personalities: traits of a character, with no facts of a life (no \
age, job, place or family). A personality is one paragraph of 40 to 100 words and holds eight to ten traits, among them \
how the person likes to be talked to and what annoys them. Traits may pull against each other as they do in real \
people. Write sentences without a subject and without pronouns such as he, she or they: \"Keeps every promise.\" \
Avoid characters that resemble the examples.";

/// The messages for one iteration. Examples come as JSON strings: their content is data.
pub(super) fn messages(kind: PoolKind, examples: &[String], count: usize) -> Vec<ChatMessage> {
    let instructions = match kind {
        PoolKind::Profile => PROFILE,
        PoolKind::Personality => PERSONALITY,
    };
    let shown: String =
        examples.iter().map(|example| format!("{}\n", serde_json::Value::from(example.as_str()))).collect();
    let ask = format!(
        "Examples, one a line:\n{shown}\nWrite {count} new ones. Answer with one JSON object: {{\"items\": [\"...\", \
         \"...\"]}} and nothing else."
    );
    vec![ChatMessage::system(instructions), ChatMessage::user(ask)]
}
