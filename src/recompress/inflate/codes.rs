//! The codes of a deflate block (RFC 1951, 3.2.5 to 3.2.7) and the tables that decode them.
//!
//! Withstands: lengths that no prefix code has (over-subscribed) or that leave codes over
//! (incomplete), except a single code of one bit and no distance codes at all, which Go sends;
//! more symbols than there are; a repeat of nothing, or past the last symbol; no end-of-block code.
//! Codes left over and the symbols without meaning (286, 287, 30, 31) are refused when they are met.

use std::io::Read;

use super::InflateError;
use super::input::Input;

/// Bits that the first look-up of a literal or length takes.
const LITERAL_ROOT: u32 = 11;
/// Bits that the first look-up of a distance takes.
const DISTANCE_ROOT: u32 = 8;
/// Entries for 288 symbols: 2,342 at most, and up to a power of two for the mask.
const LITERAL_SIZE: usize = 4096;
/// Entries for 32 symbols: 402 at most.
const DISTANCE_SIZE: usize = 512;
/// The longest code, in bits.
const LONGEST: usize = 15;

/// The order in which the lengths of the code-length code come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What the next bits say, in 32 bits: from the top a value of 16, two flags, how many literals it
/// is (2), the bits of the (first) code (4), all bits with the extra ones (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    const ONE: u32 = 1 << 12;
    const PAIR: u32 = 1 << 13;
    const LINK: u32 = 1 << 14;
    const STOP: u32 = 1 << 15;
    /// A code that means nothing.
    const NONE: Entry = Entry(Entry::STOP);
    const END: u32 = 1 << 16;

    const fn new(value: u32, extra: u32) -> Entry {
        Entry(value << 16 | extra)
    }

    /// This symbol under a code of `length` bits.
    const fn coded(self, length: u32) -> Entry {
        Entry(self.0 + (length << 8) + length)
    }

    /// How many literals it is: none, one or two.
    #[inline(always)]
    pub(super) fn literals(self) -> usize {
        (self.0 >> 12 & 3) as usize
    }

    /// The literals; the second is of no meaning if there is only one.
    #[inline(always)]
    pub(super) fn pair(self) -> [u8; 2] {
        ((self.0 >> 16) as u16).to_le_bytes()
    }

    /// It is neither a literal nor a length or distance.
    #[inline(always)]
    pub(super) fn is_special(self) -> bool {
        self.0 & (Entry::LINK | Entry::STOP) != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & Entry::STOP != 0 && self.0 & Entry::END != 0
    }

    /// All its bits.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xff
    }

    /// The bits of its (first) code.
    #[inline(always)]
    pub(super) fn code_bits(self) -> u32 {
        self.0 >> 8 & 15
    }

    /// Length or distance, of which `bits` holds code and extra bits.
    #[inline(always)]
    pub(super) fn value(self, bits: u64) -> usize {
        let extra = (bits & ((1 << self.bits()) - 1)) >> self.code_bits();
        (self.0 >> 16) as usize + extra as usize
    }
}

/// All that can follow in a block, by symbol.
const LITERALS: [Entry; 288] = literals();
const DISTANCES: [Entry; 32] = distances();

const fn literals() -> [Entry; 288] {
    let mut all = [Entry::NONE; 288];
    let mut symbol = 0;
    while symbol < 256 {
        all[symbol] = Entry(Entry::new(symbol as u32, 0).0 | Entry::ONE);
        symbol += 1;
    }
    all[256] = Entry(Entry::END | Entry::STOP);
    let (mut base, mut symbol) = (3, 257);
    while symbol < 285 {
        let extra = if symbol < 265 { 0 } else { (symbol as u32 - 261) / 4 };
        all[symbol] = Entry::new(base, extra);
        base += 1 << extra;
        symbol += 1;
    }
    all[285] = Entry::new(258, 0);
    all
}

const fn distances() -> [Entry; 32] {
    let mut all = [Entry::NONE; 32];
    let (mut base, mut symbol) = (1, 0);
    while symbol < 30 {
        let extra = if symbol < 4 { 0 } else { symbol as u32 / 2 - 1 };
        all[symbol] = Entry::new(base, extra);
        base += 1 << extra;
        symbol += 1;
    }
    all
}

/// What decodes a block.
pub(in super::super) struct Codes {
    literals: Box<[Entry; LITERAL_SIZE]>,
    distances: Box<[Entry; DISTANCE_SIZE]>,
    /// Two short literals are found in one step.
    pairs: bool,
    fixed: bool,
}

/// What the header of a dynamic block says.
pub(in super::super) struct Lengths {
    /// How many lengths of literals and lengths were sent, 257 to 286.
    pub(in super::super) literals: usize,
    /// How many lengths of distances were sent, 1 to 30.
    pub(in super::super) distances: usize,
    /// The lengths of codes, the literals' first.
    all: [u8; 320],
}

