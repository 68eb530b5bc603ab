//! `aloe chat`: lines in, replies out, and the commands that show and change what is remembered.
//!
//! The same loop runs a script, a pipe and a terminal; an error ends its turn and not the chat.

mod input;
mod interrupt;
mod markdown;
mod open;
mod options;
mod slash;
mod view;
mod wrap;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use aloekit::memory::{ForgetReport, Rating, Recalled};
use aloekit::{Assistant, Session, Turn};
use serde_json::json;

use self::input::{Input, Read};
use self::interrupt::Interrupts;
use self::options::{Options, Start};
use self::slash::{Command, Forget, Line};
use self::view::View;
use crate::cli::ChatArgs;
use crate::commands::memory::paragraph;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::Settings;

/// Opens the chat that `args` describe and runs it to its end.
pub(crate) fn run(args: ChatArgs, settings: &Settings, output: Output) -> Result<()> {
    let options = Options::resolve(args, settings)?;
    let script_is_there = options.script.as_deref().is_none_or(|path| path == Path::new("-") || path.is_file());
    if !script_is_there {
        return Err(Error::usage("the script is not a file", "name a file, or - for stdin"));
    }
    let assistant = open::assistant(&options, settings, output)?;
    let session = assistant.session(open::session(&options, options.start, options.memory))?;
    let input = Input::open(options.script.as_deref(), &options.data, options.key_file.as_deref())?;
    let view = View::new(output, options.json, input.is_terminal());
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Error::internal)?;
    let chat = Chat {
        remembers: session.remembers(),
        interrupts: Interrupts::install()?,
        last: None,
        shown: Vec::new(),
        failures: Vec::new(),
        runtime,
        options,
        assistant,
        session,
        input,
        view,
        output,
    };
    chat.run()
}

struct Chat {
    options: Options,
    assistant: Assistant,
    session: Session,
    input: Input,
    view: View,
    output: Output,
    interrupts: Interrupts,
    runtime: tokio::runtime::Runtime,
    /// Whether memory is on in the conversation.
    remembers: bool,
    last: Option<Turn>,
    /// Memories of a topic that were just shown and go when the next line says so.
    shown: Vec<i64>,
    /// Exit codes of what failed: a script goes on, and still does not end as if all were well.
    failures: Vec<u8>,
}

/// Whether the chat goes on after a line.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Leave,
}

impl Chat {
    fn run(mut self) -> Result<()> {
        self.session.set_recall(self.remembers);
        if self.input.is_terminal() {
            self.output.note("Everything stays on this machine. /help shows what you can ask for, /quit leaves.");
            if !self.remembers {
                self.output.note("Memory is off in this conversation: nothing is recalled or learnt. /remember on");
            }
        }
        while let Read::Line(line) = self.input.read("› ")? {
            if self.line(&line)? == Next::Leave {
                break;
            }
        }
        self.session.close()?;
        self.assistant.close();
        match self.failures.iter().max() {
            Some(worst) if !self.input.is_terminal() => {
                Err(Error::ScriptFailed { failed: self.failures.len(), exit_code: *worst })
            }
            _ => Ok(()),
        }
    }

    fn line(&mut self, line: &str) -> Result<Next> {
        let shown = std::mem::take(&mut self.shown);
        let command = match slash::parse(line) {
            Ok(None) => return Ok(Next::Read),
            Ok(Some(Line::Turn(text))) => {
                if let Err(error) = self.turn(&text) {
                    self.failures.push(error.exit_code());
                    self.view.failed_turn(&text, &error)?;
                }
                return Ok(Next::Read);
            }
            Ok(Some(Line::Command(Command::Quit))) => return Ok(Next::Leave),
            Ok(Some(Line::Command(command))) => Ok(command),
            Err(error) => Err(error),
        };
        if let Err(error) = command.and_then(|command| self.command(command, &shown)) {
            self.failures.push(error.exit_code());
            self.view.failed_command(line, &error)?;
        }
        Ok(Next::Read)
    }

    fn turn(&mut self, text: &str) -> Result<()> {
        self.view.begin_reply();
        let streamed = self.runtime.block_on(stream(&mut self.session, &mut self.view, &self.interrupts, text));
        self.view.end_reply();
        let turn = streamed?;
        self.view.turn(&turn)?;
        self.last = Some(turn);
        Ok(())
    }

