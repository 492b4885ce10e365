//! How layers that are not aboard as they are come to be: packs, recipes, and what the destination
//! holds. Part of the catalog.
//!
//! Withstands: extents that are empty, overlap the end of what they name or overflow; recipes that
//! are longer or shorter than their layer; checkpoints out of order; frames that do not add up;
//! names of content that is nowhere. Normative text: `formats/packs.md`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, CatalogBlob, CatalogError};
use crate::oci::{Digest, MARK_BLOCK};

/// The most plain bytes of one frame.
pub const MAX_FRAME: u64 = 16 * 1024 * 1024;
/// The most bytes of a compressed layer's header.
const MAX_HEADER: usize = 64 * 1024;

/// A blob of zstd frames, one behind the other, each readable by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The pack as a file.
    pub blob: CatalogBlob,
    /// Its frames from front to back: bytes in the pack, plain bytes.
    pub frames: Vec<(u64, u64)>,
}

/// A layer that is made from packs and other content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The layer as its manifest names it.
    pub blob: CatalogBlob,
    /// Its plain bytes.
    pub plain: u64,
    /// How the plain bytes become the layer; absent where they are the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding: Option<Coding>,
    /// What the extents take from: packs, opened blobs and bases.
    pub from: Vec<Digest>,
    /// The plain bytes, from front to back.
    pub extents: Vec<Extent>,
}

/// A run of a layer's plain bytes: the place in [`Layer::from`], the offset in that content's plain
/// bytes, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent(pub u32, pub u64, pub u64);

/// How plain bytes become a compressed layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The encoder's frozen name with its parameters.
    pub encoding: String,
    /// What stands before the compressed stream.
    #[serde(with = "super::catalog::base64_bytes")]
    pub header: Vec<u8>,
    /// Where the stream can be taken up in the middle: plain bytes before, bits of the compressed
    /// stream before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<(u64, u64)>,
}

/// How a blob's plain bytes are had from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// They are its bytes.
    Plain,
    /// It is one gzip member.
    Gzip,
}

/// A blob that is stored in this bundle and whose plain bytes recipes use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Which blob.
    pub digest: Digest,
    /// How it is opened.
    pub kind: Kind,
    /// Its plain bytes.
    pub plain: u64,
}

/// A blob that the destination holds and whose plain bytes recipes use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The blob.
    pub blob: CatalogBlob,
    /// How it is opened.
    pub kind: Kind,
    /// Its plain bytes.
    pub plain: u64,
    /// The place in [`Catalog::homes`] of an image that is likely to have brought it there.
    pub home: u32,
}

/// A blob of an image aboard that the destination holds already, and so is not aboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The blob.
    pub blob: CatalogBlob,
    /// The place in [`Catalog::homes`] of an image that is likely to have brought it there.
    pub home: u32,
}

impl Pack {
    /// The plain bytes of all frames.
    pub fn plain(&self) -> u64 {
        self.frames.iter().fold(0, |sum, (_, plain)| sum.saturating_add(*plain))
    }
}

/// Holds every pack and recipe of `catalog` against the rest of it.
pub(super) fn check(catalog: &Catalog) -> Result<(), CatalogError> {
    let mut sources = BTreeMap::new();
    let mut add = |digest: Digest, plain: u64| match sources.insert(digest, plain) {
        None => Ok(()),
        Some(_) => Err(CatalogError::Entry(digest)),
    };
    for pack in &catalog.packs {
        check_pack(pack)?;
        add(pack.blob.digest, pack.plain())?;
    }
    for opened in &catalog.opened {
        let stored = catalog.get(&opened.digest).ok_or(CatalogError::Entry(opened.digest))?;
        check_plain(opened.digest, opened.kind, opened.plain, stored.size)?;
        add(opened.digest, opened.plain)?;
    }
    for base in &catalog.bases {
        check_plain(base.blob.digest, base.kind, base.plain, base.blob.size)?;
        add(base.blob.digest, base.plain)?;
    }
    catalog.layers.iter().try_for_each(|layer| check_layer(layer, &sources))?;
    sorted(catalog.layers.iter().map(|layer| layer.blob.digest))?;
    sorted(catalog.held.iter().map(|held| held.blob.digest))?;
    check_homes(catalog)?;
    // One blob is had in one way.
    let packs = catalog.packs.iter().map(|pack| pack.blob.digest);
    let blobs = catalog.image_blobs().map(|(digest, _)| digest);
    let mut seen = BTreeSet::new();
    match packs.chain(blobs).find(|digest| !seen.insert(*digest)) {
        Some(digest) => Err(CatalogError::Entry(digest)),
        None => Ok(()),
    }
}

