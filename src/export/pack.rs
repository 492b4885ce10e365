//! Writing packs: the new plain content of one layer, as zstd frames.

use rayon::prelude::*;

use super::open::{self, Form};
use crate::bundle::{CatalogBlob, Marks, Pack};
use crate::chunk;
use crate::files::Section;
use crate::oci::{BlockHasher, MARK_BLOCK};
use crate::recompress::StreamError;

/// Bytes of a pack, about: it is closed by the frame that would pass this.
const PACK: u64 = 32 * 1024 * 1024;
/// Plain bytes of a frame. Larger ones save a little more and cost the importer: it decompresses a
/// whole frame for whatever it takes from it, and keeps several.
const FRAME: u64 = 4 * 1024 * 1024;
/// Frames that are compressed at a time, at most: each takes some tens of MiB.
const BATCH: usize = 4;

/// Where a run of a layer's plain bytes came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Where the run begins in the layer's plain bytes.
    pub plain: u64,
    /// How many bytes.
    pub length: u64,
    /// Which of the layer's packs.
    pub pack: usize,
    /// Where in the pack's plain bytes.
    pub offset: u64,
}

/// The packs of one layer.
#[derive(Debug, Default)]
pub struct Packed {
    /// In the order in which they were written.
    pub packs: Vec<Pack>,
    /// Every run of new content, in the order of the layer.
    pub placed: Vec<Placed>,
}

/// Takes a finished pack.
pub type Put<'a, E> = dyn FnMut(&CatalogBlob, &[u8]) -> Result<(), E> + 'a;

/// How packs are made.
#[derive(Debug, Clone, Copy)]
pub struct Making {
    /// zstd's level.
    pub level: i32,
    /// The most bytes of a pack.
    pub largest: u64,
}

/// Packs `runs` (offset, length) of the plain bytes of `layer`, and gives each pack to `put`. The
/// bytes depend on nothing else.
///
/// # Errors
/// What `put` gives; reading errors of the layer.
pub fn pack<E: From<StreamError>>(
    layer: (&Section, Form),
    runs: &[(u64, u64)],
    making: Making,
    put: &mut Put<'_, E>,
) -> Result<Packed, E> {
    let mut packing = Packing::new(making, put);
    let (mut runs, mut at) = (runs.iter().copied().peekable(), 0u64);
    open::each(layer.1, layer.0, &mut |piece| {
        let end = at + piece.len() as u64;
        while let Some(run) = runs.peek().filter(|run| run.0 < end) {
            let (from, to) = (run.0.max(at), (run.0 + run.1).min(end));
            packing.add(from, &piece[(from - at) as usize..(to - at) as usize])?;
            if run.0 + run.1 > end {
                break;
            }
            runs.next();
        }
        at = end;
        Ok::<(), E>(())
    })?;
    packing.finish()
}

struct Packing<'a, 'b, E> {
    making: Making,
    put: &'a mut Put<'b, E>,
    packed: Packed,
    /// Plain bytes, not compressed yet, each frame with the runs in it.
    frames: Vec<Frame>,
    /// The pack that is being filled.
    bytes: Vec<u8>,
    lengths: Vec<(u64, u64)>,
}

#[derive(Default)]
struct Frame {
    plain: Vec<u8>,
    /// Where in the layer a run begins, and how long it is.
    runs: Vec<(u64, u64)>,
}

impl<'a, 'b, E> Packing<'a, 'b, E> {
    fn new(making: Making, put: &'a mut Put<'b, E>) -> Self {
        let (packed, frames) = (Packed::default(), vec![Frame::default()]);
        Packing { making, put, packed, frames, bytes: Vec::new(), lengths: Vec::new() }
    }

    /// Adds plain bytes that stand at `at` in the layer.
    fn add(&mut self, mut at: u64, mut piece: &[u8]) -> Result<(), E> {
        while !piece.is_empty() {
            let frame = self.frames.last_mut().expect("there is always one");
            let room = self.making.frame() - frame.plain.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            frame.add(at, now);
            (at, piece) = (at + now.len() as u64, later);
            if now.len() == room {
                self.frames.push(Frame::default());
                if self.frames.len() > rayon::current_num_threads().min(BATCH) {
                    self.compress()?;
                }
            }
        }
        Ok(())
    }

    fn compress(&mut self) -> Result<(), E> {
        let frames = std::mem::replace(&mut self.frames, vec![Frame::default()]);
        let level = self.making.level;
        let compress = |frame: &Frame| chunk::compress(&frame.plain, level);
        let compressed: Vec<Vec<u8>> = frames.par_iter().map(compress).collect();
        for (frame, bytes) in frames.iter().zip(compressed) {
            if !frame.plain.is_empty() {
                self.place(frame, bytes)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, frame: &Frame, bytes: Vec<u8>) -> Result<(), E> {
        let largest = PACK.min(self.making.largest);
        if !self.bytes.is_empty() && (self.bytes.len() + bytes.len()) as u64 > largest {
            self.close()?;
        }
        let pack = self.packed.packs.len();
        let mut offset = self.lengths.iter().map(|(_, plain)| plain).sum();
        for (plain, length) in &frame.runs {
            self.packed.placed.push(Placed { plain: *plain, length: *length, pack, offset });
            offset += length;
        }
        self.lengths.push((bytes.len() as u64, frame.plain.len() as u64));
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn close(&mut self) -> Result<(), E> {
        let blob = describe(&self.bytes);
        (self.put)(&blob, &self.bytes)?;
        self.bytes.clear();
        let frames = std::mem::take(&mut self.lengths);
        self.packed.packs.push(Pack { blob, frames });
        Ok(())
    }

    fn finish(mut self) -> Result<Packed, E> {
        self.compress()?;
        if !self.bytes.is_empty() {
            self.close()?;
        }
        Ok(self.packed)
    }
}

impl Frame {
    fn add(&mut self, at: u64, plain: &[u8]) {
        self.plain.extend_from_slice(plain);
        match self.runs.last_mut() {
            Some(last) if last.0 + last.1 == at => last.1 += plain.len() as u64,
            _ => self.runs.push((at, plain.len() as u64)),
        }
    }
}

impl Making {
    /// Plain bytes of a frame: even one that does not shrink fits a pack.
    fn frame(&self) -> usize {
        let room = self.largest - self.largest / 64;
        room.saturating_sub(1024).clamp(1024, FRAME) as usize
    }
}

/// The entry of a blob that is at hand.
fn describe(bytes: &[u8]) -> CatalogBlob {
    let (mut hasher, mut marks) = (BlockHasher::default(), Vec::new());
    let mut blocks = bytes.chunks_exact(MARK_BLOCK);
    for block in &mut blocks {
        marks.push(hasher.full(block.try_into().expect("chunks of a block")));
    }
    let digest = hasher.last(blocks.remainder());
    CatalogBlob { digest, size: bytes.len() as u64, marks: Marks(marks), stored: None }
}

#[cfg(test)]
mod tests;
