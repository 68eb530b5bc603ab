//! General conversations among ours, so that a model keeps its other skills: a drawn part of a file, spread evenly.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::random::Draws;
use crate::record::{ChatMessage, Example, SftExample, Speaker};
use crate::run_dir::Lines;

/// A file of general conversations.
pub(super) struct Mix {
    lines: Lines<Value>,
    draws: Draws,
    /// Usable lines that were not looked at yet, and how many of them are still wanted.
    ahead: usize,
    wanted: usize,
    /// General examples for each of ours, and what is owed.
    rate: f64,
    owed: f64,
    left_out: usize,
}

impl Mix {
    /// As many as `ratio` for each of `ours`, or all there are.
    pub(super) fn open(path: &Path, ratio: f64, ours: usize, seed: u64) -> Result<Self> {
        let (mut usable, mut left_out) = (0, 0);
        let mut lines: Lines<Value> = Lines::open(path)?;
        while let Some(line) = lines.next_line() {
            match read(&line?.1) {
                Some(_) => usable += 1,
                None => left_out += 1,
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share"
        )]
        let wanted = ((ratio * ours as f64).round() as usize).min(usable);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = wanted as f64 / ours.max(1) as f64;
        let draws = Draws::new(seed, "mix", 0);
        Ok(Self { lines: Lines::open(path)?, draws, ahead: usable, wanted, rate, owed: 0.0, left_out })
    }

    /// What is due after one more example of ours.
    pub(super) fn due(&mut self) -> Result<Vec<Example>> {
        self.owed += self.rate;
        let mut due = Vec::new();
        // What rounding leaves over is less than one.
        while self.owed > 0.999_999 && self.wanted > 0 {
            let Some(example) = self.next()? else { break };
            due.push(Example::Sft(example));
            self.owed -= 1.0;
        }
        Ok(due)
    }

    /// Lines of the file that are no conversation.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// The next drawn line (selection sampling, Knuth 3.4.2 S).
    fn next(&mut self) -> Result<Option<SftExample>> {
        while let Some(line) = self.lines.next_line() {
            let (number, bytes) = line?;
            let Some(messages) = read(&bytes) else { continue };
            let taken = self.draws.below(self.ahead) < self.wanted;
            self.ahead = self.ahead.saturating_sub(1);
            if taken {
                self.wanted -= 1;
                let loss_mask = messages.iter().map(|message| message.role == Speaker::Assistant).collect();
                return Ok(Some(SftExample { messages, loss_mask, source: format!("mix-{number}"), scripted: false }));
            }
        }
        Ok(None)
    }
}

/// A conversation in one of the usual forms: `messages` or `conversations`, of role/content or from/value.
fn read(line: &[u8]) -> Option<Vec<ChatMessage>> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let list = value.get("messages").or_else(|| value.get("conversations")).or_else(|| value.get("conversation"))?;
    let messages: Option<Vec<_>> = list.as_array()?.iter().map(message).collect();
    let messages = messages?;
    let starts = messages.iter().position(|message| message.role != Speaker::System)?;
    let alternate = messages[starts..]
        .iter()
        .enumerate()
        .all(|(at, message)| message.role == if at % 2 == 0 { Speaker::User } else { Speaker::Assistant });
    let whole = starts <= 1 && alternate && messages.last()?.role == Speaker::Assistant;
    (whole && messages.iter().all(|message| !message.content.trim().is_empty())).then_some(messages)
}

fn message(value: &Value) -> Option<ChatMessage> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| value.get(name)).and_then(Value::as_str);
    let role = match text(["role", "from"])? {
        "system" => Speaker::System,
        "user" | "human" => Speaker::User,
        "assistant" | "gpt" => Speaker::Assistant,
        _ => return None,
    };
    Some(ChatMessage { role, content: text(["content", "value"])?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawn_part_has_the_size_that_was_asked_for() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("mix.jsonl");
        let line = |n: usize| {
            format!(
                "{{\"messages\":[{{\"role\":\"user\",\"content\":\"q{n}\"}},{{\"role\":\"assistant\",\"content\":\"a\"}}]}}\n"
            )
        };
        let mut text: String = (0..50).map(line).collect();
        text.push_str("{\"messages\":[]}\nbroken\n");
        std::fs::write(&path, text).expect("written");
        for (ratio, expected) in [(0.5, 10), (1.0, 20), (9.0, 50), (0.0, 0)] {
            let mut mix = Mix::open(&path, ratio, 20, 3).expect("opened");
            let drawn: usize = (0..20).map(|_| mix.due().expect("read").len()).sum();
            assert_eq!((drawn, mix.left_out()), (expected, 2), "{ratio}");
        }
    }

    #[test]
    fn the_usual_forms_are_read_and_others_are_not() {
        let good = [
            r#"{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}"#,
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#,
        ];
        assert!(good.iter().all(|line| read(line.as_bytes()).is_some()));
        let bad = [
            r#"{"messages":[{"role":"assistant","content":"a"}]}"#,
            r#"{"messages":[{"role":"user","content":"q"}]}"#,
            r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":" "}]}"#,
            r#"{"text":"x"}"#,
        ];
        assert!(bad.iter().all(|line| read(line.as_bytes()).is_none()));
    }
}
