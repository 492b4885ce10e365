//! Cuts plain bytes into chunks: by their content, and where files of a tar begin and end.
//!
//! A chunk depends on nothing but the file that it is part of, so a file gives the same chunks
//! wherever it stands. The cut points are frozen, for a delta only pays if both sides cut alike.
//!
//! Withstands: any bytes; what is no tar is cut by content alone. Memory is bounded by two of the
//! largest chunks. Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data
//! Deduplication Based Storage Systems", 2020. Normative text: `formats/chunks.md`.

use fastcdc::v2020::{self, MASKS};

use super::members::Members;

/// Bytes of the largest chunk.
pub const MAX_CHUNK: usize = 64 * 1024;
/// The content of this many bytes at the start of a chunk is not asked where to cut.
const MIN: usize = 8 * 1024;
/// Up to here cuts are made harder, from here on easier.
const NORMAL: usize = 16 * 1024;
/// The paper's mask for chunks of 64 KiB: two levels above [`NORMAL`].
const HARD: u64 = MASKS[16];
/// Its mask for chunks of 4 KiB: two levels below.
const EASY: u64 = MASKS[12];

/// Plain bytes in, chunks out.
pub struct Cutter {
    members: Members,
    /// What is not cut yet, because the bytes that decide it have not come.
    held: Vec<u8>,
}

impl Cutter {
    /// At the start of a layer's plain bytes.
    pub fn new() -> Cutter {
        Cutter { members: Members::new(), held: Vec::new() }
    }

    /// Takes the next plain bytes, in pieces of any size, and gives each chunk that is settled to
    /// `chunk`. The chunks do not depend on the sizes of the pieces.
    pub fn write(&mut self, mut plain: &[u8], mut chunk: impl FnMut(&[u8])) {
        while !plain.is_empty() {
            let (length, cut) = self.members.pass(plain);
            let (piece, rest) = plain.split_at(length);
            self.cut(piece, cut, &mut chunk);
            plain = rest;
        }
    }

    /// The plain bytes end here: gives the rest of the chunks.
    pub fn finish(mut self, mut chunk: impl FnMut(&[u8])) {
        self.cut(&[], true, &mut chunk);
    }

    /// Cuts what is held and `piece` by content. With `ends`, a forced cut is behind them.
    fn cut(&mut self, mut piece: &[u8], ends: bool, chunk: &mut impl FnMut(&[u8])) {
        while !self.held.is_empty() {
            let before = self.held.len();
            let more = piece.len().min(MAX_CHUNK - before);
            self.held.extend_from_slice(&piece[..more]);
            if self.held.len() < MAX_CHUNK && !ends {
                return;
            }
            let length = chunk_length(&self.held);
            chunk(&self.held[..length]);
            self.held.truncate(before);
            self.held.drain(..length.min(before));
            piece = &piece[length.saturating_sub(before)..];
        }
        // From here on without a copy.
        while piece.len() >= MAX_CHUNK || ends && !piece.is_empty() {
            let (whole, rest) = piece.split_at(chunk_length(piece));
            chunk(whole);
            piece = rest;
        }
        self.held.extend_from_slice(piece);
    }
}

impl Default for Cutter {
    fn default() -> Cutter {
        Cutter::new()
    }
}

/// The length of the chunk at the start of `plain`, which holds all that may belong to it.
fn chunk_length(plain: &[u8]) -> usize {
    v2020::cut(plain, MIN, NORMAL, MAX_CHUNK, HARD, EASY, HARD << 1, EASY << 1).1
}

#[cfg(test)]
mod tests;
