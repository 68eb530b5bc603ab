//! The key of an encrypted memory: from a file, the environment or the system's keyring, never from an argument.
//!
//! Refuses to keep a key where it would be lost: Linux's keyring for programs without a desktop forgets at shutdown, and
//! a memory without its key cannot be read by anyone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use aloekit::memory::{KEY_BYTES, MemoryParams, StoreKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// 64 hexadecimal digits.
const VARIABLE: &str = "ALOE_STORE_KEY";
/// The service's name in the keyring; the user's name there is the memory's path.
const SERVICE: &str = "aloekit memory";
/// Under this name lies the key that a memory is being put under.
const NEXT_SERVICE: &str = "aloekit memory, next key";
/// What every SQLite file that is not encrypted begins with.
const PLAIN: &[u8] = b"SQLite format 3\0";
const HINT: &str = "a key is 32 bytes, or 64 hexadecimal digits; `aloe memory encrypt --key-file FILE` makes one";

/// The parameters of the memory in this file, with its key if it has one or is to have one.
pub(crate) fn params(path: PathBuf, key_file: Option<&Path>) -> Result<MemoryParams> {
    let given = match given(key_file)? {
        None if is_encrypted(&path) => from_keyring(&path),
        given => given,
    };
    Ok(MemoryParams { key: given, ..MemoryParams::file(path) })
}

/// Whether this is a memory that is there and not plain.
pub(crate) fn is_encrypted(path: &Path) -> bool {
    let mut head = [0; PLAIN.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head != PLAIN
}

/// Whether what is typed to this memory must not be written down in the clear: a new one's file may hold nothing yet.
pub(crate) fn is_secret(path: &Path, key_file: Option<&Path>) -> bool {
    is_encrypted(path) || matches!(given(key_file), Ok(Some(_)))
}

/// The key that a plain memory is encrypted with: the one given, or a new one that is kept before this returns.
pub(crate) fn given_or_new(path: &Path, key_file: Option<&Path>) -> Result<StoreKey> {
    match key_file {
        Some(file) if !file.exists() => new_in_file(file),
        _ => given(key_file)?.map_or_else(|| new_in_keyring(SERVICE, path), Ok),
    }
}

/// A key that takes the place of a memory's present one. The keyring holds both until the memory is under the new one:
/// whenever the process dies, the memory's key is kept.
pub(crate) struct Replacement {
    key: StoreKey,
    in_keyring: bool,
}

impl Replacement {
    /// The key in the file, or a new one that is kept before this returns: there, or in the keyring.
    pub(crate) fn given_or_new(path: &Path, key_file: Option<&Path>) -> Result<Self> {
        let key = match key_file {
            Some(file) if !file.exists() => new_in_file(file),
            Some(file) => read(file),
            None => new_in_keyring(NEXT_SERVICE, path),
        };
        Ok(Self { key: key?, in_keyring: key_file.is_none() })
    }

    pub(crate) fn key(&self) -> &StoreKey {
        &self.key
    }

    /// Once the memory is under it.
    pub(crate) fn put_in_place(&self, path: &Path) -> Result<()> {
        if self.in_keyring && promote(path).is_none() {
            let reason = "the memory is under its new key, and the keyring still has that as the next one";
            return Err(Error::usage(reason, "unlock the keyring; the next command puts it in place"));
        }
        Ok(())
    }
}

fn given(key_file: Option<&Path>) -> Result<Option<StoreKey>> {
    if let Some(file) = key_file {
        return read(file).map(Some);
    }
    let text: Option<Zeroizing<Vec<u8>>> = std::env::var_os(VARIABLE).map(|text| text.into_encoded_bytes().into());
    text.filter(|text| !text.is_empty()).map(|text| parse(&text, VARIABLE)).transpose()
}

fn read(file: &Path) -> Result<StoreKey> {
    let bytes = Zeroizing::new(std::fs::read(file).map_err(|error| Error::io(file, error))?);
    parse(&bytes, &file.display().to_string())
}

/// 32 bytes as they are, or their hexadecimal digits with white space around them.
fn parse(bytes: &[u8], origin: &str) -> Result<StoreKey> {
    if let Ok(key) = StoreKey::from_slice(bytes) {
        return Ok(key);
    }
    let digits = bytes.trim_ascii();
    if digits.len() != 2 * KEY_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Error::usage(format!("{origin} holds no key of a memory"), HINT));
    }
    let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit.to_ascii_lowercase() - b'a' + 10 };
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (value(pair[0]) << 4) | value(pair[1]);
    }
    Ok(StoreKey::new(*key))
}

fn new_in_file(path: &Path) -> Result<StoreKey> {
    let bytes = random()?;
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes.as_slice())?;
        file.sync_all()
    });
    written.map_err(|error| Error::io(path, error))?;
    Ok(StoreKey::new(*bytes))
}

