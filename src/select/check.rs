//! What has moved since a lock was written: asks the source again, and changes nothing.
//!
//! Withstands what [`super::walk`] does: a source that lists referrers of something else, or more of
//! them than anybody can want.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::SelectError;
use super::walk::{COSIGN_SUFFIXES, MAX_DOCUMENTS};
use crate::oci::{Digest, Manifest, PinnedDocument, PinnedImage, Role, Tag};
use crate::source::{Source, SourceError};

/// Something that is not as the lock has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// The name is not there any more.
    Gone,
    /// The name points to another document.
    Moved {
        /// Which.
        now: Digest,
    },
    /// A document of the image is not there any more: the lock cannot be exported.
    Lost {
        /// Which.
        digest: Digest,
    },
    /// A document refers to the image that is not in the lock.
    Appeared(Attached),
    /// A document of the lock is not known to refer to the image any more.
    Vanished(Attached),
}

/// A document that refers to one of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    /// What it refers to.
    pub subject: Digest,
    /// Itself.
    pub digest: Digest,
    /// The tag by which it is found, for cosign's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

/// Holds an image of a lock against what its source gives now. `referrers` says whether what refers
/// to it counts.
///
/// # Errors
/// [`SelectError::Source`] when the source cannot be asked, [`SelectError::TooMany`]. That something
/// is not there is no error.
pub fn check(
    source: Result<&dyn Source, SourceError>,
    image: &PinnedImage,
    referrers: bool,
) -> Result<Vec<Change>, SelectError> {
    let failed = |error| SelectError::Source { name: image.name.clone(), error };
    let source = match found(source).map_err(failed)? {
        Some(source) => source,
        None => return Ok(vec![Change::Gone]),
    };
    let mut changes = Vec::new();
    let named = image.index.unwrap_or(image.digest);
    match found(source.root()).map_err(failed)? {
        None => changes.push(Change::Gone),
        Some(root) if root.descriptor().digest != named => {
            changes.push(Change::Moved { now: root.descriptor().digest });
        }
        Some(_) => {}
    }
    let mut lost = BTreeSet::new();
    for document in &image.documents {
        let there = found(source.manifest(&document.descriptor())).map_err(failed)?;
        if there.is_none() && lost.insert(document.digest) {
            changes.push(Change::Lost { digest: document.digest });
        }
    }
    if referrers {
        changes.extend(attached(source, image, &lost)?);
    }
    Ok(changes)
}

/// `None` for what is not there.
fn found<T>(answer: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(SourceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What refers to the documents that are still there, against the lock.
fn attached(
    source: &dyn Source,
    image: &PinnedImage,
    lost: &BTreeSet<Digest>,
) -> Result<Vec<Change>, SelectError> {
    let there = |it: &Attached| {
        !lost.contains(&it.digest) && !lost.contains(&it.subject) && !image.omits(&it.digest)
    };
    let before: BTreeSet<Attached> =
        image.documents.iter().filter_map(of_lock).filter(there).collect();
    let known: BTreeMap<Digest, &PinnedDocument> =
        image.documents.iter().map(|it| (it.digest, it)).collect();
    let mut now = BTreeSet::new();
    for subject in known.keys().filter(|digest| !lost.contains(digest)) {
        let listed = referrers(source, image, subject, &known)?;
        now.extend(listed.into_iter().chain(tagged(source, image, subject)?).filter(there));
        if now.len() > MAX_DOCUMENTS {
            return Err(SelectError::TooMany { name: image.name.clone() });
        }
    }
    let appeared = now.difference(&before).cloned().map(Change::Appeared);
    let vanished = before.difference(&now).cloned().map(Change::Vanished);
    Ok(appeared.chain(vanished).collect())
}

fn of_lock(document: &PinnedDocument) -> Option<Attached> {
    let attached = matches!(document.role, Role::Referrer | Role::Tagged);
    let subject = document.subject.filter(|_| attached)?;
    Some(Attached { subject, digest: document.digest, tag: document.tag.clone() })
}

/// The referrers that the source lists. One that is in the lock in another part is no news.
fn referrers(
    source: &dyn Source,
    image: &PinnedImage,
    subject: &Digest,
    known: &BTreeMap<Digest, &PinnedDocument>,
) -> Result<Vec<Attached>, SelectError> {
    let failed = |error| SelectError::Source { name: image.name.clone(), error };
    let listed = source.referrers(subject).map_err(failed)?;
    if listed.len() > MAX_DOCUMENTS {
        return Err(SelectError::TooMany { name: image.name.clone() });
    }
    let mut attached = Vec::new();
    for descriptor in listed {
        let refers = match known.get(&descriptor.digest) {
            Some(document) => document.role == Role::Referrer && document.subject == Some(*subject),
            None => {
                let manifest = source.manifest(&descriptor).map_err(failed)?;
                manifest.subject().is_some_and(|named| named.digest == *subject)
            }
        };
        if refers {
            attached.push(Attached { subject: *subject, digest: descriptor.digest, tag: None });
        }
    }
    Ok(attached)
}

fn tagged(
    source: &dyn Source,
    image: &PinnedImage,
    subject: &Digest,
) -> Result<Vec<Attached>, SelectError> {
    let failed = |error| SelectError::Source { name: image.name.clone(), error };
    let mut attached = Vec::new();
    for suffix in COSIGN_SUFFIXES {
        let text = format!("{}-{}.{suffix}", subject.algorithm(), subject.hex());
        let Ok(tag) = text.parse::<Tag>() else { continue };
        let found: Option<Manifest> = source.tagged(&tag).map_err(failed)?;
        if let Some(manifest) = found {
            let digest = manifest.descriptor().digest;
            attached.push(Attached { subject: *subject, digest, tag: Some(tag) });
        }
    }
    Ok(attached)
}
