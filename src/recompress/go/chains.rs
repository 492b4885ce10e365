//! Levels 2 to 9: chains of positions whose first four bytes have the same hash.
//!
//! Holds 640 KiB, whatever comes in.

use super::super::{CONTEXT, Encode, Start};
use super::block::Blocks;
use super::boxed;
use super::tokens::Tokens;
use super::window::{Window, equal, load32};

/// How far a match may reach back, and by how much the window moves.
const REACH: usize = 32_768;
/// Bytes of the window.
const FULL: usize = 2 * REACH;
/// A position is worked on when so many bytes lie ahead, or at the end.
const AHEAD: usize = LEAST + LONGEST;
/// Bytes of the shortest and the longest match.
const LEAST: usize = 4;
const LONGEST: usize = 258;
/// "No match", as a length.
const NONE: usize = LEAST - 1;
/// Matches of four bytes must be this near.
const NEAR: usize = 4096;
/// Tokens of a full block.
const TOKENS: usize = 16_384;
const HEADS: usize = 1 << 17;

/// What a level means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    /// Lazy levels look for a better match at the next byte unless they have one of this length.
    /// Greedy ones insert the positions inside a match up to this length.
    kind: Kind,
    /// A match of this length will do.
    nice: usize,
    /// Candidates that are looked at.
    chain: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Greedy { insert: usize },
    Lazy { enough: usize },
}

impl Depth {
    /// Of levels 2 to 9, and -1, which is 6.
    pub fn of(level: i32) -> Option<Depth> {
        let greedy = |insert| Kind::Greedy { insert };
        let lazy = |enough| Kind::Lazy { enough };
        let (kind, nice, chain) = match level {
            2 => (greedy(5), 16, 8),
            3 => (greedy(6), 32, 32),
            4 => (lazy(4), 16, 16),
            5 => (lazy(16), 32, 32),
            6 | -1 => (lazy(16), 128, 128),
            7 => (lazy(32), 128, 256),
            8 => (lazy(128), 258, 1024),
            9 => (lazy(258), 258, 4096),
            _ => return None,
        };
        Some(Depth { kind, nice, chain })
    }

    pub fn is_lazy(&self) -> bool {
        matches!(self.kind, Kind::Lazy { .. })
    }
}

/// Positions by the hash of their first four bytes. They are kept as window position + 1, with
/// 0 for none.
struct Finder {
    window: Box<Window>,
    /// The last position of each hash.
    heads: Box<[u16; HEADS]>,
    /// The position of the same hash before, by position modulo [`REACH`].
    links: Box<[u16; REACH]>,
}

impl Finder {
    /// Puts a position into its chain and gives the head that was there.
    #[inline(always)]
    fn insert(&mut self, at: usize) -> usize {
        let four = load32(&self.window, at).swap_bytes();
        let head = &mut self.heads[(four.wrapping_mul(0x1e35_a7bd) >> 15) as usize];
        self.links[at % REACH] = *head;
        usize::from(std::mem::replace(head, at as u16 + 1))
    }

    /// The upper half of the window becomes the lower.
    fn slide(&mut self) {
        self.window.copy_within(REACH..FULL, 0);
        let tables = self.heads.iter_mut().chain(self.links.iter_mut());
        tables.for_each(|place| *place = place.saturating_sub(REACH as u16));
    }

    /// The longest match at `at` that is longer than `least`, as length and distance; or `least`.
    #[inline(always)]
    fn search(&self, at: usize, head: usize, least: usize, ahead: usize, depth: &Depth) -> Found {
        let mut search = Search {
            at,
            limit: ahead.min(LONGEST),
            nice: depth.nice.min(ahead),
            place: head,
            tries: depth.chain,
            best: Found { length: least, distance: 0 },
        };
        let floor = at.saturating_sub(REACH);
        if !search.walk(self, floor.max(at.saturating_sub(NEAR))) {
            // From here on four bytes are not enough.
            let found = search.best;
            search.best.length = found.length.max(LEAST);
            search.walk(self, floor);
            if search.best.distance == found.distance {
                return found;
            }
        }
        search.best
    }
}

