//! How a chat looks: JSON lines for programs, plain text for pipes, styled text for a terminal.

use aloekit::Turn;
use aloekit::memory::{Memory, Recalled};
use serde::Serialize;
use serde_json::{Value, json};

use super::markdown::Styler;
use super::slash::COMMANDS;
use crate::error::{Error, Result};
use crate::output::{Output, Spinner};

/// Shows turns and the answers of commands.
pub(crate) struct View {
    output: Output,
    json: bool,
    styler: Option<Styler>,
    spinner: Option<Spinner>,
    begun: bool,
}

/// A turn as `--json` shows it. Other programs rely on these names: none is ever renamed or left out.
#[derive(Serialize)]
struct TurnLine<'a> {
    turn: Option<i64>,
    user: &'a str,
    reply: &'a str,
    facts: Vec<FactLine<'a>>,
    stats: Option<StatsLine>,
    stop: Value,
    /// Only of a turn that failed.
    #[serde(flatten)]
    failure: Option<FailureLine>,
}

#[derive(Serialize)]
struct FactLine<'a> {
    text: &'a str,
    words: &'a str,
    turn: i64,
    score: f32,
    kind: Value,
}

#[derive(Serialize)]
struct StatsLine {
    prompt_tokens: usize,
    cached_tokens: usize,
    ttft_ms: f64,
    prefill_tokens_per_s: f64,
    reply_tokens: usize,
    decode_tokens_per_s: f64,
}

#[derive(Serialize)]
struct FailureLine {
    error: String,
    hint: Option<String>,
}

/// A memory behind a reply, as `/why` shows it.
#[derive(Serialize)]
struct ReasonLine<'a> {
    id: i64,
    #[serde(flatten)]
    fact: FactLine<'a>,
    why: &'a str,
}

/// A memory as `/persona` shows it.
#[derive(Serialize)]
struct MemoryLine<'a> {
    id: i64,
    text: &'a str,
    words: &'a str,
    turn: i64,
    kind: Value,
}

impl View {
    /// A view on stdout; `live` where a person watches.
    pub(crate) fn new(output: Output, json: bool, live: bool) -> Self {
        let styler = (live && output.color_out()).then(Styler::default);
        Self { output, json, styler, spinner: None, begun: false }
    }

    /// A turn begins: a sign of life until its first token.
    pub(crate) fn begin_reply(&mut self) {
        self.begun = false;
        if self.styler.is_some() {
            self.spinner = Some(self.output.spinner(""));
        }
    }

    /// The next piece of the reply.
    pub(crate) fn piece(&mut self, piece: &str) {
        if self.json {
            return;
        }
        self.spinner = None;
        self.begun = true;
        match &mut self.styler {
            Some(styler) => self.output.raw(&styler.push(piece)),
            None => self.output.raw(piece),
        }
    }

    /// The reply broke off or ended; the terminal is left at the start of a line.
    pub(crate) fn end_reply(&mut self) {
        self.spinner = None;
        if let Some(styler) = &mut self.styler {
            self.output.raw(&styler.finish());
        }
        if self.begun {
            self.output.raw("\n");
        }
    }

    /// A whole turn, for programs.
    pub(crate) fn turn(&self, turn: &Turn) -> Result<()> {
        if !self.json {
            if serde_json::to_value(turn.stop).is_ok_and(|stop| stop == "cancelled") {
                self.output.note("(stopped)");
            }
            return Ok(());
        }
        self.output.json(&TurnLine {
            turn: Some(turn.turn),
            user: &turn.user,
            reply: &turn.reply,
            facts: turn.facts.iter().map(fact_line).collect::<Result<_>>()?,
            stats: Some(stats_line(turn)),
            stop: serde_json::to_value(turn.stop).map_err(Error::internal)?,
            failure: None,
        })
    }

    /// A turn that failed: said on stderr, and for programs still one line.
    pub(crate) fn failed_turn(&self, user: &str, error: &Error) -> Result<()> {
        self.output.error(error);
        if !self.json {
            return Ok(());
        }
        self.output.json(&TurnLine {
            turn: None,
            user,
            reply: "",
            facts: Vec::new(),
            stats: None,
            stop: Value::from("error"),
            failure: Some(FailureLine { error: error.to_string(), hint: error.hint() }),
        })
    }

    /// A command that failed, or that is none.
    pub(crate) fn failed_command(&self, line: &str, error: &Error) -> Result<()> {
        self.output.error(error);
        if !self.json {
            return Ok(());
        }
        let name = line.split_whitespace().next().unwrap_or_default().trim_start_matches('/');
        self.output.json(&json!({"command": name, "error": error.to_string(), "hint": error.hint()}))
    }

