//! Private keys in OpenSSH's own files, under a passphrase or not.
//!
//! Withstands: files that are cut short or go on, several keys in one file, a public half that
//! belongs to another private one, ciphers that are not in use, a key derivation that takes hours.
//! Sources: PROTOCOL.key; bcrypt_pbkdf(3).

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use zeroize::Zeroizing;

use super::super::private::Private;
use super::super::{TrustError, not_a_key};
use super::wire::Reader;
use super::{Kind, SshKey, armor, unsupported};

const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Rounds of the key derivation that are done for a file that asks for them: some ten seconds.
/// ssh-keygen asks for 16 or 24.
const MAX_ROUNDS: u32 = 1024;
const MAX_SALT: usize = 64;
/// The padding brings the content to a multiple of the cipher's block.
const PLAIN_BLOCK: usize = 8;
const AES_BLOCK: usize = 16;

/// True for the text of such a file.
pub(in crate::trust) fn is_private_file(text: &str) -> bool {
    text.starts_with(&format!("-----BEGIN {LABEL}-----"))
}

/// Reads such a file.
///
/// # Errors
/// [`TrustError::NotAKey`], [`TrustError::NeedsPassphrase`], [`TrustError::WrongPassphrase`],
/// [`TrustError::UnsupportedAlgorithm`], [`TrustError::TooCostly`], [`TrustError::WeakKey`].
pub(in crate::trust) fn read_private(
    text: &str,
    passphrase: Option<&[u8]>,
) -> Result<(Private, SshKey), TrustError> {
    let bytes = armor::decode(text.as_bytes(), LABEL).map_err(refused)?;
    let frame = Frame::parse(&bytes).ok_or_else(malformed)?;
    let public = SshKey::parse(frame.public)?;
    if public.kind.is_on_authenticator() {
        let what = "it lies in an authenticator, which ssh-agent asks to sign";
        return Err(refused(what));
    }
    let plain = frame.open(passphrase)?;
    let key = match keys(&plain) {
        // Two random numbers that are the same tell whether the passphrase was right.
        Err(Wrong::Check) if frame.cipher != b"none" => return Err(TrustError::WrongPassphrase),
        other => other.map_err(|_| malformed())?,
    };
    if SshKey::of(public.kind, key.point()).blob != public.blob {
        return Err(refused("its two halves do not belong together"));
    }
    Ok((key, public))
}

fn malformed() -> TrustError {
    refused("the OpenSSH key is malformed")
}

fn refused(what: &'static str) -> TrustError {
    not_a_key("private key", what)
}

/// What lies around the private half.
struct Frame<'a> {
    cipher: &'a [u8],
    derivation: &'a [u8],
    options: &'a [u8],
    public: &'a [u8],
    closed: &'a [u8],
}

impl Frame<'_> {
    fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let (cipher, derivation, options) = (reader.string()?, reader.string()?, reader.string()?);
        if reader.number()? != 1 {
            return None;
        }
        let (public, closed) = (reader.string()?, reader.string()?);
        reader.finish()?;
        Some(Frame { cipher, derivation, options, public, closed })
    }

    fn open(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, TrustError> {
        let block = match (self.cipher, self.derivation) {
            (b"none", b"none") => PLAIN_BLOCK,
            (b"aes256-ctr", b"bcrypt") => AES_BLOCK,
            (b"aes256-ctr" | b"none", _) => return Err(unsupported(self.derivation)),
            _ => return Err(unsupported(self.cipher)),
        };
        if self.closed.is_empty() || self.closed.len() % block != 0 {
            return Err(malformed());
        }
        let mut plain = Zeroizing::new(self.closed.to_vec());
        if block == AES_BLOCK {
            let secret = self.derive(passphrase.ok_or(TrustError::NeedsPassphrase)?)?;
            let cipher = Ctr128BE::<Aes256>::new_from_slices(&secret[..32], &secret[32..]);
            cipher.map_err(|_| malformed())?.apply_keystream(&mut plain);
        }
        Ok(plain)
    }

    /// The cipher's key and its first counter.
    fn derive(&self, passphrase: &[u8]) -> Result<Zeroizing<[u8; 48]>, TrustError> {
        let mut reader = Reader::new(self.options);
        let salt = reader.string().filter(|salt| (1..=MAX_SALT).contains(&salt.len()));
        let rounds = reader.number().ok_or_else(malformed)?;
        reader.finish().ok_or_else(malformed)?;
        if !(1..=MAX_ROUNDS).contains(&rounds) {
            return Err(TrustError::TooCostly);
        }
        let mut secret = Zeroizing::new([0; 48]);
        let salt = salt.ok_or_else(malformed)?;
        bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, secret.as_mut())
            .map_err(|_| TrustError::WrongPassphrase)?;
        Ok(secret)
    }
}

enum Wrong {
    /// The two check numbers differ.
    Check,
    Malformed,
}

/// The private half, which says its own kind and repeats its public half.
fn keys(plain: &[u8]) -> Result<Private, Wrong> {
    let mut reader = Reader::new(plain);
    let checks = reader.number().zip(reader.number()).ok_or(Wrong::Malformed)?;
    if checks.0 != checks.1 {
        return Err(Wrong::Check);
    }
    let private = private(&mut reader).ok_or(Wrong::Malformed)?;
    reader.string().ok_or(Wrong::Malformed)?; // The comment.
    let padding = reader.rest().iter().zip(1..).all(|(byte, number)| *byte == number);
    if padding && reader.rest().len() < AES_BLOCK { Ok(private) } else { Err(Wrong::Malformed) }
}

fn private(reader: &mut Reader<'_>) -> Option<Private> {
    let kind = Kind::named(reader.string()?)?;
    if let Some(curve) = kind.curve_name() {
        reader.expect(curve.as_bytes())?;
    }
    let public = reader.string()?;
    let private = match kind {
        Kind::Ed25519 => {
            // The seed, and the public half once more.
            let (seed, again) = reader.string()?.split_at_checked(kind.curve().width())?;
            (again == public).then(|| Private::new(kind.curve(), seed))??
        }
        Kind::P256 | Kind::P384 => {
            let number = Zeroizing::new(reader.integer(kind.curve().width())?);
            Private::new(kind.curve(), &number)?
        }
        Kind::SkEd25519 | Kind::SkP256 => return None,
    };
    (private.point().to_bytes() == public).then_some(private)
}
