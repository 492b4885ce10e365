//! Step 9: where layers are made from packs and from the plain content of other blobs.
//!
//! Everything that comes in is proven first: frames and stored blobs as in step 8, blobs at the
//! destination against marks that the bundle's maker signed. What comes out is proven again, block
//! by block, against the layer's own marks. Withstands: packs in each other's place, frames that
//! inflate past their length (they stop there), content that was exchanged at the destination.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use super::blob::{BlobReader, Faults};
use super::cache::Cache;
use super::contents::Contents;
use super::layer::LayerMaker;
use super::recipe::Recipe;
use super::restarts::Restarts;
use super::{StoryError, VerifyError};
use crate::bundle::{Base, BlobPath, BundlePath, CatalogBlob, Kind, Layer, Opened, Pack};
use crate::chunk;
use crate::oci::{Digest, MARK_BLOCK};
use crate::pool::Benches;
use crate::recompress::GzipError;

/// Segments that are made at a time: each takes some MiB, and more where blocks are long.
const MAKING: usize = 4;
/// Bytes of a segment of content that is plain as it lies.
const SEGMENT: u64 = 4 * 1024 * 1024;

/// The place that holds the base bundles' images.
pub trait Destination: Sync {
    /// The bytes of a blob from `offset` on; nobody has proven them.
    ///
    /// # Errors
    /// When they cannot be read.
    fn open(&self, base: &Base, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// Fills `out` with plain bytes of a base, from `offset` on, made from proven content; `None`
    /// where the base is to be opened instead.
    ///
    /// # Errors
    /// What is wrong with the content that they are made from.
    fn plain(&self, base: &Base, offset: u64, out: &mut [u8]) -> Option<Result<(), VerifyError>> {
        let _ = (base, offset, out);
        None
    }
}

/// Gives every blob of a bundle's images, however it is kept.
pub struct Workshop<'a> {
    contents: &'a Contents,
    destination: Option<&'a dyn Destination>,
    origins: Vec<Origin<'a>>,
    places: HashMap<Digest, usize>,
    cache: Arc<Cache>,
    /// The first of the numbers under which the cache knows the origins.
    known_from: usize,
    making: Benches,
}

