//! Keys in the PEM files that `openssl` reads and writes.
//!
//! Withstands: files that are something else, of other algorithms or curves, damaged, with explicit
//! curve parameters, or with a public half that belongs to another private one. Sources: RFC 7468
//! (PEM), RFC 5958 (PKCS#8), RFC 5480 and RFC 5915 (elliptic curves), RFC 8410 (Ed25519).

use ed25519_dalek::pkcs8::{ALGORITHM_OID as ED25519, KeypairBytes};
use pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use pkcs8::der::pem::PemLabel as _;
use pkcs8::der::{self, Decode as _, Encode as _, Reader as _, SliceReader, TagNumber};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{
    Document, EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef,
    SecretDocument, SubjectPublicKeyInfoRef,
};
use zeroize::Zeroizing;

use super::encryption::{decrypt, encrypt};
use super::point::{Curve, Point};
use super::private::Private;
use super::{TrustError, not_a_key};

const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Reads `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`.
///
/// # Errors
/// [`TrustError::NotAKey`], [`TrustError::NeedsPassphrase`], [`TrustError::WrongPassphrase`],
/// [`TrustError::UnsupportedAlgorithm`], [`TrustError::TooCostly`].
pub(super) fn read_private(pem: &str, passphrase: Option<&[u8]>) -> Result<Private, TrustError> {
    let wanted = "private key";
    let (label, document) =
        SecretDocument::from_pem(pem).map_err(|_| not_a_key(wanted, "no proper PEM block"))?;
    match label {
        PrivateKeyInfoRef::PEM_LABEL => private_from_der(document.as_bytes()),
        EncryptedPrivateKeyInfoRef::PEM_LABEL => {
            let passphrase = passphrase.ok_or(TrustError::NeedsPassphrase)?;
            let plain = decrypt(document.as_bytes(), passphrase)?;
            private_from_der(plain.as_bytes()).map_err(|error| match error {
                // By chance the padding fits: what comes out is still no key.
                TrustError::NotAKey { .. } => TrustError::WrongPassphrase,
                error => error,
            })
        }
        label => Err(not_a_key(wanted, label)),
    }
}

/// The key as PKCS#8 PEM; with a passphrase, encrypted.
///
/// # Errors
/// [`TrustError::Random`].
pub(super) fn write_private(
    private: &Private,
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<String>, TrustError> {
    let plain = private_to_der(private).expect("a few short numbers always have a DER form");
    let (label, document) = match passphrase {
        None => (PrivateKeyInfoRef::PEM_LABEL, plain),
        Some(passphrase) => {
            (EncryptedPrivateKeyInfoRef::PEM_LABEL, encrypt(plain.as_bytes(), passphrase)?)
        }
    };
    Ok(document.to_pem(label, LineEnding::LF).expect("a short document has a PEM form"))
}

/// Reads `PUBLIC KEY` (SubjectPublicKeyInfo).
///
/// # Errors
/// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
pub(super) fn read_public(pem: &str) -> Result<Point, TrustError> {
    let wanted = "public key";
    let (label, document) =
        Document::from_pem(pem).map_err(|_| not_a_key(wanted, "no proper PEM block"))?;
    if label != SubjectPublicKeyInfoRef::PEM_LABEL {
        return Err(not_a_key(wanted, label));
    }
    public_from_der(document.as_bytes())
}

/// Reads the SubjectPublicKeyInfo itself.
///
/// # Errors
/// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
pub(super) fn public_from_der(der: &[u8]) -> Result<Point, TrustError> {
    let wanted = "public key";
    let malformed = |_| not_a_key(wanted, "the SubjectPublicKeyInfo is malformed");
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(malformed)?;
    match curve(&info.algorithm)? {
        Curve::Ed25519 => {
            let key = ed25519_dalek::VerifyingKey::try_from(info);
            let key = key.map_err(|_| not_a_key(wanted, "the key inside is malformed"))?;
            Point::new(Curve::Ed25519, key.as_bytes())
        }
        curve => {
            let bytes = info.subject_public_key.as_bytes();
            Point::new(
                curve,
                bytes.ok_or_else(|| not_a_key(wanted, "the key inside is malformed"))?,
            )
        }
    }
}

/// The SubjectPublicKeyInfo of a point.
pub(super) fn spki(point: &Point) -> Document {
    let bytes = point.to_bytes();
    let subject_public_key = BitStringRef::from_bytes(&bytes).expect("a point is short");
    let info = SubjectPublicKeyInfoRef { algorithm: algorithm(point.curve()), subject_public_key };
    Document::try_from(info).expect("a point always has a DER form")
}

/// `PUBLIC KEY` PEM of a SubjectPublicKeyInfo.
pub(super) fn write_public(spki: &Document) -> String {
    spki.to_pem(SubjectPublicKeyInfoRef::PEM_LABEL, LineEnding::LF)
        .expect("a short document has a PEM form")
}

fn algorithm(curve: Curve) -> AlgorithmIdentifierRef<'static> {
    let elliptic = |named| AlgorithmIdentifierRef { oid: ELLIPTIC, parameters: Some(named) };
    match curve {
        Curve::Ed25519 => AlgorithmIdentifierRef { oid: ED25519, parameters: None },
        Curve::P256 => elliptic(AnyRef::from(&P256)),
        Curve::P384 => elliptic(AnyRef::from(&P384)),
    }
}

