//! An image in an OCI layout, be it a directory or an archive.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{Source, SourceError};
use crate::layout::{Documents, IndexEntry, Store};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Tag, Unproven};

/// How many names a message holds.
const NAMES_SHOWN: usize = 10;

/// An image in a [`Store`], with the other images of the same repository.
pub struct LayoutSource<S> {
    store: S,
    entry: IndexEntry,
    documents: OnceLock<Documents>,
}

impl<S: Store> LayoutSource<S> {
    /// The image `name` of `store`; without a name the only one there is.
    ///
    /// A name is that of an entry, to the letter, or a reference to the same image:
    /// `busybox:1.35` finds `docker.io/library/busybox:1.35`. Signatures that lie under tags made
    /// of digests are not counted as images.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] and [`SourceError::Ambiguous`].
    pub fn new(store: S, name: Option<&str>) -> Result<LayoutSource<S>, SourceError> {
        let entry = match name {
            Some(name) => named(&store, name)?,
            None => only(&store)?,
        };
        Ok(LayoutSource { store, entry, documents: OnceLock::new() })
    }

    /// The reference that the image goes by here, if its name is one.
    pub fn reference(&self) -> Option<Reference> {
        self.entry.reference()
    }

    fn tagged_entry(&self, tag: &Tag) -> Option<&IndexEntry> {
        let wanted = self.entry.reference().map(|own| own.with_tag(tag.clone()));
        self.store.entries().iter().find(|entry| match &wanted {
            Some(wanted) => entry.reference().as_ref() == Some(wanted),
            None => entry.name.as_deref() == Some(tag.as_str()),
        })
    }

    fn documents(&self) -> Result<&Documents, SourceError> {
        if let Some(documents) = self.documents.get() {
            return Ok(documents);
        }
        let mut documents = Documents::scan(&self.store)?;
        // Who knows what a document that cannot be read refers to.
        if let Some(error) = documents.damaged.pop() {
            return Err(error.into());
        }
        Ok(self.documents.get_or_init(|| documents))
    }
}

impl<S: Store> Source for LayoutSource<S> {
    fn root(&self) -> Result<Manifest, SourceError> {
        self.manifest(&self.entry.descriptor)
    }

    fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError> {
        let entry = self.tagged_entry(tag);
        entry.map(|entry| self.manifest(&entry.descriptor)).transpose()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        Ok(self.store.manifest(descriptor)?)
    }

    /// Documents anywhere in the layout with this subject, and what the tag `sha256-<hex>` of the
    /// repository lists (distribution-spec 1.1, "Referrers Tag Schema").
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let found = self.documents()?.referrers(subject).map(|document| &document.descriptor);
        let mut referrers: BTreeMap<Digest, Descriptor> =
            found.map(|found| (found.digest, found.clone())).collect();
        // The specification cuts the hex part to 64 digits, so this is always a tag.
        let tag = format!("{}-{:.64}", subject.algorithm(), subject.hex()).parse();
        let fallback = tag.ok().map(|tag| self.tagged(&tag)).transpose()?.flatten();
        for listed in fallback.iter().flat_map(Manifest::children) {
            referrers.entry(listed.digest).or_insert_with(|| listed.clone());
        }
        Ok(referrers.into_values().collect())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError> {
        Ok(self.store.blob(descriptor)?)
    }
}

/// The entry that goes by `name`, else the one whose name means the same reference.
fn named(store: &dyn Store, name: &str) -> Result<IndexEntry, SourceError> {
    let exact: Vec<_> =
        store.entries().iter().filter(|entry| entry.names().any(|own| own == name)).collect();
    if !exact.is_empty() {
        return one(store, &exact);
    }
    let absent = || {
        let name: String = name.chars().take(200).collect();
        SourceError::NotFound(format!("{} in {}", name.escape_debug(), store.place()))
    };
    let wanted: Reference = name.parse().map_err(|_| absent())?;
    let same = |entry: &&IndexEntry| means(entry, &wanted);
    let same: Vec<_> = store.entries().iter().filter(same).collect();
    if same.is_empty() { Err(absent()) } else { one(store, &same) }
}

/// True when `wanted` is a way to write the entry's reference; its digest must be the entry's.
fn means(entry: &IndexEntry, wanted: &Reference) -> bool {
    entry.reference().is_some_and(|own| {
        own.repository == wanted.repository
            && (wanted.tag.is_none() || own.tag == wanted.tag)
            && wanted.digest.is_none_or(|digest| digest == entry.descriptor.digest)
    })
}

/// The only image; entries without a name count only where there are no others.
fn only(store: &dyn Store) -> Result<IndexEntry, SourceError> {
    let entries = store.entries();
    let named: Vec<_> =
        entries.iter().filter(|entry| entry.name.is_some() && !is_attached(entry)).collect();
    match named.is_empty() {
        true => one(store, &entries.iter().collect::<Vec<_>>()),
        false => one(store, &named),
    }
}

/// True for names whose tag is made of a digest: `sha256-<hex>`, with or without an ending.
fn is_attached(entry: &IndexEntry) -> bool {
    let tag = entry.name.as_deref().map(|name| name.rsplit([':', '/']).next().unwrap_or(name));
    let hex = tag.and_then(|tag| tag.strip_prefix("sha256-")).and_then(|rest| rest.get(..64));
    hex.is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok())
}

/// The one document that all of `entries` name.
fn one(store: &dyn Store, entries: &[&IndexEntry]) -> Result<IndexEntry, SourceError> {
    let Some(&first) = entries.first() else {
        return Err(SourceError::NotFound(format!("an image in {}", store.place())));
    };
    if entries.iter().all(|entry| entry.descriptor.digest == first.descriptor.digest) {
        return Ok(first.clone());
    }
    let shown = |entry: &&IndexEntry| match (entry.reference(), &entry.name) {
        (Some(reference), _) => reference.to_string(),
        (None, Some(name)) => name.chars().take(200).collect::<String>().escape_debug().to_string(),
        (None, None) => entry.descriptor.digest.to_string(),
    };
    let names = entries.iter().take(NAMES_SHOWN).map(shown).collect();
    Err(SourceError::Ambiguous { place: store.place(), names })
}
