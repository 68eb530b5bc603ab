//! A store out of an export: all of its rows in one transaction under new numbers, the vectors afterwards.
//!
//! What the store has already stays as it is, and what is imported comes after it: a turn's number is its order, so
//! imported turns count as learnt now, in their own order. A conversation whose every turn is there already, to the
//! word and the millisecond, is left out, so that importing one file twice adds nothing.
//!
//! A file can lower trust and never raise it: what it says was pasted is pasted, and so is what is found to be by its
//! form, whatever the file says. A fact whose words are found to be pasted is left out. That the rest was said is taken
//! from the file, because the user brought it; nothing in a file could prove it.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::{ImportProgress, check::check};
use crate::memory::authorship::{Authorship, Passage};
use crate::memory::db::Fault;
use crate::memory::embed::{EmbedPurpose, Embedder, embed_checked};
use crate::memory::many::EMBED_BATCH;
use crate::memory::{
    ConversationId, Export, ExportedConversation, ExportedFact, ImportedLine, Memory, MemoryKind, MemoryStore, Origin,
    StoredTurn, Summary, external, log, memories, ratings, standing, vectors, words,
};
use crate::{Error, Result};

/// What came of importing an export.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Conversations added.
    pub conversations: u64,
    /// Turns added.
    pub turns: u64,
    /// Memories added, with those that were replaced by later ones.
    pub memories: u64,
    /// Facts left out because their words are found to be pasted.
    pub refused_facts: u64,
    /// Conversations left out because all of their turns are there already.
    pub already_there: u64,
    /// Why some memories have no vector yet, if the embedder failed. They are found by their words, and `reembed` gives
    /// them their vectors.
    pub embedding_failure: Option<Error>,
}

impl MemoryStore {
    /// Brings in what an export holds: conversations, turns, memories, facts, pins, times and provenance. All get new
    /// numbers, in the order that they had.
    ///
    /// # Errors
    /// [`Error::ExportTooNew`], [`Error::ImportInvalid`] for what no store would have written, and those of storage:
    /// then nothing of it was imported. An embedder that fails is no error: see [`ImportReport::embedding_failure`].
    pub fn import(&self, export: &Export, progress: &mut dyn FnMut(ImportProgress)) -> Result<ImportReport> {
        check(export)?;
        let (mut report, added) = self.inner.db.write(|tx| {
            let mut restore =
                Restore { tx, export, ids: Ids::default(), messages: HashMap::new(), report: ImportReport::default() };
            restore.conversations()?;
            let added = restore.memories()?;
            restore.facts()?;
            restore.links()?;
            Ok((restore.report, added))
        })?;
        if let Some(embedder) = self.inner.embedder.as_deref() {
            report.embedding_failure = self.embed_added(&added, embedder, progress).err();
        }
        Ok(report)
    }

    /// Outside the transaction: a crash in between costs vectors, which `reembed` makes good, and no memory.
    fn embed_added(
        &self,
        added: &[(i64, String)],
        embedder: &dyn Embedder,
        progress: &mut dyn FnMut(ImportProgress),
    ) -> Result<()> {
        let total = Some(added.len() as u64);
        for (batch, done) in added.chunks(EMBED_BATCH).zip((EMBED_BATCH as u64..).step_by(EMBED_BATCH)) {
            let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = embed_checked(embedder, &texts, EmbedPurpose::Document)?;
            self.inner.db.with(|held| vectors::store_batch(held, embedder, batch, &vectors))?;
            progress(ImportProgress { done: done.min(added.len() as u64), total });
        }
        Ok(())
    }
}

/// From the numbers of the export to those of the store; what was left out has none.
#[derive(Default)]
struct Ids {
    conversations: HashMap<ConversationId, ConversationId>,
    turns: HashMap<i64, i64>,
    memories: HashMap<i64, i64>,
}

struct Restore<'a> {
    tx: &'a Connection,
    export: &'a Export,
    ids: Ids,
    /// By the numbers of the export: who wrote what in the turns that are added.
    messages: HashMap<i64, Authorship<'a>>,
    report: ImportReport,
}

