//! The key of an encrypted store: held, wiped, handed to SQLCipher, and derived from.
//!
//! The host keeps the key (Android Keystore, Keychain, a desktop keyring) and hands over its 32 bytes; this room never
//! writes them anywhere. They are the key itself, not a passphrase: no time is spent on stretching them. Without the
//! cargo feature `cipher` a key is refused, never ignored.

use std::fmt;

// Brings the SQLite that `rusqlite` is linked with.
#[cfg(feature = "cipher")]
use aloekit_sqlcipher as _;
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::db::Fault;
use crate::{Error, Result};

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 32;

/// The key of an encrypted store: 32 bytes from a good source of randomness. Wiped from memory when dropped.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; KEY_BYTES]>);

impl StoreKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key of the bytes that the host kept.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when they are not 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            let reason = format!("it has {} bytes and must have {KEY_BYTES}", bytes.len());
            return Err(Error::InvalidInput { what: "key", reason });
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// Another key, from which this one cannot be found (BLAKE3's key derivation).
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(blake3::derive_key(purpose, self.0.as_slice()))
    }

    /// The bytes as SQLCipher takes them for the key itself: `"x'...'"`.
    pub(super) fn literal(&self) -> Zeroizing<String> {
        // Its whole length at once: a string that grows leaves copies behind.
        let mut literal = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 8));
        literal.push_str("\"x'");
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 0xF] {
                literal.push(char::from_digit(u32::from(digit), 16).expect("a half byte is a hexadecimal digit"));
            }
        }
        literal.push_str("'\"");
        literal
    }
}

/// Compares digests, in constant time.
impl PartialEq for StoreKey {
    fn eq(&self, other: &Self) -> bool {
        blake3::hash(self.0.as_slice()) == blake3::hash(other.0.as_slice())
    }
}

impl Eq for StoreKey {}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// Refuses a key that this build could not use.
pub(super) fn expect_cipher(key: Option<&StoreKey>) -> Result<()> {
    if key.is_some() && !cfg!(feature = "cipher") {
        let reason = "this build cannot encrypt: build it with the cargo feature `cipher`".into();
        return Err(Error::InvalidInput { what: "key", reason });
    }
    Ok(())
}

/// Has the connection read and write with the key; whether it is the right one shows at the first read.
pub(super) fn unlock(connection: &Connection, key: &StoreKey) -> Result<(), Fault> {
    connection.execute_batch("PRAGMA cipher_log_level = NONE")?; // a wrong key is an answer, not a line on stderr
    connection.execute_batch(&Zeroizing::new(format!("PRAGMA key = {}", *key.literal())))?;
    Ok(())
}

/// Writes every page anew under another key, in one transaction.
pub(super) fn rekey(connection: &Connection, key: &StoreKey) -> Result<(), Fault> {
    connection.execute_batch(&Zeroizing::new(format!("PRAGMA rekey = {}", *key.literal())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_nothing_of_itself_and_is_compared_by_its_bytes() {
        let key = StoreKey::new([0xAB; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "StoreKey(..)");
        assert_eq!(key, StoreKey::from_slice(&[0xAB; KEY_BYTES]).expect("32 bytes"));
        assert_ne!(key, StoreKey::new([0xAC; KEY_BYTES]));
        for wrong in [0, 16, 31, 33] {
            assert!(matches!(StoreKey::from_slice(&vec![0; wrong]), Err(Error::InvalidInput { what: "key", .. })));
        }
    }

    #[test]
    fn the_bytes_are_handed_over_as_they_are() {
        let literal = StoreKey::new(std::array::from_fn(|i| i as u8)).literal();
        let digits: String = (0..KEY_BYTES).map(|i| format!("{i:02x}")).collect();
        assert_eq!(*literal, format!("\"x'{digits}'\""));
    }

    #[test]
    fn derived_keys_differ_from_the_key_and_from_each_other() {
        let key = StoreKey::new([7; KEY_BYTES]);
        assert_ne!(*key.derive("one"), *key.derive("two"));
        assert_ne!(*key.derive("one"), [7; KEY_BYTES]);
    }
}