/// Plain content that recipes take from.
enum Origin<'a> {
    Pack { pack: &'a Pack, starts: Vec<(u64, u64)> },
    Stored { opened: &'a Opened, restarts: Places },
    Base { base: &'a Base, restarts: Places },
}

type Places = Mutex<Option<Arc<Restarts>>>;

impl<'a> Workshop<'a> {
    /// For the layers of `contents`; without a destination those that take from it are not made.
    pub fn new(contents: &'a Contents, destination: Option<&'a dyn Destination>) -> Workshop<'a> {
        Workshop::sharing(contents, destination, Arc::default())
    }

    /// The same; what was just made is kept in `cache`, which other workshops may use too.
    pub fn sharing(
        contents: &'a Contents,
        destination: Option<&'a dyn Destination>,
        cache: Arc<Cache>,
    ) -> Workshop<'a> {
        let catalog = contents.catalog();
        let packs = catalog.packs.iter().map(|pack| (pack.blob.digest, Origin::pack(pack)));
        let stored = catalog
            .opened
            .iter()
            .map(|opened| (opened.digest, Origin::Stored { opened, restarts: Places::default() }));
        let bases = catalog
            .bases
            .iter()
            .map(|base| (base.blob.digest, Origin::Base { base, restarts: Places::default() }));
        let (mut places, mut origins) = (HashMap::new(), Vec::new());
        for (digest, origin) in packs.chain(stored).chain(bases) {
            places.insert(digest, origins.len());
            origins.push(origin);
        }
        let (known_from, making) = (cache.reserve(origins.len()), Benches::new(MAKING));
        Workshop { contents, destination, origins, places, cache, known_from, making }
    }

    /// Reads a blob of an image; what the reader gives is proven (steps 8 and 9).
    ///
    /// # Errors
    /// [`VerifyError`] when it is not aboard, or its recipe cannot be followed here.
    pub fn blob(&'a self, digest: &Digest) -> Result<BlobReader<'a>, VerifyError> {
        self.blob_from(digest, 0)
    }

    /// The same from block `block` of [`MARK_BLOCK`] bytes on. Of a layer whose encoder has no
    /// checkpoints all that stands before is made as well.
    ///
    /// # Errors
    /// As [`Workshop::blob`].
    pub fn blob_from(
        &'a self,
        digest: &Digest,
        block: usize,
    ) -> Result<BlobReader<'a>, VerifyError> {
        let Some(layer) = self.contents.catalog().layer(digest) else {
            return self.contents.file_at(digest, block);
        };
        let block = block.min(layer.blob.marks.0.len());
        let maker = LayerMaker::new(self, layer, block as u64 * MARK_BLOCK as u64)?;
        let faults = Faults::Made(*digest);
        Ok(BlobReader::over(Box::new(maker), faults, &layer.blob, block, usize::MAX))
    }

    /// Fills `out` with the plain bytes of a layer that is made here, from `offset` on.
    ///
    /// # Errors
    /// [`VerifyError`] when its recipe cannot be followed here.
    pub fn plain(&self, layer: &Layer, offset: u64, out: &mut [u8]) -> Result<(), VerifyError> {
        let bytes =
            Recipe::new(self, layer).plain(offset, offset.saturating_add(out.len() as u64))?;
        match bytes.len() == out.len() {
            true => out.copy_from_slice(&bytes),
            false => return Err(short(layer.blob.digest)),
        }
        Ok(())
    }

    /// Fills `out` with plain bytes of the content `digest`, from `offset` on.
    pub(super) fn fill(
        &self,
        digest: &Digest,
        mut offset: u64,
        mut out: &mut [u8],
    ) -> Result<(), VerifyError> {
        let place = *self.places.get(digest).ok_or(StoryError::Unlisted(*digest))?;
        if let (Origin::Base { base, .. }, Some(destination)) =
            (&self.origins[place], self.destination)
        {
            if let Some(filled) = destination.plain(base, offset, out) {
                return filled;
            }
        }
        while !out.is_empty() {
            let (number, start) = self.segment(place, offset)?;
            let key = (self.known_from + place, number);
            let segment = self.cache.get(key, || self.making.at(|| self.make(place, number)))?;
            let from = (offset - start) as usize;
            let there = segment.get(from..).filter(|there| !there.is_empty());
            let there = there.ok_or_else(|| self.origins[place].short(*digest))?;
            let count = there.len().min(out.len());
            let (now, later) = std::mem::take(&mut out).split_at_mut(count);
            now.copy_from_slice(&there[..count]);
            (out, offset) = (later, offset + count as u64);
        }
        Ok(())
    }

    /// The segment that holds plain byte `offset`: its number and its first byte.
    fn segment(&self, place: usize, offset: u64) -> Result<(usize, u64), VerifyError> {
        match &self.origins[place] {
            Origin::Pack { starts, .. } => {
                let number = starts.partition_point(|(_, plain)| *plain <= offset) - 1;
                Ok((number, starts[number].1))
            }
            origin if origin.kind() == Kind::Plain => {
                let number = offset / SEGMENT;
                Ok((number as usize, number * SEGMENT))
            }
            origin => {
                let segment = self.restarts(origin)?.segment(offset);
                Ok((segment.number, segment.plain))
            }
        }
    }

    fn make(&self, place: usize, number: usize) -> Result<Vec<u8>, VerifyError> {
        let origin = &self.origins[place];
        match origin {
            Origin::Pack { pack, starts } => self.frame(pack, starts, number),
            _ if origin.kind() == Kind::Plain => {
                let reader = self.raw(origin, number as u64 * SEGMENT)?;
                let mut bytes = Vec::new();
                reader.take(SEGMENT).read_to_end(&mut bytes).map_err(VerifyError::from_io)?;
                Ok(bytes)
            }
            _ => {
                let restarts = self.restarts(origin)?;
                let reader = self.raw(origin, restarts.offset(number))?;
                restarts.inflate(number, reader).map_err(|error| origin.inflating(error))
            }
        }
    }

    fn frame(
        &self,
        pack: &Pack,
        starts: &[(u64, u64)],
        number: usize,
    ) -> Result<Vec<u8>, VerifyError> {
        let ((offset, _), (stored, plain)) = (starts[number], pack.frames[number]);
        let mut reader = self.raw_blob(&pack.blob, offset)?;
        let mut bytes = vec![0; stored as usize];
        reader.read_exact(&mut bytes).map_err(VerifyError::from_io)?;
        chunk::decompress(&bytes, plain as usize).map_err(|error| {
            let path = BlobPath::of(&pack.blob.digest).expect("a pack is named by SHA-256");
            VerifyError::Frame { path: BundlePath::Blob(path), offset, error }
        })
    }

    /// The bytes of a blob from `offset` on, proven.
    fn raw(&self, origin: &Origin<'_>, offset: u64) -> Result<impl Read, VerifyError> {
        match origin {
            Origin::Pack { pack, .. } => self.raw_blob(&pack.blob, offset),
            Origin::Stored { opened, .. } => {
                let entry = self.contents.catalog().get(&opened.digest);
                self.raw_blob(entry.ok_or(StoryError::Unlisted(opened.digest))?, offset)
            }
            Origin::Base { base, .. } => {
                let digest = base.blob.digest;
                let destination = self.destination.ok_or(VerifyError::AtDestination(digest))?;
                let block = offset / MARK_BLOCK as u64;
                let inner = destination
                    .open(base, block * MARK_BLOCK as u64)
                    .map_err(|error| VerifyError::Content { digest, error })?;
                let faults = Faults::Destination(digest);
                let reader =
                    BlobReader::over(inner, faults, &base.blob, block as usize, usize::MAX);
                skipped(reader, offset % MARK_BLOCK as u64)
            }
        }
    }

    fn raw_blob(
        &self,
        entry: &CatalogBlob,
        offset: u64,
    ) -> Result<BlobReader<'static>, VerifyError> {
        let block = offset / MARK_BLOCK as u64;
        let reader = self.contents.file_from(entry, block as usize)?;
        skipped(reader, offset % MARK_BLOCK as u64)
    }

    fn restarts(&self, origin: &Origin<'_>) -> Result<Arc<Restarts>, VerifyError> {
        let (places, plain, digest) = match origin {
            Origin::Stored { opened, restarts } => (restarts, opened.plain, opened.digest),
            Origin::Base { base, restarts } => (restarts, base.plain, base.blob.digest),
            Origin::Pack { pack, .. } => return Err(origin.short(pack.blob.digest)),
        };
        let mut places = places.lock().expect("no thread panics with the lock");
        if let Some(found) = &*places {
            return Ok(Arc::clone(found));
        }
        let found =
            Restarts::find(self.raw(origin, 0)?).map_err(|error| origin.inflating(error))?;
        let found = found.filter(|found| found.plain() == plain);
        let found = Arc::new(found.ok_or_else(|| origin.short(digest))?);
        *places = Some(Arc::clone(&found));
        Ok(found)
    }
}

