//! The same bundle in another packaging: every file is carried over byte for byte, proven on the
//! way, and nothing needs to be signed again.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;

use crate::bundle::{BlobPath, BundlePath, HeadFile, Packaging, WriteError, Writer};
use crate::files::FileError;
use crate::oci::{Digest, MARK_BLOCK, Manifest};
use crate::pool;
use crate::report::Progress;
use crate::verify::{Contents, VerifyError};

/// Why a bundle is not repacked.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// The bundle is damaged or forged.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The new one could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<FileError> for RepackError {
    fn from(error: FileError) -> RepackError {
        RepackError::Write(WriteError::File(error))
    }
}

/// Writes `bundle` to `out` in another packaging, `jobs` blobs at a time. When it fails there is no
/// new bundle; the old one is never touched.
///
/// # Errors
/// Every [`RepackError`].
pub fn repack(
    bundle: &Contents,
    out: &Path,
    packaging: Packaging,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), RepackError> {
    let places = places(bundle);
    let writer = Writer::create(out, packaging, &places)?;
    progress.begin("repacking", bundle.seal().bytes);
    pool::run(jobs, &places, |(blob, _)| copy(bundle, &writer, *blob, progress))?;
    progress.end();
    let (mut heads, mut signatures) = (Vec::new(), Vec::new());
    for path in bundle.medium().paths() {
        match path {
            BundlePath::Head(file @ HeadFile::Signature(_)) => {
                signatures.push((*file, bundle.head(*file)?))
            }
            BundlePath::Head(HeadFile::Seal) | BundlePath::Blob(_) => {}
            BundlePath::Head(file) => heads.push((*file, bundle.head(*file)?)),
        }
    }
    Ok(writer.finish(&heads, &signatures, &bundle.head(HeadFile::Seal)?)?)
}

/// Documents and blobs in the order in which an export writes them, so that a bundle has one form
/// in each packaging.
fn places(bundle: &Contents) -> Vec<(BlobPath, u64)> {
    let mut seen = BTreeSet::new();
    let mut places = Vec::new();
    let mut add = |digest: Digest, size| {
        if let Some(path) = BlobPath::of(&digest).filter(|path| seen.insert(*path)) {
            places.push((path, size));
        }
    };
    bundle.documents().map(Manifest::descriptor).for_each(|it| add(it.digest, it.size));
    for image in bundle.images() {
        let documents: BTreeSet<Digest> = image.documents.iter().map(|it| it.digest).collect();
        let documents = documents.iter().filter_map(|digest| bundle.document(digest));
        let blobs = documents.flat_map(Manifest::blobs);
        blobs.filter(|it| !image.omits(&it.digest)).for_each(|it| add(it.digest, it.size));
    }
    places
}

fn copy(
    bundle: &Contents,
    writer: &Writer,
    blob: BlobPath,
    progress: &dyn Progress,
) -> Result<(), RepackError> {
    let mut out = writer.blob(blob)?;
    let mut write = |bytes: &[u8]| {
        progress.advance(bytes.len() as u64);
        out.write_all(bytes).map_err(|error| FileError::io("write", out.file(), error))
    };
    match bundle.document(&blob.digest()) {
        Some(document) => write(document.raw())?,
        None => {
            let mut reader = bundle.blob(&blob.digest())?;
            let mut block = vec![0; MARK_BLOCK];
            loop {
                match reader.read(&mut block).map_err(VerifyError::from_io)? {
                    0 => break,
                    count => write(&block[..count])?,
                }
            }
        }
    }
    Ok(out.finish()?)
}

#[cfg(test)]
mod tests;
