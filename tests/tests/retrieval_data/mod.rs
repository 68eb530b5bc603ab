//! The evaluation data in stores, the plain methods to compare with, and the measures.
#![allow(missing_docs, unreachable_pub, reason = "part of one test file")]

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aloekit::memory::{
    EmbedPurpose, Embedder, ExtractiveInducer, MemoryParams, MemoryStore, OrtEmbedder, OrtEmbedderParams,
    RetrieveLimits, TurnOptions,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Tune,
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A store for each user, as in an app.
    OneUser,
    /// One store for all, where the same topics come up again and again.
    AllUsers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Stated,
    Paraphrased,
    Inferred,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Stated, Self::Paraphrased, Self::Inferred];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// FTS5 with BM25, any of the words.
    FullText,
    /// Cosine alone.
    Vectors,
    /// Reciprocal-rank fusion (Cormack, Clarke and Büttcher) of the two.
    RankFusion,
    Ours,
}

impl Method {
    pub const PARTS: [Self; 3] = [Self::FullText, Self::Vectors, Self::RankFusion];
}

#[derive(Deserialize)]
struct User {
    user: String,
    turns: Vec<Turn>,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Turn {
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct Question {
    text: String,
    gold: Vec<String>,
    kind: Kind,
    split: Split,
}

#[derive(Deserialize)]
struct Unrelated {
    text: String,
    split: Split,
}

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    let text = std::fs::read_to_string(path).expect("the data is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect()
}

/// The real model, which sees each text once in a run.
struct Remembering {
    model: OrtEmbedder,
    seen: Mutex<HashMap<String, Vec<f32>>>,
}

impl Embedder for Remembering {
    fn fingerprint(&self) -> &str {
        self.model.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn embed(&self, texts: &[&str], purpose: EmbedPurpose) -> aloekit::Result<Vec<Vec<f32>>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> = texts.iter().copied().filter(|text| !seen.contains_key(*text)).collect();
        for batch in new.chunks(32) {
            let vectors = self.model.embed(batch, purpose)?;
            seen.extend(batch.iter().map(|text| (*text).to_owned()).zip(vectors));
        }
        Ok(texts.iter().map(|text| seen[*text].clone()).collect())
    }
}

static EMBEDDER: LazyLock<Arc<Remembering>> = LazyLock::new(|| {
    let set_by_set_up =
        |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `./dev test`"));
    let params = OrtEmbedderParams::minilm(
        PathBuf::from(set_by_set_up("ALOE_TEST_ORT_LIBRARY")),
        PathBuf::from(set_by_set_up("ALOE_TEST_EMBEDDER_DIR")),
    );
    Arc::new(Remembering { model: OrtEmbedder::open(params).expect("the model loads"), seen: Mutex::default() })
});

fn embed(text: &str) -> Vec<f32> {
    EMBEDDER.embed(&[text], EmbedPurpose::Query).expect("it embeds").remove(0)
}

pub fn empty_store() -> MemoryStore {
    MemoryStore::open(MemoryParams::in_memory(), Some(EMBEDDER.clone())).expect("it opens")
}

/// A turn for which nothing is looked up.
pub fn unrecalled() -> TurnOptions {
    let recall = RetrieveLimits { max_count: 0, ..RetrieveLimits::default() };
    TurnOptions { recall, ..TurnOptions::default() }
}

/// Whether the store holds facts drawn from the turns beside them, as the chat's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    None,
    Learnt,
}

/// One store, with the same turns in a plain full-text table and as plain vectors.
struct Room {
    store: MemoryStore,
    full_text: rusqlite::Connection,
    /// By number of the turn, from 1.
    vectors: Vec<Vec<f32>>,
    turn_of: HashMap<String, i64>,
    questions: Vec<Question>,
}

impl Room {
    fn new(users: Vec<User>, facts: Facts) -> Self {
        let store = empty_store();
        let full_text = rusqlite::Connection::open_in_memory().expect("memory is there");
        full_text
            .execute_batch(
                "CREATE VIRTUAL TABLE said USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2')",
            )
            .expect("FTS5 is there");
        let mut room = Self { store, full_text, vectors: vec![], turn_of: HashMap::new(), questions: vec![] };
        users.into_iter().for_each(|user| room.add(user));
        if facts == Facts::Learnt {
            let inducer = ExtractiveInducer::new(Some(EMBEDDER.clone())).expect("it knows the model");
            let report = room.store.induce(&inducer, usize::MAX).expect("it reads");
            assert!(report.added > 0, "{report:?}");
        }
        room
    }

