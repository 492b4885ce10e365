//! Everything that `index.json` leads to: which documents there are, what each needs, and which
//! refer to which.
//!
//! Withstands: documents by the hundred thousand, chains of indexes of any depth (no recursion),
//! the same document reached again and again.

use std::collections::BTreeMap;

use super::{LayoutError, Store};
use crate::oci::{Descriptor, Digest, Manifest};

/// How many documents one layout may lead to.
pub const MAX_DOCUMENTS: usize = 100_000;

/// A document of a layout, in brief.
#[derive(Debug, Clone)]
pub struct Document {
    /// Media type, digest, size; artifact type and annotations as the document itself says.
    pub descriptor: Descriptor,
    /// The documents below it.
    pub children: Vec<Digest>,
    /// The blobs it needs.
    pub blobs: Vec<Digest>,
    /// The document that it refers to.
    pub subject: Option<Digest>,
}

/// The documents of a layout, by digest.
#[derive(Debug, Default)]
pub struct Documents {
    documents: BTreeMap<Digest, Document>,
    referrers: BTreeMap<Digest, Vec<Digest>>,
    /// Why a document could not be read, for each that could not.
    pub damaged: Vec<LayoutError>,
}

impl Documents {
    /// Reads every document that `store` leads to. What is listed and absent is left out: an index
    /// may be sparse. What has a media type that nobody here knows is listed unread: it may be a
    /// layer in an index of build caches.
    ///
    /// # Errors
    /// [`LayoutError::TooManyDocuments`] and [`LayoutError::File`].
    pub fn scan(store: &dyn Store) -> Result<Documents, LayoutError> {
        let mut found = Documents::default();
        let mut waiting: Vec<Descriptor> =
            store.entries().iter().map(|entry| entry.descriptor.clone()).collect();
        while let Some(descriptor) = waiting.pop() {
            if found.documents.contains_key(&descriptor.digest) {
                continue;
            }
            if found.documents.len() == MAX_DOCUMENTS {
                return Err(LayoutError::TooManyDocuments);
            }
            let known = descriptor.media_type.is_index() || descriptor.media_type.is_manifest();
            let manifest = match known.then(|| store.manifest(&descriptor)).transpose() {
                Ok(manifest) => manifest,
                Err(LayoutError::Missing(_)) => continue,
                Err(error @ LayoutError::Manifest(_)) => {
                    found.damaged.push(error);
                    None
                }
                Err(error) => return Err(error),
            };
            waiting.extend(manifest.iter().flat_map(Manifest::children).cloned());
            found.insert(descriptor, manifest.as_ref());
        }
        Ok(found)
    }

    fn insert(&mut self, mut descriptor: Descriptor, manifest: Option<&Manifest>) {
        let digest = descriptor.digest;
        let subject = manifest.and_then(Manifest::subject).map(|subject| subject.digest);
        if let Some(subject) = subject {
            self.referrers.entry(subject).or_default().push(digest);
        }
        if let Some(manifest) = manifest {
            descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
            descriptor.annotations = manifest.annotations().clone();
        }
        let children = manifest.iter().flat_map(|manifest| manifest.children());
        let blobs = manifest.iter().flat_map(|manifest| manifest.blobs());
        let document = Document {
            children: children.map(|child| child.digest).collect(),
            blobs: blobs.map(|blob| blob.digest).collect(),
            descriptor,
            subject,
        };
        self.documents.insert(digest, document);
    }

    /// The document of this digest.
    pub fn get(&self, digest: &Digest) -> Option<&Document> {
        self.documents.get(digest)
    }

    /// The documents that name `subject` as their subject.
    pub fn referrers(&self, subject: &Digest) -> impl Iterator<Item = &Document> {
        let referrers = self.referrers.get(subject).into_iter().flatten();
        referrers.filter_map(|digest| self.documents.get(digest))
    }
}
