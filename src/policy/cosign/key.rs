//! Public keys of cosign: a SubjectPublicKeyInfo in PEM, on P-256 or Ed25519.
//!
//! Withstands: files that are something else, of other algorithms or curves, points off the curve,
//! of small order or in a second form; signatures in a second DER form, with r or s zero or too
//! large. Sources: RFC 7468, RFC 5480, RFC 8410, FIPS 186-5; cosign's SIGNATURE_SPEC, "Signature
//! Schemes".

use p256::ecdsa::signature::Verifier as _;
use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::{Document, SubjectPublicKeyInfoRef};

use super::Flaw;

const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// An uncompressed point of P-256, with the byte that says so.
const POINT: usize = 65;

/// A public key that proves something, and the one kind of signature that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// ECDSA over SHA-256; a signature is the DER form of r and s.
    P256(Box<p256::ecdsa::VerifyingKey>),
    /// Ed25519 over the message itself; a signature is 64 bytes.
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

/// Why a file is not taken for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else, or a damaged key.
    #[error("not a public key in PEM (`PUBLIC KEY`)")]
    Malformed,
    /// Another algorithm or curve.
    #[error("a key of another kind than P-256 and Ed25519: {0}")]
    Unsupported(String),
    /// A key that proves nothing.
    #[error("the key is weak: of small order, or not in canonical form")]
    Weak,
}

impl Key {
    /// Reads a `PUBLIC KEY` PEM file, as `cosign generate-key-pair` and openssl write it.
    ///
    /// # Errors
    /// Every [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Key, KeyError> {
        let (label, document) = Document::from_pem(text).map_err(|_| KeyError::Malformed)?;
        if label != SubjectPublicKeyInfoRef::PEM_LABEL {
            return Err(KeyError::Malformed);
        }
        let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes());
        let info = info.map_err(|_| KeyError::Malformed)?;
        let bytes = info.subject_public_key.as_bytes().ok_or(KeyError::Malformed)?;
        match info.algorithm.oid {
            ED25519 if info.algorithm.parameters.is_none() => ed25519(bytes),
            // A curve without a name, spelt out in full, may be one that proves nothing.
            ELLIPTIC => match info.algorithm.parameters_oid() {
                Ok(P256) => p256(bytes),
                Ok(other) => Err(KeyError::Unsupported(other.to_string())),
                Err(_) => Err(KeyError::Unsupported("an unnamed curve".to_owned())),
            },
            other => Err(KeyError::Unsupported(other.to_string())),
        }
    }

    /// Checks a signature by this key over `message`.
    ///
    /// # Errors
    /// [`Flaw::Malformed`] for bytes that are no signature of this kind; [`Flaw::OtherKey`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Flaw> {
        let good = match self {
            Key::P256(key) => {
                // Strict: a second form of the same numbers is no DER.
                let parsed = p256::ecdsa::Signature::from_der(signature);
                key.verify(message, &parsed.map_err(|_| Flaw::Malformed)?).is_ok()
            }
            Key::Ed25519(key) => {
                let parsed = ed25519_dalek::Signature::from_slice(signature);
                key.verify_strict(message, &parsed.map_err(|_| Flaw::Malformed)?).is_ok()
            }
        };
        if good { Ok(()) } else { Err(Flaw::OtherKey) }
    }
}

fn p256(bytes: &[u8]) -> Result<Key, KeyError> {
    // SEC 1 has shorter forms of the same point, which would be a second spelling.
    if bytes.len() != POINT || bytes[0] != 4 {
        return Err(KeyError::Malformed);
    }
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
    key.map(|key| Key::P256(Box::new(key))).map_err(|_| KeyError::Malformed)
}

fn ed25519(bytes: &[u8]) -> Result<Key, KeyError> {
    let bytes = bytes.try_into().map_err(|_| KeyError::Malformed)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Malformed)?;
    let canonical = key.to_edwards().compress().to_bytes() == key.to_bytes();
    match key.is_weak() || !canonical {
        true => Err(KeyError::Weak),
        false => Ok(Key::Ed25519(Box::new(key))),
    }
}