    fn add(&mut self, user: User) {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        let conversation = self.store.create_conversation().expect("a conversation");
        for (turn, day) in user.turns.into_iter().zip(1..) {
            let options = TurnOptions { at_ms: Some(day * DAY_MS), ..unrecalled() };
            let number = self.store.begin_turn(conversation, &turn.text, &options).expect("it is stored").turn;
            self.full_text
                .execute("INSERT INTO said(rowid, text) VALUES (?1, ?2)", (number, &turn.text))
                .expect("it is stored");
            self.vectors.push(embed(&turn.text));
            self.turn_of.insert(turn.id, number);
        }
        self.questions.extend(user.questions);
    }

    /// The turns found, best first.
    fn search(&self, method: Method, text: &str) -> Vec<i64> {
        match method {
            Method::FullText => self.by_full_text(text),
            Method::Vectors => self.by_vectors(text),
            Method::RankFusion => {
                let mut scores: HashMap<i64, f64> = HashMap::new();
                for ranked in [self.by_full_text(text), self.by_vectors(text)] {
                    for (place, turn) in ranked.into_iter().take(50).enumerate() {
                        *scores.entry(turn).or_default() += 1.0 / (61 + place) as f64;
                    }
                }
                let mut ranked: Vec<_> = scores.into_iter().collect();
                ranked.sort_by(|(a_turn, a), (b_turn, b)| b.total_cmp(a).then(a_turn.cmp(b_turn)));
                ranked.into_iter().map(|(turn, _)| turn).collect()
            }
            Method::Ours => {
                self.recall(text, &RetrieveLimits { max_count: 10, min_score: 0.0, ..RetrieveLimits::default() })
            }
        }
    }

    fn recall(&self, text: &str, limits: &RetrieveLimits) -> Vec<i64> {
        let found = self.store.retrieve(text, limits).expect("a search");
        assert!(found.is_sorted_by(|a, b| a.score >= b.score), "best first");
        assert!(found.iter().all(|memory| (0.0..=1.0).contains(&memory.score) && !memory.why.is_empty()));
        found.into_iter().map(|memory| memory.turn).collect()
    }

    fn by_full_text(&self, text: &str) -> Vec<i64> {
        const NO_SUBJECT: &str = " a about again am an and any are as at be been can could did do does for from get \
            give good got had has have he her him his how i if in is it me my of on or our out should so some than that \
            the their them then there these they this to up us was we were what when where which who whom whose why \
            will with would you your ";
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words = words.filter(|word| !NO_SUBJECT.contains(&format!(" {} ", word.to_lowercase())));
        let query: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
        if query.is_empty() {
            return vec![];
        }
        let mut statement = self
            .full_text
            .prepare("SELECT rowid FROM said WHERE said MATCH ?1 ORDER BY bm25(said)")
            .expect("it can be searched");
        let rows = statement.query_map([query.join(" OR ")], |row| row.get(0)).expect("it can be searched");
        rows.map(|row| row.expect("a number")).collect()
    }

    fn by_vectors(&self, text: &str) -> Vec<i64> {
        let query = embed(text);
        let cosine = |vector: &Vec<f32>| vector.iter().zip(&query).map(|(x, y)| x * y).sum::<f32>();
        let mut ranked: Vec<_> = self.vectors.iter().map(cosine).zip(1..).collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        ranked.into_iter().map(|(_, turn)| turn).collect()
    }
}

/// One half of the data.
pub struct World {
    rooms: Vec<Room>,
    unrelated: Vec<String>,
}

impl World {
    pub fn open(split: Split, scope: Scope, facts: Facts) -> Self {
        let mut users: Vec<User> = read("retrieval.jsonl");
        users.retain(|user| user.questions[0].split == split);
        assert!(users.iter().all(|user| user.questions.iter().all(|question| question.split == split)));
        users.sort_by(|a, b| a.user.cmp(&b.user));
        let rooms = match scope {
            Scope::OneUser => users.into_iter().map(|user| Room::new(vec![user], facts)).collect(),
            Scope::AllUsers => vec![Room::new(users, facts)],
        };
        let unrelated: Vec<Unrelated> = read("unrelated.jsonl");
        let unrelated = unrelated.into_iter().filter(|message| message.split == split);
        Self { rooms, unrelated: unrelated.map(|message| message.text).collect() }
    }

