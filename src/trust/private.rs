//! Private halves of points. Wiped from memory when dropped.
//!
//! Sources: RFC 8032; RFC 6979, which makes ECDSA's nonce from key and message: signatures do not
//! hang on random bytes, and the same bundle is signed the same twice.

use p256::ecdsa::signature::Signer as _;
use zeroize::Zeroizing;

use super::TrustError;
use super::point::{Curve, Point};

pub(super) enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
}

impl Private {
    /// Reads the seed of an Ed25519 key, or the number of another, of [`Curve::width`] bytes;
    /// `None` when it is no such thing.
    pub(super) fn new(curve: Curve, bytes: &[u8]) -> Option<Private> {
        if bytes.len() != curve.width() {
            return None;
        }
        Some(match curve {
            Curve::Ed25519 => Private::Ed25519(bytes.try_into().ok()?),
            Curve::P256 => Private::P256(p256::ecdsa::SigningKey::from_slice(bytes).ok()?),
            Curve::P384 => Private::P384(p384::ecdsa::SigningKey::from_slice(bytes).ok()?),
        })
    }

    /// A new one from the system's random bytes.
    ///
    /// # Errors
    /// [`TrustError::Random`].
    pub(super) fn generate(curve: Curve) -> Result<Private, TrustError> {
        let mut bytes = Zeroizing::new([0; 48]);
        let bytes = &mut bytes[..curve.width()];
        loop {
            getrandom::fill(bytes).map_err(TrustError::Random)?;
            // Hardly ever are they zero or past the group's order.
            if let Some(private) = Private::new(curve, bytes) {
                return Ok(private);
            }
        }
    }

    /// The bytes that [`Private::new`] reads.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Private::Ed25519(key) => Zeroizing::new(key.to_bytes()).to_vec(),
            Private::P256(key) => Zeroizing::new(<[u8; 32]>::from(key.to_bytes())).to_vec(),
            Private::P384(key) => Zeroizing::new(<[u8; 48]>::from(key.to_bytes())).to_vec(),
        })
    }

    /// The public half.
    pub(super) fn point(&self) -> Point {
        match self {
            Private::Ed25519(key) => Point::Ed25519(key.verifying_key()),
            Private::P256(key) => Point::P256(*key.verifying_key()),
            Private::P384(key) => Point::P384(*key.verifying_key()),
        }
    }

    /// What [`Point::verifies`] takes.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Private::Ed25519(key) => ed25519_dalek::Signer::sign(key, message).to_bytes().to_vec(),
            Private::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            Private::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
        }
    }
}
