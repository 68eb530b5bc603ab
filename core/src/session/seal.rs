//! KV snapshots under a key: they hold the conversation, so they are sealed where the store is encrypted.
//!
//! XChaCha20-Poly1305 with a random nonce a file, under a key derived from the store's. What cannot be opened, or is not
//! this conversation's, is no snapshot: the prompt is computed from text.

use chacha20poly1305::aead::rand_core::RngCore;
use chacha20poly1305::aead::{AeadInPlace, KeyInit, OsRng};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"ALOESEAL";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = MAGIC.len() + NONCE_BYTES + TAG_BYTES;

/// What seals the snapshots of one store.
pub(super) struct Seal(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Encrypts the bytes of a conversation where they stand, as a snapshot is large; the head goes before them.
    pub(super) fn seal(&self, conversation: i64, body: &mut [u8]) -> Result<[u8; HEAD_BYTES]> {
        let mut nonce = XNonce::default();
        OsRng.fill_bytes(&mut nonce);
        let tag = self
            .cipher()
            .encrypt_in_place_detached(&nonce, &conversation.to_le_bytes(), body)
            .map_err(|_| Error::internal("a snapshot is too long to be sealed"))?;
        let mut head = [0; HEAD_BYTES];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..][..NONCE_BYTES].copy_from_slice(&nonce);
        head[MAGIC.len() + NONCE_BYTES..].copy_from_slice(&tag);
        Ok(head)
    }

    /// The bytes of a sealed file; `None` when it was not sealed for this conversation with this key.
    pub(super) fn open(&self, conversation: i64, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        if sealed.len() < HEAD_BYTES || !sealed.starts_with(MAGIC) {
            return None;
        }
        let (head, body) = sealed.split_at_mut(HEAD_BYTES);
        let (nonce, tag) = head[MAGIC.len()..].split_at(NONCE_BYTES);
        let (nonce, tag) = (XNonce::from_slice(nonce), Tag::from_slice(tag));
        self.cipher().decrypt_in_place_detached(nonce, &conversation.to_le_bytes(), body, tag).ok()?;
        sealed.drain(..HEAD_BYTES);
        Some(sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_conversation_open_what_was_sealed_and_nothing_of_it_shows() {
        let seal = Seal::new(Zeroizing::new([1; 32]));
        let plain = b"I play the cello. ".repeat(50);
        let file = || {
            let mut body = plain.clone();
            let head = seal.seal(7, &mut body).expect("sealed");
            [head.as_slice(), &body].concat()
        };
        let sealed = file();
        assert!(!sealed.windows(5).any(|five| five == b"cello"));
        assert_ne!(sealed, file(), "a nonce is never used twice");
        assert_eq!(seal.open(7, sealed.clone()).as_deref(), Some(plain.as_slice()));
        assert!(seal.open(8, sealed.clone()).is_none());
        assert!(Seal::new(Zeroizing::new([2; 32])).open(7, sealed.clone()).is_none());
        assert!(seal.open(7, plain).is_none());
        for place in [0, 8, 33, 50, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(seal.open(7, changed).is_none(), "byte {place}");
        }
    }
}
