//! The one connection of a store: opening it, transactions, and SQLite's faults as errors that an app can act on.
//!
//! One connection behind one mutex, with the vector index beside it: a write and its entry in the index are seen
//! together or not at all. Transactions begin IMMEDIATE, because a read that turns into a write fails at once when
//! another process wrote in between. No text of SQLite's own gets into an error: it may quote what a user said.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::cipher::{self, expect_cipher};
use super::index::MemoryIndex;
use super::params::{Durability, MemoryParams, StorePath};
use super::{damage, schema};
use crate::{Error, Result};

/// Why a closure on the connection failed: SQLite's fault, or an error that is ours already.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Sqlite(fault)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

pub(super) struct Db {
    path: PathBuf,
    held: Mutex<Held>,
}

/// What the mutex guards. The file outlives the connection, which is dropped first: closing any handle on a file takes
/// the process's POSIX locks from it, SQLite's too.
pub(super) struct Held {
    pub(super) connection: Connection,
    pub(super) index: MemoryIndex,
    file: Option<File>,
}

impl Held {
    /// Runs `work` in one transaction: all of it or nothing.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Runs `work` on the store as it is at one moment. Unlike [`Held::transaction`] it needs no lock, so that reading
    /// goes on while another process writes.
    pub(super) fn snapshot<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        work(&Transaction::new(&mut self.connection, TransactionBehavior::Deferred)?)
    }

    /// The file beneath the connection, where its pages can be read; `None` for a store in RAM or under a key.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }
}

impl Db {
    pub(super) fn open(params: &MemoryParams) -> Result<Self> {
        match &params.path {
            StorePath::InMemory => Self::open_in_memory(params),
            StorePath::File(path) => Self::open_file(path, params),
        }
    }

    fn open_in_memory(params: &MemoryParams) -> Result<Self> {
        expect_cipher(params.key.as_ref())?;
        let path = PathBuf::from(":memory:");
        let opened = Connection::open_in_memory().map_err(Fault::from).and_then(|c| prepare(c, params));
        match opened {
            Ok(connection) => Ok(Self::new(path, connection, None)),
            Err(fault) => Err(error(&path, fault)),
        }
    }

    fn open_file(path: &Path, params: &MemoryParams) -> Result<Self> {
        expect_cipher(params.key.as_ref())?;
        damage::refuse_foreign_file(path, params.key.is_some())?;
        damage::create_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).map_err(Fault::from).and_then(|connection| {
            if let Some(key) = &params.key {
                cipher::unlock(&connection, key)?;
            }
            refuse_what_is_not_ours(&connection, path, params).map_err(|fault| locked_out(fault, path, params))?;
            prepare(connection, params)
        });
        match opened {
            Ok(connection) if params.key.is_some() => Ok(Self::new(path.to_path_buf(), connection, None)),
            Ok(connection) => Ok(Self::new(path.to_path_buf(), connection, Some(damage::open(path)?))),
            Err(fault) => Err(error(path, fault)),
        }
    }

    fn new(path: PathBuf, connection: Connection, file: Option<File>) -> Self {
        Self { path, held: Mutex::new(Held { connection, index: MemoryIndex::default(), file }) }
    }

    /// Runs `work` while nothing else uses the connection.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Held) -> Result<T, Fault>) -> Result<T> {
        let mut held = self.lock();
        work(&mut held).map_err(|fault| error_in_use(&self.path, fault))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            // A panic under the lock rolled its transaction back, but may have left the index ahead of the store.
            self.held.clear_poison();
            let mut held = poisoned.into_inner();
            held.index.invalidate();
            held
        })
    }

    /// Runs `work` in one transaction.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        self.with(|held| held.transaction(work))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Checks, before anything can be written, that this version may use the store.
