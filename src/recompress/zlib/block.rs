//! Symbols of one deflate block, and its form: stored, fixed or dynamic (RFC 1951, 3.2), chosen as
//! zlib and GNU gzip do, by sizes in whole bytes.

use super::super::BitWriter;
use super::super::deflate::{
    DISTANCE, DISTANCES, END, FIXED_DISTANCES, FIXED_LITERALS, LENGTH, LITERALS, LONGEST, ORDER,
    assign, distance_code, length_code,
};
use super::trees::code_lengths;

/// The most symbols of a block, those of GNU gzip and zlib with memLevel 9.
pub(super) const MOST: usize = 32_768;
/// Where literals are told from matches: see [`Block::tokens`].
const MATCH: usize = 256;

/// The open block.
pub(super) struct Block {
    /// A literal is its byte; a match is its distance above 16 bits of 256 + length - 3.
    tokens: Box<[u32; MOST]>,
    len: usize,
    /// The block is full with so many symbols.
    limit: usize,
    counted: Counts,
}

/// How often each symbol occurs.
struct Counts {
    /// So many tokens are in.
    tokens: usize,
    /// By the lower half of tokens.
    lower: [u32; 2 * MATCH],
    /// By distance symbol; the last is for literals.
    distances: [u32; DISTANCES + 2],
}

impl Counts {
    const NONE: Counts = Counts { tokens: 0, lower: [0; 2 * MATCH], distances: [0; 32] };
}

/// What a symbol and its extra bits are written as.
#[derive(Clone, Copy, Default)]
struct Written {
    bits: u32,
    count: u32,
}

