//! Which repositories a layout holds, and what each of them may give out.
//!
//! A repository is the path of a reference: `docker.io/library/busybox:1.35` is the tag `1.35` of
//! `library/busybox`. Entries whose name is a bare tag belong to no repository and are not served.

use std::collections::{BTreeMap, HashSet};

use super::ServeError;
use crate::layout::{Document, Documents, Store};
use crate::oci::{Digest, Reference, Tag};

/// What there is to serve.
pub(super) struct Catalog {
    repositories: BTreeMap<String, Repository>,
    documents: Documents,
}

/// What one repository may give out.
#[derive(Default)]
pub(super) struct Repository {
    tags: BTreeMap<Tag, (Digest, Reference)>,
    documents: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

impl Catalog {
    /// Sorts the entries of `store` into repositories.
    ///
    /// # Errors
    /// [`ServeError::Layout`] and [`ServeError::Clash`].
    pub(super) fn new(store: &dyn Store) -> Result<Catalog, ServeError> {
        let documents = Documents::scan(store)?;
        let mut repositories: BTreeMap<String, Repository> = BTreeMap::new();
        for entry in store.entries() {
            let Some(reference) = entry.reference() else { continue };
            let digest = entry.descriptor.digest;
            let path = reference.repository.path().to_owned();
            let repository = repositories.entry(path).or_default();
            repository.collect(digest, &documents);
            repository.tag(reference, digest)?;
        }
        Ok(Catalog { repositories, documents })
    }

    /// The names of all repositories, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(String::as_str)
    }

    /// The repository of this name.
    pub(super) fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The document of this digest, if `repository` has it.
    pub(super) fn document(&self, repository: &Repository, digest: &Digest) -> Option<&Document> {
        repository.documents.get(digest).and_then(|digest| self.documents.get(digest))
    }

    /// The documents of `repository` that refer to `subject`, sorted by digest.
    pub(super) fn referrers(&self, repository: &Repository, subject: &Digest) -> Vec<&Document> {
        let own = |found: &&Document| repository.documents.contains(&found.descriptor.digest);
        let mut referrers: Vec<_> = self.documents.referrers(subject).filter(own).collect();
        referrers.sort_unstable_by_key(|document| document.descriptor.digest);
        referrers
    }
}

impl Repository {
    /// The document that `tag` names.
    pub(super) fn tagged(&self, tag: &Tag) -> Option<&Digest> {
        self.tags.get(tag).map(|(digest, _)| digest)
    }

    /// All tags, sorted.
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().map(Tag::as_str)
    }

    /// True when a document of this repository needs this blob.
    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest)
    }

    /// Takes in a document, all below it, and all that refer to any of these.
    fn collect(&mut self, root: Digest, documents: &Documents) {
        let mut waiting = vec![root];
        while let Some(digest) = waiting.pop() {
            let Some(document) = documents.get(&digest) else { continue };
            if !self.documents.insert(digest) {
                continue;
            }
            self.blobs.extend(&document.blobs);
            waiting.extend(&document.children);
            waiting.extend(documents.referrers(&digest).map(|found| found.descriptor.digest));
        }
    }

    fn tag(&mut self, reference: Reference, digest: Digest) -> Result<(), ServeError> {
        let Some(tag) = reference.tag.clone() else { return Ok(()) };
        let path = reference.repository.path().to_owned();
        let second = reference.to_string();
        match self.tags.insert(tag.clone(), (digest, reference)) {
            Some((other, first)) if other != digest => {
                let (tag, first) = (tag.to_string(), first.to_string());
                Err(ServeError::Clash { path, tag, first, second })
            }
            _ => Ok(()),
        }
    }
}
