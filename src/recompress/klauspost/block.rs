//! Blocks as klauspost writes them: which kind, and when a table stays in use.
//!
//! A table may serve for several pieces. Its block is ended, by the code that is owed, only when
//! something else must be written.

use super::super::bits::BitWriter;
use super::super::deflate::{DISTANCES, END, LITERALS};
use super::super::header::Header;
use super::super::merge;
use super::count::{self, Counts};
use super::tokens::{MOST, Tokens};
use super::write::{Code, Codes};

/// With fewer tokens the fixed code is tried.
const FEW: usize = 250;
/// What a table of literals is guessed to take, in bits, as long as none is open.
const GUESSED_HEADER: usize = 70 * 8;

/// Writes blocks.
pub struct Blocks {
    bits: BitWriter,
    /// Whether tables are always cut to what is used, and their end counted.
    exact: bool,
    /// A new table must save one part in two to this power.
    penalty: u32,
    codes: Codes,
    /// Bits of the open table's header; 0 if no table is open.
    open: usize,
    /// The open table is for literals only.
    literals_only: bool,
}

impl Blocks {
    /// Of the newer family if `exact`. A new table must save one part in two to the `penalty`.
    pub fn new(exact: bool, penalty: u32) -> Blocks {
        let (bits, codes) = (BitWriter::default(), Codes::fixed());
        Blocks { bits, exact, penalty, codes, open: 0, literals_only: false }
    }

    /// A stored block of at most 65,535 bytes.
    pub fn stored(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        self.end_open(out);
        self.bits.put(0b000, 3, out);
        self.bits.align(out);
        let size = raw.len() as u16;
        out.extend(size.to_le_bytes());
        out.extend((!size).to_le_bytes());
        out.extend(raw);
    }

    /// Ends the open table and fills up a byte, by an empty stored block.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.stored(&[], out);
    }

    /// Ends the stream, by an empty fixed block.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.end_open(out);
        self.bits.put(0b011, 10, out);
        self.bits.align(out);
    }

    /// Fills up a byte with zeros.
    pub fn align(&mut self, out: &mut Vec<u8>) {
        self.bits.align(out);
    }

    fn end_open(&mut self, out: &mut Vec<u8>) {
        if self.open > 0 {
            self.codes.write_end(&mut self.bits, out);
            self.open = 0;
        }
    }

    /// The tokens of a piece, whose plain bytes are `raw` if they are at hand. With `sync` no
    /// table stays open behind it.
    pub fn table(&mut self, tokens: &Tokens, raw: Option<&[u8]>, sync: bool, out: &mut Vec<u8>) {
        let cut = sync || self.exact;
        let mut counts = Counts::of(tokens, cut);
        counts.tokens += usize::from(sync);
        if self.literals_only || !self.serves(&counts) {
            self.end_open(out);
        }
        let raw = raw.filter(|raw| raw.len() <= MOST);
        let stored = raw.map_or(usize::MAX, |raw| (raw.len() + 5) * 8);
        let extra = if raw.is_some() || self.open > 0 { counts.extra_bits() } else { 0 };
        if self.open > 0 {
            let size = self.reuse_or_end(&counts, extra, out);
            if stored <= size || fixed_bits(&counts, extra).saturating_add(7) < size {
                return self.plain(tokens, raw.filter(|_| stored <= size), out);
            }
        }
        if self.open == 0 {
            let made = Table::new(&mut counts, cut);
            let (size, fixed) = (made.bits(&counts) + extra, fixed_bits(&counts, extra));
            if stored <= size || fixed <= size {
                return self.plain(tokens, raw.filter(|_| stored <= size.min(fixed)), out);
            }
            made.header.write(false, &mut self.bits, out);
            (self.codes, self.open, self.literals_only) = (made.codes, made.header_bits, false);
        }
        self.codes.write(tokens, &mut self.bits, out);
        if sync {
            self.end_open(out);
        }
    }

    /// Whether the open table has all symbols. A distance that stands for none need not be there.
    fn serves(&self, counts: &Counts) -> bool {
        self.codes.literals.serves(&counts.literals)
            && (counts.matches == 0 || self.codes.distances.serves(&counts.distances))
    }

    /// Size with the open table; or the guessed one with a new table if that is less, and then the
    /// open one is ended.
    fn reuse_or_end(&mut self, counts: &Counts, extra: usize, out: &mut Vec<u8>) -> usize {
        let new = self.open + counts.estimate() + extra;
        let new = new + usize::from(self.codes.literals.lengths[END]) + (new >> self.penalty);
        let reuse = counts.bits(&self.codes) + extra;
        if new < reuse {
            self.end_open(out);
        }
        new.min(reuse)
    }

    /// A stored block if `raw` is given, else a fixed one.
    fn plain(&mut self, tokens: &Tokens, raw: Option<&[u8]>, out: &mut Vec<u8>) {
        if let Some(raw) = raw {
            return self.stored(raw, out);
        }
        self.end_open(out);
        self.bits.put(0b010, 3, out);
        let fixed = Codes::fixed();
        fixed.write(tokens, &mut self.bits, out);
        fixed.write_end(&mut self.bits, out);
    }

    /// The bytes of a piece as literals, 65,535 at most. With `sync` no table stays open.
    pub fn literals(&mut self, raw: &[u8], sync: bool, out: &mut Vec<u8>) {
        let mut counts = [0; LITERALS];
        counts[..END].copy_from_slice(&count::bytes(raw));
        if raw.len() > 1024 && is_noise(&counts[..END], raw.len()) {
            return self.stored(raw, out);
        }
        counts[END] = 1;
        let own = Code::of_counts(&counts);
        let header = if self.open > 0 { self.open } else { GUESSED_HEADER };
        let size = own.bits(&counts) + header;
        let size = size + (size >> self.penalty);
        if (raw.len() + 5) * 8 <= size {
            return self.stored(raw, out);
        }
        let (open, bytes) = (&self.codes.literals, &counts[..END]);
        if !open.serves(bytes) || size < open.bits(bytes) {
            self.end_open(out);
        }
        if self.open == 0 {
            let (header_bits, header) = header_of(own.lengths[..=END].iter().chain(&[1]), 1);
            header.write(false, &mut self.bits, out);
            (self.codes.literals, self.open, self.literals_only) = (own, header_bits, true);
        }
        self.codes.write_literals(raw, &mut self.bits, out);
        if sync {
            self.end_open(out);
        }
    }
}

