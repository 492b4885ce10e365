//! `pigz-1`: pigz 2.x, levels 1 to 9, as a raw deflate stream: blocks that zlib codes one by one.

use super::zlib::SYMBOLS;
use super::zlib::engine::{Engine, ZLIB};
use super::{CONTEXT, Encode, Start};

/// Plain bytes of a block unless `-b` says otherwise.
pub const BLOCK: u64 = 128 * 1024;

/// How blocks hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Join {
    /// Each block knows the 32 KiB before it: what pigz does with two threads and more.
    Dictionary,
    /// One thread, `-p 1`: the state goes on.
    Single,
    /// `-i`: each block stands alone.
    Independent,
}

/// pigz at a level of 1 to 9, from the start of a stream. A block is of `block` plain bytes, from
/// 32 KiB on.
pub fn encoder(level: u8, block: u64, join: Join) -> Box<dyn Encode> {
    Box::new(Pigz::new(level, block, join, &[]))
}

/// The same, but not for [`Join::Single`], from the start of a block of pigz's on.
pub fn resume(level: u8, block: u64, join: Join, at: Start) -> Box<dyn Encode> {
    let before = if join == Join::Independent { &[] } else { at.before };
    let mut pigz = Pigz::new(level, block, join, before);
    pigz.left = pigz.block - at.plain % pigz.block;
    Box::new(pigz)
}

struct Pigz {
    engine: Engine<ZLIB, 5>,
    block: u64,
    join: Join,
    /// Plain bytes until the open block is full.
    left: u64,
}

impl Pigz {
    fn new(level: u8, block: u64, join: Join, before: &[u8]) -> Pigz {
        let block = block.max(CONTEXT as u64);
        let at = if before.is_empty() { 0 } else { CONTEXT };
        let engine = Engine::new(level, SYMBOLS, before, at, 0);
        Pigz { engine, block, join, left: block }
    }

    /// Ends a block after which another comes, on a byte border.
    fn seam(&mut self, out: &mut Vec<u8>) {
        self.engine.flush(out);
        let alone = self.join == Join::Independent;
        if alone || self.engine.bits.phase() % 2 == 1 {
            self.engine.mark(out);
        }
        while self.engine.bits.phase() > 0 {
            // An empty fixed block.
            self.engine.bits.put(0b010, 10, out);
        }
        match self.join {
            Join::Dictionary => self.engine.restart(),
            Join::Single => {}
            Join::Independent => {
                self.engine.mark(out);
                self.engine.clear();
            }
        }
        self.left = self.block;
    }
}

impl Encode for Pigz {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            // Only now is it known that the block was not the last.
            if self.left == 0 {
                self.seam(out);
            }
            let fits = plain.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.engine.write(&plain[..fits], out);
            self.left -= fits as u64;
            plain = &plain[fits..];
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.engine.finish(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.engine.bits.align(out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{column, input, stream};
    use super::*;

    #[test]
    fn every_level_gives_what_pigz_gave() {
        let make = |level| encoder(level as u8, BLOCK, Join::Dictionary);
        (1..=9).for_each(|level| column("pigz-p2", level, || make(level)));
    }

    #[test]
    fn one_thread_gives_what_pigz_gave() {
        [1, 6, 9].into_iter().for_each(|level| {
            column("pigz-p1", level, || encoder(level as u8, BLOCK, Join::Single))
        });
    }

    #[test]
    fn independent_blocks_give_what_pigz_gave() {
        let make = |level| encoder(level as u8, BLOCK, Join::Independent);
        [1, 6, 9].into_iter().for_each(|level| column("pigz-p2-i", level, || make(level)));
    }

    #[test]
    fn larger_blocks_give_what_pigz_gave() {
        let make = |level| encoder(level as u8, 512 * 1024, Join::Dictionary);
        [1, 6, 9].into_iter().for_each(|level| column("pigz-p2-b512", level, || make(level)));
    }

    /// Where pigz's blocks start in the stream, and the stream.
    fn seams(level: u8, join: Join, plain: &[u8]) -> (Vec<usize>, Vec<u8>) {
        let (mut whole, mut out) = (encoder(level, BLOCK, join), Vec::new());
        let mut starts = Vec::new();
        for block in plain.chunks(BLOCK as usize) {
            // With its first byte it is known that the block before was not the last.
            whole.write(&block[..1], &mut out);
            starts.push(out.len());
            whole.write(&block[1..], &mut out);
        }
        whole.finish(&mut out);
        (starts, out)
    }

    #[test]
    fn a_stream_goes_on_at_every_block_of_pigz() {
        for (level, name) in [(1, "mixed-35-1048575"), (6, "tar-37-262145"), (9, "text-13-131073")]
        {
            for join in [Join::Dictionary, Join::Independent] {
                let plain = input(name);
                let (starts, want) = seams(level, join, plain);
                for (number, start) in starts.into_iter().enumerate() {
                    let at = number * BLOCK as usize;
                    let before = &plain[at.saturating_sub(CONTEXT)..at];
                    let at = Start { plain: at as u64, bit: 0, before };
                    let made = resume(level, BLOCK, join, at);
                    let made = stream(made, &plain[number * BLOCK as usize..], 50_000);
                    assert!(made == want[start..], "level {level}, {name}, block {number}");
                }
            }
        }
    }
}
