//! Plays every role by rule, without a model: the same request always has the same answer.
//!
//! For tests, and for showing that training learns what was planted: a persona's style and topics decide which reply is
//! better. It reads the task and not the prompt. Whatever it writes is marked as scripted in every record.

mod lexicon;
mod people;
mod speech;
mod styles;

use serde_json::json;

use self::styles::Style;
use super::task::Task;
use super::{Answer, Call, Provider, estimated_tokens};
use crate::error::Result;
use crate::random::Draws;
use crate::record::{ChatMessage, Induced, Persona, PoolKind, Speaker, sentences};

pub(crate) use speech::first_person;

/// The rules.
pub(super) struct Scripted(());

impl Scripted {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Provider for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn model(&self) -> &str {
        "scripted"
    }

    fn lanes(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn worth_keeping(&self) -> bool {
        false
    }

    fn complete(&self, call: &Call<'_>) -> Result<Answer> {
        let draws = Draws::new(u64::from(call.seed), call.role.as_str(), 0);
        let text = match *call.task {
            Task::Pool { kind, count } => pool(kind, count, draws),
            Task::User { persona, history } => user(persona, history, draws),
            Task::Induce { persona, history } => induce(persona, history),
            Task::Reply { history, hint } => reply(history, hint, draws),
            Task::Judge { persona, first, second } => judge(persona, first, second),
            Task::Score { persona, reply } => json!({ "score": 1 + planted(persona, reply) }).to_string(),
        };
        let prompt_tokens = call.messages.iter().map(|message| estimated_tokens(&message.content)).sum();
        let completion_tokens = estimated_tokens(&text);
        Ok(Answer { text, model: "scripted".to_owned(), prompt_tokens, completion_tokens, cut: false })
    }
}

fn pool(kind: PoolKind, count: usize, mut draws: Draws) -> String {
    let texts: Vec<_> = (0..count)
        .map(|_| match kind {
            PoolKind::Profile => people::profile(&mut draws),
            PoolKind::Personality => people::personality(&mut draws),
        })
        .collect();
    json!({ "items": texts }).to_string()
}

/// One fact of the profile a turn, at every second turn one trait as well, and a question that belongs to a topic.
fn user(persona: &Persona, history: &[ChatMessage], mut draws: Draws) -> String {
    let turn = history.iter().filter(|message| message.role == Speaker::User).count();
    let opener = draws.pick(if turn == 0 { lexicon::GREETINGS } else { lexicon::OPENERS }).copied().unwrap_or_default();
    let facts = sentences(&persona.profile);
    let mut parts = vec![opener.to_owned()];
    match facts.get(turn) {
        Some(fact) => parts.push(first_person(fact, &facts)),
        None => parts.push(draws.pick(lexicon::SMALL_TALK).copied().unwrap_or_default().to_owned()),
    }
    let traits = sentences(&persona.personality);
    if turn % 2 == 1
        && let Some(stated) = traits.get(turn / 2)
    {
        parts.push(first_person(stated, &facts));
    }
    parts.push(draws.pick(lexicon::QUESTIONS).copied().unwrap_or_default().to_owned());
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

/// What the user said of themselves, in the persona's own wording.
fn induce(persona: &Persona, history: &[ChatMessage]) -> String {
    let facts = sentences(&persona.profile);
    let said: String =
        history.iter().filter(|message| message.role == Speaker::User).map(|m| format!("{} ", m.content)).collect();
    let told = |text: &str| {
        let all = sentences(text);
        let known: Vec<_> = all.iter().filter(|fact| said.contains(&first_person(fact, &facts))).cloned().collect();
        if known.is_empty() { None } else { Some(known.join(" ")) }
    };
    json!({ "profile": told(&persona.profile), "personality": told(&persona.personality) }).to_string()
}

/// With the hint in the planted style and of the planted topic, without it what suits nobody in particular.
fn reply(history: &[ChatMessage], hint: Option<&Induced>, mut draws: Draws) -> String {
    let Some(hint) = hint else {
        return draws.pick(lexicon::GENERIC_REPLIES).copied().unwrap_or_default().to_owned();
    };
    let turn = history.iter().filter(|message| message.role == Speaker::User).count();
    let topics = styles::topics(hint.profile.as_deref().unwrap_or_default());
    let topic = turn.checked_sub(1).and_then(|at| topics.get(at % topics.len().max(1))).copied();
    match Style::of(hint.personality.as_deref().unwrap_or_default()) {
        Some(style) => style.write(topic, &mut draws),
        None => styles::plain(topic, &mut draws),
    }
}

/// The reply that has more of the planted style and topics; where neither has more, always the first, as a judge with
/// a preference for places would, so that ties occur.
fn judge(persona: &Persona, first: &str, second: &str) -> String {
    let winner = if planted(persona, second) > planted(persona, first) { "second" } else { "first" };
    json!({ "better": winner }).to_string()
}

/// How much of the planted style and topics a reply has, from 0 to 4.
fn planted(persona: &Persona, reply: &str) -> usize {
    let on_topic = styles::topics(&persona.profile).iter().any(|topic| reply.contains(topic.word));
    let in_style = Style::of(&persona.personality).is_some_and(|style| style.shows_in(reply));
    3 * usize::from(in_style) + usize::from(on_topic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Split;

    fn persona(seed: u64) -> Persona {
        let mut draws = Draws::new(seed, "test", 0);
        Persona {
            id: "p".into(),
            split: Split::Train,
            profile_id: "a".into(),
            personality_id: "b".into(),
            profile: people::profile(&mut draws),
            personality: people::personality(&mut draws),
            scripted: true,
        }
    }

    #[test]
    fn what_the_user_says_is_induced_and_nothing_else() {
        for seed in 0..50 {
            let persona = persona(seed);
            let draws = Draws::new(seed, "user", 0);
            let history = vec![ChatMessage::user(user(&persona, &[], draws))];
            let induced: Induced = serde_json::from_str(&induce(&persona, &history)).expect("JSON");
            let facts = sentences(&persona.profile);
            assert_eq!(induced.profile.as_deref(), Some(facts[0].as_str()), "{}", history[0].content);
            assert_eq!(induced.personality, None);
        }
    }

    #[test]
    fn the_judge_prefers_what_was_planted_in_either_order() {
        let mut clear = 0;
        for seed in 0..50 {
            let persona = persona(seed);
            let hint = Induced {
                profile: Some(persona.profile.clone()),
                personality: Some(persona.personality.clone()),
                writer: None,
                seed: 0,
            };
            let history = [ChatMessage::user("Hello")];
            let with = reply(&history, Some(&hint), Draws::new(seed, "with", 0));
            let without = reply(&history, None, Draws::new(seed, "without", 0));
            let orders = [judge(&persona, &with, &without), judge(&persona, &without, &with)];
            clear += usize::from(orders == [r#"{"better":"first"}"#, r#"{"better":"second"}"#].map(str::to_owned));
        }
        assert!(clear >= 48, "{clear} of 50");
    }
}