impl<'a> Restore<'a> {
    /// Turns in the order of their numbers over all conversations: that is the order in which they were said.
    fn conversations(&mut self) -> Result<(), Fault> {
        let there = Stored::read(self.tx)?;
        let mut wanted: Vec<&ExportedConversation> = self.export.conversations.iter().collect();
        wanted.sort_by_key(|conversation| conversation.id);
        wanted.retain(|conversation| !there.has(conversation));
        self.report.already_there = (self.export.conversations.len() - wanted.len()) as u64;
        self.report.conversations = wanted.len() as u64;
        for conversation in &wanted {
            let id = log::create_conversation(self.tx, conversation.started_ms)?;
            log::set_remembers(self.tx, id, conversation.remembers)?;
            self.ids.conversations.insert(conversation.id, id);
        }
        let mut turns: Vec<(ConversationId, &StoredTurn)> =
            wanted.iter().flat_map(|c| c.turns.iter().map(|turn| (c.id, turn))).collect();
        turns.sort_by_key(|(_, turn)| turn.turn);
        for (conversation, turn) in turns {
            self.turn(self.ids.conversations[&conversation], turn)?;
        }
        wanted.into_iter().try_for_each(|conversation| self.summary(conversation))
    }

    fn turn(&mut self, conversation: ConversationId, stored: &'a StoredTurn) -> Result<(), Fault> {
        let message = Authorship::of(&stored.user, stored.origin, &stored.pasted);
        let turn = log::add_turn(self.tx, conversation, &message, stored.at_ms)?;
        self.messages.insert(stored.turn, message);
        if let Some(block) = &stored.recalled_block {
            log::attach_recalled(self.tx, turn, block, &[])?;
        }
        if let Some(reply) = &stored.reply {
            log::save_reply(self.tx, turn, &reply.text, reply.state)?;
        }
        self.ids.turns.insert(stored.turn, turn);
        self.report.turns += 1;
        Ok(())
    }

    /// The last turn that a summary covers may be gone; the one before it takes its place.
    fn summary(&self, conversation: &ExportedConversation) -> Result<(), Fault> {
        let Some(summary) = &conversation.summary else { return Ok(()) };
        let covered = conversation.turns.iter().map(|turn| turn.turn).filter(|turn| *turn <= summary.through_turn);
        let Some(through_turn) = covered.max().map(|turn| self.ids.turns[&turn]) else { return Ok(()) };
        let id = self.ids.conversations[&conversation.id];
        log::set_summary(self.tx, id, &Summary { text: summary.text.clone(), through_turn })
    }

    /// Answers with what is to be embedded.
    fn memories(&mut self) -> Result<Vec<(i64, String)>, Fault> {
        let mut wanted: Vec<_> = self.export.memories.iter().collect();
        wanted.sort_by_key(|memory| memory.id);
        let mut added = Vec::new();
        for memory in wanted {
            let Some(turn) = self.ids.turns.get(&memory.turn) else { continue };
            let parts = match memory.kind {
                MemoryKind::Episode => episodes(self.tx, *turn, &self.messages[&memory.turn], memory)?,
                _ if self.is_pasted(memory.turn, &memory.words) => {
                    self.report.refused_facts += 1;
                    continue;
                }
                kind => vec![(memories::add(self.tx, *turn, kind, &memory.text)?, memory.text.clone())],
            };
            for (id, text) in parts {
                if memory.pinned {
                    memories::set_pinned(self.tx, id, true)?;
                }
                self.ids.memories.entry(memory.id).or_insert(id);
                self.report.memories += 1;
                if words::says_something(&text) {
                    added.push((id, text));
                }
            }
        }
        Ok(added)
    }

    /// Whether a fact's words, as the file spaces them, are found only in what was pasted.
    fn is_pasted(&self, turn: i64, words: &str) -> bool {
        self.messages.get(&turn).is_some_and(|message| !message.pasted.is_empty() && !message.says(words))
    }

    fn facts(&self) -> Result<(), Fault> {
        for fact in &self.export.facts {
            if let Some(memory) = self.ids.memories.get(&fact.memory) {
                add_fact(self.tx, *memory, fact)?;
                self.sources(*memory, fact)?;
            }
        }
        // A fact may be replaced by one that comes after it in the file, so all are there first.
        let mut replace = self.tx.prepare_cached("UPDATE facts SET superseded_by = ?2 WHERE memory = ?1")?;
        for fact in &self.export.facts {
            let later = fact.superseded_by.and_then(|later| self.ids.memories.get(&later));
            if let Some((memory, later)) = self.ids.memories.get(&fact.memory).zip(later) {
                replace.execute((memory, later))?;
            }
        }
        Ok(())
    }

