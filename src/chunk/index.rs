//! `chunks.zst`: which chunks the opened layers of a bundle consist of, so that a later bundle can
//! be a delta of it.
//!
//! Withstands: bombs and large windows (capped), counts beyond the bytes that are there (nothing
//! is allocated for a count), sums that overflow, references out of range, endless repetition of
//! chunks (capped), and a second spelling of the same index. Normative text: `formats/chunks.md`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;

use super::id::{Chunk, ChunkId};
use crate::oci::Digest;

/// The largest index, in bytes as it lies in the bundle.
pub const MAX_CHUNKS_SIZE: u64 = 128 * 1024 * 1024;
const MAX_INFLATED: u64 = 256 * 1024 * 1024;
/// Chunks of all layers together, repeats counted: 4 TiB of plain bytes at 16 KiB a chunk.
const MAX_REFERENCES: u64 = 1 << 28;
const FORMAT: &[u8] = b"gapferry chunks v1\n";
/// Bytes of a chunk in the table: its identity and its length.
const CHUNK_SIZE: usize = ChunkId::SIZE + 2;

/// The chunks of a bundle's opened layers. In memory about 24 bytes for each that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkIndex {
    /// Every chunk once, in the order in which the layers mention them first.
    ids: Vec<ChunkId>,
    /// The sum of the lengths before each chunk, and of all.
    starts: Vec<u64>,
    /// Sorted by digest.
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    digest: Digest,
    kind: LayerKind,
    plain: u64,
    runs: Vec<Run>,
}

/// Neighbours in the table that are neighbours in a layer. No run goes on where the one before it
/// in its layer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u32,
    end: u32,
}

/// How a layer's blob holds its plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// The blob is the plain bytes.
    Tar,
    /// The blob is a gzip stream of `size` bytes.
    Gzip {
        /// Bytes of the blob.
        size: u64,
    },
}

/// A layer that was opened and cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLayer {
    /// The blob's digest, as in the manifest.
    pub digest: Digest,
    /// How the blob holds the plain bytes.
    pub kind: LayerKind,
    /// The chunks of the plain bytes, in order.
    pub chunks: Vec<Chunk>,
}

/// Why an index is refused. The input's fault.
#[derive(Debug, thiserror::Error)]
pub enum ChunkIndexError {
    /// zstd cannot read it, or it inflates past the cap.
    #[error("chunks.zst cannot be decompressed: {0}")]
    Zstd(std::io::Error),
    /// Bytes are behind the zstd frame.
    #[error("chunks.zst has bytes behind its end")]
    BehindFrame,
    /// Another format than this gapferry reads.
    #[error("chunks.zst does not begin with `gapferry chunks v1`")]
    Format,
    /// It ends before all is said.
    #[error("chunks.zst ends early")]
    Truncated,
    /// Bytes are behind the last layer.
    #[error("chunks.zst has bytes behind its last layer")]
    Trailing,
    /// A number that is too large, or in more bytes than it takes.
    #[error("chunks.zst has a malformed number")]
    Number,
    /// A chunk that stands in the table twice.
    #[error("chunks.zst lists chunk {0} twice")]
    Twice(ChunkId),
    /// A chunk that no layer has.
    #[error("chunks.zst lists chunks that no layer has")]
    Unused,
    /// A digest of no known length.
    #[error("chunks.zst has a digest of {0} bytes")]
    DigestLength(u8),
    /// Layers out of order or twice.
    #[error("chunks.zst has {0} out of order")]
    Order(Digest),
    /// A layer of another kind than this version knows.
    #[error("chunks.zst says that {0} is of kind {1}")]
    Kind(Digest, u8),
    /// A run of chunks that are not in the table, do not fill the layer, or are listed otherwise
    /// than they should be.
    #[error("chunks.zst has a wrong list of chunks for {0}")]
    Run(Digest),
    /// More chunks in the layers than a reader takes.
    #[error("the layers of chunks.zst have more than {MAX_REFERENCES} chunks")]
    TooMany,
}

