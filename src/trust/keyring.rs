//! The keys that a site trusts, and how many of them must agree.
//!
//! Withstands: signatures by strangers, no or too few signatures, one key that signs many times or
//! is listed under several names, a scheme chosen by the signer, a bad signature hidden among
//! enough good ones.

use std::collections::{BTreeMap, BTreeSet};

use super::TrustError;
use super::key::{KeyId, PublicKey};
use super::verified::Verified;

/// A detached signature and the key that it is said to be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Where to look the key up; never a reason to trust.
    pub key_id: KeyId,
    /// The signature in the form of the key's scheme.
    pub bytes: Vec<u8>,
}

/// A message, and the trusted keys that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes that were signed.
    pub message: Vec<u8>,
    /// The keys: sorted, each once, at least as many as the threshold.
    pub signers: Vec<KeyId>,
}

/// Distinct trusted keys and a threshold that they can meet.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: BTreeMap<KeyId, PublicKey>,
    threshold: usize,
}

impl Keyring {
    /// Trusts `keys`, of which `threshold` must sign. A key that is given twice counts once.
    ///
    /// # Errors
    /// [`TrustError::InvalidThreshold`] when the threshold is 0 or more than there are keys.
    pub fn new(keys: Vec<PublicKey>, threshold: usize) -> Result<Keyring, TrustError> {
        let keys: BTreeMap<KeyId, PublicKey> =
            keys.into_iter().map(|key| (key.key_id(), key)).collect();
        if !(1..=keys.len()).contains(&threshold) {
            return Err(TrustError::InvalidThreshold { threshold, keys: keys.len() });
        }
        Ok(Keyring { keys, threshold })
    }

    /// How many keys must sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The trusted keys, sorted by id.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }

    /// Takes `message` for verified when enough trusted keys signed it.
    ///
    /// Signatures of keys that are not trusted are passed over. A bad signature in the name of a
    /// trusted key is an error even when enough others are good: somebody tampers, or a signer is
    /// broken.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`], [`TrustError::Threshold`].
    pub fn verify(
        &self,
        message: Vec<u8>,
        signatures: &[Signature],
    ) -> Result<Verified<Signed>, TrustError> {
        // Keys are counted, not signatures: hence sets.
        let mut signers = BTreeSet::new();
        let mut unknown = BTreeSet::new();
        for signature in signatures {
            match self.keys.get(&signature.key_id) {
                Some(key) => {
                    key.verify(&message, &signature.bytes)?;
                    signers.insert(key.key_id());
                }
                None => {
                    unknown.insert(signature.key_id);
                }
            }
        }
        if signers.len() < self.threshold {
            let (needed, valid, unknown) = (self.threshold, signers.len(), unknown.len());
            return Err(TrustError::Threshold { needed, valid, unknown });
        }
        Ok(Verified::new(Signed { message, signers: signers.into_iter().collect() }))
    }
}
