//! Codes, and tokens written with them.

use super::super::bits::{BitWriter, Burst};
use super::super::deflate::{
    DISTANCE, DISTANCES, END, FIXED_DISTANCES, FIXED_LITERALS, LENGTH, LITERALS, LONGEST, assign,
    distance_code,
};
use super::super::merge;
use super::tokens::Tokens;

/// Code lengths and codes of an alphabet.
#[derive(Clone)]
pub struct Code<const N: usize> {
    /// 0 for symbols without a code.
    pub lengths: [u8; N],
    codes: [u16; N],
}

impl<const N: usize> Code<N> {
    fn of_lengths(lengths: [u8; N]) -> Code<N> {
        let mut codes = [0; N];
        assign(&lengths, &mut codes);
        Code { lengths, codes }
    }

    /// The best for symbols that occur so often.
    pub fn of_counts(counts: &[u32; N]) -> Code<N> {
        let mut lengths = [0; N];
        merge::lengths(counts, LONGEST, &mut lengths);
        Code::of_lengths(lengths)
    }

    /// What symbols that occur so often take.
    pub fn bits(&self, counts: &[u32]) -> usize {
        counts.iter().zip(self.lengths).map(|(&n, length)| n as usize * usize::from(length)).sum()
    }

    /// Whether all these symbols have a code.
    pub fn serves(&self, counts: &[u32]) -> bool {
        counts.iter().zip(self.lengths).all(|(&count, length)| count == 0 || length > 0)
    }

    fn packed(&self, symbol: usize) -> Packed {
        Packed::new(self.codes[symbol], self.lengths[symbol])
    }
}

/// The two codes of a block.
#[derive(Clone)]
pub struct Codes {
    /// Of bytes, the end, and lengths.
    pub literals: Code<LITERALS>,
    /// Of distances.
    pub distances: Code<DISTANCES>,
}

impl Codes {
    /// Those of deflate's fixed blocks.
    pub fn fixed() -> Codes {
        let mut all = [0; FIXED_LITERALS.len()];
        assign(&FIXED_LITERALS, &mut all);
        let mut literals = Code { lengths: [0; LITERALS], codes: [0; LITERALS] };
        literals.lengths.copy_from_slice(&FIXED_LITERALS[..LITERALS]);
        literals.codes.copy_from_slice(&all[..LITERALS]);
        Codes { literals, distances: Code::of_lengths(FIXED_DISTANCES) }
    }

    /// Writes all tokens.
    pub fn write(&self, tokens: &Tokens, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let bytes = self.bytes();
        let lengths = self.lengths();
        let distances: [Packed; 32] = std::array::from_fn(|code| {
            if code < DISTANCES { self.distances.packed(code) } else { Packed(0) }
        });
        let (mut literals, matches) = (tokens.literals(), tokens.matches());
        let mut burst = bits.burst(literals.len() / 3 + 2 * matches.len() + 2, out);
        for one in matches {
            let (before, rest) = literals.split_at(usize::from(one.run));
            literals = rest;
            put_bytes(&mut burst, &bytes, before);
            let (mut value, mut count) = lengths[usize::from(one.length)].unpack();
            let code = distance_code(u32::from(one.distance));
            let (base, extra) = DISTANCE[code];
            let (code, bits) = distances[code].unpack();
            value |= (code | u64::from(one.distance + 1 - base) << bits) << count;
            count += bits + u32::from(extra);
            burst.put(value, count);
        }
        put_bytes(&mut burst, &bytes, literals);
        burst.end();
    }

    /// Writes bytes as literals.
    pub fn write_literals(&self, raw: &[u8], bits: &mut BitWriter, out: &mut Vec<u8>) {
        let mut burst = bits.burst(raw.len() / 3 + 1, out);
        put_bytes(&mut burst, &self.bytes(), raw);
        burst.end();
    }

    /// Writes the end of a block.
    pub fn write_end(&self, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let (end, count) = self.literals.packed(END).unpack();
        bits.put(end, count, out);
    }

    fn bytes(&self) -> [Packed; 256] {
        std::array::from_fn(|byte| self.literals.packed(byte))
    }

    /// Of each length less three, its extra bits included.
    fn lengths(&self) -> [Packed; 256] {
        let mut all = [Packed(0); 256];
        let mut rest = &mut all[..];
        for (code, &(base, extra)) in LENGTH.iter().enumerate() {
            // The last length of code 284 has its own, 285.
            let (own, more) = rest.split_at_mut((1 << extra).min(258 - usize::from(base)).max(1));
            let Packed(packed) = self.literals.packed(END + 1 + code);
            let packed = packed + (u32::from(extra) << Packed::COUNT_AT);
            let above = u32::from(self.literals.lengths[END + 1 + code]);
            for (value, length) in (0..).zip(own) {
                *length = Packed(packed | value << above);
            }
            rest = more;
        }
        all
    }
}

/// A code of at most 20 bits, and their count above it.
#[derive(Clone, Copy)]
struct Packed(u32);

impl Packed {
    const COUNT_AT: u32 = 24;

    fn new(code: u16, count: u8) -> Packed {
        Packed(u32::from(code) | u32::from(count) << Packed::COUNT_AT)
    }

    #[inline(always)]
    fn unpack(self) -> (u64, u32) {
        (u64::from(self.0 & ((1 << Packed::COUNT_AT) - 1)), self.0 >> Packed::COUNT_AT)
    }
}

/// Three at a time: 45 bits.
#[inline(always)]
fn put_bytes(burst: &mut Burst, codes: &[Packed; 256], bytes: &[u8]) {
    let threes = bytes.chunks_exact(3);
    let rest = threes.remainder();
    for three in threes {
        let (a, m) = codes[usize::from(three[0])].unpack();
        let (b, n) = codes[usize::from(three[1])].unpack();
        let (c, o) = codes[usize::from(three[2])].unpack();
        burst.put(a | b << m | c << (m + n), m + n + o);
    }
    if let [first, more @ ..] = rest {
        let (mut value, mut count) = codes[usize::from(*first)].unpack();
        if let [second] = more {
            let (b, n) = codes[usize::from(*second)].unpack();
            (value, count) = (value | b << count, count + n);
        }
        burst.put(value, count);
    }
}