fn check_homes(catalog: &Catalog) -> Result<(), CatalogError> {
    let held = catalog.held.iter().map(|held| (&held.blob, held.home));
    let mut all = held.chain(catalog.bases.iter().map(|base| (&base.blob, base.home)));
    all.try_for_each(|(blob, home)| {
        check_marks(blob)?;
        let known = catalog.homes.get(home as usize);
        known.map(|_| ()).ok_or(CatalogError::Entry(blob.digest))
    })
}

fn sorted(digests: impl Iterator<Item = Digest>) -> Result<(), CatalogError> {
    let mut last = None;
    for digest in digests {
        if last.is_some_and(|last| last >= digest) {
            return Err(CatalogError::Entry(digest));
        }
        last = Some(digest);
    }
    Ok(())
}

pub(super) fn check_marks(blob: &CatalogBlob) -> Result<(), CatalogError> {
    match blob.marks.0.len() as u64 == blob.size / MARK_BLOCK as u64 {
        true => Ok(()),
        false => Err(CatalogError::Entry(blob.digest)),
    }
}

fn check_plain(digest: Digest, kind: Kind, plain: u64, size: u64) -> Result<(), CatalogError> {
    match kind == Kind::Plain && plain != size {
        true => Err(CatalogError::Entry(digest)),
        false => Ok(()),
    }
}

fn check_pack(pack: &Pack) -> Result<(), CatalogError> {
    check_marks(&pack.blob)?;
    let sum = pack.frames.iter().try_fold(0u64, |sum, (stored, _)| sum.checked_add(*stored));
    let fits = |(stored, plain): &(u64, u64)| {
        (1..=MAX_FRAME).contains(plain) && (1..=2 * MAX_FRAME).contains(stored)
    };
    match sum == Some(pack.blob.size) && pack.frames.iter().all(fits) {
        true => Ok(()),
        false => Err(CatalogError::Entry(pack.blob.digest)),
    }
}

fn check_layer(layer: &Layer, sources: &BTreeMap<Digest, u64>) -> Result<(), CatalogError> {
    check_marks(&layer.blob)?;
    let wrong = |what| CatalogError::Recipe { layer: layer.blob.digest, what };
    let plain_of = |digest| sources.get(digest).copied();
    let lengths: Option<Vec<u64>> = layer.from.iter().map(plain_of).collect();
    let lengths = lengths.ok_or_else(|| wrong("it takes from content that is nowhere"))?;
    let mut total = 0u64;
    for Extent(from, offset, length) in &layer.extents {
        let plain = lengths.get(*from as usize).ok_or_else(|| wrong("an extent of nothing"))?;
        let end = offset.checked_add(*length).filter(|end| end <= plain && *length > 0);
        end.ok_or_else(|| wrong("an extent is empty or passes the end of its content"))?;
        total = total.checked_add(*length).ok_or_else(|| wrong("its extents overflow"))?;
    }
    if total != layer.plain {
        return Err(wrong("its extents are not its length"));
    }
    match &layer.coding {
        None if layer.plain != layer.blob.size => Err(wrong("its plain bytes are not its size")),
        None => Ok(()),
        Some(coding) => check_coding(coding, layer.plain).map_err(wrong),
    }
}

fn check_coding(coding: &Coding, plain: u64) -> Result<(), &'static str> {
    if coding.header.len() > MAX_HEADER {
        return Err("its header is too long");
    }
    let mut last = (0, 0);
    for checkpoint in &coding.checkpoints {
        if checkpoint.0 <= last.0 || checkpoint.1 <= last.1 || checkpoint.0 >= plain {
            return Err("its checkpoints are out of order");
        }
        last = *checkpoint;
    }
    Ok(())
}
