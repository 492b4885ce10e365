//! The keys that a site trusts, and how many of them must agree.
//!
//! Withstands: signatures by strangers, no or too few signatures, one key that signs many times or
//! is listed under several names, a scheme chosen by the signer, a bad signature hidden among
//! enough good ones.

use std::collections::{BTreeMap, BTreeSet};

use super::TrustError;
use super::key::{KeyId, PublicKey, Signer};
use super::point::Curve;
use super::ssh::Purpose;
use super::verified::Verified;

/// A detached signature and the key that it is said to be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Where to look the key up; never a reason to trust.
    pub key_id: KeyId,
    /// The signature in the form of the key's scheme.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// Has `signer` sign the seal `message`, and looks whether it did.
    ///
    /// # Errors
    /// As [`Signature::by_for`].
    pub fn by(signer: &dyn Signer, message: &[u8]) -> Result<Signature, TrustError> {
        Signature::by_for(signer, Purpose::Seal, message)
    }

    /// Has `signer` sign `message` for `purpose`, and looks whether it did.
    ///
    /// # Errors
    /// When it cannot sign; [`TrustError::Signer`] when it gives something else than a signature.
    pub fn by_for(
        signer: &dyn Signer,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, TrustError> {
        let (key, bytes) = (signer.public(), signer.sign_for(purpose, message)?);
        let key_id = key.key_id();
        key.verify_for(purpose, message, &bytes)
            .map_err(|why| TrustError::Signer { key_id, why: Box::new(why) })?;
        Ok(Signature { key_id, bytes })
    }
}

/// A message, and the trusted keys that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes that were signed.
    pub message: Vec<u8>,
    /// The keys: sorted, each once (under one of its ids, if it has several), at least as many as the
    /// threshold.
    pub signers: Vec<KeyId>,
}

/// Distinct trusted keys and a threshold that they can meet.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: BTreeMap<KeyId, PublicKey>,
    threshold: usize,
}

impl Keyring {
    /// Trusts `keys`, of which `threshold` must sign. A key that is given twice counts once, also
    /// when it comes in files of different kinds and has an id in each.
    ///
    /// # Errors
    /// [`TrustError::InvalidThreshold`] when the threshold is 0 or more than there are keys;
    /// [`TrustError::TwoRecords`].
    pub fn new(keys: Vec<PublicKey>, threshold: usize) -> Result<Keyring, TrustError> {
        let keyring = Keyring { keys: distinct(keys)?, threshold };
        match keyring.count() {
            count if (1..=count).contains(&threshold) => Ok(keyring),
            keys => Err(TrustError::InvalidThreshold { threshold, keys }),
        }
    }

    /// Trusts `keys`, all of which must sign.
    ///
    /// # Errors
    /// As [`Keyring::new`], when there are none.
    pub fn of_all(keys: Vec<PublicKey>) -> Result<Keyring, TrustError> {
        let threshold = Keyring { keys: distinct(keys.clone())?, threshold: 0 }.count();
        Keyring::new(keys, threshold)
    }

    /// How many keys there are, whatever the number of their ids.
    fn count(&self) -> usize {
        self.keys.values().map(PublicKey::material).collect::<BTreeSet<_>>().len()
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
        // Keys are counted, neither signatures nor ids: who holds a key can sign under all its ids.
        let mut signers: BTreeMap<(Curve, Vec<u8>), KeyId> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for signature in signatures {
            match self.keys.get(&signature.key_id) {
                Some(key) => {
                    key.verify(&message, &signature.bytes)?;
                    signers.entry(key.material()).or_insert(key.key_id());
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
        let mut signers: Vec<KeyId> = signers.into_values().collect();
        signers.sort_unstable();
        Ok(Verified::new(Signed { message, signers }))
    }
}

fn distinct(keys: Vec<PublicKey>) -> Result<BTreeMap<KeyId, PublicKey>, TrustError> {
    let mut distinct: BTreeMap<KeyId, PublicKey> = BTreeMap::new();
    for key in keys {
        let key_id = key.key_id();
        if *distinct.entry(key_id).or_insert_with(|| key.clone()) != key {
            return Err(TrustError::TwoRecords { key_id });
        }
    }
    Ok(distinct)
}
