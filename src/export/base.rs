//! What the destination holds already, according to the bundles that it took before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::known::{Home, Known};
use crate::bundle::{Catalog, CatalogBlob, Kind, Lading};
use crate::chunk::{Chunk, ChunkIndex, LayerKind};
use crate::oci::{Descriptor, Digest, Reference};

/// A bundle that the destination has taken: what its head files say.
#[derive(Debug)]
pub struct BaseBundle {
    /// The digest of its seal.
    pub seal: Digest,
    /// What was aboard.
    pub lading: Lading,
    /// How it was kept.
    pub catalog: Catalog,
    /// Its chunks; `None` when its layers were not opened.
    pub chunks: Option<ChunkIndex>,
}

/// The blobs at the destination.
#[derive(Debug, Default)]
pub struct Bases {
    /// The seals of the bundles, sorted.
    pub seals: Vec<Digest>,
    /// Their images, one for each repository.
    pub homes: Vec<Reference>,
    blobs: BTreeMap<Digest, CatalogBlob>,
    /// Layers whose chunks are known.
    layers: Vec<BaseLayer>,
}

/// A layer at the destination.
#[derive(Debug)]
pub struct BaseLayer {
    /// Which blob.
    pub digest: Digest,
    /// How its plain bytes are had from it.
    pub kind: Kind,
    /// How many plain bytes.
    pub plain: u64,
    /// From front to back.
    pub chunks: Vec<Chunk>,
}

impl Bases {
    /// What a destination holds that took `bundles`.
    pub fn new(bundles: Vec<BaseBundle>) -> Bases {
        let mut bases = Bases::default();
        let (mut repositories, mut layers) = (BTreeSet::new(), BTreeSet::new());
        for bundle in bundles {
            bases.seals.push(bundle.seal);
            for image in bundle.lading.images {
                if repositories.insert(image.name.repository.to_string()) {
                    bases.homes.push(image.name);
                }
            }
            bases.take_blobs(bundle.catalog);
            for layer in bundle.chunks.iter().flat_map(ChunkIndex::layers) {
                let digest = layer.digest();
                if bases.blobs.contains_key(&digest) && layers.insert(digest) {
                    let kind = match layer.kind() {
                        LayerKind::Tar => Kind::Plain,
                        LayerKind::Gzip { .. } => Kind::Gzip,
                    };
                    let chunks = layer.chunks().map(|(_, chunk)| chunk).collect();
                    bases.layers.push(BaseLayer { digest, kind, plain: layer.plain(), chunks });
                }
            }
        }
        bases.seals.sort();
        bases.seals.dedup();
        bases
    }

    fn take_blobs(&mut self, catalog: Catalog) {
        let layers = catalog.layers.into_iter().map(|layer| layer.blob);
        let held = catalog.held.into_iter().map(|held| held.blob);
        for mut blob in catalog.blobs.into_iter().chain(layers).chain(held) {
            blob.stored = None;
            self.blobs.insert(blob.digest, blob);
        }
    }

    /// The entry of a blob that the destination holds whole.
    pub fn blob(&self, blob: &Descriptor) -> Option<&CatalogBlob> {
        self.blobs.get(&blob.digest).filter(|entry| entry.size == blob.size)
    }

    /// A layer at the destination, by its place.
    pub fn layer(&self, place: u32) -> &BaseLayer {
        &self.layers[place as usize]
    }

    /// The entry of such a layer.
    pub fn entry(&self, layer: &BaseLayer) -> &CatalogBlob {
        &self.blobs[&layer.digest]
    }

    /// The layer with this digest, if its chunks are known.
    pub fn find(&self, digest: &Digest) -> Option<&BaseLayer> {
        self.layers.iter().find(|layer| layer.digest == *digest)
    }

    /// The chunks that the destination holds.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        for (place, layer) in (0..).zip(&self.layers) {
            known.add(Home::Base(place), &layer.chunks);
        }
        known
    }

    /// The image that most likely brought to the destination what `name` shares with it.
    pub fn home(&self, name: &Reference) -> u32 {
        let same = self.homes.iter().position(|home| home.repository == name.repository);
        same.and_then(|place| u32::try_from(place).ok()).unwrap_or(0)
    }
}
