//! Levels 7, 8 and 9: lazy matching along chains of positions with equal hashes.

use super::super::deflate::LONGEST_MATCH;
use super::Family;
use super::block::Blocks;
use super::bytes::{alike, half, hash4};
use super::price::Prices;
use super::tokens::Tokens;

/// Half the original's window: how far matches reach.
const REACH: usize = 32_768;
/// Shortest match.
const SHORTEST: usize = 4;
/// Nothing is looked for with fewer bytes ahead, but at the end.
const AHEAD: usize = SHORTEST + LONGEST_MATCH;
/// Tokens of a block.
const FULL: usize = 32_768;
/// Bytes at the front that are worth dropping.
const WORTH: usize = 8 * REACH;
const BITS: u32 = 17;

/// A match; its length is 3 if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Best {
    length: usize,
    distance: usize,
}

const NONE: Best = Best { length: SHORTEST - 1, distance: 0 };

/// How hard a level looks.
struct Effort {
    /// A match this long is not compared with that at the next byte.
    lazy: usize,
    /// A match this long ends the search.
    nice: usize,
    /// Candidates that are looked at.
    chain: usize,
}

/// State of the search.
pub struct Chains {
    effort: Effort,
    family: Family,
    /// What literals cost, if the level asks.
    prices: Option<Prices>,
    /// One more than the last position with each hash; 0 if none.
    heads: Box<[u32; 1 << BITS]>,
    /// The same of the position before, by position.
    links: Box<[u32; REACH]>,
    /// Where the original's window begins: a multiple of its half.
    window: usize,
    at: usize,
    /// Where the block begins, if the window still has it.
    block: Option<usize>,
    last: Best,
    /// The byte before `at` is not sent yet.
    pending: bool,
    /// Literals in a row.
    misses: u16,
}

/// Where tokens go.
struct Sink<'a> {
    data: &'a [u8],
    /// Nothing comes behind `data` before the stream is flushed.
    sync: bool,
    tokens: &'a mut Tokens,
    blocks: &'a mut Blocks,
    out: &'a mut Vec<u8>,
}

impl Chains {
    /// Of a level from 7 to 9.
    pub fn new(family: Family, level: i32) -> Chains {
        let (lazy, nice, chain) = match level {
            7 => (12, 16, 24),
            8 => (30, 40, 64),
            _ => (258, 258, 1024),
        };
        let heads = vec![0; 1 << BITS].try_into();
        let links = vec![0; REACH].try_into();
        Chains {
            effort: Effort { lazy, nice, chain },
            family,
            prices: (level == 9).then(|| Prices::new(family)),
            heads: heads.unwrap_or_else(|_| unreachable!("it is so long")),
            links: links.unwrap_or_else(|_| unreachable!("it is so long")),
            window: 0,
            at: 0,
            block: Some(0),
            last: NONE,
            pending: false,
            misses: 0,
        }
    }

    /// Begins anew, with `data` as what came before.
    pub fn restart(&mut self, data: &[u8]) {
        self.heads.fill(0);
        self.window = 0;
        (self.last, self.pending, self.misses) = (NONE, false, 0);
        for at in 0..data.len().saturating_sub(SHORTEST - 1) {
            self.insert(data, at);
        }
        self.at = data.len();
        self.block = Some(if self.family.skips_dictionary() { self.at } else { 0 });
    }

    /// How many bytes at the front are needed no more. They must be dropped.
    pub fn forget(&mut self) -> usize {
        let by = self.window;
        if by < WORTH {
            return 0;
        }
        for entries in [&mut self.heads[..], &mut self.links[..]] {
            entries.iter_mut().for_each(|entry| *entry = entry.saturating_sub(by as u32));
        }
        self.window = 0;
        self.at -= by;
        self.block = self.block.and_then(|block| block.checked_sub(by));
        by
    }

    /// Codes what fills the window, or all of `data` if `last`.
    pub fn advance(
        &mut self,
        data: &[u8],
        last: bool,
        tokens: &mut Tokens,
        blocks: &mut Blocks,
        out: &mut Vec<u8>,
    ) {
        loop {
            let full = self.window + 2 * REACH;
            let (more, end) = (full < data.len(), full.min(data.len()));
            if more || last {
                let data = &data[..end];
                self.step(&mut Sink { data, sync: !more, tokens, blocks, out });
            }
            if !more {
                return;
            }
            // So little lies ahead after every full window that it slides.
            self.window += REACH;
            self.block = self.block.filter(|&block| block >= self.window);
        }
    }

    /// Works on the window; to its end if nothing comes behind it.
    fn step(&mut self, sink: &mut Sink) {
        let end = sink.data.len();
        if end - self.at < AHEAD && !sink.sync {
            return;
        }
        if let Some(prices) = &mut self.prices {
            prices.set(sink.data, self.at);
        }
        while end - self.at >= AHEAD || sink.sync && self.at < end {
            let head = self.insert(sink.data, self.at);
            let previous = std::mem::replace(&mut self.last, NONE);
            if end - self.at > previous.length && previous.length < self.effort.lazy {
                self.last = self.search(sink.data, head);
            }
            if previous.length >= SHORTEST && self.last.length <= previous.length {
                self.send_match(previous, sink);
            } else {
                self.send_literal(sink);
            }
        }
        if sink.sync {
            self.send_rest(sink);
        }
    }

