//! What a server gives out: the images of a layout, or those of verified bundles.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::task::spawn_blocking;

use super::ServeError;
use super::blocks::Blocks;
use super::depot::Depot;
use super::fault::Fault;
use super::metrics::Metrics;
use super::shelf::Shelf;
use crate::layout::{Documents, LayoutError, Store};
use crate::oci::{Descriptor, Digest, Manifest, Reference};
use crate::verify::VerifiedBundle;

/// What a server gives out. Whatever comes from it is proven.
pub struct Stock {
    held: Held,
    pub(super) names: Vec<(Reference, Digest)>,
    pub(super) documents: Documents,
    pub(super) metrics: Arc<Metrics>,
}

enum Held {
    Layout(Shelf),
    Bundles(Depot),
}

impl Stock {
    /// The images of a layout, as its index is now. Entries whose name is a bare tag belong to no
    /// repository and are not served.
    ///
    /// # Errors
    /// [`ServeError::Layout`].
    pub fn layout(store: impl Store + 'static) -> Result<Stock, ServeError> {
        let store: Arc<dyn Store> = Arc::new(store);
        let documents = Documents::scan(store.as_ref())?;
        let named =
            |entry: &crate::layout::IndexEntry| Some((entry.reference()?, entry.descriptor.digest));
        let names = store.entries().iter().filter_map(named).collect();
        Ok(Stock {
            held: Held::Layout(Shelf::new(store)),
            names,
            documents,
            metrics: Arc::default(),
        })
    }

    /// The images of bundles; of a delta and its bases if they are given together. Of two bundles of a
    /// stream that give one name to two images the newer one counts. Made layers go through `blocks`.
    ///
    /// # Errors
    /// [`ServeError::Base`] for a delta without its base, [`ServeError::Clash`].
    pub fn bundles(bundles: Vec<VerifiedBundle>, blocks: Blocks) -> Result<Stock, ServeError> {
        let metrics: Arc<Metrics> = Arc::default();
        let (depot, names) = Depot::new(bundles, blocks, Arc::clone(&metrics))?;
        let documents = Documents::scan(&depot.listed())?;
        Ok(Stock {
            held: Held::Bundles(depot),
            names: names.into_iter().collect(),
            documents,
            metrics,
        })
    }

    /// How many images have a name.
    pub fn images(&self) -> usize {
        self.names.len()
    }

    /// The size of a blob in bytes; `None` when it is not there. Of a layout's blob the first to ask
    /// waits until it is proven.
    pub(super) async fn size(&self, digest: Digest) -> Result<Option<u64>, Fault> {
        match &self.held {
            Held::Layout(shelf) => shelf.size(digest).await,
            Held::Bundles(depot) => Ok(depot.size(&digest)),
        }
    }

    /// The size of a blob as it is stated, for people to look at.
    pub(super) fn stated_size(&self, digest: &Digest) -> Option<u64> {
        match &self.held {
            Held::Layout(shelf) => Some(shelf.store.open(digest).ok()??.size()),
            Held::Bundles(depot) => depot.size(digest),
        }
    }

    /// Block `number` of a blob, proven; of a last block that is empty no byte.
    pub(super) async fn block(&self, digest: Digest, number: usize) -> Result<Bytes, Fault> {
        match &self.held {
            Held::Layout(shelf) => shelf.block(digest, number).await,
            Held::Bundles(depot) => depot.block(digest, number).await,
        }
    }

    /// The bytes of a document, proven; `None` when it is not there any more.
    pub(super) async fn document(&self, descriptor: Descriptor) -> Result<Option<Bytes>, Fault> {
        let raw = |manifest: &Manifest| Bytes::copy_from_slice(manifest.raw());
        let store = match &self.held {
            Held::Bundles(depot) => return Ok(depot.document(&descriptor.digest).map(raw)),
            Held::Layout(shelf) => Arc::clone(&shelf.store),
        };
        let read = spawn_blocking(move || store.manifest(&descriptor)).await;
        match read.map_err(|_| Fault::interrupted())? {
            Ok(manifest) => Ok(Some(raw(&manifest))),
            Err(LayoutError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
