//! SQLCipher, compiled here, and the ciphers that it asks for, taken from the RustCrypto crates.
//!
//! Owns the build of the library and the table of functions by which SQLCipher encrypts (AES-256 in CBC mode),
//! authenticates (HMAC-SHA-512), derives (PBKDF2) and draws random bytes. Refuses any other algorithm: the format of a
//! store is SQLCipher 4's, byte for byte, and has no choice in it. Opens no store; `rusqlite` does, whose feature
//! `in_gecko` leaves the library to somebody else, here to this crate.
//!
//! OpenSSL did this before. Of a library in an app it was the largest part, 4.8 MB for three functions.

mod crypto;
mod provider;
