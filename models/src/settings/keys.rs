//! Keys of model endpoints: from the environment or the system's keyring, each bound to its host.
//!
//! A key is looked up by the host that it will be sent to, so a mistyped address gets none. It is never written down.

use super::{Token, variable};

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
