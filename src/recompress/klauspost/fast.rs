//! What the match finders of levels 1 to 6 share: pieces, and tables of positions.

use super::super::deflate::LONGEST_MATCH;
use super::bytes::{half, run, run_within};
use super::tokens::Tokens;

/// Matches are nearer than this.
pub const REACH: usize = 32_768;
/// Bytes at the end of a piece where no match is looked for.
const MARGIN: usize = 11;
/// A table's entry is a position and this, so that 0 is out of every reach.
const BIAS: usize = REACH + 1;

/// Entry of a table: where bytes with some hash were seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(u32);

impl Seen {
    /// Nowhere.
    pub const NEVER: Seen = Seen(0);

    /// At `s`.
    #[inline(always)]
    pub fn at(s: usize) -> Seen {
        Seen((s + BIAS) as u32)
    }

    /// How far before `s`; out of reach if never. Huge if it is behind `s`.
    #[inline(always)]
    pub fn before(self, s: usize) -> usize {
        (s + BIAS).wrapping_sub(self.0 as usize)
    }

    /// When the first `by` bytes before it are dropped.
    #[inline(always)]
    pub fn shift(&mut self, by: usize) {
        self.0 = self.0.saturating_sub(by as u32);
    }
}

/// A piece of the plain bytes: from `start` to the end of `data`.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// What is known, and no byte behind the piece.
    pub data: &'a [u8],
    /// Where the original's history begins: no match starts before it.
    pub base: usize,
    /// Where the piece begins.
    pub start: usize,
}

/// A match in the making.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Where it begins.
    pub s: usize,
    /// How far back the same bytes are.
    pub distance: usize,
    /// How many they are.
    pub length: usize,
}

impl Piece<'_> {
    /// The last position where a match is looked for; none in tiny pieces.
    pub fn limit(&self) -> Option<usize> {
        (self.data.len() - self.start > MARGIN + 1).then(|| self.data.len() - MARGIN)
    }

    /// Whether `distance` before `s` is in reach and the four bytes there are those of `word`,
    /// which stands at `s`. Without a branch: both are hard to foretell.
    #[inline(always)]
    pub fn alike(&self, s: usize, distance: usize, word: u64) -> bool {
        let near = distance < REACH;
        near & (half(self.data, s - if near { distance } else { 0 }) == word as u32)
    }

    /// The whole length of a match of which four bytes are known.
    #[inline(always)]
    pub fn long(&self, s: usize, distance: usize) -> usize {
        4 + run(self.data, s + 4, s + 4 - distance)
    }

    /// As [`long`](Self::long), but of the longest match that deflate has.
    #[inline(always)]
    pub fn short(&self, s: usize, distance: usize) -> usize {
        4 + run_within(self.data, s + 4, s + 4 - distance, LONGEST_MATCH - 4)
    }

    /// Takes bytes before the match into it, down to `sent`.
    #[inline(always)]
    pub fn extend_back(&self, found: &mut Found, sent: usize) {
        let Found { mut s, distance, .. } = *found;
        let lowest = sent.max(self.base + distance);
        while s > lowest && self.data[s - 1] == self.data[s - 1 - distance] {
            s -= 1;
        }
        found.length += found.s - s;
        found.s = s;
    }

    /// Sends the literals from `sent` on, and the match.
    #[inline(always)]
    pub fn send(&self, found: &Found, sent: usize, out: &mut Tokens) {
        out.push_literals(self.data, sent, found.s);
        out.push_match(found.length, found.distance);
    }
}

/// Finds matches, piece by piece.
pub trait Find: Send {
    /// Adds the tokens of a piece to `out`.
    fn find(&mut self, piece: &Piece, out: &mut Tokens);

    /// Forgets all that was seen.
    fn clear(&mut self);

    /// The first `by` bytes of the data are dropped: positions count from behind them.
    fn shift(&mut self, by: usize);
}