impl Codes {
    /// No codes yet; with `pairs`, [`Codes::literal`] will give two literals where it can.
    pub(in super::super) fn new(pairs: bool) -> Codes {
        Codes {
            literals: Box::new([Entry::NONE; LITERAL_SIZE]),
            distances: Box::new([Entry::NONE; DISTANCE_SIZE]),
            pairs,
            fixed: false,
        }
    }

    /// The fixed codes.
    pub(in super::super) fn set_fixed(&mut self) -> Result<(), InflateError> {
        if self.fixed {
            return Ok(());
        }
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.set(&lengths, &[5; 32])?;
        self.fixed = true;
        Ok(())
    }

    /// The codes of a dynamic block.
    pub(in super::super) fn set_dynamic(&mut self, lengths: &Lengths) -> Result<(), InflateError> {
        self.fixed = false;
        if lengths.all[256] == 0 {
            return Err(InflateError::NoEnd);
        }
        let (literals, rest) = lengths.all.split_at(lengths.literals);
        self.set(literals, &rest[..lengths.distances])
    }

    fn set(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), InflateError> {
        fill(&mut self.literals, LITERAL_ROOT, literals, &LITERALS)?;
        fill(&mut self.distances, DISTANCE_ROOT, distances, &DISTANCES)?;
        if self.pairs {
            self.join();
        }
        Ok(())
    }

    /// Puts two literals where the codes of both fit into one look-up.
    fn join(&mut self) {
        // From above: what follows stands below, and is still single.
        for bits in (0..1 << LITERAL_ROOT).rev() {
            let first = self.literals[bits];
            let second = self.literals[bits >> first.code_bits()];
            let both = first.bits() + second.bits();
            if first.0 & second.0 & Entry::ONE != 0 && both <= LITERAL_ROOT {
                let value = first.pair()[0] as u32 | (second.pair()[0] as u32) << 8;
                self.literals[bits] = Entry(value << 16 | Entry::PAIR | first.0 & 15 << 8 | both);
            }
        }
    }

    /// The entry of the next literal or length.
    #[inline(always)]
    pub(super) fn literal(&self, bits: u64) -> Entry {
        self.literals[(bits & ((1 << LITERAL_ROOT) - 1)) as usize]
    }

    /// The entry of the next distance.
    #[inline(always)]
    pub(super) fn distance(&self, bits: u64) -> Entry {
        self.distances[(bits & ((1 << DISTANCE_ROOT) - 1)) as usize]
    }

    /// Where a special entry leads: itself, if it is no link.
    #[inline(always)]
    pub(super) fn long_literal(&self, entry: Entry, bits: u64) -> Entry {
        follow(&self.literals, entry, LITERAL_ROOT, bits)
    }

    /// As [`Codes::long_literal`], of a distance.
    #[inline(always)]
    pub(super) fn long_distance(&self, entry: Entry, bits: u64) -> Entry {
        follow(&self.distances, entry, DISTANCE_ROOT, bits)
    }
}

#[inline(always)]
fn follow<const N: usize>(table: &[Entry; N], entry: Entry, root: u32, bits: u64) -> Entry {
    if entry.0 & Entry::LINK == 0 {
        return entry;
    }
    let more = (bits >> root) & ((1 << entry.bits()) - 1);
    table[((entry.0 >> 16) as usize + more as usize) & (N - 1)]
}

/// Checks that `lengths` make a prefix code and gives how many there are of each length.
fn counts(lengths: &[u8]) -> Result<[u16; LONGEST + 1], InflateError> {
    let mut counts = [0u16; LONGEST + 1];
    for length in lengths {
        counts[*length as usize & LONGEST] += 1;
    }
    counts[0] = 0;
    let mut left = 1i32;
    for count in &counts[1..] {
        left = left * 2 - i32::from(*count);
        if left < 0 {
            return Err(InflateError::OverSubscribed);
        }
    }
    // What zlib takes, too: nothing, or one code of one bit.
    if left > 0 && counts[2..].iter().any(|count| *count > 0) {
        return Err(InflateError::Incomplete);
    }
    Ok(counts)
}

/// Makes the table of the canonical code with these `lengths`.
fn fill<const N: usize>(
    table: &mut [Entry; N],
    root: u32,
    lengths: &[u8],
    meaning: &[Entry],
) -> Result<(), InflateError> {
    let counts = counts(lengths)?;
    let mut places = [0u16; LONGEST + 2];
    for length in 1..=LONGEST {
        places[length + 1] = places[length] + counts[length];
    }
    let (mut sorted, mut next) = ([0u16; 320], places);
    for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
        let place = &mut next[*length as usize & LONGEST];
        sorted[*place as usize] = symbol as u16;
        *place += 1;
    }
    let symbols = |length: u32| {
        let places = places[length as usize]..places[length as usize + 1];
        sorted[places.start as usize..places.end as usize].iter()
    };

    let code = fill_short(table, root, meaning, symbols);
    fill_long(table, root, code, meaning, symbols);
    Ok(())
}