    fn command(&mut self, command: Command, shown: &[i64]) -> Result<()> {
        self.assistant.settle()?; // what was just said may still be read for facts
        match command {
            Command::Persona => self.view.persona(&self.assistant.memory().memories()?),
            Command::Why => self.why(),
            Command::Edit { id, text } => self.edit(id, &text),
            Command::Pin { id, pinned } => self.pin(id, pinned),
            Command::Forget(which) => self.forget(&which, shown),
            Command::Rate(rating) => self.rate(rating),
            Command::Export(file) => self.export(file.map(PathBuf::from)),
            Command::Erase { confirmed } => self.erase(confirmed),
            Command::Stats => self.stats(),
            Command::New => self.begin_new(),
            Command::Remember(on) => self.remember(on),
            Command::Help => self.view.help(),
            Command::Quit => Ok(()),
        }
    }

    fn why(&self) -> Result<()> {
        let (facts, persona): (&[Recalled], &[Recalled]) =
            self.last.as_ref().map(|turn| (&turn.facts[..], &turn.persona[..])).unwrap_or_default();
        let mut pinned = HashSet::new();
        for fact in facts.iter().chain(persona) {
            pinned.extend(self.assistant.memory().memory(fact.id)?.filter(|memory| memory.pinned).map(|m| m.id));
        }
        self.view.why(facts, persona, &pinned)
    }

    /// With an adapter on, how far it leans towards the reply is measured now, unless it was then.
    fn stats(&self) -> Result<()> {
        let mut alignment = self.last.as_ref().and_then(|last| last.alignment);
        if let Some(last) = self.last.as_ref().filter(|_| alignment.is_none() && !self.options.adapters.is_empty()) {
            match self.runtime.block_on(self.session.alignment(Some(last.turn))) {
                Ok(measured) => alignment = Some(measured),
                Err(error) => self.output.warn(&format!("the alignment could not be measured: {error}")),
            }
        }
        self.view.stats(self.last.as_ref(), alignment, self.session.conversation().0)
    }

    fn edit(&self, id: i64, text: &str) -> Result<()> {
        let edited = self.assistant.memory().edit(id, text)?;
        if let Some(failure) = edited.embedding_failure {
            self.output.warn(&format!("{failure}; it is found by its words alone"));
        }
        self.view.answer("edit", json!({"memory": edited.memory}), &self.view.wrapped(&paragraph(&edited.memory)))
    }

    fn pin(&self, id: i64, pinned: bool) -> Result<()> {
        self.assistant.memory().set_pinned(id, pinned)?;
        let (name, words) = if pinned { ("pin", "pinned") } else { ("unpin", "no longer pinned") };
        self.view.answer(name, json!({"id": id, "pinned": pinned}), &format!("{words}: {id}"))
    }

    fn rate(&self, rating: Rating) -> Result<()> {
        let (verdict, words) = match rating {
            Rating::Up => ("up", "kept: a good reply"),
            Rating::Down => ("down", "kept: not a good reply"),
            Rating::Edited(_) => ("edited", "kept: what it should have said"),
        };
        let turn = self.session.rate(self.last.as_ref().map(|last| last.turn), rating)?;
        self.view.answer("rate", json!({"turn": turn, "rating": verdict}), words)
    }

    fn forget(&mut self, which: &Forget, shown: &[i64]) -> Result<()> {
        let report = match which {
            Forget::Id(id) => self.assistant.forget(*id)?,
            Forget::Last => self.assistant.forget(self.newest_memory()?)?,
            Forget::Text(text) => self.assistant.forget(self.only_memory_with(text)?)?,
            Forget::Topic(topic) => match self.confirmed_topic(topic)? {
                Some(ids) => self.assistant.forget_all(&ids)?,
                None => return Ok(()),
            },
            Forget::Shown if shown.is_empty() => {
                return Err(Error::usage("nothing was shown that could be forgotten", "say /forget topic TEXT first"));
            }
            Forget::Shown => self.assistant.forget_all(shown)?,
        };
        self.forgotten(&report)
    }

    fn forgotten(&mut self, report: &ForgetReport) -> Result<()> {
        if let Some(last) = &mut self.last {
            last.facts.retain(|fact| !report.memories.contains(&fact.id));
            last.persona.retain(|fact| !report.memories.contains(&fact.id));
        }
        self.input.clear_history()?; // what is forgotten was typed here, and so may be its name just now
        let ids: Vec<_> = report.memories.iter().map(ToString::to_string).collect();
        self.view.answer("forget", json!({"forgotten": report.memories}), &format!("forgotten: {}", ids.join(", ")))
    }

