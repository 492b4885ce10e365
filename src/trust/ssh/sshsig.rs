//! Detached signatures by keys of OpenSSH.
//!
//! Withstands: signatures made for another purpose (namespace), by another key, with another hash,
//! cut short or with something behind; a signature that repeats the key in another form; numbers in
//! a second form; an authenticator that nobody touched. What the signature says of its key is only
//! compared with the key that the verifier has. Sources: PROTOCOL.sshsig, PROTOCOL.u2f.

use sha2::{Digest as _, Sha256, Sha512};

use super::super::TrustError;
use super::super::key::KeyId;
use super::super::point::Curve;
use super::super::private::Private;
use super::wire::{Reader, put_integer, put_string};
use super::{SshKey, armor};

/// The namespace of seals; `ssh-keygen -n`.
pub const NAMESPACE: &str = "gapferry-seal";
/// That of drill records.
const DRILL: &str = "gapferry-drill";
const LABEL: &str = "SSH SIGNATURE";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// What is signed. A signature for one purpose is none for another: signatures of OpenSSH have a
/// namespace for it; for all others, the first line of what is signed says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A seal.
    Seal,
    /// A drill record.
    Drill,
}

impl Purpose {
    /// The namespace of SSH signatures.
    pub fn namespace(self) -> &'static str {
        match self {
            Purpose::Seal => NAMESPACE,
            Purpose::Drill => DRILL,
        }
    }
}

/// Flags of an authenticator: its holder touched it; and was recognised.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;

/// The fields of a signature.
struct Envelope<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

/// Checks an armored signature by `key` over `message`.
///
/// # Errors
/// [`TrustError::MalformedSignature`], [`TrustError::Namespace`], [`TrustError::BadSignature`],
/// [`TrustError::NoTouch`].
pub(in crate::trust) fn verify(
    key: &SshKey,
    key_id: KeyId,
    purpose: Purpose,
    message: &[u8],
    text: &[u8],
) -> Result<(), TrustError> {
    let malformed = |what| TrustError::MalformedSignature { key_id, what };
    let bytes = armor::decode(text, LABEL).map_err(malformed)?;
    let envelope = Envelope::parse(&bytes).map_err(malformed)?;
    if envelope.key != key.blob {
        return Err(TrustError::BadSignature { key_id });
    }
    let expected = purpose.namespace();
    if envelope.namespace != expected.as_bytes() {
        let found = String::from_utf8_lossy(envelope.namespace).chars().take(100).collect();
        return Err(TrustError::Namespace { key_id, expected, found });
    }
    let signed = envelope.signed(message).ok_or_else(|| malformed("its hash is unknown"))?;
    match key.verify(&signed, envelope.signature) {
        Ok(()) => Ok(()),
        Err(Fault::Malformed) => Err(malformed("the signature inside is malformed")),
        Err(Fault::Bad) => Err(TrustError::BadSignature { key_id }),
        Err(Fault::NoTouch(what)) => Err(TrustError::NoTouch { key_id, what }),
    }
}

/// The armored signature by `key`, whose private half is `private`.
pub(in crate::trust) fn sign(
    key: &SshKey,
    private: &Private,
    purpose: Purpose,
    message: &[u8],
) -> Vec<u8> {
    let raw = private.sign(&to_sign(purpose, message));
    let mut signature = Vec::new();
    put_string(&mut signature, key.kind.name().as_bytes());
    match key.kind.curve() {
        Curve::Ed25519 => put_string(&mut signature, &raw),
        curve => {
            let (r, s) = raw.split_at(curve.width());
            let mut numbers = Vec::new();
            put_integer(&mut numbers, r);
            put_integer(&mut numbers, s);
            put_string(&mut signature, &numbers);
        }
    }
    seal(key, purpose, &signature)
}

/// What a key signs for `message`.
pub(super) fn to_sign(purpose: Purpose, message: &[u8]) -> Vec<u8> {
    signed_data(purpose.namespace().as_bytes(), b"", b"sha512", &Sha512::digest(message))
}

/// The armored form of what a key made of [`to_sign`].
pub(super) fn seal(key: &SshKey, purpose: Purpose, signature: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, &VERSION.to_be_bytes()].concat();
    for part in [&key.blob, purpose.namespace().as_bytes(), b"", b"sha512", signature] {
        put_string(&mut bytes, part);
    }
    armor::encode(&bytes, LABEL).into_bytes()
}

fn signed_data(namespace: &[u8], reserved: &[u8], hash: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for part in [namespace, reserved, hash, digest] {
        put_string(&mut bytes, part);
    }
    bytes
}

impl Envelope<'_> {
    fn parse(bytes: &[u8]) -> Result<Envelope<'_>, &'static str> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err("it does not begin with SSHSIG");
        }
        if reader.number() != Some(VERSION) {
            return Err("its version is unknown");
        }
        let mut next = || reader.string().ok_or("it ends early");
        let (key, namespace, reserved) = (next()?, next()?, next()?);
        let (hash, signature) = (next()?, next()?);
        reader.finish().ok_or("it goes on after its end")?;
        Ok(Envelope { key, namespace, reserved, hash, signature })
    }

    fn signed(&self, message: &[u8]) -> Option<Vec<u8>> {
        let digest = match self.hash {
            b"sha256" => Sha256::digest(message).to_vec(),
            b"sha512" => Sha512::digest(message).to_vec(),
            _ => return None,
        };
        Some(signed_data(self.namespace, self.reserved, self.hash, &digest))
    }
}

enum Fault {
    Malformed,
    Bad,
    NoTouch(&'static str),
}

impl SshKey {
    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Fault> {
        let mut reader = Reader::new(signature);
        let raw = self.raw(&mut reader).ok_or(Fault::Malformed)?;
        let by_authenticator = match self.kind.is_on_authenticator() {
            true => Some(reader.byte().zip(reader.take(4)).ok_or(Fault::Malformed)?),
            false => None,
        };
        reader.finish().ok_or(Fault::Malformed)?;
        let Some((flags, counter)) = by_authenticator else {
            return if self.point.verifies(signed, &raw) { Ok(()) } else { Err(Fault::Bad) };
        };
        // An authenticator signs who asked, how its holder agreed, and how often it has signed.
        let (application, signed) = (Sha256::digest(&self.application), Sha256::digest(signed));
        let statement = [&application[..], &[flags], counter, &signed[..]].concat();
        match self.point.verifies(&statement, &raw) {
            true => self.check_flags(flags),
            false => Err(Fault::Bad),
        }
    }

    /// The two numbers of the signature, of fixed width.
    fn raw(&self, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
        reader.expect(self.kind.name().as_bytes())?;
        let bytes = reader.string()?;
        let width = self.kind.curve().width();
        if self.kind.curve() == Curve::Ed25519 {
            return (bytes.len() == 2 * width).then(|| bytes.to_vec());
        }
        let mut numbers = Reader::new(bytes);
        let raw = [numbers.integer(width)?, numbers.integer(width)?].concat();
        numbers.finish()?;
        Some(raw)
    }

    fn check_flags(&self, flags: u8) -> Result<(), Fault> {
        if self.demands.presence && flags & PRESENT == 0 {
            return Err(Fault::NoTouch("nobody touched the authenticator"));
        }
        if self.demands.verification && flags & VERIFIED == 0 {
            return Err(Fault::NoTouch("the authenticator did not ask for a PIN or a finger"));
        }
        Ok(())
    }
}
