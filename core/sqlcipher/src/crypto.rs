//! What SQLCipher's format is made of, on slices. Knows no pointers.

use aes::Aes256;
use aes::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

/// Bytes of a key of AES-256.
pub(crate) const KEY_BYTES: usize = 32;

/// Bytes of a block, and of the vector that begins a page.
pub(crate) const BLOCK_BYTES: usize = 16;

/// Bytes of an HMAC-SHA-512.
pub(crate) const MAC_BYTES: usize = 64;

/// Which way a page goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From what SQLite reads to what the disk holds.
    Encrypt,
    /// From what the disk holds to what SQLite reads.
    Decrypt,
}

/// A length that is none of the format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongLength;

/// AES-256 in CBC mode over `bytes`, in place, without padding.
pub(crate) fn crypt(direction: Direction, key: &[u8], iv: &[u8], bytes: &mut [u8]) -> Result<(), WrongLength> {
    let (blocks, rest) = Block::<Aes256>::slice_as_chunks_mut(bytes);
    if !rest.is_empty() {
        return Err(WrongLength);
    }
    match direction {
        Direction::Encrypt => {
            cbc::Encryptor::<Aes256>::new_from_slices(key, iv).map_err(|_| WrongLength)?.encrypt_blocks(blocks);
        }
        Direction::Decrypt => {
            cbc::Decryptor::<Aes256>::new_from_slices(key, iv).map_err(|_| WrongLength)?.decrypt_blocks(blocks);
        }
    }
    Ok(())
}

/// HMAC-SHA-512 of the parts, one after the other.
pub(crate) fn authenticate(key: &[u8], parts: [&[u8]; 2]) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("a key of HMAC may have any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// PBKDF2 with HMAC-SHA-512: `length` bytes.
pub(crate) fn derive(secret: &[u8], salt: &[u8], iterations: u32, length: usize) -> Zeroizing<Vec<u8>> {
    let mut derived = Zeroizing::new(vec![0; length]);
    pbkdf2::pbkdf2_hmac::<Sha512>(secret, salt, iterations, &mut derived);
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<u32> = hexadecimal.chars().map(|c| c.to_digit(16).expect("a digit")).collect();
        digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
    }

    /// NIST SP 800-38A, F.2.5: the first two blocks.
    #[test]
    fn aes_is_the_one_of_the_standard_in_both_directions() {
        let key = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv: Vec<u8> = (0..16).collect();
        let plain = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let mut page = plain.clone();
        crypt(Direction::Encrypt, &key, &iv, &mut page).expect("whole blocks");
        assert_eq!(page, bytes("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"));
        crypt(Direction::Decrypt, &key, &iv, &mut page).expect("whole blocks");
        assert_eq!(page, plain);
    }

    #[test]
    fn other_lengths_are_refused() {
        let [key, iv] = [[1; KEY_BYTES].as_slice(), &[2; BLOCK_BYTES]];
        assert_eq!(crypt(Direction::Encrypt, key, iv, &mut [0; 17]), Err(WrongLength));
        assert_eq!(crypt(Direction::Decrypt, &key[1..], iv, &mut [0; 16]), Err(WrongLength));
        assert_eq!(crypt(Direction::Decrypt, key, &iv[1..], &mut [0; 16]), Err(WrongLength));
    }

    /// RFC 4231, test case 2, its text in two parts.
    #[test]
    fn the_mac_is_the_one_of_the_standard() {
        let expected = bytes(concat!(
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ));
        assert_eq!(authenticate(b"Jefe", [b"what do ya want ", b"for nothing?"]).as_slice(), expected);
    }

    /// Two iterations, as SQLCipher derives the key of its MACs from a raw key; computed with Python's `hashlib`.
    #[test]
    fn a_derived_key_is_the_one_of_the_standard() {
        let expected = bytes("e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53c");
        assert_eq!(*derive(b"password", b"salt", 2, 32), expected);
    }
}
