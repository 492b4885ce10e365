//! Getting the documents of pinned images from their sources.

use std::collections::BTreeMap;

use super::{ExportError, Journal};
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};
use crate::pool;
use crate::source::{Opener, SourceError};

/// Fetches every document of `images` by digest, each once, `jobs` at a time, but for those that an
/// interrupted export has fetched.
///
/// # Errors
/// [`ExportError::Source`]; [`ExportError::Absent`] with all that are not there.
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
            return Ok(Ok(document));
        }
        let name = image.name.clone();
        match sources.source(image).and_then(|source| source.manifest(descriptor)) {
            Ok(document) => Ok(Ok(document)),
            Err(SourceError::NotFound(_)) => Ok(Err((name, descriptor.digest))),
            Err(error) => Err(ExportError::Source { name, error }),
        }
    })?;
    let mut absent = Vec::new();
    let documents: Vec<Manifest> =
        documents.into_iter().filter_map(|it| it.map_err(|it| absent.push(it)).ok()).collect();
    if !absent.is_empty() {
        absent.sort();
        return Err(ExportError::Absent(absent));
    }
    Ok(documents.into_iter().map(|document| (document.descriptor().digest, document)).collect())
}
