//! Blocks as Go writes them: which of stored, fixed and dynamic, and the bits.

use super::super::bits::{BitWriter, Burst};
use super::super::deflate::{
    DISTANCE, DISTANCES, END, FIXED_DISTANCES, FIXED_LITERALS, LENGTH, LITERALS, LONGEST, assign,
    distance_code, length_code,
};
use super::super::header::Header;
use super::super::merge::lengths;
use super::tokens::{Match, Tokens};

/// Plain bytes of a stored block, at most.
pub(super) const STORED: usize = 65_535;

/// How often each symbol occurs in a block.
struct Counts {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
}

impl Counts {
    fn of(literals: &[u8], matches: &[Match]) -> Counts {
        let mut counts = Counts { literals: [0; LITERALS], distances: [0; DISTANCES] };
        counts.bytes(literals);
        let mut lengths = [0u32; 256];
        let mut distances = [0u32; 32];
        for one in matches {
            lengths[usize::from(one.length)] += 1;
            distances[distance_code(u32::from(one.distance)) % 32] += 1;
        }
        for (length, count) in (0..=255).zip(lengths) {
            counts.literals[END + 1 + length_code(length)] += count;
        }
        counts.distances.copy_from_slice(&distances[..DISTANCES]);
        counts.literals[END] = 1;
        // A block without matches has a code for one distance, and its length counts.
        if matches.is_empty() {
            counts.distances[0] = 1;
        }
        counts
    }

    /// Four tables, for equal bytes in a row would wait for each other.
    fn bytes(&mut self, bytes: &[u8]) {
        let mut tables = [[0u32; 256]; 4];
        for four in bytes.chunks(4) {
            for (table, &byte) in tables.iter_mut().zip(four) {
                table[usize::from(byte)] += 1;
            }
        }
        for table in tables {
            self.literals.iter_mut().zip(table).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Bits of all symbols in a code, without the extra bits.
    fn bits(&self, literals: &[u8], distances: &[u8]) -> usize {
        let sum = |counts: &[u32], lengths: &[u8]| -> usize {
            counts.iter().zip(lengths).map(|(&n, &length)| n as usize * usize::from(length)).sum()
        };
        sum(&self.literals, literals) + sum(&self.distances, distances)
    }

    fn extra_bits(&self) -> usize {
        let sum = |counts: &[u32], table: &[(u16, u8)]| -> usize {
            let counts = counts.iter().zip(table);
            counts.map(|(&n, &(_, extra))| n as usize * usize::from(extra)).sum()
        };
        sum(&self.literals[END + 1..], &LENGTH) + sum(&self.distances, &DISTANCE)
    }
}

/// A dynamic block's code.
struct Dynamic {
    literals: [u8; LITERALS],
    distances: [u8; DISTANCES],
    header: Header,
    /// Bits of the block, without the extra bits of lengths and distances.
    bits: usize,
}

impl Dynamic {
    fn of(counts: &Counts) -> Dynamic {
        let mut dynamic = Dynamic {
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            header: Header::new(used(&counts.literals), used(&counts.distances)),
            bits: 0,
        };
        lengths(&counts.literals, LONGEST, &mut dynamic.literals);
        lengths(&counts.distances, LONGEST, &mut dynamic.distances);
        let literals = dynamic.literals[..used(&counts.literals)].iter();
        let distances = dynamic.distances[..used(&counts.distances)].iter();
        dynamic.header.add(literals.chain(distances).copied());
        dynamic.bits =
            dynamic.header.close(lengths) + counts.bits(&dynamic.literals, &dynamic.distances);
        dynamic
    }
}

/// Symbols up to the last one that occurs.
fn used(counts: &[u32]) -> usize {
    counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1)
}

/// The blocks of one stream.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    bits: BitWriter,
}

impl Blocks {
    /// In mid-stream, at this bit of a byte.
    pub fn at(bit: u8) -> Blocks {
        Blocks { bits: BitWriter::at(bit) }
    }

    /// Levels 2 to 9: the smallest of all three. Without `raw`, the bytes that the tokens stand
    /// for, it cannot be stored.
    pub fn smallest(&mut self, tokens: &Tokens, raw: Option<&[u8]>, out: &mut Vec<u8>) {
        let counts = Counts::of(tokens.literals(), tokens.matches());
        let dynamic = Dynamic::of(&counts);
        let fixed = 3 + counts.bits(&FIXED_LITERALS, &FIXED_DISTANCES);
        let size = dynamic.bits.min(fixed) + counts.extra_bits();
        let raw = raw.filter(|raw| raw.len() <= STORED && (raw.len() + 5) * 8 < size);
        if let Some(raw) = raw {
            self.stored(raw, out);
        } else if dynamic.bits < fixed {
            self.dynamic(&dynamic, tokens.literals(), tokens.matches(), out);
        } else {
            self.bits.put(0b010, 3, out);
            let codes = Codes::of(&FIXED_LITERALS, &FIXED_DISTANCES);
            codes.write(tokens.literals(), tokens.matches(), &mut self.bits, out);
        }
    }

