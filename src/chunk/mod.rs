//! Content in pieces: cutting it so that equal files give equal pieces, naming the pieces, telling
//! a later bundle which ones there are, and compressing what is new. Normative text:
//! `formats/chunks.md`.

mod cut;
mod frame;
mod id;
mod index;
mod kind;
mod members;

pub use cut::{Cutter, MAX_CHUNK};
pub use frame::{FRAME, FrameError, compress, decompress};
pub use id::{Chunk, ChunkId};
pub use index::{ChunkIndex, ChunkIndexError, IndexLayer, LayerKind, MAX_CHUNKS_SIZE, OpenedLayer};
pub use kind::BlobKind;
