//! Getting the documents of pinned images from their sources.

use std::collections::BTreeMap;

use super::{ExportError, Journal};
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};
use crate::pool;
use crate::source::Opener;

/// Fetches every document of `images` by digest, each once, `jobs` at a time, but for those that an
/// interrupted export has fetched.
///
/// # Errors
/// [`ExportError::Source`].
pub fn fetch_documents(
    images: &[PinnedImage],
    sources: &Opener,
    journal: Option<&Journal>,
    jobs: usize,
) -> Result<BTreeMap<Digest, Manifest>, ExportError> {
    let mut wanted: BTreeMap<Digest, (&PinnedImage, Descriptor)> = BTreeMap::new();
    for image in images {
        for document in &image.documents {
            wanted.entry(document.digest).or_insert_with(|| (image, document.descriptor()));
        }
    }
    let wanted: Vec<_> = wanted.into_values().collect();
    let documents = pool::run(jobs, &wanted, |(image, descriptor)| {
        if let Some(document) = journal.and_then(|journal| journal.document(descriptor)) {
            return Ok(document);
        }
        let failed = |error| ExportError::Source { name: image.name.clone(), error };
        sources.source(image).and_then(|source| source.manifest(descriptor)).map_err(failed)
    })?;
    Ok(documents.into_iter().map(|document| (document.descriptor().digest, document)).collect())
}
