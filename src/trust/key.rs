//! Private and public keys, in the files that `openssl` reads and writes.
//!
//! Withstands: key files that are something else, of other algorithms, damaged, encrypted with
//! another passphrase, or made so that deriving the key takes hours or gigabytes; public keys of
//! small order or in non-canonical form; signatures with a non-canonical S. Sources: RFC 7468
//! (PEM), RFC 5958 (PKCS#8), RFC 8018 (PBES2), RFC 8410 (Ed25519 keys), RFC 8032.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::KeypairBytes;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use pkcs8::der::ErrorKind;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::pkcs5::{self, EncryptionScheme, pbes2};
use pkcs8::{
    Document, EncodePrivateKey as _, EncodePublicKey as _, EncryptedPrivateKeyInfoRef, LineEnding,
    PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfoRef,
};
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::TrustError;
use super::scheme::Scheme;
use crate::oci::{hex, unhex};

/// Larger than any key file of a scheme that is known or planned.
const MAX_PEM_SIZE: usize = 16 * 1024;
/// PBKDF2 rounds when writing (OWASP's figure for HMAC-SHA-256). PBKDF2 rather than scrypt, so
/// that a host in FIPS mode opens the file too.
const WRITE_ROUNDS: u32 = 600_000;
/// PBKDF2 rounds that are done for a file that asks for them: a few seconds.
const MAX_ROUNDS: u32 = 10_000_000;
/// The memory, in bytes, that scrypt may take.
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
/// How often scrypt may fill that memory.
const MAX_SCRYPT_LANES: u16 = 16;

/// Signs bytes for one key: a [`SecretKey`], or something outside that holds one.
pub trait Signer {
    /// The key that verifies what this signs.
    fn public(&self) -> &PublicKey;

    /// A detached signature over `message`, in the form of the key's scheme.
    ///
    /// # Errors
    /// When the signer refuses or cannot be reached.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError>;
}

/// A private key. Wiped from memory when dropped; never shown.
pub struct SecretKey {
    signing: SigningKey,
    public: PublicKey,
}

