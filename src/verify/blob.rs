//! Step 8: blobs, proven block by block before anybody sees a byte of them.
//!
//! Withstands: any change to any byte (the block that holds it is refused and named), content that
//! ends early or goes on (a byte of that is read), marks that do not lead to the digest. Holds one block in memory.

use std::io::{self, BufRead, Read};

use super::{Location, VerifyError};
use crate::bundle::{BlobPath, BundlePath, CatalogBlob, Piece};
use crate::files::FileError;
use crate::oci::{BlockHasher, Digest, MARK_BLOCK, MARK_SIZE, read_block};

/// Gives the bytes of a blob, each of them proven.
///
/// An error is an [`io::Error`] with a [`VerifyError`] inside, and every read after it is one too.
pub struct BlobReader<'a> {
    inner: Box<dyn Read + Send + 'a>,
    faults: Faults,
    digest: Digest,
    marks: Vec<[u8; MARK_SIZE]>,
    hasher: BlockHasher,
    /// The block to be read next.
    block: usize,
    /// Bytes of the whole blob.
    size: u64,
    /// The block to stop before.
    stop: usize,
    buffer: Vec<u8>,
    /// How much of the buffer is proven.
    proven: usize,
    /// How much of that has been given away.
    given: usize,
    refused: bool,
}

/// What to say when content cannot be read, or is wrong.
pub(super) enum Faults {
    /// It lies on the medium.
    Medium(BlobPath, Location),
    /// It is a layer that is being made.
    Made(Digest),
    /// It lies at the destination.
    Destination(Digest),
}

impl<'a> BlobReader<'a> {
    /// Reads blocks `from` to `stop` (or the end); `from` is at most the number of marks.
    pub(super) fn stretch(
        path: BlobPath,
        piece: &Piece,
        entry: &CatalogBlob,
        from: usize,
        stop: usize,
    ) -> Result<BlobReader<'static>, VerifyError> {
        let mut inner = piece.open()?;
        inner.skip(from as u64 * MARK_BLOCK as u64);
        let faults = Faults::Medium(path, Location::of(piece));
        Ok(BlobReader::over(Box::new(inner), faults, entry, from, stop))
    }

    /// Reads blocks `from` to `stop` (or the end) of the blob `entry`, of which `inner` gives the
    /// bytes from block `from` on.
    pub(super) fn over(
        inner: Box<dyn Read + Send + 'a>,
        faults: Faults,
        entry: &CatalogBlob,
        from: usize,
        stop: usize,
    ) -> BlobReader<'a> {
        let marks = entry.marks.0.clone();
        let mark = from.checked_sub(1).and_then(|before| marks.get(before));
        let hasher =
            mark.map_or_else(BlockHasher::default, |mark| BlockHasher::resume(mark, from as u64));
        BlobReader {
            inner,
            faults,
            digest: entry.digest,
            stop: stop.min(marks.len() + 1),
            marks,
            hasher,
            size: entry.size,
            block: from,
            buffer: vec![0; MARK_BLOCK],
            proven: 0,
            given: 0,
            refused: false,
        }
    }

    /// Reads and proves the next block; nothing proven afterwards is the end.
    fn advance(&mut self) -> Result<(), VerifyError> {
        (self.given, self.proven) = (0, 0);
        if self.refused {
            return Err(self.faults.wrong(self.block));
        }
        if self.block == self.stop {
            return Ok(());
        }
        // Of the last block one byte more than there should be: what is made may go on for long.
        let left = self.size.saturating_sub(self.block as u64 * MARK_BLOCK as u64);
        let most = left.saturating_add(1).min(MARK_BLOCK as u64) as usize;
        let read = read_block(&mut self.inner, &mut self.buffer[..most]);
        let count = read.map_err(|error| self.faults.unread(error))?;
        let read = &self.buffer[..count];
        let full = <&[u8; MARK_BLOCK]>::try_from(read);
        let proven = match (full, self.marks.get(self.block)) {
            (Ok(block), Some(mark)) => self.hasher.full(block) == *mark,
            (Err(_), None) => self.hasher.clone().last(read) == self.digest,
            _ => false,
        };
        if !proven {
            self.refused = true;
            return Err(self.faults.wrong(self.block));
        }
        self.proven = count;
        self.block += 1;
        Ok(())
    }
}

impl Faults {
    /// Block `block` is not what was signed.
    fn wrong(&self, block: usize) -> VerifyError {
        let before = block as u64 * MARK_BLOCK as u64;
        match self {
            Faults::Medium(path, at) => {
                let length = at.length.saturating_sub(before).min(MARK_BLOCK as u64);
                let at = Location { file: at.file.clone(), offset: at.offset + before, length };
                VerifyError::Damaged { path: BundlePath::Blob(*path), at }
            }
            Faults::Made(layer) => VerifyError::Remade { layer: *layer, offset: before },
            Faults::Destination(blob) => VerifyError::Destroyed { blob: *blob, offset: before },
        }
    }

    fn unread(&self, error: io::Error) -> VerifyError {
        match (error.downcast::<VerifyError>(), self) {
            (Ok(inside), _) => inside,
            (Err(error), Faults::Medium(_, at)) => FileError::io("read", &at.file, error).into(),
            (Err(error), Faults::Made(digest) | Faults::Destination(digest)) => {
                VerifyError::Content { digest: *digest, error }
            }
        }
    }
}

impl BufRead for BlobReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.proven {
            self.advance().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(&self.buffer[self.given..self.proven])
    }

    fn consume(&mut self, count: usize) {
        self.given = self.given.saturating_add(count).min(self.proven);
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
