//! Keys, signatures and the proof of verification.
//!
//! A [`SecretKey`] (or anything else that is a [`Signer`]: ssh-agent, a program) signs bytes; a
//! [`Keyring`] holds the keys that a site trusts and how many of them must agree, and turns bytes
//! with signatures into [`Verified`] bytes. Nothing outside this module can make a [`Verified`].
//!
//! Whose keys these are, a site may have from trust documents: a [`Chain`] goes from one that it
//! accepted to the newest, and [`Accepted`] keeps it.
//!
//! The scheme of a signature is that of the key which the verifier has; what is being verified has
//! no say in it.

mod chain;
mod command;
mod document;
mod draft;
mod encryption;
mod folder;
mod key;
mod keyring;
mod lines;
mod name;
mod note;
mod paper;
mod pem;
mod point;
mod private;
mod purpose;
mod scheme;
mod ssh;
mod timestamp;
mod verified;

#[cfg(test)]
mod tests;

pub use chain::{Chain, ChainError, Roots};
pub use command::CommandSigner;
pub use document::{DatedKey, Document, DocumentError, MAX_DOCUMENT_SIZE, Stream};
pub use draft::{Standing, Workbook};
pub use folder::{Accepted, read_papers};
pub use key::{KeyId, PublicKey, SecretKey, Signer};
pub use keyring::{Keyring, Signature, Signed};
pub use lines::{Lines, MalformedLine};
pub use name::{InvalidName, Name};
pub use note::{InvalidNote, Note};
pub use paper::{
    InvalidTrustFile, MAX_DOCUMENT_SIGNATURES, MAX_DOCUMENTS, MAX_NUMBER, Paper, PaperError,
    TrustFile,
};
pub use purpose::Purpose;
pub use scheme::Scheme;
pub use ssh::{AgentSigner, KeyRecord};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use verified::Verified;

fn not_a_key(wanted: &'static str, found: &str) -> TrustError {
    TrustError::NotAKey { wanted, found: found.chars().take(100).collect() }
}

/// Why a key or a signature is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Something else than the key that was expected, or a damaged one. The input's fault.
    #[error("not a {wanted}: {}", .found.escape_debug())]
    NotAKey {
        /// `private key` or `public key`.
        wanted: &'static str,
        /// What there is: the label of the PEM block, or what is wrong with the file.
        found: String,
    },
    /// The private key is encrypted and no passphrase was given. The caller's to mend.
    #[error("the private key is encrypted; a passphrase is needed")]
    NeedsPassphrase,
    /// Decryption gives no key: another passphrase, or a damaged file. The input's fault.
    #[error("the passphrase is wrong, or the private key is damaged")]
    WrongPassphrase,
    /// Well formed, but of a kind that gapferry does not know. The input's fault.
    #[error("unsupported algorithm {}", .0.escape_debug())]
    UnsupportedAlgorithm(String),
    /// To derive the key from the passphrase would take more memory or time than is sensible.
    /// The input's fault.
    #[error("opening the private key would take more memory or time than is allowed")]
    TooCostly,
    /// A point of small order or in a non-canonical form: such a key proves nothing. The input's
    /// fault.
    #[error("the public key is weak: of small order, or not in canonical form")]
    WeakKey,
    /// Not a signature scheme. The input's fault.
    #[error("not a signature scheme: {}", .0.escape_debug())]
    UnknownScheme(String),
    /// Not a key id. The input's fault.
    #[error("not a key id (64 lower-case hex digits): {}", .0.escape_debug())]
    InvalidKeyId(String),
    /// Keys of this scheme are made by other tools. The caller's to mend.
    #[error("keys of the scheme {0} are not made here")]
    NotMadeHere(Scheme),
    /// One key is trusted in two ways: the records ask for different things. The caller's to mend.
    #[error("key {key_id} is trusted twice, with different demands on its signatures")]
    TwoRecords {
        /// The key.
        key_id: KeyId,
    },
    /// No threshold that these keys can meet, or one that needs no key. The caller's fault.
    #[error("a threshold of {threshold} makes no sense with {keys} distinct keys")]
    InvalidThreshold {
        /// How many keys must sign.
        threshold: usize,
        /// How many there are.
        keys: usize,
    },
    /// A signature in the name of a trusted key is not that key's, or is over other bytes. The
    /// input's fault.
    #[error("the signature of key {key_id} does not verify")]
    BadSignature {
        /// The key.
        key_id: KeyId,
    },
    /// A signature in the name of a key of OpenSSH is not in OpenSSH's form. The input's fault.
    #[error("the signature of key {key_id} is not one of OpenSSH's: {what}")]
    MalformedSignature {
        /// The key.
        key_id: KeyId,
        /// What is wrong.
        what: &'static str,
    },
    /// A signature that was made for another purpose. The input's fault.
    #[error("the signature of key {key_id} is for the namespace `{}`, not `{}`", .found.escape_debug(), .wanted.namespace())]
    Namespace {
        /// The key.
        key_id: KeyId,
        /// What the signature is for.
        found: String,
        /// What it should be for.
        wanted: Purpose,
    },
    /// An authenticator made the signature without asking its holder. Genuine, and not enough.
    #[error("the signature of key {key_id} is genuine, but {what}")]
    NoTouch {
        /// The key.
        key_id: KeyId,
        /// What was not done.
        what: &'static str,
    },
    /// Too few trusted keys signed. The input's fault.
    #[error("{needed} trusted keys must sign; {valid} did, and {unknown} that are not trusted")]
    Threshold {
        /// How many keys must sign.
        needed: usize,
        /// How many trusted keys did.
        valid: usize,
        /// How many other key ids there are signatures of.
        unknown: usize,
    },
    /// The system gives no random bytes. The environment's fault.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// ssh-agent did not sign. The environment's fault.
    #[error("ssh-agent does not sign for key {key_id}: {}", .what.escape_debug())]
    Agent {
        /// The key.
        key_id: KeyId,
        /// Why.
        what: String,
    },
    /// A program that was to sign failed. The environment's fault.
    #[error("the signer {} failed: {}{}", .program.escape_debug(), .what.escape_debug(), said(.complaint))]
    Program {
        /// The program.
        program: String,
        /// How it ended.
        what: String,
        /// What it printed to standard error.
        complaint: String,
    },
    /// A signer gave something else than its key's signature. The environment's fault.
    #[error("what was to sign for key {key_id} gave no good signature: {why}")]
    Signer {
        /// The key.
        key_id: KeyId,
        /// Why it is not taken.
        why: Box<TrustError>,
    },
}

fn said(complaint: &str) -> String {
    match complaint {
        "" => String::new(),
        text => format!("; it says: {}", text.escape_debug()),
    }
}