/// A match.
#[derive(Debug, Clone, Copy)]
struct Found {
    length: usize,
    distance: usize,
}

/// A walk along a chain.
struct Search {
    at: usize,
    limit: usize,
    nice: usize,
    /// The next candidate's position + 1.
    place: usize,
    tries: usize,
    best: Found,
}

impl Search {
    /// Tries the candidates whose position + 1 is above `floor`. Gives whether the search is over.
    #[inline(always)]
    fn walk(&mut self, finder: &Finder, floor: usize) -> bool {
        let window = &*finder.window;
        // A longer match has these four bytes at its end.
        let mut tail = load32(window, self.at + self.best.length - 3);
        while self.place > floor {
            let candidate = self.place - 1;
            if load32(window, candidate + self.best.length - 3) == tail {
                let length = equal(window, candidate, self.at, self.limit);
                if length > self.best.length {
                    self.best = Found { length, distance: self.at - candidate };
                    if length >= self.nice {
                        return true;
                    }
                    tail = load32(window, self.at + length - 3);
                }
            }
            self.tries -= 1;
            // The link of a candidate this far back has been overwritten.
            if self.tries == 0 || candidate + REACH == self.at {
                return true;
            }
            self.place = usize::from(finder.links[candidate % REACH]);
        }
        false
    }
}

/// The encoder.
pub(super) struct Chains {
    depth: Depth,
    finder: Finder,
    /// The position worked on.
    at: usize,
    /// Where the bytes end.
    end: usize,
    /// Where the block starts, if that is still in the window.
    block: Option<usize>,
    /// Positions from here to `at` are not in their chains yet.
    unknown: usize,
    /// The match at the byte before, if that byte is pending.
    before: Found,
    pending: bool,
    tokens: Tokens,
    blocks: Blocks,
}

impl Chains {
    pub fn new(depth: Depth) -> Chains {
        Chains {
            depth,
            finder: Finder { window: boxed(), heads: boxed(), links: boxed() },
            at: 0,
            end: 0,
            block: Some(0),
            unknown: 0,
            before: Found { length: NONE, distance: 0 },
            pending: false,
            tokens: Tokens::new(),
            blocks: Blocks::default(),
        }
    }

    /// None if there are too few bytes before the start, or its bit is no bit of a byte.
    pub fn resume(depth: Depth, start: &Start) -> Option<Chains> {
        if start.bit > 7 {
            return None;
        }
        // The window moved when 261 bytes or fewer were left, and by half its size each time.
        let moved = start.plain.saturating_sub((REACH - AHEAD + 1) as u64) / REACH as u64;
        let at = (start.plain - moved * REACH as u64) as usize;
        let kept = at.min(CONTEXT);
        let before = start.before.len().checked_sub(kept).map(|from| &start.before[from..])?;
        let mut chains = Chains::new(depth);
        chains.finder.window[at - kept..at].copy_from_slice(before);
        chains.blocks = Blocks::at(start.bit);
        (chains.at, chains.end, chains.unknown) = (at, at, at - kept);
        chains.block = Some(at);
        Some(chains)
    }

    /// Where the last block starts, if that is still in the window: plain bytes back from the
    /// last one taken, and bits beyond what came out.
    #[cfg(test)]
    pub fn block_start(&self) -> Option<(usize, usize)> {
        self.block.map(|block| (self.end - block, usize::from(self.blocks.phase())))
    }

    fn slide(&mut self) {
        self.finder.slide();
        self.at -= REACH;
        self.end -= REACH;
        self.unknown = self.at;
        self.block = self.block.and_then(|block| block.checked_sub(REACH));
    }