    /// Level 1: dynamic, or stored if that is about as small.
    pub fn found(&mut self, tokens: &Tokens, raw: &[u8], out: &mut Vec<u8>) {
        self.dynamic_or_stored(tokens.literals(), tokens.matches(), raw, out);
    }

    /// Without matches, or stored if that is about as small.
    pub fn literals(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.dynamic_or_stored(raw, &[], raw, out);
    }

    fn dynamic_or_stored(
        &mut self,
        literals: &[u8],
        matches: &[Match],
        raw: &[u8],
        out: &mut Vec<u8>,
    ) {
        let dynamic = Dynamic::of(&Counts::of(literals, matches));
        // The original forgets the extra bits here.
        if (raw.len() + 5) * 8 < dynamic.bits + dynamic.bits / 16 {
            self.stored(raw, out);
        } else {
            self.dynamic(&dynamic, literals, matches, out);
        }
    }

    fn dynamic(&mut self, code: &Dynamic, literals: &[u8], matches: &[Match], out: &mut Vec<u8>) {
        code.header.write(false, &mut self.bits, out);
        let codes = Codes::of(&code.literals, &code.distances);
        codes.write(literals, matches, &mut self.bits, out);
    }

    /// A stored block of [`STORED`] bytes at most.
    pub fn stored(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.stored_head(false, raw.len() as u16, out);
        out.extend_from_slice(raw);
    }

    /// The empty stored block that ends every stream.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.stored_head(true, 0, out);
    }

    /// Gives the bits of the last byte.
    pub fn align(&mut self, out: &mut Vec<u8>) {
        self.bits.align(out);
    }

    fn stored_head(&mut self, last: bool, size: u16, out: &mut Vec<u8>) {
        self.bits.put(u64::from(last), 3, out);
        self.bits.align(out);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&(!size).to_le_bytes());
    }

    /// Bits beyond the last full byte.
    #[cfg(test)]
    pub fn phase(&self) -> u8 {
        self.bits.phase() as u8
    }
}

/// Codes ready to be written: bits, and above them their count.
struct Codes {
    literals: [u32; 256],
    end: u32,
    /// By length, less 3: with its extra bits.
    lengths: [u32; 256],
    /// By distance symbol.
    distances: [u32; 32],
}

/// Where the count of bits stands in an entry of [`Codes`]: a length has 20 bits at most.
const COUNT: u32 = 24;

impl Codes {
    /// `literals` has 286 lengths or more, `distances` 30.
    fn of(literals: &[u8], distances: &[u8]) -> Codes {
        let mut codes = [0; 288];
        assign(literals, &mut codes[..literals.len()]);
        let entry = |symbol: usize| u32::from(codes[symbol]) | u32::from(literals[symbol]) << COUNT;
        let mut made = Codes {
            literals: std::array::from_fn(entry),
            end: entry(END),
            lengths: [0; 256],
            distances: [0; 32],
        };
        for (less3, length) in (0..=255).zip(&mut made.lengths) {
            let code = length_code(less3);
            let (base, extra) = LENGTH[code];
            let value = (u32::from(less3) + 3 - u32::from(base)) << literals[END + 1 + code];
            *length = (entry(END + 1 + code) | value) + (u32::from(extra) << COUNT);
        }
        let mut codes = [0; DISTANCES];
        assign(distances, &mut codes);
        for ((made, code), length) in made.distances.iter_mut().zip(codes).zip(distances) {
            *made = u32::from(code) | u32::from(*length) << COUNT;
        }
        made
    }

    /// Writes all tokens, and the end of the block.
    fn write(&self, literals: &[u8], matches: &[Match], bits: &mut BitWriter, out: &mut Vec<u8>) {
        let mut burst = bits.burst(literals.len() + matches.len() + 1, out);
        let split = |entry: u32| (u64::from(entry & ((1 << COUNT) - 1)), entry >> COUNT);
        let mut rest = literals;
        let run = |literals: &[u8], burst: &mut Burst| {
            let mut three = literals.chunks_exact(3);
            for three in &mut three {
                let (one, n) = split(self.literals[usize::from(three[0])]);
                let (two, m) = split(self.literals[usize::from(three[1])]);
                let (last, l) = split(self.literals[usize::from(three[2])]);
                burst.put(one | two << n | last << (n + m), n + m + l);
            }
            for &literal in three.remainder() {
                let (value, count) = split(self.literals[usize::from(literal)]);
                burst.put(value, count);
            }
        };
        for one in matches {
            let (before, after) = rest.split_at(usize::from(one.run));
            run(before, &mut burst);
            rest = after;
            let (length, n) = split(self.lengths[usize::from(one.length)]);
            let code = distance_code(u32::from(one.distance));
            let (distance, m) = split(self.distances[code % 32]);
            let (base, extra) = DISTANCE[code % 32];
            let value = u64::from(one.distance + 1 - base);
            burst.put(length | distance << n | value << (n + m), n + m + u32::from(extra));
        }
        run(rest, &mut burst);
        let (value, count) = split(self.end);
        burst.put(value, count);
        burst.end();
    }
}