/// The curve of a scheme that uses such files; P-256 is for OpenSSH's alone.
fn curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Curve, TrustError> {
    let unsupported = |oid: ObjectIdentifier| TrustError::UnsupportedAlgorithm(oid.to_string());
    if algorithm.oid == ED25519 {
        return Ok(Curve::Ed25519);
    }
    if algorithm.oid != ELLIPTIC {
        return Err(unsupported(algorithm.oid));
    }
    // A curve without a name, spelt out in full, may be one that proves nothing.
    let named = algorithm.parameters_oid().map_err(|_| unsupported(algorithm.oid))?;
    if named == P384 { Ok(Curve::P384) } else { Err(unsupported(named)) }
}

fn private_from_der(bytes: &[u8]) -> Result<Private, TrustError> {
    let wanted = "private key";
    let info = PrivateKeyInfoRef::try_from(bytes)
        .map_err(|_| not_a_key(wanted, "the PKCS#8 content is malformed"))?;
    let malformed = || not_a_key(wanted, "the key inside is malformed");
    match curve(&info.algorithm)? {
        Curve::Ed25519 => info.try_into().map(Private::Ed25519).map_err(|_| malformed()),
        curve => elliptic(curve, info.private_key.as_bytes()).ok_or_else(malformed),
    }
}

/// Reads an ECPrivateKey.
fn elliptic(curve: Curve, bytes: &[u8]) -> Option<Private> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let parts = reader.sequence(|reader| {
        let version = u8::decode(reader)?;
        let number = <&OctetStringRef>::decode(reader)?;
        let named = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber(0))?;
        let public = ContextSpecific::<BitStringRef<'_>>::decode_explicit(reader, TagNumber(1))?;
        Ok::<_, der::Error>((version, number, named, public))
    });
    let (version, number, named, public) = parts.ok()?;
    reader.finish().ok()?;
    let private = Private::new(curve, number.as_bytes())?;
    let own = private.point().to_bytes();
    let fits = version == 1
        && named.is_none_or(|named| named.value == P384)
        && public.is_none_or(|public| public.value.as_bytes() == Some(own.as_slice()));
    fits.then_some(private)
}

fn private_to_der(private: &Private) -> pkcs8::Result<SecretDocument> {
    if let Private::Ed25519(key) = private {
        // Without the public key inside: openssl 1.1 does not read that form (RFC 5958's).
        let bytes = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        return bytes.to_pkcs8_der();
    }
    let inner = elliptic_to_der(private)?;
    let algorithm = algorithm(private.point().curve());
    PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&inner)?).try_into()
}

/// An ECPrivateKey as openssl writes it into PKCS#8: with the public half, without the curve.
fn elliptic_to_der(private: &Private) -> der::Result<Zeroizing<Vec<u8>>> {
    let (number, point) = (private.to_bytes(), private.point().to_bytes());
    let number = OctetStringRef::new(&number)?;
    let public = ContextSpecific {
        tag_number: TagNumber(1),
        tag_mode: der::TagMode::Explicit,
        value: BitStringRef::from_bytes(&point)?,
    };
    let mut content = Zeroizing::new(1u8.to_der()?);
    content.extend_from_slice(&Zeroizing::new(number.to_der()?));
    content.extend_from_slice(&public.to_der()?);
    Ok(Zeroizing::new(AnyRef::new(der::Tag::Sequence, &content)?.to_der()?))
}
