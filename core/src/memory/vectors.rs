//! Vectors as they are stored: which embedder made them, and making the missing ones anew.
//!
//! Each vector names its embedder, so a change of embedder is caught up batch by batch, and a crash in between costs
//! one batch. The embedder runs outside the lock: a chat goes on while its memory is embedded anew.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::db::{Db, Fault, Held};
use super::embed::{EmbedPurpose, Embedder, embed_checked};
use super::index::{embedder_row, to_blob};
use crate::{Error, Result};

/// Texts embedded in one call; more does not make one text cheaper (measured), fewer loses batching.
const BATCH: usize = 32;

/// How far the vectors of a store match its embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VectorStatus {
    /// Memories whose vector the present embedder made.
    pub current: u64,
    /// Memories whose vector another embedder made: found by words only.
    pub stale: u64,
    /// Memories without a vector: found by words only.
    pub missing: u64,
}

pub(super) fn store(
    connection: &Connection,
    memory: i64,
    embedder: &dyn Embedder,
    vector: &[f32],
) -> Result<(), Fault> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO embedders(fingerprint, dimension) VALUES (?1, ?2)")?
        .execute((embedder.fingerprint(), embedder.dimension() as i64))?;
    let row = embedder_row(connection, embedder)?
        .ok_or_else(|| Error::internal("the embedder's row vanished in its own transaction"))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO vectors(memory, embedder, vector) VALUES (?1, ?2, ?3)")?
        .execute((memory, row, to_blob(vector)))?;
    Ok(())
}

pub(super) fn status(held: &mut Held, embedder: Option<&dyn Embedder>) -> Result<VectorStatus, Fault> {
    let present = match embedder {
        Some(embedder) => embedder_row(&held.connection, embedder)?,
        None => None,
    };
    let counted = held.connection.query_row(
        "SELECT count(*) FILTER (WHERE v.embedder = ?1),
                count(*) FILTER (WHERE v.embedder IS NOT NULL AND v.embedder IS NOT ?1),
                count(*) FILTER (WHERE v.embedder IS NULL)
         FROM memories m LEFT JOIN vectors v ON v.memory = m.id",
        [present],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
    )?;
    let (current, stale, missing) = counted;
    Ok(VectorStatus { current: current.unsigned_abs(), stale: stale.unsigned_abs(), missing: missing.unsigned_abs() })
}

/// Refuses to search by meaning in vectors that another embedder made.
pub(super) fn expect_same_embedder(held: &mut Held, embedder: &dyn Embedder) -> Result<(), Fault> {
    let other = held
        .connection
        .prepare_cached(
            "SELECT e.fingerprint, e.dimension FROM embedders e
             WHERE EXISTS (SELECT 1 FROM vectors v WHERE v.embedder = e.id)
               AND NOT (e.fingerprint = ?1 AND e.dimension = ?2) LIMIT 1",
        )?
        .query_map((embedder.fingerprint(), embedder.dimension() as i64), |row| {
            Ok(named(&row.get::<_, String>(0)?, row.get(1)?))
        })?
        .next()
        .transpose()?;
    match other {
        Some(stored) => {
            let given = named(embedder.fingerprint(), embedder.dimension() as i64);
            Err(Error::EmbedderChanged { stored, given }.into())
        }
        None => Ok(()),
    }
}

fn named(fingerprint: &str, dimension: i64) -> String {
    format!("{fingerprint} ({dimension} dimensions)")
}

/// Gives a vector of the present embedder to every memory that has none; returns to how many.
pub(super) fn reembed(db: &Db, embedder: &dyn Embedder) -> Result<u64> {
    let mut done = 0;
    let mut after = 0;
    loop {
        let batch = db.with(|held| without_current_vector(&held.connection, embedder, after))?;
        let Some((last, _)) = batch.last() else { break };
        after = *last;
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let vectors = embed_checked(embedder, &texts, EmbedPurpose::Document)?;
        done += db.with(|held| store_batch(held, embedder, &batch, &vectors))?;
    }
    db.write(|tx| {
        tx.execute("DELETE FROM embedders WHERE id NOT IN (SELECT embedder FROM vectors)", [])?;
        Ok(())
    })?;
    Ok(done)
}

type Batch = Vec<(i64, String)>;

fn without_current_vector(connection: &Connection, embedder: &dyn Embedder, after: i64) -> Result<Batch, Fault> {
    let present = embedder_row(connection, embedder)?;
    let mut statement = connection.prepare_cached(
        "SELECT m.id, m.text FROM memories m LEFT JOIN vectors v ON v.memory = m.id
         WHERE m.id > ?1 AND (v.embedder IS NULL OR v.embedder IS NOT ?2) ORDER BY m.id LIMIT ?3",
    )?;
    let rows = statement.query_map((after, present, BATCH as i64), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Stores the vectors of those memories that are still there and still say the same.
pub(super) fn store_batch(
    held: &mut Held,
    embedder: &dyn Embedder,
    batch: &[(i64, String)],
    vectors: &[Vec<f32>],
) -> Result<u64, Fault> {
    held.index.invalidate();
    held.transaction(|tx| {
        let mut stored = 0;
        for ((id, text), vector) in batch.iter().zip(vectors) {
            let mut same = tx.prepare_cached("SELECT 1 FROM memories WHERE id = ?1 AND text = ?2")?;
            if same.exists((id, text))? {
                store(tx, *id, embedder, vector)?;
                stored += 1;
            }
        }
        Ok(stored)
    })
}
