//! Bundles to serve from: verified ones, on their medium. A delta finds what it lacks in the bundles
//! that are given with it.
//!
//! Withstands: deltas whose base is not given (refused at the start), two bundles that give one name
//! to different images and do not build upon each other. Every block that is given out is proven
//! against marks that the bundle's maker signed.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead as _;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::task::spawn_blocking;

use super::ServeError;
use super::blocks::Blocks;
use super::fault::Fault;
use super::makers::{self, Counter};
use super::metrics::Metrics;
use super::orders::Orders;
use crate::files::Section;
use crate::layout::{IndexEntry, LayoutError, Store};
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage, Reference, Role};
use crate::verify::{Contents, VerifiedBundle, VerifyError};

/// Bundles and the threads that make their layers.
pub(super) struct Depot {
    bundles: Arc<[VerifiedBundle]>,
    places: HashMap<Digest, Place>,
    counter: Counter,
}

/// How a blob is had.
#[derive(Clone, Copy)]
struct Place {
    bundle: usize,
    size: u64,
    made: bool,
}

/// The images of bundles by name; the newest under each.
pub(super) type Names = BTreeMap<Reference, Digest>;

impl Depot {
    /// Takes bundles in any order.
    ///
    /// # Errors
    /// [`ServeError::Base`], [`ServeError::Clash`].
    pub(super) fn new(
        bundles: Vec<VerifiedBundle>,
        blocks: Blocks,
        metrics: Arc<Metrics>,
    ) -> Result<(Depot, Names), ServeError> {
        let bundles: Arc<[VerifiedBundle]> = ordered(bundles).into();
        let mut places = HashMap::new();
        for (bundle, verified) in bundles.iter().enumerate() {
            check_bases(verified.get(), &places)?;
            add(bundle, verified.get(), &mut places);
        }
        let names = names(&bundles)?;
        let orders = Arc::new(Orders::default());
        let counter = Counter { orders, blocks: Arc::new(blocks), metrics };
        if places.values().any(|place| place.made) {
            let (bundles, counter) = (Arc::clone(&bundles), counter.clone());
            std::thread::spawn(move || makers::run(&bundles, &counter));
        }
        Ok((Depot { bundles, places, counter }, names))
    }

    /// The size of a blob; `None` when it is not there.
    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.places.get(digest).map(|place| place.size)
    }

    /// Block `number` of a blob, proven.
    pub(super) async fn block(&self, digest: Digest, number: usize) -> Result<Bytes, Fault> {
        let place = self.places.get(&digest);
        let place = *place.ok_or_else(|| Fault::from(VerifyError::AtDestination(digest)))?;
        if !place.made {
            let bundles = Arc::clone(&self.bundles);
            let read = spawn_blocking(move || stored(bundles[place.bundle].get(), digest, number));
            return read.await.map_err(|_| Fault::interrupted())?;
        }
        let (key, blocks) = ((digest, number), Arc::clone(&self.counter.blocks));
        let kept = spawn_blocking(move || blocks.get(&key)).await.ok().flatten();
        self.counter.metrics.asked(kept.is_some());
        match kept {
            Some(block) => Ok(block),
            None => self.counter.orders.place(key).await.map_err(|_| Fault::interrupted())?,
        }
    }

    /// A document of any of the bundles.
    pub(super) fn document(&self, digest: &Digest) -> Option<&Manifest> {
        self.bundles.iter().find_map(|bundle| bundle.get().document(digest))
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.counter.orders.close();
    }
}

fn stored(contents: &Contents, digest: Digest, number: usize) -> Result<Bytes, Fault> {
    let mut reader = contents.file_at(&digest, number)?;
    let block = reader.fill_buf().map_err(VerifyError::from_io)?;
    Ok(Bytes::copy_from_slice(block))
}

/// Each bundle after those that it requires; otherwise by stream, epoch and sequence.
fn ordered(mut bundles: Vec<VerifiedBundle>) -> Vec<VerifiedBundle> {
    let position = |bundle: &VerifiedBundle| {
        let seal = bundle.get().seal();
        (seal.stream.as_str().to_owned(), seal.epoch, seal.sequence)
    };
    bundles.sort_by_cached_key(position);
    let mut ordered: Vec<VerifiedBundle> = Vec::new();
    while !bundles.is_empty() {
        let waits = |bundle: &VerifiedBundle| {
            let requires = &bundle.get().seal().requires;
            bundles.iter().any(|other| requires.contains(&other.get().seal_digest()))
        };
        // Seals name each other by digest, so there are no circles.
        let next = bundles.iter().position(|bundle| !waits(bundle)).unwrap_or(0);
        ordered.push(bundles.remove(next));
    }
    ordered
}