impl Block {
    pub fn new(limit: usize) -> Block {
        let tokens = vec![0; MOST].try_into().expect("as many as it holds");
        Block { tokens, len: 0, limit, counted: Counts::NONE }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a byte. Says whether the block is full.
    #[inline(always)]
    pub fn literal(&mut self, byte: u8) -> bool {
        self.push(u32::from(byte))
    }

    /// Adds a match of 3 to 258 bytes. Says whether the block is full.
    #[inline(always)]
    pub fn copy(&mut self, length: usize, distance: usize) -> bool {
        self.push((distance as u32) << 16 | (length + MATCH - 3) as u32)
    }

    #[inline(always)]
    fn push(&mut self, token: u32) -> bool {
        self.tokens[self.len % MOST] = token;
        self.len += 1;
        self.len == self.limit
    }

    /// GNU gzip's test at each multiple of 4,096 symbols, of a block of `bytes` so far: few
    /// matches, and half the size expected.
    #[inline(always)]
    pub fn ends_early(&mut self, bytes: usize) -> bool {
        self.len % 4096 == 0 && self.is_worth_ending(bytes)
    }

    fn is_worth_ending(&mut self, bytes: usize) -> bool {
        self.count();
        let each = self.counted.distances.iter().zip(&DISTANCE);
        let bits: usize =
            each.map(|(&count, &(_, extra))| count as usize * (5 + extra as usize)).sum();
        let matches: u32 = self.counted.distances[..DISTANCES].iter().sum();
        (matches as usize) < self.len / 2 && (self.len * 8 + bits) / 8 < bytes / 2
    }

    /// Counts the tokens that are not yet counted.
    fn count(&mut self) {
        let Counts { tokens, lower, distances } = &mut self.counted;
        for &token in &self.tokens[*tokens..self.len] {
            lower[(token & 511) as usize] += 1;
            distances[symbol(token >> 16)] += 1;
        }
        *tokens = self.len;
    }

    /// Writes the block, and begins an empty one. `raw` are its bytes, if they are at hand.
    pub fn close(
        &mut self,
        raw: Option<&[u8]>,
        last: bool,
        bits: &mut BitWriter,
        out: &mut Vec<u8>,
    ) {
        self.count();
        let (literals, distances) = self.symbols();
        let code = Code::for_counts(&literals, &distances);
        let extra = extra_bits(&literals, &distances);
        let bytes = |code: &Code| (code.size(&literals, &distances) + extra + 3).div_ceil(8);
        let (dynamic, fixed) = (bytes(&code), bytes(&Code::FIXED));
        let least = dynamic.min(fixed);
        if let Some(raw) = raw.filter(|raw| raw.len() + 4 <= least) {
            store(raw, last, bits, out);
        } else if fixed == least {
            bits.put(u64::from(last) | 0b01 << 1, 3, out);
            self.write(&Code::FIXED, bits, out);
        } else {
            bits.put(u64::from(last) | 0b10 << 1, 3, out);
            code.header.write(bits, out);
            self.write(&code, bits, out);
        }
        (self.len, self.counted) = (0, Counts::NONE);
    }

    /// Counts by symbol, the end included.
    fn symbols(&self) -> ([u32; LITERALS], [u32; DISTANCES]) {
        let (bytes, lengths) = self.counted.lower.split_at(MATCH);
        let mut literals = [0; LITERALS];
        literals[..END].copy_from_slice(bytes);
        literals[END] = 1;
        for (less3, count) in lengths.iter().enumerate() {
            literals[END + 1 + length_code(less3 as u8)] += count;
        }
        (literals, std::array::from_fn(|symbol| self.counted.distances[symbol]))
    }

    /// The symbols and the end.
    fn write(&self, code: &Code, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let (lower, distances) = code.written();
        let mut burst = bits.burst(self.len + 1, out);
        for &token in &self.tokens[..self.len] {
            let first = lower[(token & 511) as usize];
            let distance = token >> 16;
            let symbol = symbol(distance);
            let second = distances[symbol];
            let extra = u64::from(distance.wrapping_sub(BASE[symbol])) << second.count;
            let value = u64::from(second.bits) | extra;
            burst.put(
                u64::from(first.bits) | value << first.count,
                first.count + second.count + EXTRA[symbol],
            );
        }
        let end = code.literals[END];
        burst.put(u64::from(code.codes().0[END]), u32::from(end));
        burst.end();
    }
}

/// Place of literals among the distance symbols.
const NO_DISTANCE: usize = DISTANCES + 1;

/// Distance symbol of a token's upper half.
#[inline(always)]
fn symbol(distance: u32) -> usize {
    if distance == 0 { NO_DISTANCE } else { distance_code(distance - 1) }
}

/// Least distance of each symbol, and 0 for literals.
static BASE: [u32; DISTANCES + 2] = {
    let mut table = [0; DISTANCES + 2];
    let mut symbol = 0;
    while symbol < DISTANCES {
        table[symbol] = DISTANCE[symbol].0 as u32;
        symbol += 1;
    }
    table
};

/// Extra bits of each distance symbol.
static EXTRA: [u32; DISTANCES + 2] = {
    let mut table = [0; DISTANCES + 2];
    let mut symbol = 0;
    while symbol < DISTANCES {
        table[symbol] = DISTANCE[symbol].1 as u32;
        symbol += 1;
    }
    table
};

/// The bits that follow symbols, in all.
fn extra_bits(literals: &[u32], distances: &[u32]) -> usize {
    let pair = |(&count, &(_, extra)): (&u32, &(u16, u8))| count as usize * usize::from(extra);
    let lengths: usize = literals[END + 1..].iter().zip(&LENGTH).map(pair).sum();
    lengths + distances.iter().zip(&DISTANCE).map(pair).sum::<usize>()
}

/// A stored block, on from the next byte border. `raw` is shorter than 65,536 bytes.
pub(super) fn store(raw: &[u8], last: bool, bits: &mut BitWriter, out: &mut Vec<u8>) {
    bits.put(u64::from(last), 3, out);
    bits.align(out);
    let len = raw.len() as u16;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(raw);
}

/// The two codes of a block.
struct Code {
    /// Those of the fixed code are more than can occur.
    literals: [u8; FIXED_LITERALS.len()],
    distances: [u8; DISTANCES],
    header: Header,
}

impl Code {
    const FIXED: Code =
        Code { literals: FIXED_LITERALS, distances: FIXED_DISTANCES, header: Header::NONE };

    fn for_counts(literals: &[u32; LITERALS], distances: &[u32; DISTANCES]) -> Code {
        let mut code = Code { literals: [0; 288], distances: [0; DISTANCES], header: Header::NONE };
        code_lengths(literals, LONGEST, &mut code.literals[..LITERALS]);
        code_lengths(distances, LONGEST, &mut code.distances);
        code.header = Header::describe(&code.literals, &code.distances);
        code
    }

    /// Bits of the header and all symbols, without their extra bits.
    fn size(&self, literals: &[u32], distances: &[u32]) -> usize {
        let sum = |counts: &[u32], lengths: &[u8]| -> usize {
            counts.iter().zip(lengths).map(|(&c, &l)| c as usize * usize::from(l)).sum()
        };
        self.header.size + sum(literals, &self.literals) + sum(distances, &self.distances)
    }

    fn codes(&self) -> ([u16; 288], [u16; DISTANCES]) {
        let (mut literals, mut distances) = ([0; 288], [0; DISTANCES]);
        assign(&self.literals, &mut literals);
        assign(&self.distances, &mut distances);
        (literals, distances)
    }

