//! What a chunk is known by.

use std::fmt;

use sha2::Digest as _;

use super::cut::MAX_CHUNK;
use crate::oci;

/// The first 16 bytes of the SHA-256 of a chunk.
///
/// Who can choose content can make two chunks of one name with about 2^64 tries. So it only ever
/// says what is worth a look: a layer made from chunks is held against its own digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId([u8; ChunkId::SIZE]);

impl ChunkId {
    /// Bytes of an identity.
    pub const SIZE: usize = 16;

    /// The identity of these plain bytes.
    pub fn of(plain: &[u8]) -> ChunkId {
        let digest = sha2::Sha256::digest(plain);
        let mut id = [0; ChunkId::SIZE];
        id.copy_from_slice(&digest[..ChunkId::SIZE]);
        ChunkId(id)
    }

    /// An identity that somebody wrote down.
    pub(super) fn from_bytes(bytes: [u8; ChunkId::SIZE]) -> ChunkId {
        ChunkId(bytes)
    }

    /// The identity's bytes.
    pub fn as_bytes(&self) -> &[u8; ChunkId::SIZE] {
        &self.0
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&oci::hex(&self.0))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A chunk by its identity and its length, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chunk {
    id: ChunkId,
    length: u32,
}

impl Chunk {
    /// The chunk of these plain bytes: 1 to [`MAX_CHUNK`] of them, as a
    /// [`Cutter`](super::Cutter) gives.
    pub fn of(plain: &[u8]) -> Chunk {
        debug_assert!((1..=MAX_CHUNK).contains(&plain.len()), "not a chunk");
        Chunk { id: ChunkId::of(plain), length: plain.len() as u32 }
    }

    pub(super) fn new(id: ChunkId, length: u32) -> Chunk {
        Chunk { id, length }
    }

    /// Its identity.
    pub fn id(&self) -> ChunkId {
        self.id
    }

    /// Its length in plain bytes.
    pub fn length(&self) -> u32 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_half_of_a_digest() {
        let chunk = Chunk::of(b"abc");
        assert_eq!(chunk.id().to_string(), oci::Digest::of(b"abc").hex()[..32]);
        assert_eq!(chunk.length(), 3);
    }
}
