//! Levels 0, 1 and -2: pieces of 65,535 bytes, each a block.
//!
//! Holds 400 KiB at level 1 and 128 KiB at the others, whatever comes in.

use super::super::Encode;
use super::super::deflate::LONGEST_MATCH;
use super::block::{Blocks, STORED};
use super::boxed;
use super::tokens::Tokens;
use super::window::{Window, equal, load32, load64};

/// How far a match may reach back.
const REACH: usize = 32_768;
/// The piece's place in the window. What it can reach lies before it, and one byte more, so that
/// position 0 is always out of reach.
const FROM: usize = REACH + 1;
/// No position is looked up within so many bytes of the piece's end.
const MARGIN: usize = 15;

/// What becomes of a piece.
pub(super) enum Kind {
    /// Level 0.
    Stored,
    /// Level -2.
    Literals,
    /// Level 1.
    Fast(Fast),
}

impl Kind {
    pub fn fast() -> Kind {
        Kind::Fast(Fast { base: 0, table: boxed(), tokens: Tokens::new() })
    }
}

/// The encoder.
pub(super) struct Pieces {
    kind: Kind,
    window: Box<Window>,
    /// Bytes of the piece that are there.
    size: usize,
    blocks: Blocks,
}

impl Pieces {
    pub fn new(kind: Kind) -> Pieces {
        Pieces { kind, window: boxed(), size: 0, blocks: Blocks::default() }
    }

    fn full(&mut self, out: &mut Vec<u8>) {
        let end = FROM + STORED;
        self.code(out);
        self.window.copy_within(end - FROM..end, 0);
        if let Kind::Fast(fast) = &mut self.kind {
            fast.rebase(STORED);
            fast.base = 0;
        }
        self.size = 0;
    }

    fn code(&mut self, out: &mut Vec<u8>) {
        let piece = &self.window[FROM..FROM + self.size];
        match &mut self.kind {
            Kind::Stored => self.blocks.stored(piece, out),
            Kind::Literals => self.blocks.literals(piece, out),
            Kind::Fast(_) if self.size <= 16 => self.blocks.stored(piece, out),
            Kind::Fast(_) if self.size < 128 => self.blocks.literals(piece, out),
            Kind::Fast(fast) => {
                fast.find(&self.window, FROM + self.size);
                if fast.tokens.len() > self.size - self.size / 16 {
                    self.blocks.literals(piece, out);
                } else {
                    self.blocks.found(&fast.tokens, piece, out);
                }
            }
        }
    }
}

impl Encode for Pieces {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(STORED - self.size));
            let at = FROM + self.size;
            self.window[at..at + now.len()].copy_from_slice(now);
            self.size += now.len();
            plain = later;
            if self.size == STORED {
                self.full(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.size > 0 {
            self.code(out);
        }
        self.blocks.end(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.blocks.align(out);
    }
}

/// The matches of level 1.
pub(super) struct Fast {
    /// What positions in the table count from: they are small, so that the table fits the cache.
    base: usize,
    /// The last position of each hash, less `base`. 0 stands for all that is out of reach.
    table: Box<[u16; 1 << 14]>,
    tokens: Tokens,
}

impl Fast {
    /// Makes the tokens of the piece that ends at `end`.
    fn find(&mut self, window: &Window, end: usize) {
        self.tokens.clear();
        let last = end - MARGIN;
        let (mut at, mut told, mut limit) = (FROM, FROM, self.limit());
        'piece: loop {
            let (mut next, mut skip) = (at, 32);
            let mut candidate = loop {
                at = next;
                let step = skip / 32;
                next += step;
                skip += step;
                if next > last {
                    break 'piece;
                }
                if next > limit {
                    limit = self.rebase(at - FROM);
                }
                let four = load32(window, at);
                let candidate = self.swap(four, at);
                if is_match(window, four, at, candidate) {
                    break candidate;
                }
            };
            self.tokens.run(&window[told..at]);
            loop {
                let most = (end - at).min(LONGEST_MATCH) - 4;
                let length = 4 + equal(window, candidate + 4, at + 4, most);
                self.tokens.pair(length, at - candidate);
                at += length;
                told = at;
                if at >= last {
                    break 'piece;
                }
                if at > limit {
                    limit = self.rebase(at - FROM);
                }
                let eight = load64(window, at - 1);
                self.swap(eight as u32, at - 1);
                let four = (eight >> 8) as u32;
                candidate = self.swap(four, at);
                if !is_match(window, four, at, candidate) {
                    at += 1;
                    break;
                }
            }
        }
        self.tokens.run(&window[told..end]);
    }

    /// Puts a position into the table; gives the one that was there.
    #[inline(always)]
    fn swap(&mut self, four: u32, at: usize) -> usize {
        let place = &mut self.table[(four.wrapping_mul(0x1e35_a7bd) >> 18) as usize];
        usize::from(std::mem::replace(place, (at - self.base) as u16)) + self.base
    }

    /// Counts positions from `base` on. Gives the highest that the table can hold then.
    fn rebase(&mut self, base: usize) -> usize {
        let by = (base - self.base) as u16;
        self.table.iter_mut().for_each(|place| *place = place.saturating_sub(by));
        self.base = base;
        self.limit()
    }

    fn limit(&self) -> usize {
        self.base + usize::from(u16::MAX)
    }
}

#[inline(always)]
fn is_match(window: &Window, four: u32, at: usize, candidate: usize) -> bool {
    (load32(window, candidate) == four) & (at - candidate <= REACH)
}
