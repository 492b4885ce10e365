//! Addresses: origins, and where a `Location` leads.
//!
//! Withstands: a `Location` or realm with user information, another scheme, control characters,
//! a downgrade from https to http; a host spelled with and without its default port is one origin.
//! Source: RFC 9110, sections 4.2 and 10.2.2; RFC 6454, section 4.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

/// A longer address is nothing that a registry needs.
const MAX_URL: usize = 16 * 1024;

/// Scheme, host and port: the border that credentials do not cross.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute http or https address; `None` for anything else.
    pub(super) fn of(url: &Uri) -> Option<Origin> {
        let secure = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some(Origin { secure, host: authority.host().to_ascii_lowercase(), port })
    }

    /// The host, in lower case.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port, if only that of the scheme.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// True for this machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// True when `entry`, a `host` or `host:port`, means this origin.
    pub(super) fn is_named_by(&self, entry: &str) -> bool {
        let Ok(url) = format!("http://{entry}/").parse::<Uri>() else { return false };
        url.host().is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && url.port_u16().is_none_or(|port| port == self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => f.write_str(&self.host),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Where `location`, found in the answer of `base`, leads. `None` when that is no http address.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    if location.is_empty() || location.len() > MAX_URL {
        return None;
    }
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let path = base.path();
    let text = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{path}{location}")
    } else if has_scheme(location) {
        location.to_owned()
    } else {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    let url: Uri = text.parse().ok()?;
    Origin::of(&url).map(|_| url)
}

/// RFC 3986, section 3.1. A relative path may hold a colon after its first slash.
fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// `text` for the value of a query or form parameter.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `url` with one more query parameter; `value` is encoded here.
pub(super) fn with_query(url: &Uri, name: &str, value: &str) -> Option<Uri> {
    let text = url.to_string();
    let joint = match url.query() {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    format!("{text}{joint}{name}={}", encode(value)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Option<Origin> {
        Origin::of(&url.parse().unwrap())
    }

    #[test]
    fn a_default_port_is_the_same_origin() {
        assert_eq!(origin("https://a.b/x"), origin("https://A.B:443/y"));
        assert_eq!(origin("http://a.b/x"), origin("http://a.b:80/y"));
        assert_ne!(origin("http://a.b/"), origin("https://a.b/"));
        assert_ne!(origin("https://a.b/"), origin("https://a.b:444/"));
        assert_eq!(origin("https://u:p@a.b/"), None);
        assert_eq!(origin("ftp://a.b/"), None);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "localhost", "LOCALHOST:1"] {
            assert!(origin(&format!("http://{host}/")).unwrap().is_loopback(), "{host}");
        }
        for host in ["128.0.0.1", "localhost.example", "[::2]", "127.0.0.1.nip.io", "10.0.0.1"] {
            assert!(!origin(&format!("http://{host}/")).unwrap().is_loopback(), "{host}");
        }
    }

    #[test]
    fn a_named_host_may_have_a_port() {
        let it = origin("http://Reg.test:5000/").unwrap();
        assert!(it.is_named_by("reg.test") && it.is_named_by("reg.test:5000"));
        assert!(!it.is_named_by("reg.test:80") && !it.is_named_by("test") && !it.is_named_by(""));
    }

    #[test]
    fn a_location_leads_where_it_says() {
        let base: Uri = "https://r.test:5000/v2/a/blobs/uploads/?x=1".parse().unwrap();
        for (location, url) in [
            ("/v2/b?c=d", "https://r.test:5000/v2/b?c=d"),
            ("uuid?s=a:b", "https://r.test:5000/v2/a/blobs/uploads/uuid?s=a:b"),
            ("?y=2", "https://r.test:5000/v2/a/blobs/uploads/?y=2"),
            ("//cdn.test/z", "https://cdn.test/z"),
            ("http://cdn.test/z#f", "http://cdn.test/z"),
        ] {
            assert_eq!(resolve(&base, location).unwrap().to_string(), url);
        }
        for bad in ["", "ftp://a/b", "javascript:1", "https://u@a/b", "/a\nb", "https://", "#x"] {
            assert!(resolve(&base, bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_parameter_is_added_and_encoded() {
        let bare: Uri = "http://a/b".parse().unwrap();
        let one = with_query(&bare, "digest", "sha256:1").unwrap();
        assert_eq!(one.to_string(), "http://a/b?digest=sha256%3A1");
        assert_eq!(with_query(&one, "x", "&").unwrap().query(), Some("digest=sha256%3A1&x=%26"));
    }
}