    /// Works as far as the bytes allow.
    fn work(&mut self, last: bool, out: &mut Vec<u8>) {
        if !last && self.end - self.at < AHEAD {
            return;
        }
        for at in self.unknown..self.at.min(self.end.saturating_sub(NONE)) {
            self.finder.insert(at);
        }
        match self.depth.kind {
            Kind::Greedy { insert } => self.greedy(insert, last, out),
            Kind::Lazy { enough } => self.lazy(enough, last, out),
        }
        self.unknown = self.at;
    }

    fn greedy(&mut self, insert: usize, last: bool, out: &mut Vec<u8>) {
        let least = if last { 1 } else { AHEAD };
        while self.end - self.at >= least {
            let ahead = self.end - self.at;
            let found = self.found(NONE, ahead);
            if found.length < LEAST {
                self.tokens.literal(self.finder.window[self.at]);
                self.at += 1;
            } else {
                self.tokens.pair(found.length, found.distance);
                let next = self.at + found.length;
                if found.length <= insert {
                    self.insert(self.at + 1, next);
                }
                self.at = next;
            }
            self.close_full(self.at, out);
        }
    }

    fn lazy(&mut self, enough: usize, last: bool, out: &mut Vec<u8>) {
        let least = if last { 1 } else { AHEAD };
        while self.end - self.at >= least {
            let ahead = self.end - self.at;
            let before = self.before;
            // A match that is not longer than the one before does not count, so it need not be
            // found; the original looks for it all the same.
            let searched = before.length < enough && before.length < ahead;
            let found = self.found(if searched { before.length } else { LONGEST }, ahead);
            if before.length >= LEAST && (!searched || found.distance == 0) {
                self.tokens.pair(before.length, before.distance);
                let next = self.at - 1 + before.length;
                self.insert(self.at + 1, next);
                self.at = next;
                self.before = Found { length: NONE, distance: 0 };
                self.pending = false;
                self.close_full(self.at, out);
            } else {
                if self.pending {
                    self.tokens.literal(self.finder.window[self.at - 1]);
                    self.close_full(self.at, out);
                }
                self.before = found;
                self.pending = true;
                self.at += 1;
            }
        }
    }

    /// Puts the position worked on into its chain and looks for a match longer than `least`.
    #[inline(always)]
    fn found(&mut self, least: usize, ahead: usize) -> Found {
        if ahead >= LEAST {
            let head = self.finder.insert(self.at);
            if head > self.at.saturating_sub(REACH) && least < LONGEST {
                return self.finder.search(self.at, head, least, ahead, &self.depth);
            }
        }
        Found { length: NONE, distance: 0 }
    }

    /// Puts positions into their chains, as far as four bytes are there.
    #[inline(always)]
    fn insert(&mut self, from: usize, to: usize) {
        for at in from..to.min(self.end - NONE) {
            self.finder.insert(at);
        }
    }

    /// Writes the block, up to `to`, if it is full.
    #[inline(always)]
    fn close_full(&mut self, to: usize, out: &mut Vec<u8>) {
        if self.tokens.len() == TOKENS {
            self.close(to, out);
        }
    }

    #[inline(never)]
    fn close(&mut self, to: usize, out: &mut Vec<u8>) {
        let raw = self.block.map(|from| &self.finder.window[from..to]);
        self.blocks.smallest(&self.tokens, raw, out);
        self.tokens.clear();
        self.block = Some(to);
    }
}

impl Encode for Chains {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.end == FULL && self.at > FULL - AHEAD {
                self.slide();
            }
            let (now, later) = plain.split_at(plain.len().min(FULL - self.end));
            self.finder.window[self.end..self.end + now.len()].copy_from_slice(now);
            self.end += now.len();
            plain = later;
            self.work(false, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.work(true, out);
        if self.pending {
            self.tokens.literal(self.finder.window[self.at - 1]);
        }
        if self.tokens.len() > 0 {
            self.close(self.at, out);
        }
        self.blocks.end(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.blocks.align(out);
    }
}
