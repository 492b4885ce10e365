//! Keys, signatures and the proof of verification.
//!
//! A [`SecretKey`] (or anything else that is a [`Signer`]) signs bytes; a [`Keyring`] holds the keys
//! that a site trusts and how many of them must agree, and turns bytes with signatures into
//! [`Verified`] bytes. Nothing outside this module can make a [`Verified`].

mod key;
mod keyring;
mod scheme;
mod verified;

#[cfg(test)]
mod tests;

pub use key::{KeyId, PublicKey, SecretKey, Signer};
pub use keyring::{Keyring, Signature, Signed};
pub use scheme::Scheme;
pub use verified::Verified;

/// Why a key or a signature is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Something else than the key that was expected, or a damaged one. The input's fault.
    #[error("not a {wanted} in PEM form: {}", .found.escape_debug())]
    NotAKey {
        /// `private key` or `public key`.
        wanted: &'static str,
        /// What there is: the label of the PEM block, or what is wrong with it.
        found: String,
    },
    /// The private key is encrypted and no passphrase was given. The caller's to mend.
    #[error("the private key is encrypted; a passphrase is needed")]
    NeedsPassphrase,
    /// Decryption gives no key: another passphrase, or a damaged file. The input's fault.
    #[error("the passphrase is wrong, or the private key is damaged")]
    WrongPassphrase,
    /// Well formed, but of a kind that gapferry does not know. The input's fault.
    #[error("unsupported algorithm {}", .0.escape_debug())]
    UnsupportedAlgorithm(String),
    /// To derive the key from the passphrase would take more memory or time than is sensible.
    /// The input's fault.
    #[error("opening the private key would take more memory or time than is allowed")]
    TooCostly,
    /// A point of small order or in a non-canonical form: such a key proves nothing. The input's
    /// fault.
    #[error("the public key is weak: of small order, or not in canonical form")]
    WeakKey,
    /// Not a signature scheme. The input's fault.
    #[error("not a signature scheme: {}", .0.escape_debug())]
    UnknownScheme(String),
    /// Not a key id. The input's fault.
    #[error("not a key id (64 lower-case hex digits): {}", .0.escape_debug())]
    InvalidKeyId(String),
    /// No threshold that these keys can meet, or one that needs no key. The caller's fault.
    #[error("a threshold of {threshold} makes no sense with {keys} distinct keys")]
    InvalidThreshold {
        /// How many keys must sign.
        threshold: usize,
        /// How many there are.
        keys: usize,
    },
    /// A signature in the name of a trusted key is not that key's, or is over other bytes. The
    /// input's fault.
    #[error("the signature of key {key_id} does not verify")]
    BadSignature {
        /// The key.
        key_id: KeyId,
    },
    /// Too few trusted keys signed. The input's fault.
    #[error("{needed} trusted keys must sign; {valid} did, and {unknown} that are not trusted")]
    Threshold {
        /// How many keys must sign.
        needed: usize,
        /// How many trusted keys did.
        valid: usize,
        /// How many other key ids there are signatures of.
        unknown: usize,
    },
    /// The system gives no random bytes. The environment's fault.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}
