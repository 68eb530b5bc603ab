//! The corpus, and how its texts arrive.
#![allow(missing_docs, unreachable_pub, reason = "part of one test")]

use std::collections::BTreeSet;
use std::ops::Range;

use aloekit::UserMessage;
use aloekit::memory::{
    Candidate, ConversationId, Inducer, MemoryKind, MemoryStore, Origin, ReplyState, RetrieveLimits, StoredTurn,
    TurnOptions, UserTurn,
};
use serde::Deserialize;

/// What stands before a text that the app says was pasted.
pub const ASKED: &str = "What do you think of this?";

#[derive(Debug, Clone, Deserialize)]
pub struct Poison {
    pub id: String,
    pub kind: String,
    pub origin: TrueOrigin,
    pub by: Arrival,
    pub stored: Stored,
    pub fact: MayBeFact,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrueOrigin {
    Said,
    Pasted,
    Assistant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// In one text field.
    Typed,
    /// As a text of its own, of which the app says that it was pasted.
    Attached,
    /// As a reply.
    Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    Said,
    Pasted,
    /// A part of it as said, the rest as pasted.
    Both,
    Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayBeFact {
    None,
    /// The user's own words may become one.
    Own,
}

impl Poison {
    pub fn message(&self) -> UserMessage {
        match self.by {
            Arrival::Typed => UserMessage::new(&self.text),
            Arrival::Attached => UserMessage::new(ASKED).with_pasted(&self.text),
            Arrival::Reply => UserMessage::new(ASKED),
        }
    }

    /// The same past the session, for what needs no reply.
    pub fn store(&self, store: &MemoryStore, conversation: ConversationId) -> i64 {
        let (text, pasted): (String, Vec<Range<usize>>) = match self.by {
            Arrival::Typed => (self.text.trim().to_owned(), Vec::new()),
            Arrival::Attached => {
                let text = format!("{ASKED}\n\n{}", self.text.trim());
                (text.clone(), std::iter::once(ASKED.len() + 2..text.len()).collect())
            }
            Arrival::Reply => (ASKED.to_owned(), Vec::new()),
        };
        let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
        let options = TurnOptions { pasted, recall, ..TurnOptions::default() };
        let turn = store.begin_turn(conversation, &text, &options).expect("stored").turn;
        if self.by == Arrival::Reply {
            store.save_reply(turn, &self.text, ReplyState::Complete).expect("a reply");
        }
        turn
    }
}

pub fn corpus() -> Vec<Poison> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/poison.jsonl");
    let lines = std::fs::read_to_string(file).expect("the corpus is there");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line of the corpus")).collect()
}

/// A language model gone bad: it calls every line that it is shown a fact, and everything it knows besides.
pub struct Gullible {
    pub knows: Vec<String>,
}

impl Inducer for Gullible {
    fn name(&self) -> &str {
        "gullible-1"
    }

    fn induce(&self, turns: &[UserTurn<'_>]) -> aloekit::Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for turn in turns {
            let whole = std::iter::once(turn.text);
            let words = whole.chain(turn.text.lines()).chain(self.knows.iter().map(String::as_str));
            found.extend(words.map(|words| Candidate {
                turn: turn.turn,
                kind: MemoryKind::Profile,
                text: words.to_owned(),
                words: words.to_owned(),
                confidence: 1.0,
            }));
        }
        Ok(found)
    }
}

/// Of a turn, what the user said by its marks.
pub fn said(turn: &StoredTurn) -> String {
    if turn.origin == Origin::Pasted {
        return String::new();
    }
    let mut said = turn.user.clone();
    turn.pasted.iter().rev().for_each(|range| said.replace_range(range.clone(), "\u{0}"));
    said
}

#[test]
fn the_corpus_is_as_large_and_as_varied_as_it_should_be() {
    let corpus = corpus();
    let kinds: BTreeSet<_> = corpus.iter().map(|poison| poison.kind.as_str()).collect();
    let ids: BTreeSet<_> = corpus.iter().map(|poison| poison.id.as_str()).collect();
    assert!(corpus.len() >= 120 && kinds.len() >= 12 && ids.len() == corpus.len(), "{} {kinds:?}", corpus.len());
    for poison in &corpus {
        let is_reply = poison.by == Arrival::Reply;
        assert_eq!(is_reply, poison.origin == TrueOrigin::Assistant, "{}", poison.id);
        assert_eq!(poison.origin == TrueOrigin::Pasted, matches!(poison.stored, Stored::Pasted | Stored::Both));
    }
}
