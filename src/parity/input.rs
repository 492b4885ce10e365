//! The protected files as one run of bytes, each from the start of a block on.
//!
//! Withstands: sectors that cannot be read. A read that fails is tried again a few times, then block by
//! block, so that what lies around bad sectors is had; and no more than a fixed number of reads is
//! repeated, so that a dying disk ends the work and not the other way round.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ParityError;
use super::place::Copy;
use crate::bundle::Part;
use crate::files::{self, FileError};

/// How often a block that cannot be read is tried.
const TRIES: u32 = 3;
/// How many reads are tried again at most, in all.
const RETRIES: u32 = 1024;

/// A protected file: where it stands, and where it lies.
#[derive(Debug)]
pub struct Located {
    /// Which file.
    pub part: Part,
    /// Its size in bytes, as protected.
    pub size: u64,
    /// The number of its first block.
    pub first: u64,
    /// Where it lies; nowhere when it is lost.
    pub copies: Vec<Copy>,
}

/// All protected files.
#[derive(Debug)]
pub struct Input {
    /// The files, by their first blocks.
    pub parts: Vec<Located>,
    /// Bytes of a block.
    pub block: u64,
    /// How many blocks there are.
    pub blocks: u64,
    retries: AtomicU32,
}

impl Input {
    /// The files in their order, each with its size and its copies.
    pub fn new(parts: impl IntoIterator<Item = (Part, u64, Vec<Copy>)>, block: u64) -> Input {
        let mut blocks = 0;
        let located = parts.into_iter().map(|(part, size, copies)| {
            let first = blocks;
            blocks += size.div_ceil(block);
            Located { part, size, first, copies }
        });
        let parts = located.collect();
        Input { parts, block, blocks, retries: AtomicU32::new(RETRIES) }
    }

    /// The file that block `number` is of.
    pub fn part(&self, number: u64) -> Option<&Located> {
        let behind = self.parts.partition_point(|part| part.first <= number);
        // Files of no bytes have no blocks, and stand before the one that has.
        self.parts[..behind].last().filter(|_| number < self.blocks)
    }

    /// Fills `buffer` from byte `at` on, out of the copies that `choose` says for each block.
    ///
    /// # Errors
    /// The number of the block that cannot be read.
    pub fn read(
        &self,
        mut at: u64,
        mut buffer: &mut [u8],
        choose: &dyn Fn(u64) -> usize,
    ) -> Result<(), u64> {
        while !buffer.is_empty() {
            let number = at / self.block;
            let Some(part) = self.part(number) else {
                buffer.fill(0);
                return Ok(());
            };
            let offset = at - part.first * self.block;
            let end = part.size.next_multiple_of(self.block);
            // Of one copy a long run, of several block by block.
            let stop = match part.copies.len() {
                0 | 1 => end,
                _ => (offset / self.block + 1) * self.block,
            };
            let count = usize::try_from(stop - offset).unwrap_or(usize::MAX).min(buffer.len());
            let (here, rest) = std::mem::take(&mut buffer).split_at_mut(count);
            let (content, padding) = here.split_at_mut(part.content(offset, count));
            padding.fill(0);
            let copy = part.copies.get(choose(number)).ok_or(number)?;
            let file = files::open_beneath(&copy.root, &copy.relative).map_err(|_| number)?;
            let readable = self.read_blocks(&file, content, offset);
            if let Some(bad) = readable.iter().position(|good| !good) {
                return Err(number + bad as u64);
            }
            (buffer, at) = (rest, at + count as u64);
        }
        Ok(())
    }

    /// Reads what can be read of `buffer`, and says for each block that it touches whether all of its
    /// part of it is there.
    pub fn read_blocks(&self, file: &File, buffer: &mut [u8], offset: u64) -> Vec<bool> {
        let block = usize::try_from(self.block).unwrap_or(usize::MAX);
        let first = block - (offset % self.block) as usize;
        let (head, rest) = buffer.split_at_mut(first.min(buffer.len()));
        let blocks = usize::from(!head.is_empty()) + rest.len().div_ceil(block);
        if read_full(file, buffer, offset).is_ok() {
            return vec![true; blocks];
        }
        let (head, rest) = buffer.split_at_mut(first.min(buffer.len()));
        let mut at = offset;
        let pieces = std::iter::once(head).chain(rest.chunks_mut(block));
        let read = pieces.take(blocks).map(|piece| {
            at += piece.len() as u64;
            self.insist(file, piece, at - piece.len() as u64)
        });
        read.collect()
    }

    fn insist(&self, file: &File, piece: &mut [u8], at: u64) -> bool {
        for _ in 0..TRIES {
            match read_full(file, piece, at) {
                Ok(()) => return true,
                // There is no more: trying again does not help.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return false,
                Err(_) => {}
            }
            let less = |left: u32| left.checked_sub(1);
            if self.retries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                return false;
            }
        }
        false
    }
}

impl Located {
    /// How many of `count` bytes from `offset` on are content, and not what fills the last block.
    pub fn content(&self, offset: u64, count: usize) -> usize {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        left.min(count)
    }
}

/// Reads all of `buffer`, or fails.
pub fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

/// The size of a file.
///
/// # Errors
/// [`ParityError::File`].
pub fn size(copy: &Copy) -> Result<u64, ParityError> {
    let file = files::open_beneath(&copy.root, &copy.relative)?;
    let kind = file.metadata().map_err(|error| FileError::io("inspect", &copy.path(), error))?;
    Ok(kind.len())
}
