//! Signatures that cosign makes with a key, verified on the exact digest of an image.
//!
//! Two forms: a [simple-signing payload](Claimed::payload) in a layer of a manifest, which is found
//! by the tag `sha256-….sig` or as a referrer; and a [sigstore bundle](Claimed::bundle) in a
//! referrer. Certificates, transparency logs and timestamps are not looked at: they need a network,
//! or somebody else's word. What counts is the key that the site was given.
//!
//! Withstands: payloads for other images, signatures of other keys, content that is not what its
//! descriptor says, base64, DER or JSON with a second reading. Source: cosign's SIGNATURE_SPEC.

mod bundle;
mod key;
#[cfg(test)]
pub(crate) mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

pub use bundle::{BUNDLE, SIGNED};
pub use key::{Key, KeyError};

use crate::oci::{Digest, Manifest, json};

/// The media type of a simple-signing payload.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The artifact type of a referrer with such payloads.
pub const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The annotation of a payload's layer that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What a payload says that it is.
const TYPE: &str = "cosign container image signature";

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Flaw {
    /// Larger than any signature.
    #[error("{0} bytes are too many for a signature")]
    TooLarge(u64),
    /// It is not aboard: the destination of a delta has it.
    #[error("it is not at hand")]
    Absent,
    /// The bytes are not those that the descriptor names.
    #[error("its bytes are not what its digest says")]
    Content,
    /// A manifest of signatures without one, or in which a layer has none.
    #[error("there is no signature in it")]
    Nothing,
    /// Not JSON of the form, or with a second reading.
    #[error("malformed JSON: {}", .0.escape_debug())]
    Json(String),
    /// Not base64.
    #[error("malformed base64")]
    Base64,
    /// Of another kind than a signature of an image.
    #[error("it is something else: {}", .0.escape_debug())]
    Kind(String),
    /// It is about another image.
    #[error("it is for another image: {}", .0.escape_debug())]
    OtherImage(String),
    /// The signature is not in the form that goes with the key.
    #[error("the signature is malformed")]
    Malformed,
    /// None of the keys made this signature over these bytes.
    #[error("it is by none of the keys, or forged")]
    OtherKey,
}

impl Flaw {
    fn json(error: serde_json::Error) -> Flaw {
        Flaw::Json(error.to_string().chars().take(200).collect())
    }

    fn kind(found: &str) -> Flaw {
        Flaw::Kind(found.chars().take(100).collect())
    }
}

/// A message that speaks of the right image, and signatures that are yet to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    message: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Claimed {
    /// A simple-signing payload and the text of its annotation. The payload's `docker-reference` is
    /// only a hint of its signer and has no say, as with cosign.
    ///
    /// # Errors
    /// [`Flaw::Json`], [`Flaw::Base64`], [`Flaw::Kind`], [`Flaw::OtherImage`].
    pub fn payload(bytes: Vec<u8>, signature: &str, image: &Digest) -> Result<Claimed, Flaw> {
        let Payload { critical } = json::parse(&bytes).map_err(Flaw::json)?;
        if critical.kind != TYPE {
            return Err(Flaw::kind(&critical.kind));
        }
        if critical.image.digest != image.to_string() {
            return Err(Flaw::OtherImage(critical.image.digest.chars().take(100).collect()));
        }
        Ok(Claimed { message: bytes, signatures: vec![from_base64(signature)?] })
    }

    /// A sigstore bundle.
    ///
    /// # Errors
    /// As [`Claimed::payload`].
    pub fn bundle(bytes: &[u8], image: &Manifest) -> Result<Claimed, Flaw> {
        bundle::read(bytes, image)
    }

    /// The places of those of `keys` that signed.
    ///
    /// # Errors
    /// [`Flaw::Malformed`] or [`Flaw::OtherKey`] when none did; [`Flaw::Nothing`] when nobody signed.
    pub fn signers<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Result<Vec<usize>, Flaw> {
        let (mut signers, mut flaw) = (Vec::new(), Flaw::Nothing);
        for (place, key) in keys.enumerate() {
            for signature in &self.signatures {
                match key.verify(&self.message, signature) {
                    Ok(()) => signers.push(place),
                    Err(other) => flaw = flaw.max(other),
                }
            }
        }
        if signers.is_empty() { Err(flaw) } else { Ok(signers) }
    }
}

/// Base64 with padding, in the one spelling.
fn from_base64(text: &str) -> Result<Vec<u8>, Flaw> {
    BASE64.decode(text).map_err(|_| Flaw::Base64)
}