impl Origin<'_> {
    fn pack(pack: &Pack) -> Origin<'_> {
        let (mut stored, mut plain) = (0, 0);
        let start = |(bytes, content): &(u64, u64)| {
            let start = (stored, plain);
            (stored, plain) = (stored + bytes, plain + content);
            start
        };
        let starts = pack.frames.iter().map(start).collect();
        Origin::Pack { pack, starts }
    }

    fn kind(&self) -> Kind {
        match self {
            Origin::Pack { .. } => Kind::Plain,
            Origin::Stored { opened, .. } => opened.kind,
            Origin::Base { base, .. } => base.kind,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Origin::Pack { pack, .. } => pack.blob.digest,
            Origin::Stored { opened, .. } => opened.digest,
            Origin::Base { base, .. } => base.blob.digest,
        }
    }

    fn short(&self, layer: Digest) -> VerifyError {
        short(layer)
    }

    /// An error of the proof below comes out as it went in.
    fn inflating(&self, error: GzipError) -> VerifyError {
        let digest = self.digest();
        match error {
            GzipError::Read(error) => match error.downcast() {
                Ok(inside) => inside,
                Err(error) => VerifyError::Content { digest, error },
            },
            error => VerifyError::Inflate { digest, error },
        }
    }
}

fn short(layer: Digest) -> VerifyError {
    VerifyError::Recipe { layer, what: "its plain bytes are not those that the catalog states" }
}

fn skipped<'a>(mut reader: BlobReader<'a>, count: u64) -> Result<BlobReader<'a>, VerifyError> {
    let skipped = io::copy(&mut reader.by_ref().take(count), &mut io::sink());
    skipped.map_err(VerifyError::from_io)?;
    Ok(reader)
}

#[cfg(test)]
mod tests;
