//! Sentences whose places are known, by which the place of a message is told: does it ask back, ask for help, or neither?
//!
//! A request seldom names what it hinges on: "a quick lunch?" says nothing of a disease of the gut. So each kind of
//! request is given here as examples, with examples of what people say of themselves that decides it. The nearer a
//! message is to the one, the more it is drawn towards the other (query expansion after Rocchio, with examples in the
//! place of relevance judgements). By meaning and not by words, so that it holds in every language the embedder knows.

mod texts;

use rusqlite::{Connection, OptionalExtension};

use super::db::{Db, Fault};
use super::embed::{EmbedPurpose, Embedder, embed_checked, normalise};
use super::index::dot;
use super::terms::hash;
use crate::Result;
use texts::{ASKING_BACK, IMPERSONAL, TOPICS};

/// So many of the nearest examples say how near a message is to their kind.
const NEAREST: usize = 3;
/// How sharply the nearest topic is preferred to the next, and how many count.
const TOPIC_SHARPNESS: f32 = 12.0;
const MOST_TOPICS: usize = 2;
/// By how much a message must be nearer to requests than to questions asking back, to be surely one or the other.
const SURELY_ASKING_BACK: f32 = 0.05;
const SURELY_REQUEST: f32 = 0.20;
/// By how much a message must be nearer to either than to what is impersonal, to be surely personal.
const SURELY_PERSONAL: f32 = 0.12;

/// The landmarks as vectors of one embedder.
pub(super) struct Landmarks {
    /// `[topics][requests]`.
    requests: Vec<Vec<Vec<f32>>>,
    /// The mean of each topic's circumstances, of length 1.
    circumstances: Vec<Vec<f32>>,
    asking_back: Vec<Vec<f32>>,
    impersonal: Vec<Vec<f32>>,
}

/// Where a message stands among the landmarks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Bearing {
    /// From 0, asks for something that was told, to 1, asks for help or a suggestion.
    pub(super) request: f32,
    /// From 0, concerns anyone, to 1, concerns the one who asks.
    pub(super) personal: f32,
    /// What it is about, the nearest first, with shares that sum up to 1.
    pub(super) topics: Vec<(&'static str, f32)>,
    /// The direction in which lies what such a request has to heed.
    pub(super) to_heed: Vec<f32>,
}

impl Landmarks {
    /// The landmarks of this embedder: from the store if it has them, or else embedded (some 0.3 s, once in the life of
    /// a store) and stored.
    pub(super) fn load_or_embed(db: &Db, embedder: &dyn Embedder) -> Result<Self> {
        let name = name(embedder);
        if let Some(stored) = db.with(|held| read(&held.connection, &name, embedder.dimension()))? {
            return Ok(Self::from_vectors(stored));
        }
        let vectors = embed(embedder)?;
        let text = to_text(&name, &vectors);
        // Without them stored, all that is lost is time at the next start.
        if let Err(error) = db.write(|tx| Ok(tx.execute(WRITE, (KEY, &text))?)) {
            tracing::debug!(%error, "landmarks could not be stored");
        }
        Ok(Self::from_vectors(vectors))
    }

    /// From vectors in the order of [`texts`].
    fn from_vectors(vectors: Vec<Vec<f32>>) -> Self {
        let mut vectors = vectors.into_iter();
        let mut take = |count: usize| vectors.by_ref().take(count).collect::<Vec<_>>();
        let requests = TOPICS.iter().map(|topic| take(topic.requests.len())).collect();
        let circumstances = TOPICS.iter().map(|topic| mean(&take(topic.circumstances.len()))).collect();
        Self { requests, circumstances, asking_back: take(ASKING_BACK.len()), impersonal: take(IMPERSONAL.len()) }
    }

    pub(super) fn bearing(&self, query: &[f32]) -> Bearing {
        let request = nearness(self.requests.iter().flatten(), query);
        let asking_back = nearness(self.asking_back.iter(), query);
        let impersonal = nearness(self.impersonal.iter(), query);
        let shares = self.shares(query);
        let mut to_heed = vec![0.0; query.len()];
        for (topic, share) in &shares {
            to_heed.iter_mut().zip(&self.circumstances[*topic]).for_each(|(sum, x)| *sum += share * x);
        }
        Bearing {
            request: ramp(request - asking_back, SURELY_ASKING_BACK, SURELY_REQUEST),
            personal: ramp(request.max(asking_back) - impersonal, 0.0, SURELY_PERSONAL),
            topics: shares.into_iter().map(|(topic, share)| (TOPICS[topic].name, share)).collect(),
            to_heed,
        }
    }

    /// Softmax over the nearest topics.
    fn shares(&self, query: &[f32]) -> Vec<(usize, f32)> {
        let nearest = |topic: &Vec<Vec<f32>>| topic.iter().map(|request| dot(request, query)).fold(-1.0, f32::max);
        let mut shares: Vec<_> =
            self.requests.iter().map(|topic| (TOPIC_SHARPNESS * nearest(topic)).exp()).enumerate().collect();
        shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        shares.truncate(MOST_TOPICS);
        let sum: f32 = shares.iter().map(|(_, share)| share).sum();
        shares.iter_mut().for_each(|(_, share)| *share /= sum);
        shares
    }
}

