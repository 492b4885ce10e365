//! The lock file: every image with its digests, as it was when its name was resolved.
//!
//! Pretty-printed JSON that is the same for the same images on any machine: sorted, without times
//! or paths of its own. Withstands: duplicate keys, unknown fields, deep nesting, files of any
//! size, images without a root, a name given twice. Normative text: `formats/lock.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SelectError;
use super::walk::MAX_DOCUMENTS;
use crate::oci::{Digest, PinnedDocument, PinnedImage, Reference, Role, json};

/// The largest lock file, in bytes.
pub const MAX_LOCK_SIZE: u64 = 64 * 1024 * 1024;
const VERSION: &str = "lock v1";

/// Pinned images: sorted by name, each name once, each with a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    images: Vec<PinnedImage>,
}

/// Why a lock file is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Larger than any lock.
    #[error("the lock is larger than {MAX_LOCK_SIZE} bytes")]
    TooLarge,
    /// Not JSON of the lock's form.
    #[error("not a lock: {0}")]
    Json(serde_json::Error),
    /// A lock of another version.
    #[error("a lock of another version: {}", .0.escape_debug())]
    Version(String),
    /// The same name twice.
    #[error("{0} is there twice")]
    Duplicate(Reference),
    /// The first document of an image is not its root.
    #[error("{0} does not begin with its root document")]
    NoRoot(Reference),
    /// A document of an image cannot be what it says.
    #[error("{name}: document {digest} {why}")]
    Document {
        /// The image.
        name: Reference,
        /// The document.
        digest: Digest,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[derive(Serialize)]
struct FileOut<'a> {
    gapferry: &'static str,
    images: &'a [PinnedImage],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileIn {
    #[serde(rename = "gapferry")]
    _version: String,
    images: Vec<PinnedImage>,
}

impl Lock {
    /// A lock of `images` in any order. The same image asked for twice is there once, with every
    /// reason; of its two sources the first stays.
    ///
    /// # Errors
    /// [`SelectError::Conflict`] when one name has two digests.
    pub fn new(images: Vec<PinnedImage>) -> Result<Lock, SelectError> {
        let mut merged: BTreeMap<Reference, PinnedImage> = BTreeMap::new();
        for image in images {
            match merged.get_mut(&image.name) {
                None => {
                    merged.insert(image.name.clone(), image);
                }
                Some(first) if first.digest == image.digest => first.why.extend(image.why),
                Some(first) => return Err(conflict(first, &image)),
            }
        }
        let mut images: Vec<PinnedImage> = merged.into_values().collect();
        for image in &mut images {
            image.why.sort();
            image.why.dedup();
        }
        Ok(Lock { images })
    }

    /// Reads the content of a lock file; `file` is its name, for messages.
    ///
    /// # Errors
    /// [`SelectError::Lock`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Lock, SelectError> {
        read(bytes).map_err(|error| SelectError::Lock { file: file.to_owned(), error })
    }

    /// The content of the lock file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = FileOut { gapferry: VERSION, images: &self.images };
        let mut bytes =
            serde_json::to_vec_pretty(&file).expect("texts, numbers and lists always serialise");
        bytes.push(b'\n');
        bytes
    }

    /// The images, sorted by name.
    pub fn images(&self) -> &[PinnedImage] {
        &self.images
    }

    /// The images, sorted by name.
    pub fn into_images(self) -> Vec<PinnedImage> {
        self.images
    }
}

fn conflict(first: &PinnedImage, second: &PinnedImage) -> SelectError {
    SelectError::Conflict {
        name: first.name.clone(),
        first: first.digest,
        first_why: first.why.join(", "),
        second: second.digest,
        second_why: second.why.join(", "),
    }
}

fn read(bytes: &[u8]) -> Result<Lock, LockError> {
    if bytes.len() as u64 > MAX_LOCK_SIZE {
        return Err(LockError::TooLarge);
    }
    check_version(bytes)?;
    let FileIn { mut images, .. } = json::parse(bytes).map_err(LockError::Json)?;
    images.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = images.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(LockError::Duplicate(pair[0].name.clone()));
    }
    images.iter().try_for_each(check_image)?;
    Ok(Lock { images })
}

/// Before the strict reading: a later version may have other fields, and the message should say
/// that and not complain of them.
fn check_version(bytes: &[u8]) -> Result<(), LockError> {
    #[derive(Deserialize)]
    struct Head {
        gapferry: String,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(LockError::Json)?;
    match head.gapferry == VERSION {
        true => Ok(()),
        false => Err(LockError::Version(head.gapferry.chars().take(100).collect())),
    }
}

fn check_image(image: &PinnedImage) -> Result<(), LockError> {
    if image.root().is_none() {
        return Err(LockError::NoRoot(image.name.clone()));
    }
    let mut seen = BTreeSet::new();
    let present: BTreeSet<Digest> = image.documents.iter().map(|found| found.digest).collect();
    let omitted: BTreeSet<Digest> = image.omitted.iter().map(|left| left.digest).collect();
    for (place, document) in image.documents.iter().enumerate() {
        let why = match fault(place, document) {
            Some(why) => why,
            None if !seen.insert((document.digest, &document.tag)) => "is there twice",
            None if omitted.contains(&document.digest) => "is also stated to stay behind",
            None if document.subject.is_some_and(|subject| !present.contains(&subject)) => {
                "refers to a document that is not there"
            }
            None => continue,
        };
        let (name, digest) = (image.name.clone(), document.digest);
        return Err(LockError::Document { name, digest, why });
    }
    Ok(())
}

fn fault(place: usize, document: &PinnedDocument) -> Option<&'static str> {
    let (subject, tag) = (document.subject.is_some(), document.tag.is_some());
    match document.role {
        _ if place >= MAX_DOCUMENTS => Some("is one too many"),
        Role::Root if place > 0 => Some("is a second root"),
        Role::Root | Role::Child if subject || tag => Some("has a subject or tag and may not"),
        Role::Referrer if !subject || tag => Some("must have a subject and no tag"),
        Role::Tagged if !subject || !tag => Some("must have a subject and a tag"),
        _ => None,
    }
}
