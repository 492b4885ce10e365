//! The deflate engine of zlib and of its elder, GNU gzip: the same search and the same trees, and
//! small differences in when a search is made and where blocks end.

use super::super::BitWriter;
use super::block::{Block, store};
use super::deep::TOO_FAR;
use super::window::{AHEAD, HALF, REACH, SIZE, Search, TURN, Window, hash, link, longest};

/// The shortest match.
const LEAST: usize = 3;

/// Whose output it is.
pub(crate) type Flavour = u8;
/// zlib.
pub(crate) const ZLIB: Flavour = 0;
/// GNU gzip.
pub(crate) const GNU: Flavour = 1;
/// GNU gzip with `--rsyncable`.
pub(crate) const RSYNC: Flavour = 2;

/// How hard a level tries.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// From this length on of the pending match, a quarter of the candidates will do.
    good: usize,
    /// From this length on no better match is sought; for greedy levels, longer matches are not
    /// entered.
    lazy: usize,
    nice: usize,
    chain: usize,
}

/// By level, from 1 on. The first three are greedy.
const EFFORTS: [Effort; 9] = {
    const fn effort(good: usize, lazy: usize, nice: usize, chain: usize) -> Effort {
        Effort { good, lazy, nice, chain }
    }
    [
        effort(4, 4, 8, 4),
        effort(4, 5, 16, 8),
        effort(4, 6, 32, 32),
        effort(4, 4, 16, 16),
        effort(8, 16, 32, 32),
        effort(8, 16, 128, 128),
        effort(8, 32, 128, 256),
        effort(32, 128, 258, 1024),
        effort(32, 258, 258, 4096),
    ]
};

/// The levels that take the first match.
const GREEDY: std::ops::RangeInclusive<u8> = 1..=3;

/// `FLAVOUR` is one of [`ZLIB`], [`GNU`], [`RSYNC`]; `SHIFT` the bits a byte moves in the hash.
pub(crate) struct Engine<const FLAVOUR: Flavour, const SHIFT: u32> {
    effort: Effort,
    greedy: bool,
    /// Whether the search may be long, and is worth the cost of making it short.
    deep: bool,
    /// GNU gzip: whether blocks may end early.
    early: bool,
    window: Window,
    block: Block,
    pub bits: BitWriter,
    /// The match at the position before: its length, [`LEAST`] - 1 for none, and distance.
    pending: (usize, usize),
    /// Whether the byte at the position before is still to be written.
    held: bool,
    roll: Roll,
}

/// What `--rsyncable` looks at: blocks end where the sum of the last 4,096 bytes is a multiple of
/// 4,096.
#[derive(Debug, Default)]
struct Roll {
    sum: u32,
    /// The first such place since the last block that ended so.
    hit: Option<usize>,
}

impl Roll {
    const SPAN: usize = 4096;

    /// Takes in the `count` bytes from `at` on.
    fn take(&mut self, window: &Window, at: usize, count: usize) {
        for at in at..at + count {
            self.sum = self.sum.wrapping_add(window.bytes[at].into());
            if at >= Self::SPAN {
                self.sum = self.sum.wrapping_sub(window.bytes[at - Self::SPAN].into());
                if self.hit.is_none() && self.sum as usize % Self::SPAN == 0 {
                    self.hit = Some(at);
                }
            }
        }
    }

    /// Whether the block ends before `at` for its sake.
    fn ends(&mut self, at: usize) -> bool {
        self.hit.take_if(|hit| at > *hit).is_some()
    }
}

impl<const FLAVOUR: Flavour, const SHIFT: u32> Engine<FLAVOUR, SHIFT> {
    /// At the start of a block at position `at` of its window, after `before`, with blocks of
    /// `symbols`. `level` is 1 to 9.
    pub fn new(level: u8, symbols: usize, before: &[u8], at: usize, bit: u8) -> Self {
        Engine {
            effort: EFFORTS[usize::from(level.clamp(1, 9)) - 1],
            greedy: GREEDY.contains(&level),
            deep: level >= 6,
            early: FLAVOUR != ZLIB && level > 2,
            window: Window::new(before, at),
            block: Block::new(symbols),
            bits: BitWriter::at(bit),
            pending: (LEAST - 1, 0),
            held: false,
            roll: Roll::default(),
        }
    }