    /// Codes by the lower half of tokens, extra bits included; and by distance symbol.
    fn written(&self) -> ([Written; 2 * MATCH], [Written; DISTANCES + 2]) {
        let (literals, distances) = self.codes();
        let mut lower = [Written::default(); 2 * MATCH];
        let mut upper = [Written::default(); DISTANCES + 2];
        for (byte, entry) in lower[..MATCH].iter_mut().enumerate() {
            *entry = Written { bits: literals[byte].into(), count: self.literals[byte].into() };
        }
        for (less3, entry) in lower[MATCH..].iter_mut().enumerate() {
            let length = length_code(less3 as u8);
            let (count, (base, extra)) =
                (u32::from(self.literals[END + 1 + length]), LENGTH[length]);
            let after = (less3 as u32 + 3 - u32::from(base)) << count;
            let bits = u32::from(literals[END + 1 + length]) | after;
            *entry = Written { bits, count: count + u32::from(extra) };
        }
        for ((entry, &bits), &count) in upper.iter_mut().zip(&distances).zip(&self.distances) {
            *entry = Written { bits: bits.into(), count: count.into() };
        }
        (lower, upper)
    }
}

/// What comes before the symbols of a dynamic block (RFC 1951, 3.2.7).
struct Header {
    /// Code lengths in runs: symbol and value of its extra bits.
    runs: [(u8, u8); LITERALS + DISTANCES],
    len: usize,
    /// Of the code for the runs.
    lengths: [u8; 19],
    /// HLIT, HDIST and HCLEN, as they are sent.
    sent: [usize; 3],
    /// In bits.
    size: usize,
}

/// Extra bits of the symbols for code lengths.
fn run_bits(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

impl Header {
    const NONE: Header = Header {
        runs: [(0, 0); LITERALS + DISTANCES],
        len: 0,
        lengths: [0; 19],
        sent: [0; 3],
        size: 0,
    };

    fn describe(literals: &[u8], distances: &[u8]) -> Header {
        let mut header = Header::NONE;
        let used = |lengths: &[u8]| lengths.iter().rposition(|&l| l > 0).map_or(0, |last| last + 1);
        let (literals, distances) = (&literals[..used(literals)], &distances[..used(distances)]);
        // A run never crosses from one list to the other.
        header.run(literals);
        header.run(distances);
        let mut counts = [0; 19];
        header.runs().for_each(|(symbol, _)| counts[usize::from(symbol)] += 1);
        code_lengths(&counts, 7, &mut header.lengths);
        let sent = ORDER.iter().rposition(|&symbol| header.lengths[usize::from(symbol)] > 0);
        let sent = sent.map_or(0, |last| last + 1).max(4);
        header.sent = [literals.len() - 257, distances.len() - 1, sent - 4];
        let length = |symbol: u8| u32::from(header.lengths[usize::from(symbol)]) + run_bits(symbol);
        let runs: u32 = header.runs().map(|(symbol, _)| length(symbol)).sum();
        header.size = 5 + 5 + 4 + 3 * sent + runs as usize;
        header
    }

    fn runs(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.runs[..self.len].iter().copied()
    }

    fn run(&mut self, lengths: &[u8]) {
        for same in lengths.chunk_by(|a, b| a == b) {
            let (length, mut left) = (same[0], same.len());
            if length > 0 {
                self.add(length, 0);
                left -= 1;
            }
            while left > 0 {
                left -= match (length, left) {
                    (0, 11..) => self.add_run(18, 11, left.min(138)),
                    (0, 3..) => self.add_run(17, 3, left),
                    (1.., 3..) => self.add_run(16, 3, left.min(6)),
                    _ => self.add(length, 0),
                };
            }
        }
    }

    /// Says how many lengths this stands for.
    fn add(&mut self, symbol: u8, extra: u8) -> usize {
        self.runs[self.len] = (symbol, extra);
        self.len += 1;
        1
    }

    fn add_run(&mut self, symbol: u8, base: usize, many: usize) -> usize {
        self.add(symbol, (many - base) as u8);
        many
    }

    fn write(&self, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let [literals, distances, sent] = self.sent;
        bits.put((literals | distances << 5 | sent << 10) as u64, 14, out);
        for &symbol in &ORDER[..sent + 4] {
            bits.put(self.lengths[usize::from(symbol)].into(), 3, out);
        }
        let mut codes = [0; 19];
        assign(&self.lengths, &mut codes);
        for (symbol, extra) in self.runs() {
            let count = u32::from(self.lengths[usize::from(symbol)]);
            let value = u64::from(codes[usize::from(symbol)]) | u64::from(extra) << count;
            bits.put(value, count + run_bits(symbol), out);
        }
    }
}