    /// Puts a position at the head of its chain, and gives the head before (plus one). Not the
    /// last three.
    #[inline(always)]
    fn insert(&mut self, data: &[u8], at: usize) -> u32 {
        if at + SHORTEST > data.len() {
            return 0;
        }
        let head = &mut self.heads[hash4::<BITS>(u64::from(half(data, at)))];
        let before = std::mem::replace(head, at as u32 + 1);
        self.links[at % REACH] = before;
        before
    }

    /// The lowest position that the window still has and that is in reach.
    fn lowest(&self) -> usize {
        self.window.max(self.at.saturating_sub(REACH))
    }

    /// The best match at `at` along the chain from `head`.
    fn search(&self, data: &[u8], head: u32) -> Best {
        let (at, lowest) = (self.at, self.lowest());
        let here = &data[at..data.len().min(at + LONGEST_MATCH)];
        let nice = self.effort.nice.min(here.len());
        let (mut best, mut gain, mut seen) = (NONE, 4, head as usize);
        for _ in 0..self.effort.chain {
            if seen <= lowest {
                break;
            }
            let there = seen - 1;
            if data[there + best.length] == here[best.length] {
                let length = alike(here, &data[there..]);
                let found = Best { length, distance: at - there };
                if length > best.length && self.pays(found, &mut gain) {
                    best = found;
                    if length >= nice {
                        break;
                    }
                }
            }
            if there == lowest {
                break;
            }
            seen = self.links[there % REACH] as usize;
        }
        best
    }

    /// Whether a longer match saves more than all before it, if the level asks for that.
    #[inline(always)]
    fn pays(&self, found: Best, most: &mut i32) -> bool {
        let Some(prices) = &self.prices else {
            return true;
        };
        let gain = prices.gain(self.at, found.length, found.distance);
        let pays = gain > *most;
        *most = gain.max(*most);
        pays
    }

    /// Sends the match one byte back, or one that ends behind it, and goes to its end.
    fn send_match(&mut self, mut best: Best, sink: &mut Sink) {
        if best.length < LONGEST_MATCH - 2 {
            best = self.or_beyond(best, sink);
        }
        sink.tokens.push_match(best.length, best.distance);
        let next = self.at + best.length - 1;
        for at in self.at + 1..next {
            self.insert(sink.data, at);
        }
        (self.at, self.pending, self.misses) = (next, false, 0);
        self.last = NONE;
        self.end_full_block(sink);
    }

    /// A longer match that ends behind `best`, if the four bytes at the end of `best` were seen
    /// elsewhere. It starts within the first two bytes of `best`; those before it are sent.
    fn or_beyond(&mut self, best: Best, sink: &mut Sink) -> Best {
        let (data, start, lowest) = (sink.data, self.at - 1, self.lowest());
        let end = start + best.length;
        if end + SHORTEST > data.len() {
            return best;
        }
        let head = self.heads[hash4::<BITS>(u64::from(half(data, end)))] as usize;
        let Some(there) = head.checked_sub(1 + best.length) else {
            return best;
        };
        if there <= lowest + 2 || start - there == best.distance {
            return best;
        }
        let most = (data.len() - self.at).min(LONGEST_MATCH + 2);
        let length = alike(&data[start + 2..start + most], &data[there + 2..]);
        if length <= best.length {
            return best;
        }
        let mut beyond = Best { length, distance: start - there };
        for byte in [1, 0] {
            if beyond.length >= LONGEST_MATCH || data[start + byte] != data[there + byte] {
                for at in start..=start + byte {
                    sink.tokens.push_literal(data[at]);
                    self.end_full_block(sink);
                    self.at += 1;
                    self.insert(data, self.at);
                }
                break;
            }
            beyond.length += 1;
        }
        beyond
    }

    /// Sends the pending byte; the current one is pending now. After many without a match, some
    /// are sent without a search.
    fn send_literal(&mut self, sink: &mut Sink) {
        if self.last.length >= SHORTEST {
            self.misses = 0;
        }
        if !std::mem::replace(&mut self.pending, true) {
            self.at += 1;
            return;
        }
        self.misses = self.misses.wrapping_add(1);
        self.send_before(sink);
        self.at += 1;
        let Some(many @ 1..) = usize::from(self.misses).checked_sub(self.effort.chain) else {
            return;
        };
        for _ in 0..1 + many / 64 {
            if self.at + 1 >= sink.data.len() {
                break;
            }
            self.send_before(sink);
            self.insert(sink.data, self.at);
            self.at += 1;
        }
        self.send_before(sink);
        self.pending = false;
    }

    /// Sends the byte before `at`.
    fn send_before(&mut self, sink: &mut Sink) {
        sink.tokens.push_literal(sink.data[self.at - 1]);
        self.end_full_block(sink);
    }

    /// At the end: the pending byte, and what tokens there are.
    fn send_rest(&mut self, sink: &mut Sink) {
        if std::mem::take(&mut self.pending) {
            sink.tokens.push_literal(sink.data[self.at - 1]);
        }
        if sink.tokens.count() > 0 {
            self.end_block(sink);
        }
    }

    #[inline(always)]
    fn end_full_block(&mut self, sink: &mut Sink) {
        if sink.tokens.count() == FULL {
            self.end_block(sink);
        }
    }

    fn end_block(&mut self, sink: &mut Sink) {
        let raw = self.block.map(|block| &sink.data[block..self.at]);
        sink.blocks.table(sink.tokens, raw, sink.sync, sink.out);
        sink.tokens.clear();
        self.block = Some(self.at);
    }
}
