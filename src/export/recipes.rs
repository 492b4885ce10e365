//! The catalog and the chunk index of what was carried. Pure.

use std::collections::BTreeMap;

use super::base::Bases;
use super::known::{Home, Run};
use super::pack::{Packed, Placed};
use super::packing::{Carried, Way};
use super::plan::Plan;
use crate::bundle::{Base, Catalog, Coding, Extent, Held, Kind, Layer, Opened, Pack};
use crate::chunk::{ChunkIndex, LayerKind, OpenedLayer};
use crate::oci::Digest;
use crate::recompress::Proof;

/// How everything that was carried is kept.
pub fn catalog(plan: &Plan, carried: Vec<Carried>, bases: &Bases) -> Catalog {
    let mut recipes =
        Recipes { carried: &carried, bases, opened: BTreeMap::new(), used: BTreeMap::new() };
    let (mut stored, mut layers, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (blob, planned) in carried.iter().zip(&plan.blobs) {
        let home = || bases.home(&plan.images[planned.image].name);
        match &blob.way {
            Way::Stored => stored.push(blob.entry.clone()),
            Way::Held => held.push(Held { blob: blob.entry.clone(), home: home() }),
            Way::Packed { runs, coding, .. } => {
                layers.push(recipes.layer(blob, runs, coding.clone(), home()))
            }
        }
    }
    let Recipes { opened, used, .. } = recipes;
    let mut catalog = Catalog::new(stored);
    catalog.layers = layers;
    catalog.held = held;
    catalog.opened = opened.into_values().collect();
    catalog.bases = used.into_values().collect();
    if !catalog.held.is_empty() || !catalog.bases.is_empty() {
        catalog.homes = bases.homes.clone();
    }
    catalog.packs = packs(carried);
    catalog.complete()
}

/// Every pack once, in the order in which they were written.
fn packs(carried: Vec<Carried>) -> Vec<Pack> {
    let mut packs: Vec<Pack> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for blob in carried {
        if let Way::Packed { packed, .. } = blob.way {
            packs.extend(packed.packs.into_iter().filter(|pack| seen.insert(pack.blob.digest)));
        }
    }
    packs
}

/// The chunks of every layer that was opened, and of those that stayed at the destination.
pub fn chunk_index(carried: &[Carried], bases: &Bases) -> ChunkIndex {
    let layer = |blob: &Carried| {
        let digest = blob.entry.digest;
        let held = bases.find(&digest).filter(|_| matches!(blob.way, Way::Held));
        let (kind, chunks) = match held {
            Some(base) => (base.kind, &base.chunks),
            None => {
                let opened = blob.opened.as_ref()?;
                (opened.kind?, &opened.chunks)
            }
        };
        let kind = match kind {
            Kind::Plain => LayerKind::Tar,
            Kind::Gzip => LayerKind::Gzip { size: blob.entry.size },
        };
        Some(OpenedLayer { digest, kind, chunks: chunks.clone() })
    };
    ChunkIndex::new(carried.iter().filter_map(layer).collect())
}

struct Recipes<'a> {
    carried: &'a [Carried],
    bases: &'a Bases,
    opened: BTreeMap<Digest, Opened>,
    used: BTreeMap<Digest, Base>,
}

impl Recipes<'_> {
    fn layer(&mut self, blob: &Carried, runs: &[Run], coding: Option<Coding>, home: u32) -> Layer {
        let mut extents = Extents::default();
        for run in runs {
            match run.home {
                Home::Base(place) => {
                    let digest = self.base(place, home);
                    extents.push(digest, run.offset, run.length);
                }
                Home::Blob(place) => self.take(place, *run, &mut extents),
            }
        }
        let plain = extents.list.iter().map(|Extent(_, _, length)| length).sum();
        let Extents { from, list, .. } = extents;
        Layer { blob: blob.entry.clone(), plain, coding, from, extents: list }
    }

    /// A run whose home is a blob of this bundle: in that blob's packs, or in the blob itself.
    fn take(&mut self, place: u32, run: Run, extents: &mut Extents) {
        let home = &self.carried[place as usize];
        let opened = home.opened.as_ref().and_then(|opened| Some((opened.kind?, opened.plain)));
        match (&home.way, opened) {
            (Way::Packed { packed, .. }, _) => {
                for (pack, offset, length) in placed(packed, run) {
                    extents.push(packed.packs[pack].blob.digest, offset, length);
                }
            }
            (_, Some((kind, plain))) => {
                let digest = home.entry.digest;
                self.opened.entry(digest).or_insert(Opened { digest, kind, plain });
                extents.push(digest, run.offset, run.length);
            }
            (_, None) => unreachable!("only opened layers are homes"),
        }
    }

    fn base(&mut self, place: u32, home: u32) -> Digest {
        let layer = self.bases.layer(place);
        let blob = self.bases.entry(layer).clone();
        let base = || Base { blob, kind: layer.kind, plain: layer.plain, home };
        self.used.entry(layer.digest).or_insert_with(base);
        layer.digest
    }
}

/// The parts of a run of new content, as they lie in the packs: pack, offset, length.
fn placed(packed: &Packed, run: Run) -> Vec<(usize, u64, u64)> {
    let (mut parts, mut at, end) = (Vec::new(), run.offset, run.offset + run.length);
    let first = packed.placed.partition_point(|it| it.plain + it.length <= at);
    for Placed { plain, length, pack, offset } in &packed.placed[first..] {
        if at >= end {
            break;
        }
        let take = (plain + length).min(end) - at;
        parts.push((*pack, offset + (at - plain), take));
        at += take;
    }
    parts
}

/// How a layer is made again, as it was proven.
pub fn coding(proof: &Proof) -> Coding {
    Coding {
        encoding: proof.encoding.to_string(),
        header: proof.header.clone(),
        checkpoints: proof.checkpoints.iter().map(|it| (it.plain, it.bits)).collect(),
    }
}

/// Extents with neighbours joined.
#[derive(Default)]
struct Extents {
    from: Vec<Digest>,
    places: BTreeMap<Digest, u32>,
    list: Vec<Extent>,
}

impl Extents {
    fn push(&mut self, digest: Digest, offset: u64, length: u64) {
        let next = u32::try_from(self.from.len()).expect("fewer than the catalog's entries");
        let place = *self.places.entry(digest).or_insert(next);
        if place == next {
            self.from.push(digest);
        }
        if let Some(Extent(from, start, run)) = self.list.last_mut() {
            if *from == place && *start + *run == offset {
                *run += length;
                return;
            }
        }
        self.list.push(Extent(place, offset, length));
    }
}