fn refuse_what_is_not_ours(connection: &Connection, path: &Path, params: &MemoryParams) -> Result<(), Fault> {
    connection.busy_timeout(Duration::from_millis(params.lock_wait_ms))?;
    // A refused store must stay as it is: without this, closing would fold its WAL into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if connection.is_readonly("main")? {
        return Err(Error::StorageDenied { path: path.into(), reason: "it is read-only".into() }.into());
    }
    let found = schema::version(connection)?;
    if found > schema::NEWEST {
        return Err(Error::SchemaTooNew { path: path.into(), found, supported: schema::NEWEST }.into());
    }
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if found < 0 || (tables > 0 && owner != schema::APPLICATION_ID) {
        return Err(damage::foreign(path, "it is the database of another program").into());
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// The first page is read first of all; under another key it is noise.
fn locked_out(fault: Fault, path: &Path, params: &MemoryParams) -> Fault {
    match &fault {
        Fault::Sqlite(sqlite)
            if params.key.is_some() && sqlite.sqlite_error_code() == Some(ErrorCode::NotADatabase) =>
        {
            Error::WrongKey { path: path.into() }.into()
        }
        _ => fault,
    }
}

fn prepare(mut connection: Connection, params: &MemoryParams) -> Result<Connection, Fault> {
    connection.busy_timeout(Duration::from_millis(params.lock_wait_ms))?;
    connection.set_prepared_statement_cache_capacity(64);
    let synchronous = match params.durability {
        Durability::ProcessCrash => "NORMAL",
        Durability::PowerLoss => "FULL",
    };
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?; // a sort or VACUUM must not leave user text in a temporary file
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if cfg!(target_vendor = "apple") {
        connection.pragma_update(None, "fullfsync", true)?; // plain fsync on Apple does not reach the disk
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    schema::climb(&mut connection)?;
    Ok(connection)
}

/// As [`error`]. In an open store every statement of ours fits the schema, so one that SQLite cannot make sense of has
/// met damage (measured: a flipped byte in the full-text tables gives code 1). While opening it may as well be a
/// defect of an upgrade, for which no store must be set aside.
fn error_in_use(path: &Path, fault: Fault) -> Error {
    match &fault {
        Fault::Sqlite(sqlite) if sqlite.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            tracing::debug!(%sqlite, "a statement does not fit the store");
            damage::damaged(path, "its tables are not as they were made")
        }
        _ => error(path, fault),
    }
}

/// The fault as an error that says what the caller can do.
pub(super) fn error(path: &Path, fault: Fault) -> Error {
    let fault = match fault {
        Fault::Ours(error) => return error,
        Fault::Sqlite(fault) => fault,
    };
    let path = path.to_path_buf();
    let rusqlite::Error::SqliteFailure(code, _) = fault else {
        return conversion_error(path, &fault);
    };
    let reason = format!("SQLite code {}", code.extended_code);
    match code.code {
        ErrorCode::DiskFull => Error::StorageFull { path },
        // Measured: a full disk also shows as an I/O error, and as a file that cannot be made.
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if damage::disk_is_full(&path) => {
            Error::StorageFull { path }
        }
        ErrorCode::SystemIoFailure => Error::Io { path, source: std::io::Error::other(reason) },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            Error::StorageLocked { path }
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::StorageCorrupt { path, reason },
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => Error::StorageDenied { path, reason },
        ErrorCode::OperationInterrupted => Error::Cancelled,
        ErrorCode::TooBig => Error::InvalidInput { what: "text", reason: "too long to be stored".into() },
        _ => Error::Internal { reason },
    }
}

/// A value of another type than the schema's, or text that is not UTF-8: only damage puts it there.
fn conversion_error(path: PathBuf, fault: &rusqlite::Error) -> Error {
    match fault {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => {
            Error::StorageCorrupt { path, reason: "a row does not fit its table".into() }
        }
        _ => Error::internal("the memory store used SQLite wrongly"),
    }
}

/// A word in a column that knows only some: the schema's CHECK keeps others out, so only damage puts one there.
pub(super) fn unknown_word(column: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(0, column.into(), rusqlite::types::Type::Text)
}
