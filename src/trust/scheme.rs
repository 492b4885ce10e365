//! Signature schemes by name.

use std::fmt;
use std::str::FromStr;

use super::TrustError;

/// A way to sign. It is chosen by whoever makes a key, recorded with the key, and never taken from
/// what is being verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// Ed25519 (RFC 8032): a signature is 64 raw bytes.
    #[default]
    Ed25519,
    /// ECDSA on P-384 with SHA-384 (FIPS 186-5), for hosts that may not use Ed25519: a signature is
    /// the DER form of r and s.
    EcdsaP384,
    /// What `ssh-keygen -Y sign` makes with a key of OpenSSH: an armored signature.
    OpenSsh,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Scheme; 3] = [Scheme::Ed25519, Scheme::EcdsaP384, Scheme::OpenSsh];

    /// The name, as people write it and as it goes into key ids.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Ed25519 => "ed25519",
            Scheme::EcdsaP384 => "ecdsa-p384",
            Scheme::OpenSsh => "openssh",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scheme {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Scheme, TrustError> {
        let unknown = || TrustError::UnknownScheme(text.chars().take(100).collect());
        Scheme::ALL.into_iter().find(|scheme| scheme.name() == text).ok_or_else(unknown)
    }
}
