//! The receipt of an import: what a site took, on whose word, and what came of it; signed by the site.
//!
//! Withstands: everything in the place of a receipt: unknown, duplicate, missing, reordered and trailing
//! lines, other spellings, files over 16 MiB. A text is taken only if writing its meaning again gives
//! the same bytes. Normative text: `formats/receipt.md`.

mod made;
mod text;

pub use made::{Circumstances, receipt};

use std::path::{Path, PathBuf};

use crate::audit::Checkpoint;
use crate::bundle::{Lading, Name, Seal, Timestamp};
use crate::files::{self, FileError};
use crate::memory::Place;
use crate::oci::{Digest, Reference};
use crate::trust::{KeyId, Keyring, Purpose, Signature, Signed, Signer, TrustError, Verified};

/// The largest receipt, in bytes.
pub const MAX_RECEIPT_SIZE: u64 = 16 * 1024 * 1024;
const MAX_SIGNATURES: usize = 16;
const MAX_SIGNATURE_SIZE: u64 = 8 * 1024;
/// How many receipts one directory may have.
const MAX_RECEIPTS: u32 = 999_999;

/// What a site says of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// `gapferry` and its version.
    pub tool: String,
    /// What the machine calls itself.
    pub host: String,
    /// Who did it.
    pub operator: String,
    /// Who was there too.
    pub second_person: Option<String>,
    /// When the import began.
    pub started: Timestamp,
    /// When all was at the target.
    pub finished: Timestamp,
    /// The bundle: the digest of its seal.
    pub seal: Digest,
    /// Its stream.
    pub stream: Name,
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made.
    pub created: Timestamp,
    /// The trusted keys that signed it: sorted.
    pub signers: Vec<KeyId>,
    /// How many had to sign.
    pub threshold: u64,
    /// The number of the newest trust document; 0 when keys were named.
    pub trust: u64,
    /// Where the images went.
    pub target: Place,
    /// Epoch, sequence and seal of the newest bundle of the stream that was imported before.
    pub previous: Option<(u64, u64, Digest)>,
    /// What was asked for beyond a plain import.
    pub overrides: Vec<Override>,
    /// Why, in the words of the operator.
    pub reason: Option<String>,
    /// What came of the steps of verifying, 1 to 11.
    pub checks: [Check; 11],
    /// Each image, in the order of the bundle.
    pub images: Vec<ImageLine>,
    /// How many blobs were sent to the target.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the site's audit log was when the import began.
    pub log: Option<Checkpoint>,
}

/// Something that somebody asked for and that a plain import does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Override {
    /// Images that the target refused were left out.
    KeepGoing,
    /// Some images only.
    Only,
    /// A bundle that is older than what was imported.
    Restore,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It was taken, and nothing was wrong.
    Passed,
    /// There was nothing to do.
    NotNeeded,
    /// For some images it failed.
    Partly,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLine {
    /// What became of it.
    pub outcome: Became,
    /// The digest of its root, which the target gave when it was asked for its tag.
    pub digest: Digest,
    /// Its name in the bundle.
    pub name: Reference,
    /// Its name at the target.
    pub target: Reference,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It was loaded.
    New,
    /// It was there already.
    Present,
    /// The target did not take it.
    Refused,
}

/// Why a receipt is not taken, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// A file could not be read or written. The environment's fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something lies where the receipt should be. The caller's to mend.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Not a receipt in its one spelling. The input's fault.
    #[error("line {0} of the receipt is not as gapferry writes it")]
    Malformed(usize),
    /// It is larger than any, or has more signatures than may be. The input's fault.
    #[error("the receipt, or what lies beside it, is larger than any")]
    TooLarge,
    /// Signatures do not verify, are too few, or could not be made.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It is of another bundle. The input's fault.
    #[error("the receipt is of the bundle {found}, not of {wanted}")]
    OtherBundle {
        /// The seal in the receipt.
        found: Digest,
        /// The seal of the bundle.
        wanted: Digest,
    },
    /// It says something else of the bundle than the bundle itself. The input's fault.
    #[error("the receipt does not agree with the bundle: {0}")]
    Contradiction(String),
}

impl Receipt {
    /// True when every image that was asked for is at the target.
    pub fn is_whole(&self) -> bool {
        self.images.iter().all(|image| image.outcome != Became::Refused)
    }

