//! Addresses that may be called: https, or plain http to this machine; and which of them may see the token.

use ureq::http::Uri;

use crate::error::{Error, Result};

/// A checked address.
#[derive(Debug, Clone)]
pub(crate) struct Address(Uri);

impl Address {
    /// The address in `text`, if it may be called.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refused = || Error::InsecureAddress { url: without_credentials(text) };
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let address = Self(uri);
        let authority = address.0.authority().ok_or_else(refused)?.as_str();
        let allowed = match address.0.scheme_str() {
            Some("https") => true,
            Some("http") => address.is_loopback(),
            _ => false,
        };
        // Credentials inside an address end up in messages and logs: the token has its own place.
        if allowed && !authority.contains('@') { Ok(address) } else { Err(refused()) }
    }

    /// Where a redirect leads: an address of its own, or a path on the same server.
    pub(crate) fn join(&self, location: &str) -> Result<Self> {
        let text = match (location.starts_with('/') && !location.starts_with("//"), self.0.scheme_str()) {
            (true, Some(scheme)) => format!("{scheme}://{}{location}", self.authority()),
            _ => location.to_owned(),
        };
        let target = || without_credentials(&text);
        Self::parse(&text).map_err(|_| Error::RedirectRefused { host: self.host(), target: target() })
    }

    /// Whether both are the same scheme, host and port: only there may the token go.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.0.scheme_str() == other.0.scheme_str() && self.authority().eq_ignore_ascii_case(other.authority())
    }

    /// Whether it is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The server's name, for messages.
    pub(crate) fn host(&self) -> String {
        self.0.host().unwrap_or_default().to_owned()
    }

    /// The address itself; it may carry a signature in its query and is never printed.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    fn authority(&self) -> &str {
        self.0.authority().map(ureq::http::uri::Authority::as_str).unwrap_or_default()
    }
}

/// Scheme and host alone: paths and queries of a redirect can hold signatures.
fn without_credentials(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in ["https://hub.example", "http://localhost:80", "http://127.0.0.1:1/x", "http://[::1]:9/"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://hub.example", "http://127.0.0.1.example", "ftp://localhost", "file:///etc", "hub", ""] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_refused_and_not_repeated() {
        let error = Address::parse("https://user:canary@hub.example/x?sig=canary").expect_err("refused");
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn a_redirect_may_stay_on_its_server_or_go_to_https() {
        let start = Address::parse("http://127.0.0.1:8000/a").expect("loopback");
        assert!(start.join("/b").expect("same server").same_origin(&start));
        assert!(!start.join("https://cdn.example/b").expect("https").same_origin(&start));
        assert!(!start.join("http://127.0.0.1:8001/b").expect("loopback").same_origin(&start));
        assert!(matches!(start.join("http://cdn.example/b"), Err(Error::RedirectRefused { .. })));
        assert!(matches!(start.join("//cdn.example/b"), Err(Error::RedirectRefused { .. })));
    }
}
