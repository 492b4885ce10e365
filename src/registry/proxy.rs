//! Proxies: which requests go through one.
//!
//! Every connection through a proxy is a tunnel (CONNECT): the proxy sees the registry's name, and
//! what is sent there only where that is plain http.
//!
//! Withstands: addresses that are none, or of another kind of proxy; a password in a proxy's address
//! stands in no error. Source: RFC 9110, section 9.3.6; for `NO_PROXY` curl(1) and what Go's programs,
//! docker among them, make of it.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use super::RegistryError;
use super::url::Origin;

/// Through which proxies registries are reached. None by default.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For https: `http://[USER:PASSWORD@]HOST[:PORT]`, or https.
    pub https: Option<String>,
    /// For plain http.
    pub http: Option<String>,
    /// Who is reached without: `*`, a domain with those below it, one that begins with a dot for
    /// those below alone, an address, or a network `ADDRESS/BITS`; each but `*` perhaps with a port.
    pub except: Vec<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The addresses may hold passwords.
        f.debug_struct("Proxies").field("except", &self.except).finish_non_exhaustive()
    }
}

/// The same, ready for use.
pub(super) struct Ways {
    pub(super) https: Option<Proxy>,
    pub(super) http: Option<Proxy>,
    except: Vec<String>,
}

impl Ways {
    /// # Errors
    /// [`RegistryError::Proxy`].
    pub(super) fn new(proxies: &Proxies) -> Result<Ways, RegistryError> {
        let parse = |text: &Option<String>| text.as_deref().map(parse).transpose();
        let (https, http) = (parse(&proxies.https)?, parse(&proxies.http)?);
        Ok(Ways { https, http, except: proxies.except.clone() })
    }

    /// True when `url` is reached without a proxy. This machine always is.
    pub(super) fn is_direct(&self, url: &Uri) -> bool {
        let Some(origin) = Origin::of(url) else { return true };
        origin.is_loopback() || self.except.iter().any(|entry| names(entry.trim(), &origin))
    }
}

fn parse(text: &str) -> Result<Proxy, RegistryError> {
    let refused = |why: &str| RegistryError::Proxy(why.to_owned());
    let proxy = Proxy::new(text).map_err(|_| refused("it is not http://HOST:PORT"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(refused("only http and https proxies are known")),
    }
}

/// True when an entry of `NO_PROXY` means `origin`.
fn names(entry: &str, origin: &Origin) -> bool {
    let host = origin.host().trim_start_matches('[').trim_end_matches(']');
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return holds(network, bits, host).unwrap_or(false);
    }
    let (name, port) = match entry.rsplit_once(':') {
        // An address of version 6 is full of colons; with a port it stands in brackets.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    };
    if port.is_some_and(|port| port.parse() != Ok(origin.port())) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let below = name.trim_start_matches('*');
    match below.strip_prefix('.') {
        Some(domain) if !domain.is_empty() => host.ends_with(below),
        _ if name.is_empty() => false,
        _ => host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// Whether the address `host` is in a network.
fn holds(network: &str, bits: &str, host: &str) -> Option<bool> {
    let (network, host): (IpAddr, IpAddr) = (network.parse().ok()?, host.parse().ok()?);
    let bits: u32 = bits.parse().ok()?;
    let (network, host, width) = match (network, host) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return None,
    };
    let rest = u32::checked_sub(width, bits)?;
    Some((network ^ host).checked_shr(rest).unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(except: &str, url: &str) -> bool {
        let except = except.split(',').map(str::to_owned).collect();
        let ways = Ways::new(&Proxies { except, ..Proxies::default() }).unwrap();
        ways.is_direct(&url.parse().unwrap())
    }

    #[test]
    fn exceptions_are_read_as_everywhere() {
        for (except, url) in [
            ("*", "https://a.test/"),
            ("a.test", "https://A.test/"),
            ("x, a.test", "https://sub.a.test/"),
            (".a.test", "https://sub.a.test/"),
            ("*.a.test", "https://sub.a.test/"),
            ("a.test:443", "https://a.test/"),
            ("10.0.0.0/8", "http://10.1.2.3:5000/"),
            ("10.1.2.3", "http://10.1.2.3:5000/"),
            ("0.0.0.0/0", "http://10.1.2.3/"),
            ("fd00::/8", "http://[fd00::1]:5000/"),
            ("fd00::1", "http://[fd00::1]/"),
            ("[fd00::1]:5000", "http://[fd00::1]:5000/"),
            ("", "https://localhost:5000/"),
            ("", "http://127.0.0.1:5000/"),
        ] {
            assert!(direct(except, url), "{except} {url}");
        }
        for (except, url) in [
            ("", "https://a.test/"),
            ("a.test", "https://ba.test/"),
            (".a.test", "https://a.test/"),
            ("a.test:444", "https://a.test/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/33", "http://10.0.0.1/"),
            ("10.0.0.0/x", "http://10.0.0.1/"),
            ("10.0.0.0/8", "http://ten.test/"),
            (".", "https://a.test/"),
        ] {
            assert!(!direct(except, url), "{except} {url}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_not_shown() {
        for text in
            ["", "http://", "socks5://u:hunter2@p.test", "ftp://u:hunter2@p.test", "u:hunter2 @p"]
        {
            let proxies = Proxies { https: Some(text.to_owned()), ..Proxies::default() };
            let error = Ways::new(&proxies).map(drop).unwrap_err();
            assert!(matches!(error, RegistryError::Proxy(_)), "{text}");
            assert!(!format!("{error} {error:?} {proxies:?}").contains("hunter2"));
        }
    }
}