/// Puts the codes of up to `root` bits; gives the code that would come next.
fn fill_short<'a, const N: usize, S: Iterator<Item = &'a u16>>(
    table: &mut [Entry; N],
    root: u32,
    meaning: &[Entry],
    symbols: impl Fn(u32) -> S,
) -> u32 {
    let mut code = 0;
    table[0] = Entry::NONE;
    for length in 1..=root {
        // A table of one bit more says the same twice.
        let half = 1 << (length - 1);
        table.copy_within(..half, half);
        code <<= 1;
        for symbol in symbols(length) {
            table[reversed(code, length)] = meaning[*symbol as usize].coded(length);
            code += 1;
        }
    }
    code
}

/// Puts the longer codes, from `first` on, into tables of their own.
fn fill_long<'a, const N: usize, S: Iterator<Item = &'a u16>>(
    table: &mut [Entry; N],
    root: u32,
    first: u32,
    meaning: &[Entry],
    symbols: impl Fn(u32) -> S,
) {
    let front = (1 << root) - 1;
    let mut code = first;
    for length in root + 1..=LONGEST as u32 {
        code <<= 1;
        for _ in symbols(length) {
            // In the end it holds the longest under these bits.
            table[reversed(code, length) & front] = Entry(Entry::LINK | length);
            code += 1;
        }
    }
    let mut free = 1 << root;
    code = first;
    for length in root + 1..=LONGEST as u32 {
        code <<= 1;
        for symbol in symbols(length) {
            let bits = reversed(code, length);
            let link = &mut table[bits & front];
            if link.0 >> 16 == 0 {
                let depth = link.bits() - root;
                *link = Entry(free << 16 | Entry::LINK | depth);
                free += 1 << depth;
            }
            let (start, depth) = ((link.0 >> 16) as usize, link.bits());
            let below = start..start + (1 << depth);
            for entry in table[below].iter_mut().skip(bits >> root).step_by(1 << (length - root)) {
                *entry = meaning[*symbol as usize].coded(length);
            }
            code += 1;
        }
    }
}

/// A code of `length` bits as it lies in the stream: the first bit lowest.
fn reversed(code: u32, length: u32) -> usize {
    (code.reverse_bits() >> (32 - length)) as usize
}

impl Lengths {
    /// Reads the header of a dynamic block, behind its type.
    pub(super) fn read<R: Read>(input: &mut Input<R>) -> Result<Lengths, InflateError> {
        let mut lengths =
            Lengths { literals: input.get(5)? + 257, distances: input.get(5)? + 1, all: [0; 320] };
        if lengths.literals > 286 || lengths.distances > 30 {
            return Err(InflateError::TooManyCodes);
        }
        let coded = input.get(4)? + 4;
        let mut code_lengths = [0; 19];
        for symbol in &ORDER[..coded] {
            code_lengths[*symbol] = input.get(3)? as u8;
        }
        lengths.decode(input, &code_lengths)?;
        Ok(lengths)
    }

    fn decode<R: Read>(
        &mut self,
        input: &mut Input<R>,
        code_lengths: &[u8],
    ) -> Result<(), InflateError> {
        // Unlike the others, this code has to be complete.
        if counts(code_lengths)?.iter().sum::<u16>() < 2 {
            return Err(InflateError::Incomplete);
        }
        let mut table = [Entry::NONE; 128];
        fill(&mut table, 7, code_lengths, &SYMBOLS)?;
        let (mut at, end) = (0, self.literals + self.distances);
        while at < end {
            input.refill().map_err(InflateError::Read)?;
            let entry = table[(input.bits & 127) as usize];
            input.pass(entry.bits())?;
            let (length, times) = match entry.0 >> 16 {
                16 if at == 0 => return Err(InflateError::Repeat),
                16 => (self.all[at - 1], 3 + input.get(2)?),
                17 => (0, 3 + input.get(3)?),
                18 => (0, 11 + input.get(7)?),
                length => (length as u8, 1),
            };
            if times > end - at {
                return Err(InflateError::Repeat);
            }
            self.all[at..at + times].fill(length);
            at += times;
        }
        Ok(())
    }
}

/// The symbols of the code-length code.
const SYMBOLS: [Entry; 19] = {
    let mut all = [Entry::NONE; 19];
    let mut symbol = 0;
    while symbol < 19 {
        all[symbol] = Entry::new(symbol as u32, 0);
        symbol += 1;
    }
    all
};