    /// The turns that state a fact; an export that names none means the turn that the memory comes from.
    fn sources(&self, memory: i64, fact: &ExportedFact) -> Result<(), Fault> {
        let mut add = self.tx.prepare_cached(
            "INSERT OR IGNORE INTO fact_sources(fact, turn, words, confidence) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for source in &fact.sources {
            let own = self.ids.turns.get(&source.turn).filter(|_| !self.is_pasted(source.turn, &source.words));
            if let Some(turn) = own {
                add.execute((memory, turn, &source.words, source.confidence))?;
            }
        }
        let mut own = self.tx.prepare_cached(
            "INSERT INTO fact_sources(fact, turn, words, confidence)
             SELECT id, turn, ?2, ?3 FROM memories WHERE id = ?1 AND id NOT IN (SELECT fact FROM fact_sources)",
        )?;
        own.execute((memory, &fact.words, fact.confidence))?;
        Ok(())
    }

    /// What stood in which prompt, which turn came from which line, and what the user thinks of which reply.
    fn links(&self) -> Result<(), Fault> {
        let mut link =
            self.tx.prepare_cached("INSERT OR IGNORE INTO recalls(turn, memory, place) VALUES (?1, ?2, ?3)")?;
        for recall in &self.export.recalls {
            let Some(turn) = self.ids.turns.get(&recall.turn) else { continue };
            let recalled = recall.memories.iter().filter_map(|memory| self.ids.memories.get(memory));
            for (place, memory) in recalled.enumerate() {
                link.execute((turn, memory, place as i64))?;
            }
        }
        for standing in &self.export.standing {
            let Some(conversation) = self.ids.conversations.get(&standing.conversation) else { continue };
            let known = |memory: &i64| self.ids.memories.get(memory).copied();
            for (place, fact) in standing.memories.iter().filter_map(known).enumerate() {
                standing::put(self.tx, *conversation, fact, Some(place))?;
            }
            for fact in standing.earlier.iter().filter_map(known) {
                standing::put(self.tx, *conversation, fact, None)?;
            }
        }
        for line in &self.export.imported {
            if let Some(turn) = self.ids.turns.get(&line.turn) {
                external::note(self.tx, &ImportedLine { turn: *turn, ..line.clone() })?;
            }
        }
        for rated in &self.export.ratings {
            if let Some(turn) = self.ids.turns.get(&rated.turn) {
                ratings::store(self.tx, *turn, &rated.rating)?;
            }
        }
        Ok(())
    }
}

/// The memories that an episode of a file becomes, with what each is searched by: two, where this version finds
/// something pasted in what the file has as one.
fn episodes(
    connection: &Connection,
    turn: i64,
    message: &Authorship<'_>,
    memory: &Memory,
) -> Result<Vec<(i64, String)>, Fault> {
    let is_whole = memory.words == message.text;
    let is_edited = memory.text != memory.words;
    let said = || memory.words.lines().map(str::trim).all(|line| message.says(line));
    let passages = match message.passages() {
        several if several.len() > 1 && is_whole && !is_edited && memory.origin == Origin::Said => several,
        _ => {
            let origin = if memory.origin == Origin::Said && said() { Origin::Said } else { Origin::Pasted };
            vec![Passage { origin, text: memory.words.clone(), is_whole }]
        }
    };
    let mut added = Vec::with_capacity(passages.len());
    for passage in passages {
        let id = memories::add_episode(connection, turn, &passage)?;
        if is_edited {
            memories::reword(connection, id, &memory.text)?;
        }
        added.push((id, if is_edited { memory.text.clone() } else { passage.text }));
    }
    Ok(added)
}

fn add_fact(connection: &Connection, memory: i64, fact: &ExportedFact) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO facts(memory, words, confidence, first_seen_ms, last_seen_ms, times_confirmed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((memory, &fact.words, fact.confidence, fact.first_seen_ms, fact.last_seen_ms, fact.times_confirmed))?;
    Ok(())
}

/// What the store held before the import.
struct Stored {
    turns: HashSet<(i64, String)>,
    empty_conversations: HashSet<i64>,
}

impl Stored {
    fn read(connection: &Connection) -> Result<Self, Fault> {
        let mut turns = connection.prepare("SELECT at_ms, words FROM turns")?;
        let turns = turns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        let empty = log::conversations(connection)?.into_iter().filter(|conversation| conversation.turns == 0);
        Ok(Self { turns, empty_conversations: empty.map(|conversation| conversation.started_ms).collect() })
    }

    fn has(&self, conversation: &ExportedConversation) -> bool {
        match conversation.turns.as_slice() {
            [] => self.empty_conversations.contains(&conversation.started_ms),
            turns => turns.iter().all(|turn| self.turns.contains(&(turn.at_ms, turn.user.clone()))),
        }
    }
}
