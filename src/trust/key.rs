//! Private and public keys, whatever their scheme.
//!
//! The files that hold them are read in `pem` and `ssh`; the scheme of a key is that of its file,
//! and its signatures are taken in no other form.

use std::fmt;
use std::str::FromStr;

use pkcs8::Document;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::pem;
use super::point::{Curve, Point};
use super::private::Private;
use super::purpose::Purpose;
use super::scheme::Scheme;
use super::ssh::{self, SshKey};
use super::{TrustError, not_a_key};
use crate::oci::{hex, unhex};

/// Larger than any key file of a known scheme.
const MAX_SIZE: usize = 16 * 1024;

/// Signs bytes for one key: a [`SecretKey`], or something outside that holds one.
pub trait Signer {
    /// The key that verifies what this signs.
    fn public(&self) -> &PublicKey;

    /// A detached signature over `message`, which is of that kind, in the form of the key's scheme. Whoever uses it
    /// verifies it first, as [`Signature::by`](super::Signature::by) does.
    ///
    /// # Errors
    /// When the signer refuses or cannot be reached.
    fn sign(&self, purpose: Purpose, message: &[u8]) -> Result<Vec<u8>, TrustError>;

    /// True when the key is at hand, and nobody is asked for a PIN or a touch.
    fn is_at_hand(&self) -> bool {
        false
    }
}

/// A private key. Wiped from memory when dropped; never shown.
pub struct SecretKey {
    private: Private,
    public: PublicKey,
}

impl SecretKey {
    /// A new key from the system's random bytes.
    ///
    /// # Errors
    /// [`TrustError::Random`]; [`TrustError::NotMadeHere`] for OpenSSH's.
    pub fn generate(scheme: Scheme) -> Result<SecretKey, TrustError> {
        let curve = match scheme {
            Scheme::Ed25519 => Curve::Ed25519,
            Scheme::EcdsaP384 => Curve::P384,
            Scheme::OpenSsh => return Err(TrustError::NotMadeHere(scheme)),
        };
        SecretKey::plain(Private::generate(curve)?)
    }

