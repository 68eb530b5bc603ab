//! Turns out of JSON lines, in batches: one call of the embedder and one transaction each.
//!
//! A batch is stored whole or not at all, and a line whose id is known is not stored again: an import that was cut
//! short goes on where it was when it is run once more.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::Connection;

use super::ImportProgress;
use super::lines::{BadLine, Line, LineFault, Lines};
use crate::memory::authorship::Authorship;
use crate::memory::db::Fault;
use crate::memory::embed::{EmbedPurpose, embed_checked};
use crate::memory::many::EMBED_BATCH;
use crate::memory::{
    ConversationId, ExternalId, ImportedLine, MemoryStore, Origin, Speaker, external, log, memories, now_ms, telling,
    vectors, words,
};
use crate::{Error, Result};

/// Lines in a batch at the most; replies need no embedding and cost next to nothing.
const MAX_BATCH: usize = 256;

/// What an import does with a line that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadLine {
    /// Reports it and goes on.
    #[default]
    Skip,
    /// Imports nothing of the file.
    Refuse,
}

/// What came of importing lines.
#[derive(Debug, Default)]
pub struct TurnImport {
    /// Lines that were not empty.
    pub lines: u64,
    /// Messages of the user that were stored.
    pub turns: u64,
    /// Lines of the assistant that were stored as replies.
    pub replies: u64,
    /// Memories made of the messages; small talk makes none.
    pub memories: u64,
    /// Lines that an earlier import, or an earlier line, had brought.
    pub already_there: u64,
    /// Lines with something wrong, in order. They were left out, but for [`LineFault::Time`].
    pub bad_lines: Vec<BadLine>,
    /// Why some memories have no vector yet, if the embedder failed. They are found by their words, and `reembed` gives
    /// them their vectors.
    pub embedding_failure: Option<Error>,
}

impl MemoryStore {
    /// Imports turns from a file of JSON lines `{"id", "text", "role", "time"}`; other keys are left alone.
    ///
    /// Lines of the role `user` (or none) become turns of one conversation, in the order of the file; those of the
    /// role `assistant` become the reply to the turn before, and never a memory of the user. `time` is ISO 8601 or
    /// milliseconds since 1970; where there is none, it is that of the line before. [`external_ids`] gives the ids
    /// back.
    ///
    /// [`external_ids`]: MemoryStore::external_ids
    ///
    /// # Errors
    /// [`Error::Io`] for the file, [`Error::ImportInvalid`] for a bad line with [`OnBadLine::Refuse`], and those of
    /// storage: what is stored by then stays, and running it again brings the rest. An embedder that fails is no
    /// error: see [`TurnImport::embedding_failure`].
    pub fn import_turns(
        &self,
        path: &Path,
        on_bad_line: OnBadLine,
        progress: &mut dyn FnMut(ImportProgress),
    ) -> Result<TurnImport> {
        if on_bad_line == OnBadLine::Refuse {
            refuse_bad_lines(path)?;
        }
        let mut lines = Lines::open(path)?;
        let mut import = Importer { store: self, place: Place::default(), report: TurnImport::default() };
        let mut batch = Batch::default();
        while let Some(line) = lines.next()? {
            import.report.lines += 1;
            match line {
                Ok(line) => batch.push(line),
                Err(bad) => import.report.bad_lines.push(bad),
            }
            if batch.is_full() {
                import.store_batch(&std::mem::take(&mut batch).lines)?;
                progress(ImportProgress { done: lines.read, total: lines.total });
            }
        }
        import.store_batch(&batch.lines)?;
        progress(ImportProgress { done: lines.read, total: lines.total });
        import.report.bad_lines.sort_by_key(|bad| bad.line);
        Ok(import.report)
    }
}

/// Reads the whole file before anything is stored.
fn refuse_bad_lines(path: &Path) -> Result<()> {
    let mut lines = Lines::open(path)?;
    if lines.total.is_none() {
        return Err(Error::InvalidInput { what: "file", reason: "a pipe can be read only once; name a file".into() });
    }
    let mut may_reply = false;
    while let Some(line) = lines.next()? {
        let bad = match line {
            Ok(line) if line.time_is_bad => BadLine { line: line.number, fault: LineFault::Time },
            Ok(line) if line.speaker == Speaker::Assistant && !may_reply => {
                BadLine { line: line.number, fault: LineFault::ReplyToNothing }
            }
            Ok(_) => {
                may_reply = true;
                continue;
            }
            Err(bad) => bad,
        };
        return Err(Error::ImportInvalid { line: Some(bad.line), reason: bad.fault.to_string() });
    }
    Ok(())
}

#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    of_user: usize,
}

impl Batch {
    fn push(&mut self, line: Line) {
        self.of_user += usize::from(line.speaker == Speaker::User);
        self.lines.push(line);
    }

    fn is_full(&self) -> bool {
        self.of_user >= EMBED_BATCH || self.lines.len() >= MAX_BATCH
    }
}

/// Where in the log the next line goes.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    conversation: Option<ConversationId>,
    turn: Option<i64>,
    at_ms: Option<i64>,
}

struct Importer<'a> {
    store: &'a MemoryStore,
    place: Place,
    report: TurnImport,
}

/// What a batch added, taken over once it is stored.
#[derive(Default)]
struct Added {
    turns: u64,
    replies: u64,
    /// With the place of each memory's vector among those of the batch.
    memories: Vec<(i64, Option<usize>)>,
    already_there: u64,
    bad_lines: Vec<BadLine>,
}

/// Vectors of a batch, and for each of its lines which of them is its first passage's.
struct Embedded {
    vectors: Vec<Vec<f32>>,
    of_line: Vec<Option<usize>>,
}

