//! Sigstore bundles: a signature of an image's manifest, or a signed in-toto statement about it.
//!
//! Withstands: duplicate keys and depth (`oci::json`), statements about other images, statements of
//! another kind than a signature (an attestation by the same key is no approval), more signatures
//! than anybody makes. What a bundle holds to be checked with a network (certificates, log entries,
//! timestamps) is not read. Sources: cosign's BUNDLE_SPEC, sigstore's protobuf-specs (bundle v0.3),
//! the DSSE protocol v1, in-toto's Statement v1.

use serde::Deserialize;

use super::{Claimed, Flaw, from_base64};
use crate::oci::{Digest, Manifest, hex, json};

/// What a bundle calls itself, and what its referrer and layer are called.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What a statement says of an image that cosign signed.
pub const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENTS: [&str; 2] =
    ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const MAX_SIGNATURES: usize = 16;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    message_signature: Option<MessageSignature>,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// What the bundle in `bytes` claims of `image`.
pub fn read(bytes: &[u8], image: &Manifest) -> Result<Claimed, Flaw> {
    let bundle: Bundle = json::parse(bytes).map_err(Flaw::json)?;
    if bundle.media_type != BUNDLE {
        return Err(Flaw::kind(&bundle.media_type));
    }
    match (bundle.message_signature, bundle.dsse_envelope) {
        (Some(signature), None) => message(&signature, image),
        (None, Some(envelope)) => statement(&envelope, &image.descriptor().digest),
        _ => Err(Flaw::kind("a bundle with no signature or two")),
    }
}

/// The message is the manifest itself; its digest is only a help to find it.
fn message(signature: &MessageSignature, image: &Manifest) -> Result<Claimed, Flaw> {
    if let Some(MessageDigest { algorithm, digest }) = &signature.message_digest {
        if algorithm != "SHA2_256" {
            return Err(Flaw::kind(algorithm));
        }
        let stated = hex(&from_base64(digest)?);
        if stated != Digest::of(image.raw()).hex() {
            return Err(Flaw::OtherImage(stated.chars().take(100).collect()));
        }
    }
    let signatures = vec![from_base64(&signature.signature)?];
    Ok(Claimed { message: image.raw().to_vec(), signatures })
}

fn statement(envelope: &Envelope, image: &Digest) -> Result<Claimed, Flaw> {
    if envelope.payload_type != IN_TOTO {
        return Err(Flaw::kind(&envelope.payload_type));
    }
    if envelope.signatures.len() > MAX_SIGNATURES {
        return Err(Flaw::kind("an envelope with more signatures than anybody makes"));
    }
    let payload = from_base64(&envelope.payload)?;
    let statement: Statement = json::parse(&payload).map_err(Flaw::json)?;
    if !STATEMENTS.contains(&statement.kind.as_str()) {
        return Err(Flaw::kind(&statement.kind));
    }
    if statement.predicate_type != SIGNED {
        return Err(Flaw::kind(&statement.predicate_type));
    }
    let found = |it: &Subject| it.digest.sha256.as_ref().map(|hex| format!("sha256:{hex}"));
    let subjects: Vec<String> = statement.subject.iter().filter_map(found).collect();
    if !subjects.contains(&image.to_string()) {
        return Err(Flaw::OtherImage(subjects.join(", ").chars().take(100).collect()));
    }
    let signatures = envelope.signatures.iter().map(|it| from_base64(&it.sig));
    let signatures = signatures.collect::<Result<_, _>>()?;
    Ok(Claimed { message: authenticated(IN_TOTO, &payload), signatures })
}

/// DSSE's pre-authentication encoding: what is signed says what it is.
fn authenticated(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}
