//! Keys of model endpoints: from the environment or the system's keyring, each bound to its host.
//!
//! A key is looked up by the host that it will be sent to, so a mistyped address gets none. It is never written down.

use super::{Token, variable};
use crate::error::{Error, Result};

/// The service's name in the keyring; the user's name there is the host.
const SERVICE: &str = "aloekit";

/// The one variable that other tools share, and the only host that it is for.
const SHARED: (&str, &str) = ("OPENAI_API_KEY", "api.openai.com");

/// The key of this host, if there is one: `ALOE_KEY_` and the host in capitals, then the keyring.
pub(crate) fn key_of(host: &str) -> Option<Token> {
    let own = variable(&variable_name(host));
    let shared = || variable(SHARED.0).filter(|_| host.eq_ignore_ascii_case(SHARED.1));
    own.or_else(shared).or_else(|| from_keyring(host)).map(|key| Token(key.trim().to_owned()))
}

fn variable_name(host: &str) -> String {
    let letters = host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("ALOE_KEY_{}", letters.collect::<String>())
}

/// Where the key of this host would come from; nothing where there is none.
pub(crate) fn source_of_key(host: &str) -> Option<String> {
    let own = variable_name(host);
    if variable(&own).is_some() {
        return Some(own);
    }
    if host.eq_ignore_ascii_case(SHARED.1) && variable(SHARED.0).is_some() {
        return Some(SHARED.0.to_owned());
    }
    from_keyring(host).map(|_| "keyring".to_owned())
}

/// Keeps the key of this host in the system's keyring.
///
/// # Errors
/// [`Error::Keyring`] where there is none, or it is locked.
pub(crate) fn keep_key(host: &str, key: &str) -> Result<()> {
    entry(host)?.set_password(key).map_err(|error| refused(host, &error))
}

/// Removes it; says whether there was one.
///
/// # Errors
/// [`Error::Keyring`] where there is no keyring, or it is locked.
pub(crate) fn remove_key(host: &str) -> Result<bool> {
    match entry(host)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(keyring::Error::NoEntry) => Ok(false),
        Err(error) => Err(refused(host, &error)),
    }
}

fn entry(host: &str) -> Result<keyring::Entry> {
    keyring::Entry::new(SERVICE, host).map_err(|error| refused(host, &error))
}

/// The library's own words name the system's answer, never the secret; one variant holds its bytes and is not shown.
fn refused(host: &str, error: &keyring::Error) -> Error {
    let reason = match error {
        keyring::Error::NoStorageAccess(_) => "it is locked or not there",
        // A kernel that denies its keyring answers as if the entry were missing, also while one is made.
        keyring::Error::PlatformFailure(_) | keyring::Error::NoEntry => "the system refuses",
        keyring::Error::TooLong(..) => "the host or the key is too long",
        _ => "it cannot be used",
    };
    Error::Keyring { host: host.to_owned(), reason }
}

/// A machine without a keyring, or one that is locked, has no key there.
fn from_keyring(host: &str) -> Option<String> {
    keyring::Entry::new(SERVICE, host).ok()?.get_password().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_its_variable() {
        assert_eq!(variable_name("hub.example"), "ALOE_KEY_HUB_EXAMPLE");
        assert_eq!(variable_name("127.0.0.1"), "ALOE_KEY_127_0_0_1");
    }
}