/// Whether bytes with these counts, `n` in all, are so evenly spread that nothing can be gained:
/// the squares of the distances from n / 256 add up to less than 2 n.
fn is_noise(counts: &[u32], n: usize) -> bool {
    let squares = counts.iter().map(|&count| (u64::from(count) * 256).abs_diff(n as u64).pow(2));
    squares.sum::<u64>() < 2 * 65_536 * n as u64
}

/// What a fixed block takes: the most possible if there are too many tokens to try it.
fn fixed_bits(counts: &Counts, extra: usize) -> usize {
    if counts.tokens < FEW { 3 + counts.bits(&Codes::fixed()) + extra } else { usize::MAX }
}

/// A table of a block's own.
struct Table {
    codes: Codes,
    header: Header,
    header_bits: usize,
}

impl Table {
    /// For these symbols and the end, which it counts. Its lists are cut to what is used, if `cut`.
    fn new(counts: &mut Counts, cut: bool) -> Table {
        counts.literals[END] = 1;
        let literals = Code::of_counts(&counts.literals);
        let distances = Code::of_counts(&counts.distances);
        let (l, d) = match cut {
            true => (used(&counts.literals), used(&counts.distances)),
            false => (LITERALS, DISTANCES),
        };
        let lengths = literals.lengths[..l].iter().chain(&distances.lengths[..d]);
        let (header_bits, header) = header_of(lengths, d);
        Table { codes: Codes { literals, distances }, header, header_bits }
    }

    /// All bits of the block but the extra ones.
    fn bits(&self, counts: &Counts) -> usize {
        self.header_bits + counts.bits(&self.codes)
    }
}

/// Symbols up to the last that occurs.
fn used(counts: &[u32]) -> usize {
    counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1)
}

/// The head with these code lengths, the last `distances` of them those of distances, and its
/// bits.
fn header_of<'a>(
    lengths: impl Iterator<Item = &'a u8> + Clone,
    distances: usize,
) -> (usize, Header) {
    let mut header = Header::new(lengths.clone().count() - distances, distances);
    header.add(lengths.copied());
    (header.close(merge::lengths), header)
}