impl Embedded {
    fn none(lines: &[Line]) -> Self {
        Self { vectors: Vec::new(), of_line: vec![None; lines.len()] }
    }
}

impl Importer<'_> {
    fn store_batch(&mut self, lines: &[Line]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let Embedded { vectors, of_line } = self.embed_new(lines)?;
        let mut place = self.place;
        let added = self.store.inner.db.with(|held| {
            let added = held.transaction(|tx| {
                let mut added = Added::default();
                for (line, vector) in lines.iter().zip(&of_line) {
                    store_line(tx, line, *vector, &mut place, &mut added)?;
                }
                for (memory, vector) in &added.memories {
                    if let (Some(vector), Some(embedder)) = (vector, &self.store.inner.embedder) {
                        vectors::store(tx, *memory, embedder.as_ref(), &vectors[*vector])?;
                    }
                }
                Ok(added)
            })?;
            Ok(added)
        })?;
        self.place = place;
        self.take_over(added);
        Ok(())
    }

    /// The vectors of the lines that are new and say something.
    fn embed_new(&mut self, lines: &[Line]) -> Result<Embedded> {
        let mut embedded = Embedded::none(lines);
        let Some(embedder) = self.store.inner.embedder.as_deref() else { return Ok(embedded) };
        let known = self.store.inner.db.with(|held| known_ids(&held.connection, lines))?;
        let is_new = |line: &Line| line.speaker == Speaker::User && !known.contains(&line.id);
        let mut texts = Vec::new();
        for (line, vector) in lines.iter().zip(&mut embedded.of_line) {
            if is_new(line) && words::says_something(&line.text) {
                let passages = telling(Authorship::of(&line.text, Origin::Said, &[]).passages());
                *vector = Some(texts.len());
                texts.extend(passages.into_iter().map(|passage| passage.text));
            }
        }
        if texts.is_empty() {
            return Ok(embedded);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        match embed_checked(embedder, &texts, EmbedPurpose::Document) {
            Ok(vectors) => Ok(Embedded { vectors, ..embedded }),
            Err(failure) => {
                self.report.embedding_failure.get_or_insert(failure);
                Ok(Embedded::none(lines))
            }
        }
    }

    fn take_over(&mut self, added: Added) {
        self.report.turns += added.turns;
        self.report.replies += added.replies;
        self.report.memories += added.memories.len() as u64;
        self.report.already_there += added.already_there;
        self.report.bad_lines.extend(added.bad_lines);
    }
}

fn known_ids<'a>(connection: &Connection, lines: &'a [Line]) -> Result<HashSet<&'a ExternalId>, Fault> {
    let mut known = HashSet::new();
    for line in lines {
        if external::turn_of(connection, &line.id)?.is_some() {
            known.insert(&line.id);
        }
    }
    Ok(known)
}

fn store_line(
    tx: &Connection,
    line: &Line,
    vector: Option<usize>,
    place: &mut Place,
    added: &mut Added,
) -> Result<(), Fault> {
    if line.time_is_bad {
        added.bad_lines.push(BadLine { line: line.number, fault: LineFault::Time });
    }
    place.at_ms = line.at_ms.or(place.at_ms);
    if let Some(turn) = external::turn_of(tx, &line.id)? {
        added.already_there += 1;
        place.turn = Some(turn);
        place.conversation = Some(conversation_of(tx, turn)?);
        return Ok(());
    }
    match line.speaker {
        Speaker::User => store_turn(tx, line, vector, place, added)?,
        Speaker::Assistant => match place.turn {
            Some(turn) => {
                append_reply(tx, turn, &line.text)?;
                added.replies += 1;
            }
            None => {
                added.bad_lines.push(BadLine { line: line.number, fault: LineFault::ReplyToNothing });
                return Ok(());
            }
        },
    }
    let turn = place.turn.ok_or_else(|| Error::internal("an imported line became no turn"))?;
    external::note(tx, &ImportedLine { id: line.id.clone(), turn, speaker: line.speaker })
}

fn store_turn(
    tx: &Connection,
    line: &Line,
    vector: Option<usize>,
    place: &mut Place,
    added: &mut Added,
) -> Result<(), Fault> {
    let at_ms = place.at_ms.unwrap_or_else(now_ms);
    let conversation = match place.conversation {
        Some(conversation) => conversation,
        None => log::create_conversation(tx, at_ms)?,
    };
    let message = Authorship::of(&line.text, Origin::Said, &[]);
    let turn = log::add_turn(tx, conversation, &message, at_ms)?;
    for (place, passage) in telling(message.passages()).iter().enumerate() {
        let vector = vector.map(|first| first + place);
        added.memories.push((memories::add_episode(tx, turn, passage)?, vector));
    }
    added.turns += 1;
    *place = Place { conversation: Some(conversation), turn: Some(turn), ..*place };
    Ok(())
}

fn conversation_of(connection: &Connection, turn: i64) -> Result<ConversationId, Fault> {
    let mut find = connection.prepare_cached("SELECT conversation FROM turns WHERE id = ?1")?;
    Ok(ConversationId(find.query_row([turn], |row| row.get(0))?))
}

/// Several lines of the assistant in a row are one reply. A turn forgotten meanwhile takes its replies with it.
fn append_reply(connection: &Connection, turn: i64, text: &str) -> Result<(), Fault> {
    let changed = connection
        .prepare_cached(
            "UPDATE turns SET reply = coalesce(reply || char(10, 10), '') || ?2, reply_state = 'complete' WHERE id = ?1",
        )?
        .execute((turn, text))?;
    if changed == 0 { Err(Error::NotFound { what: "turn", id: turn }.into()) } else { Ok(()) }
}
