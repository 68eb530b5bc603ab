//! The format on disk is SQLCipher 4's: what another build of it wrote is read here, and nothing else is.

use std::fs;
use std::path::{Path, PathBuf};

use aloekit_sqlcipher as _;
use rusqlite::Connection;

/// Written by SQLCipher 4.20 with OpenSSL 3.6.3, under the bytes 0 to 31.
const WRITTEN_WITH_OPENSSL: &str = "tests/written_with_openssl.db";

fn key(first: u8) -> String {
    let digits: String = (0..32).map(|i| format!("{:02x}", first + i)).collect();
    format!("\"x'{digits}'\"")
}

fn open(path: &Path, key: &str) -> Connection {
    let connection = Connection::open(path).expect("the file opens");
    connection.execute_batch(&format!("PRAGMA cipher_log_level = NONE; PRAGMA key = {key}")).expect("a key is taken");
    connection
}

fn lines(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT line FROM said")?.query_map([], |row| row.get(0))?.collect()
}

/// A copy, and the folder that it lasts as long as.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copy.db");
    fs::copy(WRITTEN_WITH_OPENSSL, &path).expect("the fixture is there");
    (folder, path)
}

#[test]
fn what_sqlcipher_wrote_with_openssl_is_read_and_written_here() {
    let (_folder, path) = copy();
    assert_eq!(lines(&open(&path, &key(0))).expect("the key is right"), ["written with OpenSSL"]);
    open(&path, &key(0)).execute("INSERT INTO said VALUES ('and here')", []).expect("it can be written");
    let connection = open(&path, &key(0));
    assert_eq!(lines(&connection).expect("the key is right").len(), 2);
    let faults: Vec<String> = connection
        .prepare("PRAGMA cipher_integrity_check")
        .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect())
        .expect("every page can be checked");
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn another_key_and_another_byte_are_refused() {
    let (_folder, path) = copy();
    assert!(lines(&open(&path, &key(1))).is_err());
    let mut bytes = fs::read(&path).expect("the copy is there");
    bytes[5000] ^= 1;
    fs::write(&path, bytes).expect("the copy can be written");
    assert!(lines(&open(&path, &key(0))).is_err());
}

#[test]
fn the_key_can_be_changed_and_no_two_writes_look_alike() {
    let (_folder, path) = copy();
    let before = fs::read(&path).expect("the copy is there");
    let connection = open(&path, &key(0));
    assert_eq!(lines(&connection).expect("the key is right").len(), 1);
    for first in [40, 0] {
        connection.execute_batch(&format!("PRAGMA rekey = {}", key(first))).expect("the key is changed");
    }
    drop(connection);
    assert_eq!(lines(&open(&path, &key(0))).expect("the key is right").len(), 1);
    let after = fs::read(&path).expect("the copy is there");
    assert_ne!(before[4096..], after[4096..], "each page begins with random bytes of its own");
}

#[test]
fn the_ciphers_are_those_of_this_crate_and_the_switches_hold() {
    let (_folder, path) = copy();
    let connection = open(&path, &key(0));
    let provider: String = connection.query_row("PRAGMA cipher_provider", [], |row| row.get(0)).expect("a name");
    assert_eq!(provider, "rustcrypto");
    connection.execute_batch("CREATE VIRTUAL TABLE words USING fts5(line)").expect("FTS5 is there");
    let lets_extensions_in = connection.query_row("SELECT load_extension('x')", [], |_| Ok(()));
    assert!(lets_extensions_in.is_err());
}
