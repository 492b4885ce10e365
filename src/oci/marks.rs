//! Marks: the state of SHA-256 after each full block of a blob.
//!
//! SHA-256 works through its input from the front and carries eight words of state. Who knows a
//! blob's states at every MiB, from a source that is itself verified, can prove each block as
//! soon as it is read, before anybody else sees it: starting from one state, other bytes that lead
//! to the next would be a collision of SHA-256 itself. It costs nothing beyond the one pass that
//! the digest needs, and tells in which block damage lies.

use sha2::block_api::compress256;
use sha2::digest::array::Array;
use sha2::digest::consts::U64;

use super::digest::Digest;

/// Bytes between two marks.
pub const MARK_BLOCK: usize = 1024 * 1024;
/// Bytes of one mark.
pub const MARK_SIZE: usize = 32;

/// FIPS 180-4, 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// SHA-256 of a blob, block by block. Every block but the last is full.
#[derive(Clone)]
pub struct BlockHasher {
    state: [u32; 8],
    bytes: u64,
}

impl Default for BlockHasher {
    fn default() -> BlockHasher {
        BlockHasher { state: INITIAL, bytes: 0 }
    }
}

impl BlockHasher {
    /// As it stands behind block number `block` (counted from 1), whose mark is `mark`.
    pub fn resume(mark: &[u8; MARK_SIZE], block: u64) -> BlockHasher {
        let mut state = [0; 8];
        for (word, bytes) in state.iter_mut().zip(mark.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().expect("chunks of four"));
        }
        BlockHasher { state, bytes: block * MARK_BLOCK as u64 }
    }

    /// Adds a full block and gives the mark behind it.
    pub fn full(&mut self, block: &[u8; MARK_BLOCK]) -> [u8; MARK_SIZE] {
        self.compress(block);
        self.bytes += MARK_BLOCK as u64;
        bytes_of(&self.state)
    }

    /// Adds the last block, shorter than a full one, and gives the digest of the whole.
    pub fn last(mut self, rest: &[u8]) -> Digest {
        let bits = (self.bytes + rest.len() as u64).wrapping_mul(8);
        let tail = self.compress(rest);
        // FIPS 180-4, 5.1.1: a one bit, zeros, and the length in bits.
        let mut padded = [0; 128];
        padded[..tail.len()].copy_from_slice(tail);
        padded[tail.len()] = 0x80;
        let end = if tail.len() < 56 { 64 } else { 128 };
        padded[end - 8..end].copy_from_slice(&bits.to_be_bytes());
        self.compress(&padded[..end]);
        Digest::Sha256(bytes_of(&self.state))
    }

    /// Adds whole words of 64 bytes and gives back what is left.
    fn compress<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (words, tail) = Array::<u8, U64>::slice_as_chunks(bytes);
        compress256(&mut self.state, Array::cast_slice_to_core(words));
        tail
    }
}

fn bytes_of(state: &[u32; 8]) -> [u8; MARK_SIZE] {
    let mut bytes = [0; MARK_SIZE];
    for (place, word) in bytes.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> (Digest, usize) {
        let blocks = bytes.chunks_exact(MARK_BLOCK);
        let rest = blocks.remainder();
        let mut hasher = BlockHasher::default();
        let marks = blocks.map(|block| hasher.full(block.try_into().unwrap())).count();
        (hasher.last(rest), marks)
    }

    #[test]
    fn goes_on_from_a_mark() {
        let bytes: Vec<u8> = (0..2 * MARK_BLOCK + 9).map(|i| ((i * 7) >> 2) as u8).collect();
        let mark = BlockHasher::default().full(bytes[..MARK_BLOCK].try_into().unwrap());
        let mut second = BlockHasher::resume(&mark, 1);
        second.full(bytes[MARK_BLOCK..2 * MARK_BLOCK].try_into().unwrap());
        assert_eq!(second.last(&bytes[2 * MARK_BLOCK..]), Digest::of(&bytes));
    }

    #[test]
    fn gives_the_same_digest_as_sha_256() {
        let bytes: Vec<u8> = (0..2 * MARK_BLOCK + 200).map(|i| ((i * 31) >> 3) as u8).collect();
        let ends = [
            0,
            1,
            55,
            56,
            57,
            63,
            64,
            65,
            119,
            120,
            128,
            MARK_BLOCK - 1,
            MARK_BLOCK,
            2 * MARK_BLOCK + 199,
        ];
        for end in ends {
            assert_eq!(
                digest(&bytes[..end]),
                (Digest::of(&bytes[..end]), end / MARK_BLOCK),
                "{end}"
            );
        }
    }
}
