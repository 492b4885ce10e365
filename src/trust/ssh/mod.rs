//! Keys and signatures of OpenSSH: what `ssh-keygen -Y sign` and `-Y verify` make and take.
//!
//! Withstands: everything in the place of a key, see the parsers below; keys of unknown kinds; a
//! signature by an authenticator that nobody touched. Sources: RFC 4253 section 6.6, RFC 5656, RFC
//! 8709; OpenSSH's PROTOCOL.sshsig, PROTOCOL.u2f, PROTOCOL.key, PROTOCOL.agent; ssh-keygen(1).

mod agent;
mod armor;
mod file;
mod record;
mod sshsig;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::TrustError;
use super::not_a_key;
use super::point::{Curve, Point};
use wire::{Reader, put_string};

pub use agent::AgentSigner;
pub(super) use file::{is_private_file, read_private};
pub use record::KeyRecord;
pub use sshsig::{NAMESPACE, Purpose};
pub(super) use sshsig::{sign, verify};

/// The kinds of keys that are taken. No RSA: nothing here needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    /// On an authenticator (FIDO), which signs more than it is given: see `sshsig`.
    SkEd25519,
    SkP256,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Ed25519, Kind::P256, Kind::P384, Kind::SkEd25519, Kind::SkP256];

    fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ssh-ed25519",
            Kind::P256 => "ecdsa-sha2-nistp256",
            Kind::P384 => "ecdsa-sha2-nistp384",
            Kind::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Kind::SkP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn curve(self) -> Curve {
        match self {
            Kind::Ed25519 | Kind::SkEd25519 => Curve::Ed25519,
            Kind::P256 | Kind::SkP256 => Curve::P256,
            Kind::P384 => Curve::P384,
        }
    }

    /// The curve's name inside keys, where they state it.
    fn curve_name(self) -> Option<&'static str> {
        match self.curve() {
            Curve::Ed25519 => None,
            Curve::P256 => Some("nistp256"),
            Curve::P384 => Some("nistp384"),
        }
    }

    fn is_on_authenticator(self) -> bool {
        matches!(self, Kind::SkEd25519 | Kind::SkP256)
    }

    fn named(name: &[u8]) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }
}

/// What an authenticator must have asked of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Demands {
    /// A touch.
    presence: bool,
    /// A PIN or a fingerprint.
    verification: bool,
}

/// A public key of OpenSSH, and what its record demands of signatures.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SshKey {
    kind: Kind,
    point: Point,
    /// For whom an authenticator made the key; empty for other kinds.
    application: Vec<u8>,
    blob: Vec<u8>,
    demands: Demands,
}

impl SshKey {
    /// Reads the key inside a line.
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
    fn parse(blob: &[u8]) -> Result<SshKey, TrustError> {
        let malformed = || not_a_key("public key", "the OpenSSH key is malformed");
        let mut reader = Reader::new(blob);
        let name = reader.string().ok_or_else(malformed)?;
        let kind = Kind::named(name).ok_or_else(|| unsupported(name))?;
        if let Some(curve) = kind.curve_name() {
            reader.expect(curve.as_bytes()).ok_or_else(malformed)?;
        }
        let point = Point::new(kind.curve(), reader.string().ok_or_else(malformed)?)?;
        let application = match kind.is_on_authenticator() {
            true => reader.string().ok_or_else(malformed)?.to_vec(),
            false => Vec::new(),
        };
        reader.finish().ok_or_else(malformed)?;
        let demands = Demands { presence: true, verification: false };
        Ok(SshKey { kind, point, application, blob: blob.to_vec(), demands })
    }

    /// The key of a point that is not on an authenticator.
    fn of(kind: Kind, point: Point) -> SshKey {
        let mut blob = Vec::new();
        put_string(&mut blob, kind.name().as_bytes());
        if let Some(curve) = kind.curve_name() {
            put_string(&mut blob, curve.as_bytes());
        }
        put_string(&mut blob, &point.to_bytes());
        let demands = Demands { presence: true, verification: false };
        SshKey { kind, point, application: Vec::new(), blob, demands }
    }

    pub(super) fn point(&self) -> &Point {
        &self.point
    }

    /// The key as OpenSSH's tools and protocols know it.
    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `ssh-ed25519 AAAA…`, with the options that differ from what is usual, and a line feed.
    pub(super) fn to_line(&self) -> String {
        let mut options = Vec::new();
        if !self.demands.presence {
            options.push("no-touch-required");
        }
        if self.demands.verification {
            options.push("verify-required");
        }
        let space = if options.is_empty() { "" } else { " " };
        let (name, key) = (self.kind.name(), BASE64.encode(&self.blob));
        format!("{}{space}{name} {key}\n", options.join(","))
    }
}

fn unsupported(name: &[u8]) -> TrustError {
    let name = String::from_utf8_lossy(name);
    TrustError::UnsupportedAlgorithm(name.chars().take(100).collect())
}

#[cfg(test)]
mod tests;