    /// Shows what a topic holds; answers with it when the person says yes. A script says so with its next line.
    fn confirmed_topic(&mut self, topic: &str) -> Result<Option<Vec<i64>>> {
        let found = self.assistant.memory().find_topic(topic)?;
        if found.is_empty() {
            return Err(Error::usage("no memory matters to that", "/persona shows all, with the id of each"));
        }
        self.view.topic(&found)?;
        let ids: Vec<i64> = found.iter().map(|memory| memory.id).collect();
        if !self.input.is_terminal() {
            self.output.note("to forget these, say /forget yes");
            self.shown = ids;
            return Ok(None);
        }
        match self.input.read("type yes to forget these: ")? {
            Read::Line(line) if line.trim() == "yes" => Ok(Some(ids)),
            _ => Err(Error::usage("nothing was forgotten", "say /forget ID for single ones")),
        }
    }

    fn newest_memory(&self) -> Result<i64> {
        let memories = self.assistant.memory().memories()?;
        let newest = memories.iter().max_by_key(|memory| (memory.turn, memory.id));
        newest
            .map(|memory| memory.id)
            .ok_or_else(|| Error::usage("nothing is remembered yet", "/persona shows what is"))
    }

    fn only_memory_with(&self, text: &str) -> Result<i64> {
        let wanted = text.to_lowercase();
        let has = |words: &str| words.to_lowercase().contains(&wanted);
        let memories = self.assistant.memory().memories()?;
        let found: Vec<_> = memories.iter().filter(|memory| has(&memory.text) || has(&memory.words)).collect();
        match found.as_slice() {
            [one] => Ok(one.id),
            // Facts of one turn go with it, and the turn with them.
            [one, others @ ..] if others.iter().all(|other| other.turn == one.turn) => Ok(one.id),
            [] => Err(Error::usage("no memory contains that", "/persona shows all, with the id of each")),
            several => {
                let ids: Vec<_> = several.iter().map(|memory| memory.id.to_string()).collect();
                let hint = format!("say /forget with one of these ids: {}", ids.join(", "));
                Err(Error::usage(format!("{} memories contain that", several.len()), hint))
            }
        }
    }

    fn export(&self, file: Option<PathBuf>) -> Result<()> {
        let export = self.assistant.memory().export()?;
        let Some(path) = file else {
            let words = serde_json::to_string_pretty(&export).map_err(Error::internal)?;
            return self.view.answer("export", json!({"export": export}), &words);
        };
        export.write(&path)?;
        let words = format!("written to {}", path.display());
        self.view.answer("export", json!({"file": path}), &words)
    }

    fn erase(&mut self, confirmed: bool) -> Result<()> {
        if !confirmed && !self.confirms_erasing()? {
            return Err(Error::usage("nothing was erased", "say /erase yes"));
        }
        self.assistant.erase_all()?;
        self.input.clear_history()?;
        self.last = None;
        self.reopen(Start::New)?;
        self.view.answer("erase", json!({"erased": true}), "erased; a new conversation begins")
    }

    fn confirms_erasing(&mut self) -> Result<bool> {
        if !self.input.is_terminal() {
            return Ok(false);
        }
        self.output.note("This forgets every conversation and every memory, for good.");
        Ok(matches!(self.input.read("type yes to erase: ")?, Read::Line(line) if line.trim() == "yes"))
    }

    fn begin_new(&mut self) -> Result<()> {
        self.reopen(Start::New)?;
        self.last = None;
        let conversation: i64 = self.session.conversation().0;
        self.view.answer("new", json!({"conversation": conversation}), &format!("conversation {conversation}"))
    }

    fn reopen(&mut self, start: Start) -> Result<()> {
        self.session = self.assistant.session(open::session(&self.options, start, self.options.memory))?;
        if self.options.memory && !self.remembers {
            self.session.set_remember(false)?;
        }
        self.session.set_recall(self.remembers);
        Ok(())
    }

    fn remember(&mut self, on: bool) -> Result<()> {
        self.session.set_remember(on)?;
        self.session.set_recall(on);
        self.remembers = on;
        let words = if on { "memory is on" } else { "memory is off: nothing is recalled or learnt" };
        self.view.answer("remember", json!({"remember": on}), words)
    }
}

async fn stream(session: &mut Session, view: &mut View, interrupts: &Interrupts, text: &str) -> Result<Turn> {
    let mut reply = session.send(text).await?;
    let _guard = interrupts.stops(reply.cancel_handle());
    while let Some(piece) = reply.next().await? {
        view.piece(&piece);
    }
    Ok(reply.finish().await?)
}
