//! Threads that make layers from packs, block by block as they are ordered.
//!
//! A line makes one layer from front to back; it rests where nobody asks for more, and goes on from
//! there. So clients that pull one layer side by side share a line, a client that is slow holds
//! none, and the number of lines bounds the memory, whatever the number of clients.

use std::io::{self, BufRead as _, Read};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;

use super::blocks::{Blocks, Key};
use super::metrics::Metrics;
use super::orders::Orders;
use crate::bundle::{Base, Layer};
use crate::oci::{Digest, MARK_BLOCK};
use crate::verify::{
    BlobReader, Contents, Destination, PlainCache, VerifiedBundle, VerifyError, Workshop,
};

/// Blocks that are made at a time; each takes a line.
const MAKERS: usize = 3;
/// Lines that may rest.
const RESTING: usize = 3;
/// How far behind a line may be for it to be run forward, in blocks, where another can be begun at
/// the place.
const BEHIND: usize = 8;

/// What the makers share with those who order.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) orders: Arc<Orders>,
    pub(super) blocks: Arc<Blocks>,
    pub(super) metrics: Arc<Metrics>,
}

/// The workshop of one bundle; what it lacks is in those before it.
struct Shop<'a> {
    contents: &'a Contents,
    workshop: Workshop<'a>,
    before: Option<&'a Shop<'a>>,
}

/// A layer on its way.
struct Line<'a> {
    digest: Digest,
    /// The block that comes next.
    next: usize,
    reader: BlobReader<'a>,
}

/// Works on orders until they are closed. `bundles` stand in such an order that each comes after
/// those it builds upon.
pub(super) fn run(bundles: &[VerifiedBundle], counter: &Counter) {
    open(bundles, None, &Arc::default(), &|last| {
        let resting = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..MAKERS {
                scope.spawn(|| {
                    while let Some(order) = counter.orders.next() {
                        work(last, &resting, counter, order);
                    }
                });
            }
        });
    });
}

/// Opens a workshop for each bundle, each upon those before it, and does `work` in the last.
fn open<'a>(
    bundles: &'a [VerifiedBundle],
    before: Option<&'a Shop<'a>>,
    cache: &Arc<PlainCache>,
    work: &dyn Fn(&Shop<'_>),
) {
    let Some((first, rest)) = bundles.split_first() else {
        return before.into_iter().for_each(work);
    };
    let contents = first.get();
    let destination = before.map(|shop| shop as &dyn Destination);
    let workshop = Workshop::sharing(contents, destination, Arc::clone(cache));
    open(rest, Some(&Shop { contents, workshop, before }), cache, work);
}

/// Makes the block that is ordered, and all between it and where its line rests.
fn work<'a>(shop: &'a Shop<'a>, resting: &Mutex<Vec<Line<'a>>>, counter: &Counter, order: Key) {
    // Another line may have come by meanwhile.
    if let Some(block) = counter.blocks.get(&order) {
        return counter.orders.fill(&order, &Ok(block));
    }
    if !counter.orders.is_wanted(&order) {
        return;
    }
    let mut line = match shop.line(resting, order) {
        Ok(line) => line,
        Err(error) => return counter.orders.fill(&order, &Err(error.into())),
    };
    while line.next <= order.1 && counter.orders.is_wanted(&order) {
        let key = (line.digest, line.next);
        match line.advance() {
            Ok(block) => {
                counter.metrics.made();
                counter.blocks.put(key, &block);
                counter.orders.fill(&key, &Ok(block));
            }
            Err(error) => return counter.orders.fill(&order, &Err(error.into())),
        }
    }
    let mut resting = resting.lock().unwrap_or_else(PoisonError::into_inner);
    resting.push(line);
    if resting.len() > RESTING {
        resting.remove(0);
    }
}

impl<'a> Shop<'a> {
    /// This shop and those before it.
    fn shops(&'a self) -> impl Iterator<Item = &'a Shop<'a>> {
        std::iter::successors(Some(self), |shop| shop.before)
    }

    /// A line that comes to the block, from not too far.
    fn line(
        &'a self,
        resting: &Mutex<Vec<Line<'a>>>,
        (digest, block): Key,
    ) -> Result<Line<'a>, VerifyError> {
        let known =
            self.shops().find_map(|shop| Some((shop, shop.contents.catalog().layer(&digest)?)));
        let (shop, layer) = known.ok_or(VerifyError::AtDestination(digest))?;
        let anywhere = can_begin_anywhere(layer);
        let earliest = if anywhere { block.saturating_sub(BEHIND) } else { 0 };
        let mut resting = resting.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |line: &Line<'_>| line.digest == digest && (earliest..=block).contains(&line.next);
        let near = (0..resting.len()).filter(|at| fits(&resting[*at]));
        if let Some(at) = near.max_by_key(|at| resting[*at].next) {
            return Ok(resting.remove(at));
        }
        drop(resting);
        let next = if anywhere { block } else { 0 };
        Ok(Line { digest, next, reader: shop.workshop.blob_from(&digest, next)? })
    }
}

/// True when little is made in vain to come to a block in the middle.
fn can_begin_anywhere(layer: &Layer) -> bool {
    layer.coding.as_ref().is_none_or(|coding| !coding.checkpoints.is_empty())
}

impl Line<'_> {
    fn advance(&mut self) -> Result<Bytes, VerifyError> {
        let block = self.reader.fill_buf().map_err(VerifyError::from_io)?;
        let block = Bytes::copy_from_slice(block);
        self.reader.consume(block.len());
        self.next += 1;
        Ok(block)
    }
}

impl Destination for Shop<'_> {
    fn open(&self, base: &Base, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let digest = base.blob.digest;
        let holds = |shop: &&Shop<'_>| shop.contents.catalog().get(&digest).is_some();
        let shop = self.shops().find(holds).ok_or(io::ErrorKind::NotFound)?;
        let block = (offset / MARK_BLOCK as u64) as usize;
        let mut reader = shop.contents.file_at(&digest, block).map_err(io::Error::other)?;
        io::copy(&mut reader.by_ref().take(offset % MARK_BLOCK as u64), &mut io::sink())?;
        Ok(Box::new(reader))
    }

    /// Where the base was packed itself, what it is packed from is at hand.
    fn plain(&self, base: &Base, offset: u64, out: &mut [u8]) -> Option<Result<(), VerifyError>> {
        let digest = &base.blob.digest;
        for shop in self.shops() {
            if shop.contents.catalog().get(digest).is_some() {
                return None;
            }
            if let Some(layer) = shop.contents.catalog().layer(digest) {
                return Some(shop.workshop.plain(layer, offset, out));
            }
        }
        None
    }
}
