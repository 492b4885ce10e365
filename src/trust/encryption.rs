//! Private keys under a passphrase: PBES2.
//!
//! Withstands: key files that are damaged, of other algorithms, or made so that deriving the key
//! takes hours or gigabytes. Sources: RFC 5958 (PKCS#8), RFC 8018 (PBES2).

use pkcs8::der::ErrorKind;
use pkcs8::pkcs5::{self, EncryptionScheme, pbes2};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};

use super::{TrustError, not_a_key};

/// PBKDF2 rounds when writing (OWASP's figure for HMAC-SHA-256). PBKDF2 rather than scrypt, so
/// that a host in FIPS mode opens the file too.
const WRITE_ROUNDS: u32 = 600_000;
/// PBKDF2 rounds that are done for a file that asks for them: a few seconds.
const MAX_ROUNDS: u32 = 10_000_000;
/// The memory, in bytes, that scrypt may take.
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
/// How often scrypt may fill that memory.
const MAX_SCRYPT_LANES: u16 = 16;

/// Encrypts a `PRIVATE KEY` with PBKDF2-HMAC-SHA-256 and AES-256-CBC.
///
/// # Errors
/// [`TrustError::Random`].
pub(super) fn encrypt(plain: &[u8], passphrase: &[u8]) -> Result<SecretDocument, TrustError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(TrustError::Random)?;
    getrandom::fill(&mut iv).map_err(TrustError::Random)?;
    let scheme = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(WRITE_ROUNDS, &salt, iv)
        .expect("the rounds and the salt are within what PBES2 takes");
    let info = PrivateKeyInfoRef::try_from(plain).expect("the caller made it a moment ago");
    Ok(info.encrypt_with_params(scheme, passphrase).expect("a short document can be encrypted"))
}

/// Decrypts an `ENCRYPTED PRIVATE KEY`.
///
/// # Errors
/// [`TrustError::NotAKey`], [`TrustError::WrongPassphrase`], [`TrustError::UnsupportedAlgorithm`],
/// [`TrustError::TooCostly`].
pub(super) fn decrypt(bytes: &[u8], passphrase: &[u8]) -> Result<SecretDocument, TrustError> {
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
