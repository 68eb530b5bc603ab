//! `aloe provider key`: keys of endpoints, kept by the system and shown to nobody.

use std::io::{IsTerminal as _, Read as _};

use crate::cli::{KeyCommand, ProviderCommand};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::{keep_key, remove_key, source_of_key};

/// A longer one is a file that was given by mistake.
const MOST_KEY_BYTES: u64 = 4096;

pub(crate) fn run(command: &ProviderCommand, output: Output) -> Result<()> {
    let ProviderCommand::Key(command) = command;
    match command {
        KeyCommand::Set { host } => {
            check_host(host)?;
            keep_key(host, &read_key(host)?)?;
            output.note(&format!("the key of {host} is kept; it is sent to that host alone"));
        }
        KeyCommand::Remove { host } => {
            let words = if remove_key(host)? { "is gone" } else { "was not there" };
            output.note(&format!("the key of {host} {words}"));
        }
        KeyCommand::Where { host } => match source_of_key(host) {
            Some(source) => output.data(&source),
            None => {
                return Err(Error::usage(
                    format!("there is no key of {host}"),
                    "`aloe provider key set HOST` keeps one",
                ));
            }
        },
    }
    Ok(())
}

/// A key is bound to a host, so an address that was pasted whole would never be found again.
fn check_host(host: &str) -> Result<()> {
    let plain = !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_'));
    let wrong = || Error::usage("that is no host", "the name alone, as in hub.example, without https:// and path");
    if plain && !host.contains("://") { Ok(()) } else { Err(wrong()) }
}

fn read_key(host: &str) -> Result<String> {
    let text = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("key of {host}: ")).map_err(|error| Error::io("stdin", error))?
    } else {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(MOST_KEY_BYTES).read_to_string(&mut text);
        read.map_err(|error| Error::io("stdin", error))?;
        text
    };
    let key = text.trim();
    // What a header cannot carry would fail later, and less clearly.
    let usable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if usable {
        Ok(key.to_owned())
    } else {
        Err(Error::usage("that is no key", "one line of letters, digits and signs"))
    }
}
