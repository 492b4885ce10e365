//! A bundle as a plain OCI layout, with every layer as a blob of its own: what any other tool
//! reads.

use std::io::{BufRead as _, Write as _};
use std::path::Path;

use crate::bundle::{
    BlobPath, BlobWriter, HeadFile, OCI_LAYOUT, Packaging, WriteError, Writer,
    docker_manifest_json, index_json,
};
use crate::files::FileError;
use crate::oci::Digest;
use crate::pool;
use crate::report::Progress;
use crate::verify::{VerifiedBundle, VerifyError, Workshop};

/// Why a bundle is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bundle is damaged or forged, or takes content that only its destination holds.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The layout could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<FileError> for UnpackError {
    fn from(error: FileError) -> UnpackError {
        UnpackError::Write(WriteError::File(error))
    }
}

/// Writes the images of `bundle` to `out`: an OCI layout in a directory, or an OCI archive, `jobs`
/// blobs at a time. When it fails there is none.
///
/// # Errors
/// Every [`UnpackError`]; [`VerifyError::AtDestination`] for a delta.
pub fn unpack(
    bundle: &VerifiedBundle,
    out: &Path,
    packaging: Packaging,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), UnpackError> {
    let contents = bundle.get();
    let (images, catalog) = (contents.images(), contents.catalog());
    if let Some(held) = catalog.held.first() {
        return Err(VerifyError::AtDestination(held.blob.digest).into());
    }
    let writer = Writer::create(out, packaging)?;
    for document in contents.documents() {
        let mut blob =
            announced(&writer, document.descriptor().digest, document.raw().len() as u64)?;
        let written = blob.write_all(document.raw());
        written.map_err(|error| FileError::io("write", blob.file(), error))?;
        blob.finish()?;
    }
    let mut blobs: Vec<(Digest, u64)> = catalog.image_blobs().collect();
    blobs.retain(|(digest, _)| contents.document(digest).is_none());
    blobs.sort();
    for (digest, size) in &blobs {
        writer.announce(path(digest), *size)?;
    }
    progress.begin("unpacking", blobs.iter().map(|(_, size)| size).sum());
    let workshop = Workshop::new(contents, None);
    pool::run(jobs, &blobs, |(digest, _)| copy(&workshop, &writer, digest, progress))?;
    progress.end();
    let documents = contents.documents().map(|it| (it.descriptor().digest, it.clone()));
    let heads = [
        (HeadFile::OciLayout, OCI_LAYOUT.to_vec()),
        (HeadFile::Index, index_json(images)),
        (HeadFile::DockerManifest, docker_manifest_json(images, &documents.collect())),
    ];
    Ok(writer.finish(&heads, &[], None)?)
}

fn path(digest: &Digest) -> BlobPath {
    BlobPath::of(digest).expect("a verified bundle holds SHA-256 content only")
}

fn announced(writer: &Writer, digest: Digest, size: u64) -> Result<BlobWriter, WriteError> {
    writer.announce(path(&digest), size)?;
    Ok(writer.blob(path(&digest))?)
}

fn copy(
    workshop: &Workshop<'_>,
    writer: &Writer,
    digest: &Digest,
    progress: &dyn Progress,
) -> Result<(), UnpackError> {
    let (mut reader, mut out) = (workshop.blob(digest)?, writer.blob(path(digest))?);
    loop {
        let block = reader.fill_buf().map_err(VerifyError::from_io)?;
        if block.is_empty() {
            return Ok(out.finish()?);
        }
        progress.advance(block.len() as u64);
        out.write_all(block).map_err(|error| FileError::io("write", out.file(), error))?;
        let count = block.len();
        reader.consume(count);
    }
}
