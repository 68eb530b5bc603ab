//! The table that SQLCipher fills itself with at its start, and the C functions in it.
//!
//! Turns pointers and lengths into slices, and answers in SQLite's codes. Nothing here panics: there is no caller that
//! could be unwound into.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::{ptr, slice};

use zeroize::Zeroize;

use crate::crypto::{self, BLOCK_BYTES, Direction, KEY_BYTES, MAC_BYTES};

const OK: c_int = 0;
const ERROR: c_int = 1;

/// SQLCipher's number of SHA-512, for MACs and derived keys.
const SHA512: c_int = 2;

/// SQLCipher's number of the direction that encrypts.
const ENCRYPT: c_int = 1;

/// `sqlcipher_provider` of SQLCipher 4.20: the order of its fields is its interface.
#[repr(C)]
struct Provider {
    init: Option<extern "C" fn() -> c_int>,
    shutdown: Option<extern "C" fn()>,
    get_provider_name: extern "C" fn(*mut c_void) -> *const c_char,
    add_random: extern "C" fn(*mut c_void, *const c_void, c_int) -> c_int,
    random: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    hmac: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *const u8,
        c_int,
        *const u8,
        c_int,
        *const u8,
        c_int,
        *mut u8,
    ) -> c_int,
    kdf: unsafe extern "C" fn(*mut c_void, c_int, *const u8, c_int, *const u8, c_int, c_int, c_int, *mut u8) -> c_int,
    cipher: unsafe extern "C" fn(*mut c_void, c_int, *const u8, c_int, *const u8, *const u8, c_int, *mut u8) -> c_int,
    get_cipher: extern "C" fn(*mut c_void) -> *const c_char,
    get_key_sz: extern "C" fn(*mut c_void) -> c_int,
    get_iv_sz: extern "C" fn(*mut c_void) -> c_int,
    get_block_sz: extern "C" fn(*mut c_void) -> c_int,
    get_hmac_sz: extern "C" fn(*mut c_void, c_int) -> c_int,
    ctx_init: extern "C" fn(*mut *mut c_void) -> c_int,
    ctx_free: extern "C" fn(*mut *mut c_void) -> c_int,
    fips_status: extern "C" fn(*mut c_void) -> c_int,
    get_provider_version: extern "C" fn(*mut c_void) -> *const c_char,
    next: *mut Provider,
}

/// Fills SQLCipher's table. SQLCipher calls it once, when SQLite starts.
///
/// # Safety
/// `table` points to room for a [`Provider`], which need not be initialized.
#[unsafe(no_mangle)]
unsafe extern "C" fn aloekit_sqlcipher_provider(table: *mut Provider) -> c_int {
    let provider = Provider {
        init: None,
        shutdown: None,
        get_provider_name: name,
        add_random,
        random,
        hmac,
        kdf,
        cipher,
        get_cipher: cipher_name,
        get_key_sz: key_size,
        get_iv_sz: block_size,
        get_block_sz: block_size,
        get_hmac_sz: mac_size,
        ctx_init: context,
        ctx_free: context,
        fips_status,
        get_provider_version: version,
        next: ptr::null_mut(),
    };
    // SAFETY: the caller has room for it; what lies there has no destructor.
    unsafe { table.write(provider) };
    OK
}

extern "C" fn name(_: *mut c_void) -> *const c_char {
    c"rustcrypto".as_ptr()
}

extern "C" fn version(_: *mut c_void) -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version holds no zero byte"),
    };
    VERSION.as_ptr()
}

extern "C" fn cipher_name(_: *mut c_void) -> *const c_char {
    c"aes-256-cbc".as_ptr()
}

extern "C" fn key_size(_: *mut c_void) -> c_int {
    KEY_BYTES as c_int
}

extern "C" fn block_size(_: *mut c_void) -> c_int {
    BLOCK_BYTES as c_int
}

extern "C" fn mac_size(_: *mut c_void, algorithm: c_int) -> c_int {
    if algorithm == SHA512 { MAC_BYTES as c_int } else { 0 }
}

/// There is no state between calls.
extern "C" fn context(_: *mut *mut c_void) -> c_int {
    OK
}

extern "C" fn fips_status(_: *mut c_void) -> c_int {
    0
}

/// The system's generator needs nothing added to it.
extern "C" fn add_random(_: *mut c_void, _: *const c_void, _: c_int) -> c_int {
    OK
}

/// # Safety
/// `buffer` points to `length` bytes that may be written.
unsafe extern "C" fn random(_: *mut c_void, buffer: *mut c_void, length: c_int) -> c_int {
    let Ok(length) = usize::try_from(length) else { return ERROR };
    if buffer.is_null() {
        return ERROR;
    }
    // SAFETY: the caller's promise; bytes that a C caller left uninitialized are only written to.
    let buffer = unsafe {
        ptr::write_bytes(buffer.cast::<u8>(), 0, length);
        slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
    };
    getrandom::fill(buffer).map_or(ERROR, |()| OK)
}