/// What a delta counts on is in the bundles before it.
fn check_bases(contents: &Contents, places: &HashMap<Digest, Place>) -> Result<(), ServeError> {
    let catalog = contents.catalog();
    let held = catalog.held.iter().map(|held| held.blob.digest);
    let mut bases = held.chain(catalog.bases.iter().map(|base| base.blob.digest));
    match bases.find(|digest| !places.contains_key(digest)) {
        None => Ok(()),
        Some(blob) => {
            let requires = contents.seal().requires.clone();
            Err(ServeError::Base { bundle: contents.seal_digest(), blob, requires })
        }
    }
}

/// Adds the blobs of a bundle that are not had yet.
fn add(bundle: usize, contents: &Contents, places: &mut HashMap<Digest, Place>) {
    let catalog = contents.catalog();
    let stored = catalog.blobs.iter().map(|blob| (blob, false));
    let made = catalog.layers.iter().map(|layer| (&layer.blob, true));
    for (blob, made) in stored.chain(made) {
        places.entry(blob.digest).or_insert(Place { bundle, size: blob.size, made });
    }
}

fn names(bundles: &[VerifiedBundle]) -> Result<Names, ServeError> {
    let mut names: BTreeMap<Reference, (Digest, usize)> = BTreeMap::new();
    for (at, bundle) in bundles.iter().enumerate() {
        for (name, digest) in bundle.get().images().iter().flat_map(named) {
            let before = names.insert(name.clone(), (digest, at));
            let Some((other, first)) = before.filter(|(other, _)| *other != digest) else {
                continue;
            };
            if !follows(bundle.get(), bundles[first].get()) {
                return Err(ServeError::Clash { name, first: other, second: digest });
            }
        }
    }
    Ok(names.into_iter().map(|(name, (digest, _))| (name, digest)).collect())
}

/// True when names of `newer` replace those of `older`.
fn follows(newer: &Contents, older: &Contents) -> bool {
    let (new, old) = (newer.seal(), older.seal());
    let later = (new.epoch, new.sequence) > (old.epoch, old.sequence);
    new.requires.contains(&older.seal_digest()) || (new.stream == old.stream && later)
}

/// The names of an image: its own, and those of what was found by a tag of its own.
fn named(image: &PinnedImage) -> impl Iterator<Item = (Reference, Digest)> {
    let own = match &image.name.tag {
        Some(tag) => image.name.with_tag(tag.clone()),
        None => Reference { digest: Some(image.digest), ..image.name.clone() },
    };
    let tagged = image.documents.iter().filter(|document| document.role == Role::Tagged);
    let tagged = tagged
        .filter_map(|document| Some((image.name.with_tag(document.tag.clone()?), document.digest)));
    tagged.chain([(own, image.digest)])
}

/// The documents of bundles, as a layout holds them.
pub(super) struct Listed<'a> {
    depot: &'a Depot,
    entries: Vec<IndexEntry>,
}

impl Depot {
    /// Every document, to be sorted.
    pub(super) fn listed(&self) -> Listed<'_> {
        let images = self.bundles.iter().flat_map(|bundle| bundle.get().images());
        let documents = images.flat_map(|image| &image.documents);
        let entry = |descriptor| IndexEntry { descriptor, name: None };
        let entries = documents.map(|document| entry(document.descriptor())).collect();
        Listed { depot: self, entries }
    }
}

impl Store for Listed<'_> {
    fn place(&self) -> String {
        "the bundle".to_owned()
    }

    fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Blobs are had block by block.
    fn open(&self, _: &Digest) -> Result<Option<Section>, LayoutError> {
        Ok(None)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, LayoutError> {
        let found = self.depot.document(&descriptor.digest);
        found.cloned().ok_or(LayoutError::Missing(descriptor.digest))
    }
}
