//! `zlib-1`: zlib 1.2.x and 1.3.x, levels 1 to 9, the default strategy, as a raw deflate stream.
//!
//! Own code after the facts in `formats/recompress.md`. Java's and Python's gzip are this too.

mod block;
mod deep;
pub(super) mod engine;
mod trees;
mod window;

#[cfg(test)]
mod tests;

use engine::{Engine, Flavour, ZLIB};

use super::{Encode, Start};

/// How much memory zlib was told to use: it sets the size of the hash and of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemLevel {
    /// zlib's default.
    Eight,
    /// All it takes.
    Nine,
}

/// Symbols in a full block at memLevel 8.
pub(super) const SYMBOLS: usize = 16_383;
/// The same at memLevel 9, and in GNU gzip.
pub(super) const MANY_SYMBOLS: usize = 32_767;

/// zlib at a level of 1 to 9, from the start of a stream.
pub fn encoder(level: u8, mem_level: MemLevel) -> Box<dyn Encode> {
    start(level, mem_level, &[], 0, 0)
}

/// zlib at a level of 4 to 9, from the start of a block on. Equal to the whole stream unless the
/// block before ended with a literal that gave way to a match, and a match was pending there that
/// cut the search short: the caller must compare. Below level 4 the bytes before do not tell what
/// the tables hold.
pub fn resume(level: u8, mem_level: MemLevel, at: Start) -> Box<dyn Encode> {
    start(level, mem_level, at.before, window::position(at.plain), at.bit)
}

fn start(level: u8, mem_level: MemLevel, before: &[u8], at: usize, bit: u8) -> Box<dyn Encode> {
    match mem_level {
        MemLevel::Eight => Box::new(Engine::<ZLIB, 5>::new(level, SYMBOLS, before, at, bit)),
        MemLevel::Nine => Box::new(Engine::<ZLIB, 6>::new(level, MANY_SYMBOLS, before, at, bit)),
    }
}

impl<const FLAVOUR: Flavour, const SHIFT: u32> Encode for Engine<FLAVOUR, SHIFT> {
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.write(plain, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.finish(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.bits.align(out);
    }
}
