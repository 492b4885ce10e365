//! Steps 2 and 5: which keys count, and what they may seal.
//!
//! Withstands: trust documents on the medium that do not continue those which the site accepted, are
//! forged, too many or too large; a key that was revoked by a newer document, has had its time, or is
//! for another stream; a stream that nobody may seal; an epoch that was left behind. What the medium
//! says of trust counts only as far as the site's own documents vouch for it.

use crate::bundle::{BundlePath, Medium, Seal, Timestamp};
use crate::trust::{
    Chain, Document, KeyId, Keyring, Paper, PaperError, Purpose, Signature, TrustError,
};

use super::VerifyError;

/// Whom a site believes.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// Keys that somebody named, for whatever stream. Trust documents on the medium are not looked
    /// at.
    Keys {
        /// The keys, and how many of them must sign.
        keys: Keyring,
        /// The highest number of a trust document that a seal may state: 0 but for a maker, who has
        /// the documents.
        known: u64,
    },
    /// Trust documents that were accepted. Newer ones on the medium are followed.
    Chain(Chain),
}

impl From<Keyring> for Anchor {
    fn from(keys: Keyring) -> Anchor {
        Anchor::Keys { keys, known: 0 }
    }
}

/// The keys that count for a medium: what step 2 gives.
pub(super) struct Established {
    keys: Keyring,
    known: u64,
    chain: Option<Chain>,
    now: Timestamp,
}

impl Established {
    /// Step 2: the site's anchor, and the trust documents on the medium that continue it.
    pub(super) fn from(
        anchor: &Anchor,
        medium: &Medium,
        now: Timestamp,
    ) -> Result<Established, VerifyError> {
        match anchor {
            Anchor::Keys { keys, known } => {
                Ok(Established { keys: keys.clone(), known: *known, chain: None, now })
            }
            Anchor::Chain(accepted) => {
                let mut chain = accepted.clone();
                chain.extend(papers(medium)?, now)?;
                let keys = chain.newest().sealers(now).map_err(|error| past(error, None))?;
                let known = chain.newest().number.into();
                Ok(Established { keys, known, chain: Some(chain), now })
            }
        }
    }

    /// The keys whose signatures are looked at in step 3.
    pub(super) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Step 5: does the site know the trust document that the maker knew; may these keys seal this
    /// stream, at this epoch. Gives the signers that count.
    pub(super) fn admit(
        &self,
        seal: &Seal,
        message: &[u8],
        signatures: &[Signature],
        signers: Vec<KeyId>,
    ) -> Result<Vec<KeyId>, VerifyError> {
        // First, for whatever else is wrong may be so for want of that document.
        if seal.trust > self.known {
            return Err(VerifyError::TrustNumber(seal.trust));
        }
        match &self.chain {
            None => Ok(signers),
            Some(chain) => sealers(chain.newest(), self.now, seal, message, signatures),
        }
    }

    /// The epoch that the documents give the seal's stream.
    pub(super) fn epoch(&self, seal: &Seal) -> Option<u64> {
        let streams = &self.chain.as_ref()?.newest().streams;
        streams.get(&seal.stream).map(|stream| stream.epoch)
    }

    /// The documents that were followed, for the site to keep.
    pub(super) fn into_chain(self) -> Option<Chain> {
        self.chain
    }
}

/// The keys that may seal the stream and did; there are enough.
fn sealers(
    document: &Document,
    now: Timestamp,
    seal: &Seal,
    message: &[u8],
    signatures: &[Signature],
) -> Result<Vec<KeyId>, VerifyError> {
    let (name, number) = (&seal.stream, document.number);
    let unknown = || VerifyError::UnknownStream { stream: name.clone(), number };
    let stream = document.streams.get(name).ok_or_else(unknown)?;
    let keys = document.stream_keyring(stream, now).map_err(|error| past(error, Some(seal)))?;
    let signed = keys.verify(Purpose::Seal, message.to_vec(), signatures);
    let signed = signed.map_err(|error| match error {
        TrustError::Threshold { needed, valid, unknown: others } => {
            VerifyError::Sealers { stream: name.clone(), needed, valid, others }
        }
        error => error.into(),
    })?;
    match (stream.epoch, seal.epoch) {
        (expected, found) if expected != found => {
            Err(VerifyError::DocumentEpoch { stream: name.clone(), found, expected, number })
        }
        _ => Ok(signed.into_inner().signers),
    }
}

/// Too few keys are left whose time is not over.
fn past(error: TrustError, seal: Option<&Seal>) -> VerifyError {
    match error {
        TrustError::InvalidThreshold { threshold: needed, keys: valid } => {
            VerifyError::KeysPast { stream: seal.map(|seal| seal.stream.clone()), needed, valid }
        }
        error => error.into(),
    }
}

/// The trust documents on the medium, under their caps.
pub(super) fn papers(medium: &Medium) -> Result<Vec<Paper>, VerifyError> {
    let files = medium.paths().filter_map(|path| match path {
        BundlePath::Trust(file) => Some((*file, medium.get(path)?.size)),
        _ => None,
    });
    Paper::gather(files, |file| {
        let piece = medium.get(&file.into());
        let bytes = piece.map(|piece| piece.read(piece.size)).transpose()?.flatten();
        bytes.ok_or_else(|| VerifyError::Chain(PaperError::TooLarge { file }.into()))
    })
}
