//! How a chat looks: JSON lines for programs, plain text for pipes, styled text for a terminal.

use std::collections::HashSet;

use aloekit::memory::{Memory, Recalled};
use aloekit::{Alignment, Turn};
use serde::Serialize;
use serde_json::{Value, json};

use super::markdown::Styler;
use super::slash::COMMANDS;
use super::wrap::Wrapper;
use crate::commands::memory::{kind_and_pin, paragraph};
use crate::error::{Error, Result};
use crate::output::{Output, Spinner, visible};

/// Shows turns and the answers of commands.
pub(crate) struct View {
    output: Output,
    json: bool,
    /// A person watches.
    live: bool,
    styler: Option<Styler>,
    wrapper: Option<Wrapper>,
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
    /// The facts in the instructions.
    persona: Vec<FactLine<'a>>,
    stats: Option<StatsLine>,
    stop: Value,
    /// Only of a turn that was measured, or chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    alignment: Option<Alignment>,
    /// Only of the best of several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    candidates: &'a [Alignment],
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
    pinned: bool,
}

/// A memory as `/persona` shows it.
#[derive(Serialize)]
struct MemoryLine<'a> {
    id: i64,
    text: &'a str,
    words: &'a str,
    turn: i64,
    kind: Value,
    pinned: bool,
}

impl View {
    /// A view on stdout; `live` where a person watches.
    pub(crate) fn new(output: Output, json: bool, live: bool) -> Self {
        let styler = (live && output.color_out()).then(Styler::default);
        Self { output, json, live, styler, wrapper: None, spinner: None, begun: false }
    }

    /// A turn begins: a sign of life until its first token.
    pub(crate) fn begin_reply(&mut self) {
        self.begun = false;
        self.wrapper = self.fresh_wrapper();
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
        let styled = match &mut self.styler {
            Some(styler) => styler.push(piece),
            None if self.live => visible(piece),
            None => piece.to_owned(),
        };
        match &mut self.wrapper {
            Some(wrapper) => self.output.raw(&wrapper.push(&styled)),
            None => self.output.raw(&styled),
        }
    }

    /// Anew for every text: the window may have changed.
    fn fresh_wrapper(&self) -> Option<Wrapper> {
        self.output.columns().filter(|_| self.live && !self.json).and_then(Wrapper::new)
    }

    /// The reply broke off or ended; the terminal is left at the start of a line.
    pub(crate) fn end_reply(&mut self) {
        self.spinner = None;
        let styled = self.styler.as_mut().map(Styler::finish).unwrap_or_default();
        match &mut self.wrapper {
            Some(wrapper) => self.output.raw(&(wrapper.push(&styled) + &wrapper.finish())),
            None => self.output.raw(&styled),
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
            persona: turn.persona.iter().map(fact_line).collect::<Result<_>>()?,
            stats: Some(stats_line(turn)),
            stop: serde_json::to_value(turn.stop).map_err(Error::internal)?,
            alignment: turn.alignment,
            candidates: &turn.candidates,
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
            persona: Vec::new(),
            stats: None,
            stop: Value::from("error"),
            alignment: None,
            candidates: &[],
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
    pub(crate) fn why(&self, facts: &[Recalled], persona: &[Recalled], pinned: &HashSet<i64>) -> Result<()> {
        let value = json!({"facts": reason_lines(facts, pinned)?, "persona": reason_lines(persona, pinned)?});
        let all: Vec<&Recalled> = facts.iter().chain(persona).collect();
        let words = paragraphs(&all, "the last reply used no memory", |fact| {
            let Recalled { id, text, turn, words, why, score, kind, .. } = *fact;
            let kind = kind_and_pin(*kind, pinned.contains(id));
            format!("[{id}] {text} ({kind})\n    you said in turn {turn}: \"{words}\"\n    {why} (score {score:.2})")
        });
        self.answer("why", value, &self.wrapped(&words))
    }

    /// Everything that is remembered.
    pub(crate) fn persona(&self, memories: &[Memory]) -> Result<()> {
        let lines: Vec<_> = memories.iter().map(memory_line).collect::<Result<_>>()?;
        let words = paragraphs(memories, "nothing is remembered yet", paragraph);
        self.answer("persona", json!({"facts": lines}), &self.wrapped(&words))
    }

    /// What would be forgotten with a topic.
    pub(crate) fn topic(&self, memories: &[Memory]) -> Result<()> {
        let lines: Vec<_> = memories.iter().map(memory_line).collect::<Result<_>>()?;
        let words = paragraphs(memories, "", paragraph);
        self.answer("forget", json!({"found": lines}), &self.wrapped(&words))
    }

    /// Words as they fit the terminal.
    pub(crate) fn wrapped(&self, words: &str) -> String {
        match self.fresh_wrapper() {
            Some(mut wrapper) => wrapper.push(words) + &wrapper.finish(),
            None => words.to_owned(),
        }
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
    pub(crate) fn stats(&self, turn: Option<&Turn>, alignment: Option<Alignment>, conversation: i64) -> Result<()> {
        let Some(turn) = turn else {
            return self.answer("stats", json!({"conversation": conversation, "stats": null}), "no reply yet");
        };
        let s = &turn.stats;
        let mut words = format!(
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
        let mut value = json!({"conversation": conversation, "stats": stats_line(turn), "stop": turn.stop});
        if let Some(alignment) = alignment {
            words.push_str(&alignment_words(&alignment, turn.candidates.len()));
            value["alignment"] = json!(alignment);
        }
        self.answer("stats", value, &words)
    }

    /// The list of commands.
    pub(crate) fn help(&self) -> Result<()> {
        let line = |(name, argument, what): &(&str, &str, &str)| format!("{:24} {what}", format!("{name} {argument}"));
        let words: Vec<_> = COMMANDS.iter().map(line).collect();
        let names: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
        self.answer("help", json!({"commands": names}), &format!("{}\n\nCtrl-C stops a reply.", words.join("\n")))
    }
}

fn alignment_words(alignment: &Alignment, candidates: usize) -> String {
    let chosen = if candidates > 1 { format!(", the best of {candidates}") } else { String::new() };
    let Alignment { nats, nats_per_token, .. } = alignment;
    format!("\nalignment   {nats:+.2} nats by the adapter, {nats_per_token:+.3} a token{chosen}")
}

fn fact_line(fact: &Recalled) -> Result<FactLine<'_>> {
    let kind = serde_json::to_value(fact.kind).map_err(Error::internal)?;
    Ok(FactLine { text: &fact.text, words: &fact.words, turn: fact.turn, score: fact.score, kind })
}

fn reason_line<'a>(fact: &'a Recalled, pinned: &HashSet<i64>) -> Result<ReasonLine<'a>> {
    Ok(ReasonLine { id: fact.id, fact: fact_line(fact)?, why: &fact.why, pinned: pinned.contains(&fact.id) })
}

fn memory_line(memory: &Memory) -> Result<MemoryLine<'_>> {
    let kind = serde_json::to_value(memory.kind).map_err(Error::internal)?;
    let Memory { id, text, words, turn, pinned, .. } = memory;
    Ok(MemoryLine { id: *id, text, words, turn: *turn, kind, pinned: *pinned })
}

fn reason_lines<'a>(facts: &'a [Recalled], pinned: &HashSet<i64>) -> Result<Vec<ReasonLine<'a>>> {
    facts.iter().map(|fact| reason_line(fact, pinned)).collect()
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
