//! Points on curves: what a public key is, in whatever file it lies.
//!
//! Withstands: points of small order, off the curve, at infinity, compressed or in a second form;
//! Ed25519 signatures with a non-canonical S; ECDSA signatures with r or s zero or too large.
//! Sources: RFC 8032, SEC 1 section 2.3.3, FIPS 186-5.

use p256::ecdsa::signature::Verifier as _;

use super::{TrustError, not_a_key};

/// The curves that keys may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Curve {
    Ed25519,
    P256,
    P384,
}

impl Curve {
    /// Bytes of r, and of s, in ECDSA; of R and of S in Ed25519.
    pub(super) fn width(self) -> usize {
        match self {
            Curve::Ed25519 | Curve::P256 => 32,
            Curve::P384 => 48,
        }
    }
}

/// A public key that proves something.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Point {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl Point {
    /// Reads the 32 bytes of an Ed25519 key, or an uncompressed point of another curve.
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::WeakKey`].
    pub(super) fn new(curve: Curve, bytes: &[u8]) -> Result<Point, TrustError> {
        let malformed = || not_a_key("public key", "the key inside is malformed");
        // SEC 1 has shorter forms of the same point, which would be a second spelling.
        let uncompressed = bytes.len() == 1 + 2 * curve.width() && bytes[0] == 4;
        match curve {
            Curve::Ed25519 => {
                let bytes = bytes.try_into().map_err(|_| malformed())?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes);
                strong(key.map_err(|_| malformed())?).map(Point::Ed25519)
            }
            _ if !uncompressed => Err(malformed()),
            Curve::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
                key.map(Point::P256).map_err(|_| malformed())
            }
            Curve::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
                key.map(Point::P384).map_err(|_| malformed())
            }
        }
    }

    pub(super) fn curve(&self) -> Curve {
        match self {
            Point::Ed25519(_) => Curve::Ed25519,
            Point::P256(_) => Curve::P256,
            Point::P384(_) => Curve::P384,
        }
    }

    /// The bytes that [`Point::new`] reads.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Point::Ed25519(key) => key.to_bytes().to_vec(),
            Point::P256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            Point::P384(key) => key.to_encoded_point(false).as_bytes().to_vec(),
        }
    }

    /// Whether `signature`, the two numbers of [`Curve::width`] bytes each, is by this key over
    /// `message`. P-256 goes with SHA-256, P-384 with SHA-384.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Point::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Point::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Point::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// Refuses Ed25519 keys of small order and in a second form.
fn strong(key: ed25519_dalek::VerifyingKey) -> Result<ed25519_dalek::VerifyingKey, TrustError> {
    let canonical = key.to_edwards().compress().to_bytes() == key.to_bytes();
    if key.is_weak() || !canonical { Err(TrustError::WeakKey) } else { Ok(key) }
}
