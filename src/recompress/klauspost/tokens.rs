//! What a match finder found in a block: literals and matches, counted by symbol when asked.

use super::bytes::MAX_MATCH;

/// Most tokens of a block, and of plain bytes of a piece.
pub const MOST: usize = 65_535;
/// Literals are copied this many at a time.
const STRIDE: usize = 16;

/// A match, and the literals before it.
#[derive(Debug, Clone, Copy)]
pub struct Match {
    /// Literals before it.
    pub run: u16,
    /// Its length less three.
    pub length: u8,
    /// Its distance less one.
    pub distance: u16,
}

/// Literals and matches of one block.
pub struct Tokens {
    literals: Vec<u8>,
    filled: usize,
    matches: Vec<Match>,
}

impl Tokens {
    /// None yet.
    pub fn new() -> Tokens {
        Tokens { literals: vec![0; MOST + STRIDE], filled: 0, matches: Vec::with_capacity(MOST / 4) }
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.matches.clear();
    }

    /// All literals, in order.
    pub fn literals(&self) -> &[u8] {
        &self.literals[..self.filled]
    }

    /// All matches, in order. Literals beyond their runs come last.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// Literals and matches.
    pub fn count(&self) -> usize {
        self.filled + self.matches.len()
    }

    /// Adds the literals `data[from..to]`, after which a match or the end of the block comes.
    #[inline(always)]
    pub fn literal_run(&mut self, data: &[u8], from: usize, to: usize) {
        let run = to - from;
        if run <= STRIDE && from + STRIDE <= data.len() {
            self.literals[self.filled..self.filled + STRIDE]
                .copy_from_slice(&data[from..from + STRIDE]);
        } else {
            self.literals[self.filled..self.filled + run].copy_from_slice(&data[from..to]);
        }
        self.filled += run;
    }

    /// Adds the literals `data[from..to]` and a match of any length from 4.
    #[inline(always)]
    pub fn push(&mut self, data: &[u8], from: usize, to: usize, length: usize, distance: usize) {
        self.literal_run(data, from, to);
        let mut run = (to - from) as u16;
        let mut left = length;
        // No part may be shorter than four.
        while left > MAX_MATCH {
            let part = if left > MAX_MATCH + 3 { MAX_MATCH } else { MAX_MATCH - 3 };
            self.part(run, part, distance);
            run = 0;
            left -= part;
        }
        self.part(run, left, distance);
    }

    #[inline(always)]
    fn part(&mut self, run: u16, length: usize, distance: usize) {
        let distance = (distance - 1) as u16;
        self.matches.push(Match { run, length: (length - 3) as u8, distance });
    }
}