fn ramp(value: f32, from: f32, to: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// Mean cosine of the nearest examples.
fn nearness<'a>(examples: impl Iterator<Item = &'a Vec<f32>>, query: &[f32]) -> f32 {
    let mut cosines: Vec<f32> = examples.map(|example| dot(example, query)).collect();
    cosines.sort_by(|a, b| b.total_cmp(a));
    cosines.iter().take(NEAREST).sum::<f32>() / NEAREST as f32
}

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    vectors.iter().for_each(|vector| sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x));
    normalise(&mut sum); // opposite vectors have no mean direction; zeros then draw a message nowhere
    sum
}

/// Every landmark with what it is embedded for, in the order in which they are stored.
fn texts() -> impl Iterator<Item = (&'static str, EmbedPurpose)> {
    let requests = TOPICS.iter().flat_map(|topic| topic.requests).map(|text| (*text, EmbedPurpose::Query));
    let circumstances = TOPICS.iter().flat_map(|topic| topic.circumstances).map(|text| (*text, EmbedPurpose::Document));
    let others = ASKING_BACK.iter().chain(&IMPERSONAL).map(|text| (*text, EmbedPurpose::Query));
    requests.chain(circumstances).chain(others)
}

fn embed(embedder: &dyn Embedder) -> Result<Vec<Vec<f32>>> {
    let texts: Vec<_> = texts().collect();
    let runs = texts.chunk_by(|(_, a), (_, b)| a == b);
    let mut vectors = Vec::with_capacity(texts.len());
    for run in runs {
        let texts: Vec<&str> = run.iter().map(|(text, _)| *text).collect();
        vectors.extend(embed_checked(embedder, &texts, run[0].1)?);
    }
    Ok(vectors)
}

/// In `meta`: the newest landmarks, of one embedder.
const KEY: &str = "landmarks";
const WRITE: &str = "INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)";

/// Says for which embedder and which texts landmarks are good.
fn name(embedder: &dyn Embedder) -> String {
    let all: String = texts().map(|(text, _)| text).collect();
    format!("{} {} {:016x}", embedder.fingerprint(), embedder.dimension(), hash(all.as_bytes()))
}

fn read(connection: &Connection, name: &str, dimension: usize) -> Result<Option<Vec<Vec<f32>>>, Fault> {
    let stored: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [KEY], |row| row.get(0)).optional()?;
    Ok(stored.and_then(|text| from_text(&text, name, dimension)))
}

/// One byte a number suffices (see the index's matrix), and as text it needs no table of its own.
fn to_text(name: &str, vectors: &[Vec<f32>]) -> String {
    let mut text = format!("{name}\n");
    for vector in vectors {
        let largest = vector.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        vector.iter().for_each(|x| text.push_str(&format!("{:02x}", (x / largest * 127.0).round() as i8 as u8)));
    }
    text
}

/// `None` for the landmarks of another embedder or version, and for anything damaged.
fn from_text(text: &str, name: &str, dimension: usize) -> Option<Vec<Vec<f32>>> {
    let digits = text.strip_prefix(name)?.strip_prefix('\n')?.as_bytes();
    let number = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).ok()?;
        Some(f32::from(u8::from_str_radix(pair, 16).ok()? as i8))
    };
    let numbers: Option<Vec<f32>> = digits.as_chunks::<2>().0.iter().map(number).collect();
    let numbers = numbers.filter(|numbers| numbers.len() == dimension * texts().count())?;
    numbers
        .chunks_exact(dimension)
        .map(|vector| {
            let mut vector = vector.to_vec();
            normalise(&mut vector).map(|()| vector)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::hashing_embedder::HashingEmbedder;
    use super::*;

    #[test]
    fn landmarks_come_back_from_their_text_nearly_the_same() {
        let embedder = HashingEmbedder::new(64);
        let vectors = embed(&embedder).expect("they are embedded");
        let name = name(&embedder);
        let text = to_text(&name, &vectors);
        let back = from_text(&text, &name, 64).expect("the text is whole");
        assert!(vectors.iter().zip(&back).all(|(a, b)| dot(a, b) > 0.999));
        assert_eq!(from_text(&text, "another embedder", 64), None);
        assert_eq!(from_text(&text[..text.len() - 1], &name, 64), None);
        assert_eq!(from_text(&text.replace('0', "x"), &name, 64), None);
    }

    #[test]
    fn a_message_like_a_landmark_of_a_kind_is_of_that_kind() {
        let landmarks = Landmarks::from_vectors(embed(&HashingEmbedder::new(256)).expect("they are embedded"));
        let bearing = |text: &str| {
            let vectors = HashingEmbedder::new(256).embed(&[text], EmbedPurpose::Query).expect("it is embedded");
            landmarks.bearing(&vectors[0])
        };
        let lunch = bearing("What can I eat for lunch?");
        assert_eq!(lunch.topics[0].0, "eating");
        assert!(lunch.topics.iter().map(|(_, share)| share).sum::<f32>() > 0.99);
        assert!(bearing("Where do I work at the moment?").request < lunch.request);
        assert!(bearing("Translate this sentence into French.").personal < lunch.personal);
    }
}
