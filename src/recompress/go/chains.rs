//! Levels 2 to 9: which matches become tokens.
//!
//! Holds 1.1 MiB at most, whatever comes in.

use super::super::deflate::LONGEST_MATCH;
use super::super::{CONTEXT, Encode, Start};
use super::block::Blocks;
use super::finder::{FULL, Finder, Found, LEAST, REACH, Search};
use super::tokens::Tokens;

/// A position is worked on when so many bytes lie ahead, or at the end.
const AHEAD: usize = LEAST + LONGEST_MATCH;
/// Tokens of a full block.
const TOKENS: usize = 16_384;

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

/// The encoder.
pub(super) struct Chains<F> {
    depth: Depth,
    finder: F,
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

impl<F: Finder> Chains<F> {
    pub fn new(depth: Depth) -> Chains<F> {
        Chains {
            depth,
            finder: F::new(),
            at: 0,
            end: 0,
            block: Some(0),
            unknown: 0,
            before: Found::NONE,
            pending: false,
            tokens: Tokens::new(),
            blocks: Blocks::default(),
        }
    }

    /// None if there are too few bytes before the start, or its bit is no bit of a byte.
    pub fn resume(depth: Depth, start: &Start) -> Option<Chains<F>> {
        if start.bit > 7 {
            return None;
        }
        // The window moved when 261 bytes or fewer were left, and by half its size each time.
        let moved = start.plain.saturating_sub((REACH - AHEAD + 1) as u64) / REACH as u64;
        let at = (start.plain - moved * REACH as u64) as usize;
        let kept = at.min(CONTEXT);
        let before = start.before.len().checked_sub(kept).map(|from| &start.before[from..])?;
        let mut chains = Chains::<F>::new(depth);
        chains.finder.window_mut()[at - kept..at].copy_from_slice(before);
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
        for at in self.unknown..self.at.min(self.end.saturating_sub(LEAST - 1)) {
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
            let found = self.found(Some(LEAST - 1), ahead);
            if found.length < LEAST {
                self.tokens.literal(self.finder.window()[self.at]);
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
            let found = self.found(searched.then_some(before.length), ahead);
            if before.length >= LEAST && (!searched || found.distance == 0) {
                self.tokens.pair(before.length, before.distance);
                let next = self.at - 1 + before.length;
                self.insert(self.at + 1, next);
                self.at = next;
                self.before = Found::NONE;
                self.pending = false;
                self.close_full(self.at, out);
            } else {
                if self.pending {
                    self.tokens.literal(self.finder.window()[self.at - 1]);
                    self.close_full(self.at, out);
                }
                self.before = found;
                self.pending = true;
                self.at += 1;
            }
        }
    }

    /// Puts the position worked on into its chains and looks for a match longer than `than`, if
    /// any.
    #[inline(always)]
    fn found(&mut self, than: Option<usize>, ahead: usize) -> Found {
        if ahead >= LEAST {
            let heads = self.finder.insert(self.at);
            if let Some(than) = than {
                let Depth { nice, chain: tries, .. } = self.depth;
                return self.finder.search(heads, Search { at: self.at, than, nice, tries, ahead });
            }
        }
        Found::NONE
    }

    /// Puts positions into their chains, as far as four bytes are there.
    #[inline(always)]
    fn insert(&mut self, from: usize, to: usize) {
        for at in from..to.min(self.end - (LEAST - 1)) {
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
        let raw = self.block.map(|from| &self.finder.window()[from..to]);
        self.blocks.smallest(&self.tokens, raw, out);
        self.tokens.clear();
        self.block = Some(to);
    }
}

impl<F: Finder> Encode for Chains<F> {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.end == FULL && self.at > FULL - AHEAD {
                self.slide();
            }
            let (now, later) = plain.split_at(plain.len().min(FULL - self.end));
            self.finder.window_mut()[self.end..self.end + now.len()].copy_from_slice(now);
            self.end += now.len();
            plain = later;
            self.work(false, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.work(true, out);
        if self.pending {
            self.tokens.literal(self.finder.window()[self.at - 1]);
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
