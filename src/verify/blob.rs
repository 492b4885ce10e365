//! Step 8: blobs, proven block by block before anybody sees a byte of them.
//!
//! Withstands: any change to any byte (the block that holds it is refused and named), a file that
//! ends early, marks that do not lead to the digest. Holds one block in memory.

use std::io::{self, BufRead, Read};

use super::{Location, VerifyError};
use crate::bundle::{BlobPath, BundlePath, CatalogBlob, Piece, PieceReader};
use crate::files::FileError;
use crate::oci::{BlockHasher, MARK_BLOCK, MARK_SIZE, read_block};

/// Gives the bytes of a blob, each of them proven.
///
/// An error is an [`io::Error`] with a [`VerifyError`] inside, and every read after it is one too.
pub struct BlobReader {
    inner: PieceReader,
    path: BlobPath,
    at: Location,
    marks: Vec<[u8; MARK_SIZE]>,
    hasher: BlockHasher,
    /// The block to be read next.
    block: usize,
    /// The block to stop before.
    stop: usize,
    buffer: Vec<u8>,
    /// How much of the buffer is proven.
    proven: usize,
    /// How much of that has been given away.
    given: usize,
    refused: bool,
}

impl BlobReader {
    pub(super) fn open(
        path: BlobPath,
        piece: &Piece,
        entry: &CatalogBlob,
    ) -> Result<BlobReader, VerifyError> {
        BlobReader::stretch(path, piece, entry, 0, usize::MAX)
    }

    /// Reads blocks `from` to `stop` (or the end); `from` is at most the number of marks.
    pub(super) fn stretch(
        path: BlobPath,
        piece: &Piece,
        entry: &CatalogBlob,
        from: usize,
        stop: usize,
    ) -> Result<BlobReader, VerifyError> {
        let marks = entry.marks.0.clone();
        let mark = from.checked_sub(1).and_then(|before| marks.get(before));
        let hasher =
            mark.map_or_else(BlockHasher::default, |mark| BlockHasher::resume(mark, from as u64));
        let mut inner = piece.open()?;
        inner.skip(from as u64 * MARK_BLOCK as u64);
        let (at, stop) = (Location::of(piece), stop.min(marks.len() + 1));
        Ok(BlobReader {
            inner,
            path,
            at,
            marks,
            hasher,
            block: from,
            stop,
            buffer: vec![0; MARK_BLOCK],
            proven: 0,
            given: 0,
            refused: false,
        })
    }

    /// Reads and proves the next block; nothing proven afterwards is the end.
    fn advance(&mut self) -> Result<(), VerifyError> {
        (self.given, self.proven) = (0, 0);
        if self.refused {
            return Err(self.damaged());
        }
        if self.block == self.stop {
            return Ok(());
        }
        let read = read_block(&mut self.inner, &mut self.buffer);
        let count = read.map_err(|error| FileError::io("read", &self.at.file, error))?;
        let read = &self.buffer[..count];
        let full = <&[u8; MARK_BLOCK]>::try_from(read);
        let proven = match (full, self.marks.get(self.block)) {
            (Ok(block), Some(mark)) => self.hasher.full(block) == *mark,
            (Err(_), None) => self.hasher.clone().last(read) == self.path.digest(),
            _ => false,
        };
        if !proven {
            self.refused = true;
            return Err(self.damaged());
        }
        self.proven = count;
        self.block += 1;
        Ok(())
    }

    fn damaged(&self) -> VerifyError {
        let before = self.block as u64 * MARK_BLOCK as u64;
        let length = self.at.length.saturating_sub(before).min(MARK_BLOCK as u64);
        let at = Location { file: self.at.file.clone(), offset: self.at.offset + before, length };
        VerifyError::Damaged { path: BundlePath::Blob(self.path), at }
    }
}

impl BufRead for BlobReader {
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

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
