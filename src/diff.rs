//! What two bundles, or two locks, do not share. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::chunk::{ChunkId, ChunkIndex};
use crate::oci::{Digest, PinnedImage, Reference};

/// One of two things to compare.
#[derive(Debug, Default)]
pub struct Side<'a> {
    /// Its images.
    pub images: &'a [PinnedImage],
    /// Its blobs and their sizes in bytes; a lock states those of its documents only.
    pub blobs: BTreeMap<Digest, u64>,
    /// The chunks of its layers, if they were opened.
    pub chunks: Option<&'a ChunkIndex>,
}

/// What changes from one side to the other.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Images that only the second side has.
    pub added: Vec<Change>,
    /// Images that only the first side has.
    pub removed: Vec<Change>,
    /// Images under one name that are not the same.
    pub changed: Vec<Change>,
    /// How many images are the same.
    pub same: usize,
    /// Blobs that only the second side has.
    pub new_blobs: usize,
    /// Their bytes: what the second carries beyond the first.
    pub new_bytes: u64,
    /// Bytes of the blobs that both have.
    pub shared_bytes: u64,
    /// What a delta would carry, where both sides have their chunks listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
}

/// What the second side carries as a delta of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delta {
    /// Plain bytes of chunks that the first side does not have; zstd makes less of them.
    pub new_plain: u64,
    /// Plain bytes of all layers that only the second side has.
    pub plain: u64,
    /// Bytes of other blobs that only the second side has, which travel as they are.
    pub unopened: u64,
}

/// An image that is not the same on both sides.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name.
    pub name: Reference,
    /// What it is on the first side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// What it is on the second side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// Compares `first` with `second`. Images are the same when all their documents are.
pub fn diff(first: &Side<'_>, second: &Side<'_>) -> Diff {
    let by_name = |side: &Side<'_>| -> BTreeMap<Reference, (Digest, Vec<Digest>)> {
        let key = |image: &PinnedImage| {
            (image.digest, image.documents.iter().map(|it| it.digest).collect())
        };
        side.images.iter().map(|image| (image.name.clone(), key(image))).collect()
    };
    let (before, after) = (by_name(first), by_name(second));
    let change = |name: &Reference| Change {
        name: name.clone(),
        before: before.get(name).map(|(digest, _)| *digest),
        after: after.get(name).map(|(digest, _)| *digest),
    };
    let changed =
        before.iter().filter(|(name, it)| after.get(*name).is_some_and(|other| other != *it));
    let new = second.blobs.iter().filter(|(digest, _)| !first.blobs.contains_key(*digest));
    let shared = second.blobs.iter().filter(|(digest, _)| first.blobs.contains_key(*digest));
    Diff {
        added: after.keys().filter(|name| !before.contains_key(*name)).map(change).collect(),
        removed: before.keys().filter(|name| !after.contains_key(*name)).map(change).collect(),
        changed: changed.map(|(name, _)| change(name)).collect(),
        same: before.iter().filter(|(name, it)| after.get(*name) == Some(*it)).count(),
        new_blobs: new.clone().count(),
        new_bytes: total(new),
        shared_bytes: total(shared),
        delta: delta(first, second),
    }
}

fn delta(first: &Side<'_>, second: &Side<'_>) -> Option<Delta> {
    let (before, after) = (first.chunks?, second.chunks?);
    let mut known: BTreeSet<ChunkId> = before.places().map(|(_, _, chunk)| chunk.id()).collect();
    let new = |digest: &Digest| !first.blobs.contains_key(digest);
    let mut delta = Delta { new_plain: 0, plain: 0, unopened: 0 };
    let mut opened = BTreeSet::new();
    for layer in after.layers().filter(|layer| new(&layer.digest())) {
        opened.insert(layer.digest());
        delta.plain += layer.plain();
        for (_, chunk) in layer.chunks().filter(|(_, chunk)| known.insert(chunk.id())) {
            delta.new_plain += u64::from(chunk.length());
        }
    }
    let others = second.blobs.iter().filter(|(digest, _)| new(digest) && !opened.contains(*digest));
    delta.unopened = total(others);
    Some(delta)
}

/// The sum of the sizes. A lock may state any, so it ends at the largest number.
fn total<'a>(blobs: impl Iterator<Item = (&'a Digest, &'a u64)>) -> u64 {
    blobs.fold(0, |sum, (_, size)| sum.saturating_add(*size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{Chunk, LayerKind, OpenedLayer};

    fn image(name: &str, content: &str) -> PinnedImage {
        let digest = Digest::of(content.as_bytes());
        let (why, documents, omitted) = (vec![], vec![], vec![]);
        PinnedImage {
            name: name.parse().unwrap(),
            source: name.to_owned(),
            why,
            digest,
            bytes: 0,
            index: None,
            documents,
            omitted,
        }
    }

    #[test]
    fn tells_what_a_delta_would_carry() {
        let index = |layers: &[(&str, &[&[u8]])]| {
            let layer = |(name, chunks): &(&str, &[&[u8]])| OpenedLayer {
                digest: Digest::of(name.as_bytes()),
                kind: LayerKind::Gzip { size: 1 },
                chunks: chunks.iter().map(|chunk| Chunk::of(chunk)).collect(),
            };
            ChunkIndex::new(layers.iter().map(layer).collect())
        };
        let before = index(&[("x", &[b"one", b"three"])]);
        let after = index(&[("x", &[b"one", b"three"]), ("y", &[b"three", b"seven", b"seven"])]);
        let blobs =
            |names: &[&str]| names.iter().map(|name| (Digest::of(name.as_bytes()), 10)).collect();
        let diff = diff(
            &Side { images: &[], blobs: blobs(&["x"]), chunks: Some(&before) },
            &Side { images: &[], blobs: blobs(&["x", "y", "config"]), chunks: Some(&after) },
        );
        assert_eq!(diff.delta, Some(Delta { new_plain: 5, plain: 15, unopened: 10 }));
    }

    #[test]
    fn tells_images_and_bytes_apart() {
        let blobs = |names: &[(&str, u64)]| {
            names.iter().map(|(name, size)| (Digest::of(name.as_bytes()), *size)).collect()
        };
        let first = [image("a", "1"), image("b", "1"), image("c", "1")];
        let second = [image("b", "1"), image("c", "2"), image("d", "1")];
        let diff = diff(
            &Side { images: &first, blobs: blobs(&[("x", 10), ("y", 20)]), chunks: None },
            &Side { images: &second, blobs: blobs(&[("y", 20), ("z", 30)]), chunks: None },
        );
        let names = |changes: &[Change]| {
            changes
                .iter()
                .map(|change| change.name.repository.path().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&diff.added), ["library/d"]);
        assert_eq!(names(&diff.removed), ["library/a"]);
        assert_eq!(names(&diff.changed), ["library/c"]);
        assert_eq!(diff.delta, None);
        assert_eq!((diff.same, diff.new_blobs, diff.new_bytes, diff.shared_bytes), (1, 1, 30, 20));
    }
}