fn new_in_keyring(service: &str, path: &Path) -> Result<StoreKey> {
    if cfg!(target_os = "linux") {
        let reason = "this system's keyring forgets its keys when the machine is switched off";
        let option = if service == SERVICE { "--key-file" } else { "--new-key-file" };
        return Err(Error::usage(reason, format!("{option} FILE keeps the key in a file, made if it is not there")));
    }
    let bytes = random()?;
    let kept = entry(service, path).and_then(|entry| {
        entry.set_secret(bytes.as_slice())?;
        entry.get_secret().map(Zeroizing::new)
    });
    match kept {
        Ok(kept) if kept.as_slice() == bytes.as_slice() => Ok(StoreKey::new(*bytes)),
        // Its own text may quote what it was given.
        _ => Err(Error::usage("the system's keyring did not keep the key", "--key-file FILE keeps it in a file")),
    }
}

/// A machine without a keyring, or one that is locked, has no key there. Where a change of keys was cut short, the memory
/// itself says which of two is its own.
fn from_keyring(path: &Path) -> Option<StoreKey> {
    match kept(NEXT_SERVICE, path) {
        Some(next) if opens(path, &next) => promote(path).or(Some(next)),
        _ => kept(SERVICE, path),
    }
}

fn opens(path: &Path, key: &StoreKey) -> bool {
    let params = MemoryParams { key: Some(key.clone()), ..MemoryParams::file(path) };
    aloekit::memory::MemoryStore::open(params, None).is_ok()
}

/// Makes the next key the present one.
fn promote(path: &Path) -> Option<StoreKey> {
    let next = entry(NEXT_SERVICE, path).ok()?;
    let bytes = Zeroizing::new(next.get_secret().ok()?);
    entry(SERVICE, path).ok()?.set_secret(&bytes).ok()?;
    next.delete_credential().ok()?;
    StoreKey::from_slice(&bytes).ok()
}

fn kept(service: &str, path: &Path) -> Option<StoreKey> {
    let bytes = Zeroizing::new(entry(service, path).ok()?.get_secret().ok()?);
    StoreKey::from_slice(&bytes).ok()
}

fn entry(service: &str, path: &Path) -> keyring::Result<keyring::Entry> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    keyring::Entry::new(service, &whole.to_string_lossy())
}

fn random() -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(Error::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_their_digits_and_nothing_else() {
        let key = StoreKey::new([0xA7; KEY_BYTES]);
        assert_eq!(parse(&[0xA7; KEY_BYTES], "f").expect("bytes"), key);
        assert_eq!(parse(format!(" {}\n", "a7".repeat(KEY_BYTES)).as_bytes(), "f").expect("digits"), key);
        for wrong in ["", "a7", &"g7".repeat(KEY_BYTES), &"a7".repeat(KEY_BYTES + 1)] {
            let error = parse(wrong.as_bytes(), "the file").expect_err("no key").to_string();
            assert_eq!(error, "the file holds no key of a memory", "it names none of the bytes");
        }
    }

    /// The system's own keyring: on Linux the kernel's, which lasts as long as this test needs it.
    #[test]
    fn where_a_change_of_keys_was_cut_short_the_memory_says_which_of_two_kept_keys_is_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.db");
        let keys = [[1; KEY_BYTES], [2; KEY_BYTES]];
        let store = |service, key: [u8; KEY_BYTES]| entry(service, &path).and_then(|entry| entry.set_secret(&key));
        let made = MemoryParams { key: Some(StoreKey::new(keys[0])), ..MemoryParams::file(&path) };
        let memory = aloekit::memory::MemoryStore::open(made, None).expect("a memory");
        if store(SERVICE, keys[0]).and(store(NEXT_SERVICE, keys[1])).is_err() || kept(NEXT_SERVICE, &path).is_none() {
            let skipped = "\nSKIPPED a change of keys that was cut short: no keyring answers here";
            // Past the test harness, which keeps the words of a test that passes to itself.
            writeln!(std::io::stderr(), "{skipped}").expect("somebody reads it");
            return;
        }
        let found = || params(path.clone(), None).expect("parameters").key;
        assert_eq!(found(), Some(StoreKey::new(keys[0])), "the next key is not used before it is the memory's");
        memory.rekey(&StoreKey::new(keys[1])).expect("another key");
        drop(memory);
        assert_eq!(found(), Some(StoreKey::new(keys[1])));
        assert!(kept(NEXT_SERVICE, &path).is_none(), "it is the present one now");
        assert_eq!(found(), Some(StoreKey::new(keys[1])));
        entry(SERVICE, &path).and_then(|entry| entry.delete_credential()).expect("nothing is left behind");
    }

    #[test]
    fn a_new_key_is_kept_in_a_file_of_its_owner_and_found_there_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, file) = (folder.path().join("memory.db"), folder.path().join("key"));
        let key = given_or_new(&path, Some(&file)).expect("a key");
        assert_eq!(given_or_new(&path, Some(&file)).expect("the same"), key);
        assert_eq!(params(path, Some(&file)).expect("parameters").key, Some(key));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("it is there").permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
