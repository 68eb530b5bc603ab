//! What the user thinks of replies: a thumb, or the words that they would rather have read.
//!
//! A rating rests on its turn and goes with it. The conversation goes on with the reply as it was given: what is rated
//! is material for training (`preferences`), not history.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::db::{Fault, unknown_word};
use super::{MAX_TURN_BYTES, MemoryStore, forget};
use crate::{Error, Result};

/// What the user thinks of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Thumb up.
    Up,
    /// Thumb down.
    Down,
    /// What it should have said instead.
    Edited(String),
}

/// A rating as an export holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedRating {
    /// Number of the turn whose reply is rated.
    pub turn: i64,
    /// What the user thinks of it.
    pub rating: Rating,
}

impl Rating {
    fn edited(&self) -> Option<&str> {
        match self {
            Self::Edited(text) => Some(text),
            Self::Up | Self::Down => None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Edited(_) => "edited",
        }
    }

    /// A rating of the columns `verdict` and `edited`.
    pub(super) fn read(verdict: &str, edited: Option<String>) -> Result<Self, Fault> {
        match (verdict, edited) {
            ("up", None) => Ok(Self::Up),
            ("down", None) => Ok(Self::Down),
            ("edited", Some(text)) => Ok(Self::Edited(text)),
            _ => Err(unknown_word("rating").into()),
        }
    }

    /// Refuses what says nothing about this reply.
    pub(super) fn check(&self, reply: Option<&str>) -> Result<()> {
        let reason = match (reply.map(str::trim), self.edited().map(str::trim)) {
            (None | Some(""), _) => "the turn has no reply; rate one that has ended",
            (_, Some("")) => "the edited reply is empty; rate it down to say that nothing of it is good",
            (Some(reply), Some(edited)) if reply == edited => "the edit changes nothing; rate it up to say it is good",
            (_, Some(edited)) if edited.len() > MAX_TURN_BYTES => "the edited reply is longer than 4 MiB; shorten it",
            _ => return Ok(()),
        };
        Err(Error::InvalidInput { what: "rating", reason: reason.into() })
    }
}

impl MemoryStore {
    /// Keeps what the user thinks of the reply to a turn, in place of what they thought before: the bytes of an edit
    /// that is replaced leave the files. Through [`Session::rate`](crate::Session::rate) a reply that is still being
    /// generated is refused too.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the turn, [`Error::InvalidInput`] for a turn without a reply and for an edit that is
    /// empty, the reply itself or above [`MAX_TURN_BYTES`], and those of storage: then nothing was changed.
    pub fn rate(&self, turn: i64, rating: &Rating) -> Result<()> {
        self.changing_ratings(|tx| {
            rating.check(reply(tx, turn)?.as_deref())?;
            store(tx, turn, rating)
        })
    }

    /// Takes a rating back; that there was none is no error.
    ///
    /// # Errors
    /// Those of storage.
    pub fn unrate(&self, turn: i64) -> Result<()> {
        self.changing_ratings(|tx| remove(tx, turn))
    }

    /// What the user thinks of the reply to a turn, if they said so.
    ///
    /// # Errors
    /// Those of storage.
    pub fn rating(&self, turn: i64) -> Result<Option<Rating>> {
        self.inner.db.with(|held| of_turn(&held.connection, turn))
    }

    fn changing_ratings(&self, change: impl FnOnce(&Connection) -> Result<(), Fault>) -> Result<()> {
        self.inner.db.with(|held| {
            let was_edited = held.transaction(|tx| {
                let edits = "SELECT count(*) FROM ratings WHERE edited IS NOT NULL";
                let before: i64 = tx.query_row(edits, [], |row| row.get(0))?;
                change(tx)?;
                if before > 0 {
                    forget::note_pending_wipe(tx)?;
                }
                Ok(before > 0)
            })?;
            if was_edited {
                // Changed in any case; an error here only delays the wiping of the edit before.
                let _ = forget::wipe(held);
            }
            Ok(())
        })
    }
}

fn reply(connection: &Connection, turn: i64) -> Result<Option<String>, Fault> {
    let found = connection
        .prepare_cached("SELECT reply FROM turns WHERE id = ?1")?
        .query_row([turn], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| Error::NotFound { what: "turn", id: turn }.into())
}

pub(super) fn store(connection: &Connection, turn: i64, rating: &Rating) -> Result<(), Fault> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO ratings(turn, verdict, edited) VALUES (?1, ?2, ?3)")?
        .execute((turn, rating.verdict(), rating.edited()))?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, turn: i64) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM ratings WHERE turn = ?1")?.execute([turn])?;
    Ok(())
}

fn of_turn(connection: &Connection, turn: i64) -> Result<Option<Rating>, Fault> {
    let mut statement = connection.prepare_cached("SELECT turn, verdict, edited FROM ratings WHERE turn = ?1")?;
    let rating = statement.query_row([turn], |row| Ok(read(row))).optional()?.transpose()?;
    Ok(rating.map(|rated| rated.rating))
}

/// All ratings, oldest turn first.
pub(super) fn all(connection: &Connection) -> Result<Vec<ExportedRating>, Fault> {
    let mut statement = connection.prepare_cached("SELECT turn, verdict, edited FROM ratings ORDER BY turn")?;
    let mut rows = statement.query([])?;
    let mut ratings = Vec::new();
    while let Some(row) = rows.next()? {
        ratings.push(read(row)?);
    }
    Ok(ratings)
}

fn read(row: &Row<'_>) -> Result<ExportedRating, Fault> {
    let rating = Rating::read(&row.get::<_, String>(1)?, row.get(2)?)?;
    Ok(ExportedRating { turn: row.get(0)?, rating })
}