    /// As [`super::super::Encode::write`].
    pub fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            // Only a full window moves: where it stops does not depend on how it was filled.
            if self.window.at > TURN && self.window.end == SIZE {
                self.slide();
            }
            plain = self.window.fill(plain);
            self.enter();
            self.advance::<false>(out);
        }
    }

    /// Codes all that was written.
    fn drain(&mut self, out: &mut Vec<u8>) {
        if FLAVOUR != ZLIB {
            // The end is seen by a read that gives nothing, and before it the window moves once
            // more. Bytes behind the end are looked at: two zeros, then what was there before.
            if self.window.at >= TURN {
                self.slide();
            }
            let end = self.window.end;
            self.window.bytes[end..end + 2].fill(0);
            if !self.greedy {
                self.window.enter::<SHIFT>(end);
            }
        }
        self.advance::<true>(out);
        if self.held {
            self.block.literal(self.window.bytes[self.window.at - 1]);
            self.held = false;
        }
        // The last two were not entered; they will be if more comes.
        self.window.entered = self.window.at.saturating_sub(LEAST - 1).min(self.window.entered);
    }

    /// Codes all that was written, and ends the block if there is anything in it.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.drain(out);
        if !self.block.is_empty() {
            self.close(self.window.at, false, out);
        }
    }

    /// As [`super::super::Encode::finish`].
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.drain(out);
        self.close(self.window.at, true, out);
        self.bits.align(out);
    }

    /// An empty stored block.
    pub fn mark(&mut self, out: &mut Vec<u8>) {
        store(&[], false, &mut self.bits, out);
    }

    /// After a flush: forgets all but the last 32 KiB.
    pub fn restart(&mut self) {
        self.window.restart();
    }

    /// After a flush: forgets all.
    pub fn clear(&mut self) {
        self.window.clear();
    }

    fn slide(&mut self) {
        self.window.slide();
        if self.deep {
            self.window.deep.slide();
        }
        self.roll.hit = self.roll.hit.map(|hit| hit.saturating_sub(HALF));
    }

    /// Enters what no search has come to yet: at greedy levels only what a flush left out, for
    /// there the matches decide; at the others all, at once.
    fn enter(&mut self) {
        let whole = self.window.end.saturating_sub(LEAST - 1);
        let to = if self.greedy { whole.min(self.window.at) } else { whole };
        self.window.enter::<SHIFT>(to);
        if self.deep {
            self.window.enter_deep();
        }
    }

    /// Ends the block before position `to`.
    #[inline(never)]
    fn close(&mut self, to: usize, last: bool, out: &mut Vec<u8>) {
        self.block.close(self.window.raw(to), last, &mut self.bits, out);
        self.window.block = to as isize;
    }

    /// Ends the block before position `to` if it is full or, for `--rsyncable`, if `at` is past
    /// the place that says so. After that, the next one starts on a byte border.
    #[inline(always)]
    fn end(&mut self, full: bool, at: usize, to: usize, out: &mut Vec<u8>) {
        let synced = FLAVOUR == RSYNC && self.roll.ends(at);
        if full || synced {
            self.close(to, false, out);
            if synced && self.bits.phase() > 0 {
                self.mark(out);
            }
        }
    }

    /// Codes while enough bytes lie ahead, or with `LAST` to the end.
    fn advance<const LAST: bool>(&mut self, out: &mut Vec<u8>) {
        if self.greedy { self.greedy::<LAST>(out) } else { self.lazy::<LAST>(out) }
    }

    /// Whether a token can be made.
    #[inline(always)]
    fn may_go_on<const LAST: bool>(&mut self) -> bool {
        if !LAST {
            return self.window.at + AHEAD <= self.window.end;
        }
        if FLAVOUR == ZLIB && self.window.at >= TURN {
            self.slide();
        }
        self.window.at < self.window.end
    }

    /// Takes the first match of each position.
    fn greedy<const LAST: bool>(&mut self, out: &mut Vec<u8>) {
        while self.may_go_on::<LAST>() {
            let at = self.window.at;
            let ahead = self.window.end - at;
            let candidate = if !LAST || ahead >= LEAST { self.enter_one(at) } else { 0 };
            let (length, distance) =
                self.search::<LAST>(at, candidate, LEAST - 1, self.effort.chain);
            let full = if length >= LEAST {
                self.window.at += length;
                let short = length <= self.effort.lazy;
                if short && (!LAST || FLAVOUR != ZLIB || ahead - length >= LEAST) {
                    (at + 1..at + length).for_each(|at| _ = self.enter_one(at));
                }
                self.block.copy(length, distance)
            } else {
                self.window.at += 1;
                self.block.literal(self.window.bytes[at])
            };
            let full = full || (FLAVOUR != ZLIB && self.ends_early(at));
            if FLAVOUR == RSYNC {
                self.roll.take(&self.window, at, self.window.at - at);
            }
            self.end(full, self.window.at, self.window.at, out);
            self.window.entered = self.window.at;
        }
    }

    /// Enters a position and gives the last one with the same hash.
    #[inline(always)]
    fn enter_one(&mut self, at: usize) -> u16 {
        let Window { bytes, heads, links, .. } = &mut self.window;
        link(heads, links, hash::<SHIFT>(bytes, at as u16), at as u16)
    }

    /// A match longer than `best` at `at`, or one of `best` bytes that stands for none: length
    /// and distance.
    #[inline(always)]
    fn search<const LAST: bool>(
        &self,
        at: usize,
        candidate: u16,
        best: usize,
        chain: usize,
    ) -> (usize, usize) {
        let near = at.wrapping_sub(usize::from(candidate)) <= REACH;
        if candidate == 0 || !near || (FLAVOUR != ZLIB && at > TURN) {
            return (LEAST - 1, 0);
        }
        let (bytes, links) = (&self.window.bytes, &self.window.links);
        let ahead = self.window.end - at;
        let cut = LAST && FLAVOUR == ZLIB;
        let nice = if cut { self.effort.nice.min(ahead) } else { self.effort.nice };
        let (length, found) = longest(bytes, links, at, candidate, Search { best, chain, nice });
        (if LAST { length.min(ahead) } else { length }, at - found)
    }

    /// As [`Self::search`], where much lies ahead and three bytes from far away do not count.
    #[inline(always)]
    fn search_deep(&self, at: usize, candidate: u16, search: Search) -> (usize, usize) {
        let far = at.wrapping_sub(usize::from(candidate));
        if candidate == 0 || far > REACH || (FLAVOUR != ZLIB && at > TURN) {
            return (LEAST - 1, 0);
        }
        let Window { bytes, links, deep, .. } = &self.window;
        let (length, found) = if far == REACH {
            longest(bytes, links, at, candidate, Search { chain: 1, ..search })
        } else {
            deep.longest(bytes, links, at, candidate, search)
        };
        (length, at - found)
    }

    /// GNU gzip's early end, with a token at `at`.
    #[inline(always)]
    fn ends_early(&mut self, at: usize) -> bool {
        self.early && self.block.ends_early((at as isize - self.window.block) as usize)
    }

    /// Takes a match only if the next position has no longer one.
    fn lazy<const LAST: bool>(&mut self, out: &mut Vec<u8>) {
        while self.may_go_on::<LAST>() {
            let at = self.window.at;
            let (length, distance) = self.pending;
            let next = self.weigh::<LAST>(at, length);
            if length >= LEAST && next.0 <= length {
                let full = self.block.copy(length, distance);
                let full = full || (FLAVOUR != ZLIB && self.ends_early(at));
                (self.pending, self.held) = ((LEAST - 1, 0), false);
                self.window.at += length - 1;
                if FLAVOUR == RSYNC {
                    self.roll.take(&self.window, at, length - 1);
                }
                self.end(full, self.window.at, self.window.at, out);
                continue;
            }
            let full = self.held && {
                let full = self.block.literal(self.window.bytes[at - 1]);
                full || (FLAVOUR != ZLIB && self.ends_early(at))
            };
            self.end(full, at, at, out);
            (self.pending, self.held) = (next, true);
            if FLAVOUR == RSYNC {
                self.roll.take(&self.window, at, 1);
            }
            self.window.at += 1;
        }
    }

    /// The match at `at` that may beat the pending one of `before` bytes.
    #[inline(always)]
    fn weigh<const LAST: bool>(&self, at: usize, before: usize) -> (usize, usize) {
        let effort = &self.effort;
        if before >= effort.lazy || (LAST && at >= self.window.entered) {
            return (LEAST - 1, 0);
        }
        let chain = if before >= effort.good { effort.chain / 4 } else { effort.chain };
        let candidate = self.window.links[usize::from(at as u16)];
        let (length, distance) = if LAST || !self.deep {
            self.search::<LAST>(at, candidate, before, chain)
        } else {
            self.search_deep(at, candidate, Search { best: before, chain, nice: effort.nice })
        };
        if length == LEAST && distance > TOO_FAR { (LEAST - 1, 0) } else { (length, distance) }
    }
}

#[cfg(test)]
mod tests;
