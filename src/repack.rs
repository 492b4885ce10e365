//! The same bundle in another packaging: every file is carried over byte for byte, proven on the
//! way, and nothing needs to be signed again.

use std::io::{BufRead as _, Write as _};
use std::path::Path;

use crate::bundle::{BlobPath, BundlePath, HeadFile, Packaging, WriteError, Writer};
use crate::files::FileError;
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
    repack_with(bundle, Writer::create(out, packaging)?, jobs, progress)
}

/// The same with a writer that has begun.
///
/// # Errors
/// Every [`RepackError`].
pub fn repack_with(
    bundle: &Contents,
    writer: Writer,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), RepackError> {
    let places = bundle.places();
    places.iter().try_for_each(|(blob, size)| writer.announce(*blob, *size))?;
    progress.begin("repacking", bundle.seal().bytes);
    pool::run(jobs, &places, |(blob, _)| copy(bundle, &writer, *blob, progress))?;
    progress.end();
    let (mut heads, mut outside) = (Vec::new(), Vec::new());
    // Whoever imports the new bundle checks them, as they would have been in the old one.
    for paper in bundle.papers()? {
        outside.extend(paper.files().into_iter().map(|(file, bytes)| (file.into(), bytes)));
    }
    for path in bundle.medium().paths() {
        match path {
            BundlePath::Head(file @ HeadFile::Signature(_)) => {
                outside.push((*path, bundle.head(*file)?))
            }
            BundlePath::Head(HeadFile::Seal) | BundlePath::Blob(_) | BundlePath::Trust(_) => {}
            BundlePath::Head(file) => heads.push((*file, bundle.head(*file)?)),
        }
    }
    Ok(writer.finish(&heads, &outside, Some(&bundle.head(HeadFile::Seal)?))?)
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
            let mut reader = bundle.file(&blob.digest())?;
            loop {
                let block = reader.fill_buf().map_err(VerifyError::from_io)?;
                if block.is_empty() {
                    break;
                }
                write(block)?;
                let count = block.len();
                reader.consume(count);
            }
        }
    }
    Ok(out.finish()?)
}

#[cfg(test)]
mod tests;