impl ChunkIndex {
    /// The index of these layers. Of two with one digest, the first counts.
    pub fn new(mut layers: Vec<OpenedLayer>) -> ChunkIndex {
        layers.sort_by_key(|layer| layer.digest);
        layers.dedup_by_key(|layer| layer.digest);
        let mut index = ChunkIndex { ids: Vec::new(), starts: vec![0], layers: Vec::new() };
        let mut known = HashMap::new();
        for layer in layers {
            let mut runs = Vec::new();
            for chunk in &layer.chunks {
                let at = *known.entry(*chunk).or_insert_with(|| index.push(*chunk));
                extend(&mut runs, at);
            }
            let plain = layer.chunks.iter().map(|chunk| u64::from(chunk.length())).sum();
            let OpenedLayer { digest, kind, .. } = layer;
            index.layers.push(Layer { digest, kind, plain, runs });
        }
        index
    }

    /// Puts a chunk at the end of the table and tells its place.
    fn push(&mut self, chunk: Chunk) -> u32 {
        self.ids.push(chunk.id());
        let end = self.starts[self.ids.len() - 1] + u64::from(chunk.length());
        self.starts.push(end);
        self.ids.len() as u32 - 1
    }

    fn chunk(&self, at: usize) -> Chunk {
        Chunk::new(self.ids[at], (self.starts[at + 1] - self.starts[at]) as u32)
    }

    fn run_length(&self, run: Run) -> u64 {
        self.starts[run.end as usize] - self.starts[run.start as usize]
    }

    /// How many different chunks there are.
    pub fn chunk_count(&self) -> usize {
        self.ids.len()
    }

    /// The layers, sorted by digest.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = IndexLayer<'_>> {
        self.layers.iter().map(|layer| IndexLayer { index: self, layer })
    }

    /// Every chunk once, with the first layer that has it and the chunk's place in that layer's
    /// plain bytes: what a delta can take from this bundle.
    pub fn places(&self) -> impl Iterator<Item = (IndexLayer<'_>, u64, Chunk)> {
        let mut known = 0;
        let runs = self.layers().flat_map(|layer| layer.runs().map(move |run| (layer, run)));
        runs.flat_map(move |(layer, (offset, run))| {
            let new = Run { start: run.start.max(known), end: run.end.max(known) };
            known = new.end;
            let skipped = self.run_length(Run { start: run.start, end: new.start.min(run.end) });
            let chunks = self.run_chunks(offset + skipped, new);
            chunks.map(move |(offset, chunk)| (layer, offset, chunk))
        })
    }

    /// The chunks of a run that begins at `offset`, each with its own.
    fn run_chunks(&self, offset: u64, run: Run) -> impl Iterator<Item = (u64, Chunk)> + '_ {
        let (start, end) = (run.start as usize, run.end as usize);
        (start..end)
            .map(move |at| (offset + (self.starts[at] - self.starts[start]), self.chunk(at)))
    }
}

/// A layer of a [`ChunkIndex`].
#[derive(Clone, Copy)]
pub struct IndexLayer<'a> {
    index: &'a ChunkIndex,
    layer: &'a Layer,
}

impl<'a> IndexLayer<'a> {
    /// The blob's digest, as in the manifest.
    pub fn digest(&self) -> Digest {
        self.layer.digest
    }

    /// How the blob holds the plain bytes.
    pub fn kind(&self) -> LayerKind {
        self.layer.kind
    }

    /// Bytes of the blob.
    pub fn size(&self) -> u64 {
        match self.layer.kind {
            LayerKind::Tar => self.layer.plain,
            LayerKind::Gzip { size } => size,
        }
    }

    /// Plain bytes.
    pub fn plain(&self) -> u64 {
        self.layer.plain
    }

    /// The chunks in order, each with its place in the plain bytes.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, Chunk)> + use<'a> {
        let index = self.index;
        self.runs().flat_map(move |(offset, run)| index.run_chunks(offset, run))
    }

    /// The runs, each with its place in the plain bytes.
    fn runs(&self) -> impl Iterator<Item = (u64, Run)> + use<'a> {
        let IndexLayer { index, layer } = *self;
        layer.runs.iter().scan(0, move |next, run| {
            let offset = *next;
            *next += index.run_length(*run);
            Some((offset, *run))
        })
    }
}

fn extend(runs: &mut Vec<Run>, at: u32) {
    match runs.last_mut() {
        Some(run) if run.end == at => run.end += 1,
        _ => runs.push(Run { start: at, end: at + 1 }),
    }
}