    /// Reads a private key file: PKCS#8 in PEM (`PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`), or
    /// OpenSSH's own (`OPENSSH PRIVATE KEY`). A passphrase for a key that is not encrypted is not
    /// used.
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::NeedsPassphrase`], [`TrustError::WrongPassphrase`],
    /// [`TrustError::UnsupportedAlgorithm`], [`TrustError::TooCostly`], [`TrustError::WeakKey`].
    pub fn from_pem(text: &str, passphrase: Option<&[u8]>) -> Result<SecretKey, TrustError> {
        if text.len() > MAX_SIZE {
            return Err(not_a_key("private key", "the file is too large"));
        }
        if !ssh::is_private_file(text) {
            return SecretKey::plain(pem::read_private(text, passphrase)?);
        }
        let (private, key) = ssh::read_private(text, passphrase)?;
        Ok(SecretKey { private, public: PublicKey::ssh(key) })
    }

    /// The key as PKCS#8 PEM; with a passphrase, encrypted by PBES2 with PBKDF2-HMAC-SHA-256 and
    /// AES-256-CBC.
    ///
    /// # Errors
    /// [`TrustError::Random`].
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, TrustError> {
        pem::write_private(&self.private, passphrase)
    }

    fn plain(private: Private) -> Result<SecretKey, TrustError> {
        // A seed may lead anywhere; that it leads to a sound point is checked like any point.
        let point = private.point();
        let public = PublicKey::plain(Point::new(point.curve(), &point.to_bytes())?);
        Ok(SecretKey { private, public })
    }
}

impl Signer for SecretKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn is_at_hand(&self) -> bool {
        true
    }

    fn sign(&self, purpose: Purpose, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        Ok(match &self.public.form {
            Form::Pem { point, .. } => match point.curve() {
                Curve::Ed25519 => self.private.sign(message),
                _ => ecdsa_to_der(&self.private.sign(message)),
            },
            Form::Ssh(key) => ssh::sign(key, &self.private, purpose, message),
        })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public key that is sound: canonical, on its curve and of large order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    form: Form,
    id: KeyId,
}

/// What the file was, which decides the scheme.
#[derive(Clone, PartialEq, Eq)]
enum Form {
    /// A SubjectPublicKeyInfo.
    Pem { point: Point, spki: Document },
    /// A key of OpenSSH.
    Ssh(SshKey),
}

impl PublicKey {
    /// Reads a `PUBLIC KEY` PEM file (SubjectPublicKeyInfo). For other files see
    /// [`KeyRecord::parse`](super::KeyRecord::parse).
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
    pub fn from_pem(text: &str) -> Result<PublicKey, TrustError> {
        if text.len() > MAX_SIZE {
            return Err(not_a_key("public key", "the file is too large"));
        }
        pem::read_public(text).map(PublicKey::plain)
    }

    /// The key as text: `PUBLIC KEY` PEM, or a line of OpenSSH's.
    pub fn to_text(&self) -> String {
        match &self.form {
            Form::Pem { spki, .. } => pem::write_public(spki),
            Form::Ssh(key) => key.to_line(),
        }
    }

    /// The scheme of this key's signatures.
    pub fn scheme(&self) -> Scheme {
        match &self.form {
            Form::Pem { point, .. } if point.curve() == Curve::Ed25519 => Scheme::Ed25519,
            Form::Pem { .. } => Scheme::EcdsaP384,
            Form::Ssh(_) => Scheme::OpenSsh,
        }
    }

    /// The name under which signatures refer to this key.
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// True when both are the same key, though maybe in files of different kinds: who holds the one
    /// private key holds the other.
    pub fn is_same_key(&self, other: &PublicKey) -> bool {
        self.point() == other.point()
    }

    /// Checks a signature by this key over `message`, which is of that kind.
    ///
    /// Strict: the form is that of the key's scheme. In Ed25519, one message and key have no second
    /// form of a signature; in ECDSA whoever has one can make a second, which says no more.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`]; for keys of OpenSSH also [`TrustError::MalformedSignature`],
    /// [`TrustError::Namespace`] and [`TrustError::NoTouch`].
    pub fn verify(
        &self,
        purpose: Purpose,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TrustError> {
        let good = match &self.form {
            Form::Pem { point, .. } => match point.curve() {
                Curve::Ed25519 => point.verifies(message, signature),
                _ => ecdsa_from_der(signature)
                    .is_some_and(|signature| point.verifies(message, &signature)),
            },
            Form::Ssh(key) => return ssh::verify(key, self.id, purpose, message, signature),
        };
        if good { Ok(()) } else { Err(TrustError::BadSignature { key_id: self.id }) }
    }

    /// Reads what [`PublicKey::raw`] gives, with the words of [`PublicKey::options`].
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
    pub(super) fn from_raw(
        scheme: Scheme,
        raw: &[u8],
        options: &[&str],
    ) -> Result<PublicKey, TrustError> {
        if scheme == Scheme::OpenSsh {
            return Ok(PublicKey::ssh(SshKey::with_options(raw, options)?));
        }
        let key = PublicKey::plain(pem::public_from_der(raw)?);
        match key.scheme() == scheme && options.is_empty() {
            true => Ok(key),
            false => Err(not_a_key("public key", "it is for another scheme")),
        }
    }

    /// The bytes that the key id is made of, besides the scheme.
    pub(super) fn raw(&self) -> &[u8] {
        match &self.form {
            Form::Pem { spki, .. } => spki.as_bytes(),
            Form::Ssh(key) => key.blob(),
        }
    }

    /// What the key's record demands besides what is usual, in OpenSSH's words.
    pub(super) fn options(&self) -> Vec<&'static str> {
        self.as_ssh().map(SshKey::options).unwrap_or_default()
    }

    /// The key of OpenSSH that this is, if it is one.
    pub(super) fn as_ssh(&self) -> Option<&SshKey> {
        match &self.form {
            Form::Ssh(key) => Some(key),
            Form::Pem { .. } => None,
        }
    }

    /// What makes it the same key as another, whatever its id.
    pub(super) fn material(&self) -> (Curve, Vec<u8>) {
        (self.point().curve(), self.point().to_bytes())
    }

    fn point(&self) -> &Point {
        match &self.form {
            Form::Pem { point, .. } => point,
            Form::Ssh(key) => key.point(),
        }
    }

    fn plain(point: Point) -> PublicKey {
        let spki = pem::spki(&point);
        let scheme = match point.curve() {
            Curve::Ed25519 => Scheme::Ed25519,
            _ => Scheme::EcdsaP384,
        };
        let id = KeyId::new(scheme, spki.as_bytes());
        PublicKey { form: Form::Pem { point, spki }, id }
    }

    pub(super) fn ssh(key: SshKey) -> PublicKey {
        let id = KeyId::new(Scheme::OpenSsh, key.blob());
        PublicKey { form: Form::Ssh(key), id }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.scheme(), self.id)
    }
}

/// The DER form of r and s, 48 bytes each.
fn ecdsa_to_der(signature: &[u8]) -> Vec<u8> {
    let signature = p384::ecdsa::Signature::from_slice(signature).expect("it was just made");
    signature.to_der().as_bytes().to_vec()
}

/// r and s, 48 bytes each, of their one DER form.
fn ecdsa_from_der(der: &[u8]) -> Option<Vec<u8>> {
    let signature = p384::ecdsa::Signature::from_der(der).ok()?;
    // The parser may be lenient in a corner; openssl encodes again and compares, and so do we.
    (signature.to_der().as_bytes() == der).then(|| signature.to_bytes().to_vec())
}

/// The name of a public key: SHA-256 over the scheme's name, a NUL byte and the key: the DER form of
/// its SubjectPublicKeyInfo, or OpenSSH's own form. As text, 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 32]);

impl KeyId {
    fn new(scheme: Scheme, key: &[u8]) -> KeyId {
        let mut hasher = sha2::Sha256::new();
        hasher.update(scheme.name());
        hasher.update([0]);
        hasher.update(key);
        KeyId(hasher.finalize().into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<KeyId, TrustError> {
        let invalid = || TrustError::InvalidKeyId(text.chars().take(100).collect());
        unhex(text).map(KeyId).ok_or_else(invalid)
    }
}
