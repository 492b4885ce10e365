//! Adding signatures to a bundle that exists.
//!
//! Nothing of the bundle changes but that it has one signature more: a file beside its seal, or a
//! member at the end of its archive. Whoever signs has looked at the bundle before, and proven its
//! blobs.

use std::path::{Path, PathBuf};

use crate::bundle::{BundlePath, HeadFile, append};
use crate::files::{self, FileError};
use crate::trust::{KeyId, PublicKey, Purpose, Signature, Signer, TrustError};
use crate::verify::{Contents, MAX_SIGNATURES, VerifyError};

/// Why no signature is added.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The bundle is damaged, or has changed meanwhile.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A signer fails, or the signature that is there in its key's name is bad.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The signature could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle has all the signatures that it may have. The input's fault.
    #[error("the bundle would have more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

/// A signature of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Whose it is.
    pub key_id: KeyId,
    /// The file or the archive that it was written to; `None` when it was there before.
    pub written: Option<PathBuf>,
}

/// Signs `bundle` with every one of `signers`. The signatures go to the directory `out`, or to where
/// the seal is. All are made and verified before the first is written.
///
/// # Errors
/// Every [`SignError`].
pub fn sign(
    bundle: &Contents,
    signers: &[Box<dyn Signer>],
    out: Option<&Path>,
) -> Result<Vec<Added>, SignError> {
    let seal = bundle.head(HeadFile::Seal)?;
    let mut made: Vec<(KeyId, Option<Signature>)> = Vec::new();
    for signer in signers {
        let key_id = signer.public().key_id();
        if made.iter().all(|(other, _)| *other != key_id) {
            let there = is_there(bundle, signer.public(), &seal)?;
            let signature = if there {
                None
            } else {
                Some(Signature::by(signer.as_ref(), Purpose::Seal, &seal)?)
            };
            made.push((key_id, signature));
        }
    }
    if aboard(bundle) + made.iter().filter(|(_, new)| new.is_some()).count() > MAX_SIGNATURES {
        return Err(SignError::TooMany);
    }
    let write = |(key_id, signature): (KeyId, Option<Signature>)| {
        let written = signature.map(|signature| write(bundle, signature, out)).transpose()?;
        Ok(Added { key_id, written })
    };
    made.into_iter().map(write).collect()
}

/// How many signatures the bundle has.
fn aboard(bundle: &Contents) -> usize {
    let is_signature =
        |path: &&BundlePath| matches!(path, BundlePath::Head(HeadFile::Signature(_)));
    bundle.medium().paths().filter(is_signature).count()
}

fn is_there(bundle: &Contents, key: &PublicKey, seal: &[u8]) -> Result<bool, SignError> {
    let file = HeadFile::Signature(key.key_id());
    if bundle.medium().get(&file.into()).is_none() {
        return Ok(false);
    }
    key.verify(Purpose::Seal, seal, &bundle.head(file)?)?;
    Ok(true)
}

fn write(
    bundle: &Contents,
    signature: Signature,
    out: Option<&Path>,
) -> Result<PathBuf, SignError> {
    let name = HeadFile::Signature(signature.key_id);
    let missing = || VerifyError::Missing { path: HeadFile::Seal.into() };
    let seal = bundle.medium().get(&HeadFile::Seal.into()).ok_or_else(missing)?;
    // A member of an archive has its header before it.
    let directory = match (out, seal.offset()) {
        (Some(out), _) => out.to_owned(),
        (None, 0) => files::parent(&seal.file()),
        (None, _) => {
            append(&seal.file(), name, &signature.bytes)?;
            return Ok(seal.file());
        }
    };
    let path = directory.join(name.to_string());
    files::write_atomic(&path, &signature.bytes)?;
    Ok(path)
}

#[cfg(test)]
mod tests;