    /// Holds the receipt against the bundle that it is said to be of.
    ///
    /// # Errors
    /// [`ReceiptError::OtherBundle`], [`ReceiptError::Contradiction`].
    pub fn agrees(
        &self,
        digest: &Digest,
        seal: &Seal,
        lading: &Lading,
    ) -> Result<(), ReceiptError> {
        if self.seal != *digest {
            return Err(ReceiptError::OtherBundle { found: self.seal, wanted: *digest });
        }
        let own = (&self.stream, self.epoch, self.sequence, self.created);
        if own != (&seal.stream, seal.epoch, seal.sequence, seal.created) {
            return Err(ReceiptError::Contradiction("its place in the stream".to_owned()));
        }
        let aboard = |line: &&ImageLine| {
            !lading.images.iter().any(|it| it.name == line.name && it.digest == line.digest)
        };
        match self.images.iter().find(aboard) {
            Some(line) => Err(ReceiptError::Contradiction(format!("{} is not aboard", line.name))),
            None => Ok(()),
        }
    }

    /// Whether the site says that it holds the image of this name in the bundle.
    pub fn holds(&self, name: &Reference) -> bool {
        self.images.iter().any(|it| it.name == *name && it.outcome != Became::Refused)
    }
}

/// The place of a receipt that is to be written: `place`, which is free, or in a directory the next
/// name that is.
///
/// # Errors
/// [`ReceiptError::Exists`], [`ReceiptError::File`].
pub fn free(place: &Path) -> Result<PathBuf, ReceiptError> {
    if !place.is_dir() {
        return match place.symlink_metadata() {
            Err(_) => Ok(place.to_owned()),
            Ok(_) => Err(ReceiptError::Exists(place.to_owned())),
        };
    }
    let names = std::fs::read_dir(place).map_err(|error| FileError::io("list", place, error))?;
    let mut last = 0;
    for name in names {
        let name = name.map_err(|error| FileError::io("list", place, error))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("receipt-"));
        let number = number.and_then(|rest| rest.get(..6)).and_then(|digits| digits.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    match last {
        MAX_RECEIPTS => Err(ReceiptError::Exists(place.join("receipt-999999"))),
        last => Ok(place.join(format!("receipt-{:06}", last + 1))),
    }
}

/// Writes `receipt` to `place`, and beside it a signature by each of `signers`; gives the files of the
/// signatures. All are made and verified before anything is written.
///
/// # Errors
/// [`ReceiptError::Trust`], [`ReceiptError::File`].
pub fn write(
    receipt: &Receipt,
    place: &Path,
    signers: &[Box<dyn Signer>],
) -> Result<Vec<PathBuf>, ReceiptError> {
    let bytes = receipt.to_bytes();
    let signers = signers.iter().map(AsRef::as_ref);
    let signatures = signers.map(|signer| Signature::by(signer, Purpose::Receipt, &bytes));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    files::write_atomic(place, &bytes)?;
    let mut written = Vec::new();
    for signature in signatures {
        let path = beside(place, &signature.key_id);
        files::write_atomic(&path, &signature.bytes)?;
        written.push(path);
    }
    Ok(written)
}

fn beside(place: &Path, key_id: &KeyId) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(format!(".{key_id}.sig"));
    PathBuf::from(name)
}

/// Reads the receipt at `place`, whoever signed it.
///
/// # Errors
/// [`ReceiptError::Malformed`], [`ReceiptError::TooLarge`], [`ReceiptError::File`].
pub fn read(place: &Path) -> Result<Receipt, ReceiptError> {
    Receipt::parse(&bytes(place)?)
}

fn bytes(place: &Path) -> Result<Vec<u8>, ReceiptError> {
    let bytes = files::read_capped(place, MAX_RECEIPT_SIZE + 1)?;
    match bytes.len() as u64 > MAX_RECEIPT_SIZE {
        true => Err(ReceiptError::TooLarge),
        false => Ok(bytes),
    }
}

/// Whether the file at `place` begins as a receipt does.
pub fn is_receipt(place: &Path) -> bool {
    use std::io::Read as _;
    let mut first = vec![0; text::FIRST_LINE.len()];
    let read = files::open(place).ok().and_then(|mut file| file.read_exact(&mut first).ok());
    read.is_some() && first == text::FIRST_LINE.as_bytes()
}

/// Reads the receipt at `place` with the signatures beside it, of which `keys` must have made enough.
///
/// # Errors
/// Every [`ReceiptError`] but those about bundles.
pub fn verify(place: &Path, keys: &Keyring) -> Result<(Receipt, Verified<Signed>), ReceiptError> {
    let bytes = bytes(place)?;
    let mut signatures = Vec::new();
    for key in keys.keys().take(MAX_SIGNATURES + 1) {
        let path = beside(place, &key.key_id());
        match files::read_capped(&path, MAX_SIGNATURE_SIZE) {
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
            Ok(bytes) => signatures.push(Signature { key_id: key.key_id(), bytes }),
        }
    }
    if signatures.len() > MAX_SIGNATURES {
        return Err(ReceiptError::TooLarge);
    }
    let signed = keys.verify(Purpose::Receipt, bytes, &signatures)?;
    let receipt = Receipt::parse(&signed.get().message)?;
    Ok((receipt, signed))
}

#[cfg(test)]
mod tests;