    pub fn measure(&self, method: Method) -> Table {
        self.table(|room, text| room.search(method, text))
    }

    /// Ours, with limits of use instead of the first ten.
    pub fn measure_within(&self, limits: &RetrieveLimits) -> Table {
        self.table(|room, text| room.recall(text, limits))
    }

    fn table(&self, search: impl Fn(&Room, &str) -> Vec<i64>) -> Table {
        let mut table = Table::default();
        for room in &self.rooms {
            for question in &room.questions {
                let gold: Vec<i64> = question.gold.iter().map(|id| room.turn_of[id]).collect();
                let measured = Measured::of(&search(room, &question.text), &gold);
                table.by_kind.entry(question.kind).or_default().push(measured);
            }
        }
        table
    }

    /// How many memories are recalled for messages that have nothing to do with any, and for how many messages.
    /// The last number says for how many of them any is.
    pub fn recalled_for_unrelated(&self) -> (usize, usize, usize) {
        let limits = RetrieveLimits::default();
        let recall = |room: &Room, text: &String| room.recall(text, &limits).len();
        let recalled: Vec<usize> =
            self.rooms.iter().flat_map(|room| self.unrelated.iter().map(move |text| recall(room, text))).collect();
        (recalled.iter().sum(), recalled.len(), recalled.iter().filter(|count| **count > 0).count())
    }
}

/// Recall at 1, 5 and 10, and reciprocal rank of the first that matters.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    pub recall_at_1: f64,
    pub recall_at_5: f64,
    pub recall_at_10: f64,
    pub mrr: f64,
}

impl Measured {
    fn of(found: &[i64], gold: &[i64]) -> Self {
        let recall = |k: usize| gold.iter().filter(|turn| found.iter().take(k).any(|found| found == *turn)).count();
        let recall = |k| recall(k) as f64 / gold.len() as f64;
        let first = found.iter().take(10).position(|turn| gold.contains(turn));
        Self {
            recall_at_1: recall(1),
            recall_at_5: recall(5),
            recall_at_10: recall(10),
            mrr: first.map_or(0.0, |place| 1.0 / (place + 1) as f64),
        }
    }

    fn mean(all: impl Iterator<Item = Self> + Clone) -> Self {
        let count = all.clone().count().max(1) as f64;
        let mean = |part: fn(&Self) -> f64| all.clone().map(|one| part(&one)).sum::<f64>() / count;
        Self {
            recall_at_1: mean(|one| one.recall_at_1),
            recall_at_5: mean(|one| one.recall_at_5),
            recall_at_10: mean(|one| one.recall_at_10),
            mrr: mean(|one| one.mrr),
        }
    }
}

impl Measured {
    pub fn numbers(&self) -> [f64; 4] {
        [self.recall_at_1, self.recall_at_5, self.recall_at_10, self.mrr]
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} {:.2} {:.2} {:.3}", self.recall_at_1, self.recall_at_5, self.recall_at_10, self.mrr)
    }
}

#[derive(Debug, Default)]
pub struct Table {
    by_kind: HashMap<Kind, Vec<Measured>>,
}

impl Table {
    pub fn kind(&self, kind: Kind) -> Measured {
        Measured::mean(self.by_kind.get(&kind).into_iter().flatten().copied())
    }

    pub fn all(&self) -> Measured {
        Measured::mean(self.by_kind.values().flatten().copied())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in Kind::ALL {
            write!(f, "{} {} | ", format!("{kind:?}").to_lowercase(), self.kind(kind))?;
        }
        write!(f, "all {}", self.all())
    }
}
