//! Which repositories there are, and what each of them may give out.
//!
//! `docker.io/library/busybox:1.35` is the tag `1.35` of two repositories: of
//! `docker.io/library/busybox`, its long name, and of `library/busybox`, its short one. Where two
//! hosts have one path and their images are not the same, only the long names answer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::ServeError;
use super::stock::Stock;
use crate::layout::{Document, Documents};
use crate::oci::{Digest, Reference, Tag};

/// What there is to serve.
pub(super) struct Catalog {
    long: BTreeMap<String, Repository>,
    short: BTreeMap<String, Repository>,
    /// Paths that two hosts have, with different images.
    pub(super) clashes: BTreeMap<String, BTreeSet<String>>,
}

/// What one repository may give out.
#[derive(Default)]
pub(super) struct Repository {
    tags: BTreeMap<Tag, Digest>,
    /// The documents that names lead to, with a tag or without.
    pub(super) roots: BTreeSet<Digest>,
    documents: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

impl Catalog {
    /// Sorts the images of `stock` into repositories.
    ///
    /// # Errors
    /// [`ServeError::Clash`] when one name has two images.
    pub(super) fn new(stock: &Stock) -> Result<Catalog, ServeError> {
        let mut catalog =
            Catalog { long: BTreeMap::new(), short: BTreeMap::new(), clashes: BTreeMap::new() };
        let mut hosts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (name, digest) in &stock.names {
            let (long, path) = (name.repository.to_string(), name.repository.path());
            hosts.entry(path).or_default().insert(long.clone());
            let repository = catalog.long.entry(long).or_default();
            if let Err(first) = repository.add(name, *digest, &stock.documents) {
                return Err(ServeError::Clash { name: name.clone(), first, second: *digest });
            }
        }
        for (name, digest) in &stock.names {
            let path = name.repository.path();
            let repository = catalog.short.entry(path.to_owned()).or_default();
            if repository.add(name, *digest, &stock.documents).is_err() {
                catalog.clashes.insert(path.to_owned(), hosts[path].clone());
            }
        }
        let Catalog { short, clashes, .. } = &mut catalog;
        short.retain(|path, _| !clashes.contains_key(path));
        Ok(catalog)
    }

    /// The names of all repositories, sorted: short ones, and long ones where there is no short one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let long = self.clashes.values().flatten().map(String::as_str);
        let all: BTreeSet<&str> = self.short.keys().map(String::as_str).chain(long).collect();
        all.into_iter()
    }

    /// Every repository by its long name.
    pub(super) fn repositories(&self) -> impl Iterator<Item = (&str, &Repository)> {
        self.long.iter().map(|(name, repository)| (name.as_str(), repository))
    }

    /// The repository of this name; `host` is the registry that a mirror stands in for.
    pub(super) fn repository(&self, name: &str, host: Option<&str>) -> Option<&Repository> {
        match host {
            None => self.long.get(name).or_else(|| self.short.get(name)),
            Some(host) => {
                let whole = name.strip_prefix(host).is_some_and(|rest| rest.starts_with('/'));
                let own = self.long.get(&format!("{host}/{name}"));
                own.or_else(|| self.long.get(name).filter(|_| whole))
            }
        }
    }
}

impl Repository {
    /// The document that `tag` names.
    pub(super) fn tagged(&self, tag: &Tag) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// All tags, sorted, with what they name.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.tags.iter().map(|(tag, digest)| (tag.as_str(), digest))
    }

    /// True when a document of this repository needs this blob.
    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest)
    }

    /// The document of this digest, if it is one of this repository's.
    pub(super) fn document<'a>(
        &self,
        digest: &Digest,
        documents: &'a Documents,
    ) -> Option<&'a Document> {
        self.documents.get(digest).and_then(|digest| documents.get(digest))
    }

    /// The documents of this repository that refer to `subject`, sorted by digest.
    pub(super) fn referrers<'a>(
        &self,
        subject: &Digest,
        documents: &'a Documents,
    ) -> Vec<&'a Document> {
        let own = |found: &&Document| self.documents.contains(&found.descriptor.digest);
        let mut referrers: Vec<_> = documents.referrers(subject).filter(own).collect();
        referrers.sort_unstable_by_key(|document| document.descriptor.digest);
        referrers
    }

    /// Takes in an image; gives the one that has the tag already, if that is another.
    fn add(&mut self, name: &Reference, root: Digest, documents: &Documents) -> Result<(), Digest> {
        self.collect(root, documents);
        self.roots.insert(root);
        let Some(tag) = &name.tag else { return Ok(()) };
        match self.tags.insert(tag.clone(), root) {
            Some(other) if other != root => Err(other),
            _ => Ok(()),
        }
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
}
