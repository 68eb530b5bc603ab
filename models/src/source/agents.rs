//! The way out of this machine: two agents that differ in the proxy alone, which has no business on the way to it.
//!
//! Redirects are off for both: whoever calls checks each hop, or refuses it, so that no key follows one.

use std::time::Duration;

use ureq::Agent;

use super::address::Address;

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Without a byte, once there was one, and until there is a connection.
    pub(crate) silence: Duration,
    /// Until the answer begins.
    pub(crate) first_byte: Duration,
}

/// The agents.
pub(crate) struct Agents {
    direct: Agent,
    proxied: Agent,
}

impl Agents {
    /// Agents with this patience.
    pub(crate) fn new(patience: Patience) -> Self {
        let Patience { silence, first_byte } = patience;
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("aloekit/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(Some(silence))
                .timeout_connect(Some(silence))
                .timeout_recv_response(Some(first_byte))
                .timeout_per_read(Some(silence))
                .timeout_per_write(Some(silence))
        };
        Self { direct: config().proxy(None).build().new_agent(), proxied: config().build().new_agent() }
    }

    /// The one that goes to this address.
    pub(crate) fn to(&self, address: &Address) -> &Agent {
        if address.is_loopback() { &self.direct } else { &self.proxied }
    }
}