    /// The memories behind the last reply.
    pub(crate) fn why(&self, facts: &[Recalled]) -> Result<()> {
        let lines: Vec<_> = facts.iter().map(reason_line).collect::<Result<_>>()?;
        let words = paragraphs(facts, "the last reply used no memory", |fact| {
            let Recalled { id, text, turn, words, why, score, .. } = fact;
            format!("[{id}] {text}\n    you said in turn {turn}: \"{words}\"\n    {why} (score {score:.2})")
        });
        self.answer("why", json!({"facts": lines}), &words)
    }

    /// Everything that is remembered.
    pub(crate) fn persona(&self, memories: &[Memory]) -> Result<()> {
        let lines: Vec<_> = memories.iter().map(memory_line).collect::<Result<_>>()?;
        let words = paragraphs(memories, "nothing is remembered yet", |memory| {
            let same = memory.words == memory.text;
            let words = if same { String::new() } else { format!("\n    \"{}\"", memory.words) };
            format!("[{}] {} (turn {}){words}", memory.id, memory.text, memory.turn)
        });
        self.answer("persona", json!({"facts": lines}), &words)
    }

    /// The answer of a command: `value` for programs, `words` for people.
    pub(crate) fn answer(&self, name: &str, mut value: Value, words: &str) -> Result<()> {
        if self.json {
            value["command"] = Value::from(name);
            return self.output.json(&value);
        }
        self.output.data(words);
        Ok(())
    }

    /// How the last reply was made.
    pub(crate) fn stats(&self, turn: Option<&Turn>, conversation: i64) -> Result<()> {
        let Some(turn) = turn else {
            return self.answer("stats", json!({"conversation": conversation, "stats": null}), "no reply yet");
        };
        let s = &turn.stats;
        let words = format!(
            "conversation {conversation}, turn {}\nprompt      {} tokens, {} of them cached\nfirst token {:.0} ms\n\
             prefill     {:.0} tokens/s\nreply       {} tokens at {:.1} tokens/s",
            turn.turn,
            s.prompt_tokens,
            s.cached_tokens,
            s.ttft_ms,
            s.prefill_tokens_per_s,
            s.reply_tokens,
            s.decode_tokens_per_s
        );
        self.answer(
            "stats",
            json!({"conversation": conversation, "stats": stats_line(turn), "stop": turn.stop}),
            &words,
        )
    }

    /// The list of commands.
    pub(crate) fn help(&self) -> Result<()> {
        let line = |(name, argument, what): &(&str, &str, &str)| format!("{:24} {what}", format!("{name} {argument}"));
        let words: Vec<_> = COMMANDS.iter().map(line).collect();
        let names: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
        self.answer("help", json!({"commands": names}), &format!("{}\n\nCtrl-C stops a reply.", words.join("\n")))
    }
}

fn fact_line(fact: &Recalled) -> Result<FactLine<'_>> {
    let kind = serde_json::to_value(fact.kind).map_err(Error::internal)?;
    Ok(FactLine { text: &fact.text, words: &fact.words, turn: fact.turn, score: fact.score, kind })
}

fn reason_line(fact: &Recalled) -> Result<ReasonLine<'_>> {
    Ok(ReasonLine { id: fact.id, fact: fact_line(fact)?, why: &fact.why })
}

fn memory_line(memory: &Memory) -> Result<MemoryLine<'_>> {
    let kind = serde_json::to_value(memory.kind).map_err(Error::internal)?;
    Ok(MemoryLine { id: memory.id, text: &memory.text, words: &memory.words, turn: memory.turn, kind })
}

fn paragraphs<T>(items: &[T], none: &str, words: impl Fn(&T) -> String) -> String {
    let words = if items.is_empty() { none.to_owned() } else { items.iter().map(words).collect::<Vec<_>>().join("\n") };
    visible(&words)
}

fn stats_line(turn: &Turn) -> StatsLine {
    let stats = &turn.stats;
    StatsLine {
        prompt_tokens: stats.prompt_tokens,
        cached_tokens: stats.cached_tokens,
        ttft_ms: stats.ttft_ms,
        prefill_tokens_per_s: stats.prefill_tokens_per_s,
        reply_tokens: stats.reply_tokens,
        decode_tokens_per_s: stats.decode_tokens_per_s,
    }
}

/// Pasted escapes come back out of memory: a terminal must not obey them.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