impl SecretKey {
    /// A new key from the system's random bytes.
    ///
    /// # Errors
    /// [`TrustError::Random`].
    pub fn generate(scheme: Scheme) -> Result<SecretKey, TrustError> {
        match scheme {
            Scheme::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *seed).map_err(TrustError::Random)?;
                SecretKey::ed25519(SigningKey::from_bytes(&seed))
            }
        }
    }

    /// Reads a PKCS#8 PEM file, `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`. A passphrase for a key
    /// that is not encrypted is not used.
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::NeedsPassphrase`], [`TrustError::WrongPassphrase`],
    /// [`TrustError::UnsupportedAlgorithm`], [`TrustError::TooCostly`].
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<SecretKey, TrustError> {
        let wanted = "private key";
        if pem.len() > MAX_PEM_SIZE {
            return Err(not_a_key(wanted, "the file is too large"));
        }
        let (label, document) =
            SecretDocument::from_pem(pem).map_err(|_| not_a_key(wanted, "no proper PEM block"))?;
        match label {
            PrivateKeyInfoRef::PEM_LABEL => SecretKey::from_der(document.as_bytes()),
            EncryptedPrivateKeyInfoRef::PEM_LABEL => {
                let passphrase = passphrase.ok_or(TrustError::NeedsPassphrase)?;
                let plain = decrypt(document.as_bytes(), passphrase)?;
                SecretKey::from_der(plain.as_bytes()).map_err(|error| match error {
                    // By chance the padding fits: what comes out is still no key.
                    TrustError::NotAKey { .. } => TrustError::WrongPassphrase,
                    error => error,
                })
            }
            label => Err(not_a_key(wanted, label)),
        }
    }

    /// The key as PKCS#8 PEM; with a passphrase, encrypted by PBES2 with PBKDF2-HMAC-SHA-256 and
    /// AES-256-CBC.
    ///
    /// # Errors
    /// [`TrustError::Random`].
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, TrustError> {
        // Without the public key inside: openssl 1.1 does not read that form (RFC 5958's).
        let bytes = KeypairBytes { secret_key: self.signing.to_bytes(), public_key: None };
        let plain = bytes.to_pkcs8_der().expect("32 bytes always have a DER form");
        let (label, document) = match passphrase {
            None => (PrivateKeyInfoRef::PEM_LABEL, plain),
            Some(passphrase) => {
                (EncryptedPrivateKeyInfoRef::PEM_LABEL, encrypt(plain.as_bytes(), passphrase)?)
            }
        };
        Ok(document.to_pem(label, LineEnding::LF).expect("a short document always has a PEM form"))
    }

    fn from_der(bytes: &[u8]) -> Result<SecretKey, TrustError> {
        let wanted = "private key";
        let info = PrivateKeyInfoRef::try_from(bytes)
            .map_err(|_| not_a_key(wanted, "the PKCS#8 content is malformed"))?;
        check_algorithm(info.algorithm.oid)?;
        let signing = SigningKey::try_from(info)
            .map_err(|_| not_a_key(wanted, "the key inside is malformed"))?;
        SecretKey::ed25519(signing)
    }

    fn ed25519(signing: SigningKey) -> Result<SecretKey, TrustError> {
        let public = PublicKey::ed25519(signing.verifying_key())?;
        Ok(SecretKey { signing, public })
    }
}

impl Signer for SecretKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        Ok(self.signing.sign(message).to_bytes().to_vec())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public key that is sound: canonical and of large order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    verifying: VerifyingKey,
    spki: Document,
    id: KeyId,
}

impl PublicKey {
    /// Reads a `PUBLIC KEY` PEM file (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
    pub fn from_pem(pem: &str) -> Result<PublicKey, TrustError> {
        let wanted = "public key";
        if pem.len() > MAX_PEM_SIZE {
            return Err(not_a_key(wanted, "the file is too large"));
        }
        let (label, document) =
            Document::from_pem(pem).map_err(|_| not_a_key(wanted, "no proper PEM block"))?;
        if label != SubjectPublicKeyInfoRef::PEM_LABEL {
            return Err(not_a_key(wanted, label));
        }
        let malformed = |_| not_a_key(wanted, "the SubjectPublicKeyInfo is malformed");
        let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(malformed)?;
        check_algorithm(info.algorithm.oid)?;
        let verifying = VerifyingKey::try_from(info)
            .map_err(|_| not_a_key(wanted, "the key inside is malformed"))?;
        PublicKey::ed25519(verifying)
    }

    /// The key as `PUBLIC KEY` PEM.
    pub fn to_pem(&self) -> String {
        self.spki
            .to_pem(SubjectPublicKeyInfoRef::PEM_LABEL, LineEnding::LF)
            .expect("a short document always has a PEM form")
    }

    /// The scheme of this key's signatures.
    pub fn scheme(&self) -> Scheme {
        Scheme::Ed25519
    }

    /// The name under which signatures refer to this key.
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// Checks a signature by this key over `message`. Strict: one message and key have no second
    /// form of the same signature.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        let bad = |_| TrustError::BadSignature { key_id: self.id };
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(bad)?;
        self.verifying.verify_strict(message, &signature).map_err(bad)
    }

    fn ed25519(verifying: VerifyingKey) -> Result<PublicKey, TrustError> {
        let canonical = verifying.to_edwards().compress().to_bytes() == verifying.to_bytes();
        if verifying.is_weak() || !canonical {
            return Err(TrustError::WeakKey);
        }
        let spki = verifying.to_public_key_der().expect("32 bytes always have a DER form");
        let id = KeyId::new(Scheme::Ed25519, spki.as_bytes());
        Ok(PublicKey { verifying, spki, id })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.scheme(), self.id)
    }
}

/// The name of a public key: SHA-256 over the scheme's name, a NUL byte and the DER form of the
/// key's SubjectPublicKeyInfo. As text, 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 32]);

impl KeyId {
    fn new(scheme: Scheme, spki: &[u8]) -> KeyId {
        let mut hasher = sha2::Sha256::new();
        hasher.update(scheme.name());
        hasher.update([0]);
        hasher.update(spki);
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

fn not_a_key(wanted: &'static str, found: &str) -> TrustError {
    TrustError::NotAKey { wanted, found: found.chars().take(100).collect() }
}

fn check_algorithm(oid: pkcs8::ObjectIdentifier) -> Result<(), TrustError> {
    match oid == ed25519_dalek::pkcs8::ALGORITHM_OID {
        true => Ok(()),
        false => Err(TrustError::UnsupportedAlgorithm(oid.to_string())),
    }
}

fn encrypt(plain: &[u8], passphrase: &[u8]) -> Result<SecretDocument, TrustError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(TrustError::Random)?;
    getrandom::fill(&mut iv).map_err(TrustError::Random)?;
    let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(WRITE_ROUNDS, &salt, iv)
        .expect("the rounds and the salt are within what PBES2 takes");
    let info = PrivateKeyInfoRef::try_from(plain).expect("the caller made it a moment ago");
    Ok(info.encrypt_with_params(scheme, passphrase).expect("a short document can be encrypted"))
}

fn decrypt(bytes: &[u8], passphrase: &[u8]) -> Result<SecretDocument, TrustError> {
    let info: EncryptedPrivateKeyInfoRef<'_> = bytes.try_into().map_err(unreadable)?;
    check_cost(&info.encryption_algorithm)?;
    info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(error) => unopened(error),
        _ => TrustError::WrongPassphrase,
    })
}

/// The encryption's own fields do not make sense.
fn unreadable(error: pkcs8::Error) -> TrustError {
    match error {
        pkcs8::Error::Asn1(error) => match error.kind() {
            ErrorKind::OidUnknown { oid } => TrustError::UnsupportedAlgorithm(oid.to_string()),
            _ => not_a_key("private key", "the encrypted PKCS#8 content is malformed"),
        },
        _ => not_a_key("private key", "the encrypted PKCS#8 content is malformed"),
    }
}

fn unopened(error: pkcs5::Error) -> TrustError {
    match error {
        pkcs5::Error::UnsupportedAlgorithm { oid } => {
            TrustError::UnsupportedAlgorithm(oid.to_string())
        }
        pkcs5::Error::AlgorithmParametersInvalid { .. } => {
            not_a_key("private key", "the parameters of its encryption make no sense")
        }
        _ => TrustError::WrongPassphrase,
    }
}

/// Refuses work that a hostile file asks for, before any of it is done.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), TrustError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(TrustError::UnsupportedAlgorithm(scheme.oid().to_string()));
    };
    let fits = match &parameters.kdf {
        pbes2::Kdf::Pbkdf2(pbkdf2) => (1..=MAX_ROUNDS).contains(&pbkdf2.iteration_count),
        pbes2::Kdf::Scrypt(scrypt) => {
            let memory = scrypt.cost_parameter.saturating_mul(128 * u64::from(scrypt.block_size));
            (1..=MAX_SCRYPT_MEMORY).contains(&memory)
                && (1..=MAX_SCRYPT_LANES).contains(&scrypt.parallelization)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(TrustError::TooCostly) }
}
