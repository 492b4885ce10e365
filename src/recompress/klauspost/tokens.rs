//! What a match finder found in a block: literals and matches.

use super::super::deflate::LONGEST_MATCH;

/// Most plain bytes of a piece, and so tokens of a block.
pub const MOST: usize = 65_535;
/// Short runs of literals are copied at this full width: it costs less than to look how many.
const STRIDE: usize = 16;

/// A match, and how many literals come before it.
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
    /// How many of `literals` are there.
    filled: usize,
    /// How many of them stand before the last match.
    matched: usize,
    matches: Vec<Match>,
}

impl Tokens {
    /// None yet.
    pub fn new() -> Tokens {
        Tokens { literals: vec![0; MOST + STRIDE], filled: 0, matched: 0, matches: Vec::new() }
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        (self.filled, self.matched) = (0, 0);
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

    /// Adds `data[from..to]` as literals.
    #[inline(always)]
    pub fn push_literals(&mut self, data: &[u8], from: usize, to: usize) {
        let (run, at) = (to - from, self.filled);
        let width = if run <= STRIDE && from + STRIDE <= data.len() { STRIDE } else { run };
        if width == STRIDE {
            self.literals[at..at + STRIDE].copy_from_slice(&data[from..from + STRIDE]);
        } else {
            self.literals[at..at + run].copy_from_slice(&data[from..to]);
        }
        self.filled += run;
    }

    /// Adds a literal.
    #[inline(always)]
    pub fn push_literal(&mut self, byte: u8) {
        self.literals[self.filled] = byte;
        self.filled += 1;
    }

    /// Adds a match of any length from 4, in parts if deflate has no such length.
    #[inline(always)]
    pub fn push_match(&mut self, mut length: usize, distance: usize) {
        while length > LONGEST_MATCH {
            // No part may be shorter than four.
            let part = LONGEST_MATCH - if length > LONGEST_MATCH + 3 { 0 } else { 3 };
            self.push_part(part, distance);
            length -= part;
        }
        self.push_part(length, distance);
    }

    #[inline(always)]
    fn push_part(&mut self, length: usize, distance: usize) {
        let run = (self.filled - self.matched) as u16;
        self.matched = self.filled;
        let (length, distance) = ((length - 3) as u8, (distance - 1) as u16);
        self.matches.push(Match { run, length, distance });
    }
}
