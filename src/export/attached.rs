//! The SBOMs and scan results that travel with images: found by what they are, and summed up for the
//! transfer record.

use std::io::Read as _;

use super::ExportError;
use super::plan::Plan;
use super::run::content;
use super::summary::{Summary, summary};
use crate::bundle::Attached;
use crate::oci::{Descriptor, Manifest, PinnedImage};
use crate::pool;
use crate::source::Opener;

/// The largest document that is summed up, in bytes. Larger ones travel all the same.
const MAX_DOCUMENT: u64 = 32 * 1024 * 1024;
/// How many blobs of one manifest are looked at.
const MAX_BLOBS: usize = 32;

/// What is attached to each image of the plan, in its order; `jobs` images are looked at at a time.
///
/// # Errors
/// [`ExportError::Source`], [`ExportError::Read`].
pub fn attached(
    plan: &Plan,
    sources: &Opener,
    jobs: usize,
) -> Result<Vec<Vec<Attached>>, ExportError> {
    pool::run(jobs, &plan.images, |image| {
        let documents = image.documents.iter().filter_map(|it| plan.documents.get(&it.digest));
        let mut found = Vec::new();
        for document in documents {
            for blob in candidates(document).take(MAX_BLOBS) {
                found.extend(look(image, document, blob, sources)?);
            }
        }
        Ok(found)
    })
}

/// Blobs that may be such documents: JSON, and no configs of images. Layers of images are none.
fn candidates(document: &Manifest) -> impl Iterator<Item = &Descriptor> {
    document.blobs().filter(|blob| {
        let kind = &blob.media_type;
        let json = kind.as_str().to_ascii_lowercase().contains("json");
        // The empty config of artifacts is `{}`.
        json && !kind.is_image_config() && (3..=MAX_DOCUMENT).contains(&blob.size)
    })
}

fn look(
    image: &PinnedImage,
    document: &Manifest,
    blob: &Descriptor,
    sources: &Opener,
) -> Result<Option<Attached>, ExportError> {
    let mut bytes = Vec::new();
    let mut reader = content(sources, image, blob)?.proving();
    reader.read_to_end(&mut bytes).map_err(|error| ExportError::Read {
        name: image.name.clone(),
        blob: blob.digest,
        error,
    })?;
    Ok(summary(&bytes).map(|Summary { kind, packages, licences, findings }| Attached {
        document: document.descriptor().digest,
        blob: blob.digest,
        kind,
        packages,
        licences,
        findings,
    }))
}