/// # Safety
/// The pairs of pointer and length are readable, where they are not null; `out` has room for 64 bytes.
unsafe extern "C" fn hmac(
    _: *mut c_void,
    algorithm: c_int,
    key: *const u8,
    key_bytes: c_int,
    first: *const u8,
    first_bytes: c_int,
    second: *const u8,
    second_bytes: c_int,
    out: *mut u8,
) -> c_int {
    if algorithm != SHA512 || first.is_null() || out.is_null() {
        return ERROR;
    }
    // SAFETY: the caller's promise. The slices end before `out` is written, which may lie behind `first`.
    let mac = unsafe {
        let (Some(key), Some(first), Some(second)) =
            (bytes(key, key_bytes), bytes(first, first_bytes), bytes(second, second_bytes))
        else {
            return ERROR;
        };
        crypto::authenticate(key, [first, second])
    };
    // SAFETY: the caller has room for a MAC.
    unsafe { ptr::copy_nonoverlapping(mac.as_ptr(), out, MAC_BYTES) };
    OK
}

/// # Safety
/// The pairs of pointer and length are readable, where they are not null; `out` has room for `out_bytes`.
unsafe extern "C" fn kdf(
    _: *mut c_void,
    algorithm: c_int,
    secret: *const u8,
    secret_bytes: c_int,
    salt: *const u8,
    salt_bytes: c_int,
    iterations: c_int,
    out_bytes: c_int,
    out: *mut u8,
) -> c_int {
    let (Ok(iterations), Ok(length)) = (u32::try_from(iterations), usize::try_from(out_bytes)) else { return ERROR };
    if algorithm != SHA512 || out.is_null() || iterations == 0 {
        return ERROR;
    }
    // SAFETY: the caller's promise. The slices end before `out` is written.
    let derived = unsafe {
        let (Some(secret), Some(salt)) = (bytes(secret, secret_bytes), bytes(salt, salt_bytes)) else { return ERROR };
        crypto::derive(secret, salt, iterations, length)
    };
    // SAFETY: the caller has room for as many bytes as it asked for.
    unsafe { ptr::copy_nonoverlapping(derived.as_ptr(), out, length) };
    OK
}

/// # Safety
/// `key` has `key_bytes` bytes, `iv` a block's, `input` `length`; `out` has room for `length`, and may be `input`.
unsafe extern "C" fn cipher(
    _: *mut c_void,
    mode: c_int,
    key: *const u8,
    key_bytes: c_int,
    iv: *const u8,
    input: *const u8,
    length: c_int,
    out: *mut u8,
) -> c_int {
    let Ok(length) = usize::try_from(length) else { return ERROR };
    if key.is_null() || iv.is_null() || input.is_null() || out.is_null() {
        return ERROR;
    }
    let direction = if mode == ENCRYPT { Direction::Encrypt } else { Direction::Decrypt };
    let mut start = [0; BLOCK_BYTES];
    // SAFETY: the caller's promise. `iv` is copied first, since it may lie behind `out` in one page; input and output
    // may be the same bytes, and the output is the only slice of them.
    let result = unsafe {
        ptr::copy_nonoverlapping(iv, start.as_mut_ptr(), BLOCK_BYTES);
        ptr::copy(input, out, length);
        let Some(key) = bytes(key, key_bytes) else { return ERROR };
        crypto::crypt(direction, key, &start, slice::from_raw_parts_mut(out, length))
    };
    if result.is_err() {
        // Plain bytes must not be what is left where encrypted ones were asked for.
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(out, length) }.zeroize();
        return ERROR;
    }
    OK
}

/// The bytes at a pointer; none at a null pointer.
///
/// # Safety
/// Where the pointer is not null, `length` bytes can be read there as long as the slice is used.
unsafe fn bytes<'a>(pointer: *const u8, length: c_int) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok()?;
    if pointer.is_null() {
        return Some(&[]);
    }
    // SAFETY: the caller's promise.
    Some(unsafe { slice::from_raw_parts(pointer, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crypt_with(mode: c_int, key: &[u8], page: &[u8]) -> (c_int, Vec<u8>) {
        let mut out = vec![0xEE; page.len()];
        let iv = [3; BLOCK_BYTES];
        // SAFETY: every pointer stands for as many bytes as are named.
        let code = unsafe {
            cipher(
                ptr::null_mut(),
                mode,
                key.as_ptr(),
                key.len() as c_int,
                iv.as_ptr(),
                page.as_ptr(),
                page.len() as c_int,
                out.as_mut_ptr(),
            )
        };
        (code, out)
    }

    #[test]
    fn a_page_that_cannot_be_encrypted_leaves_nothing_plain_behind() {
        let page = [0x41; 64];
        assert_eq!(crypt_with(ENCRYPT, &[1; 31], &page), (ERROR, vec![0; 64]));
        let (code, encrypted) = crypt_with(ENCRYPT, &[1; KEY_BYTES], &page);
        assert_eq!(code, OK);
        assert_eq!(crypt_with(0, &[1; KEY_BYTES], &encrypted), (OK, page.to_vec()));
    }

    #[test]
    fn other_digests_are_refused() {
        assert_eq!(mac_size(ptr::null_mut(), SHA512), 64);
        assert_eq!(mac_size(ptr::null_mut(), 0), 0);
        let mut out = [0; MAC_BYTES];
        for algorithm in [0, 1, 3] {
            let (null, key) = (ptr::null_mut(), [1; 8]);
            // SAFETY: every pointer stands for as many bytes as are named.
            let codes = unsafe {
                [
                    hmac(null, algorithm, key.as_ptr(), 8, key.as_ptr(), 8, ptr::null(), 0, out.as_mut_ptr()),
                    kdf(null, algorithm, key.as_ptr(), 8, key.as_ptr(), 8, 2, 32, out.as_mut_ptr()),
                ]
            };
            assert_eq!(codes, [ERROR, ERROR]);
        }
    }
}
