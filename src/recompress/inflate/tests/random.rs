//! Streams of all kinds of blocks, with codes and tokens by chance.

use super::super::super::BitWriter;

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }
}

/// Writes a stream.
pub struct Maker {
    pub random: Random,
    bits: BitWriter,
    out: Vec<u8>,
    plain: usize,
}

const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A stream of `blocks` blocks of up to `tokens` tokens.
pub fn stream(seed: u64, blocks: usize, tokens: usize) -> Vec<u8> {
    let mut maker =
        Maker { random: Random(seed), bits: BitWriter::at(0), out: Vec::new(), plain: 0 };
    for block in 0..blocks {
        maker.put(usize::from(block + 1 == blocks), 1);
        let tokens = maker.random.below(tokens + 1);
        match maker.random.below(8) {
            0 => maker.stored(tokens.min(65_535)),
            1 => maker.fixed(tokens),
            _ => maker.dynamic(tokens),
        }
    }
    maker.bits.align(&mut maker.out);
    maker.out
}

impl Maker {
    fn put(&mut self, value: usize, count: usize) {
        self.bits.put(value as u64, count as u32, &mut self.out);
    }

    /// Lengths for `size` symbols, those of `wanted` among them, that make a complete code.
    fn lengths(&mut self, size: usize, wanted: &[usize], limit: usize) -> Vec<usize> {
        let mut symbols = wanted.to_vec();
        for _ in 0..self.random.below(size) {
            symbols.push(self.random.below(size));
        }
        symbols.sort_unstable();
        symbols.dedup();
        let mut leaves = vec![0];
        while leaves.len() < symbols.len() {
            // Some codes lean to one side, and get long.
            let lean = leaves.len() - 1 - self.random.below(leaves.len().min(3));
            let at = if self.random.below(2) == 0 { lean } else { self.random.below(leaves.len()) };
            if leaves[at] < limit {
                leaves[at] += 1;
                leaves.insert(at, leaves[at]);
            }
        }
        let mut lengths = vec![0; size];
        for (symbol, leaf) in symbols.iter().zip(leaves) {
            lengths[*symbol] = leaf.max(1);
        }
        lengths
    }

    fn code(&mut self, lengths: &[usize], symbol: usize) {
        let mut code = 0;
        for length in 1..=lengths[symbol] {
            code *= 2;
            let below = if length == lengths[symbol] { symbol } else { lengths.len() };
            code += lengths[..below].iter().filter(|other| **other == length).count();
        }
        let reversed = code.reverse_bits() >> (usize::BITS as usize - lengths[symbol]);
        self.put(reversed, lengths[symbol]);
    }

    fn stored(&mut self, length: usize) {
        self.put(0, 2);
        self.bits.align(&mut self.out);
        self.put(length | (0xffff ^ length) << 16, 32);
        for _ in 0..length {
            let byte = self.random.below(256);
            self.put(byte, 8);
        }
        self.plain += length;
    }

    fn fixed(&mut self, tokens: usize) {
        self.put(1, 2);
        let lengths = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
        self.tokens(tokens, &lengths, &[5; 30]);
    }

    fn dynamic(&mut self, tokens: usize) {
        self.put(2, 2);
        let last = self.random.below(286);
        let literals = self.lengths(286, &[256, last], 15);
        let distances = match self.random.below(6) {
            0 => vec![0; 1 + self.random.below(30)],
            1 => [vec![0; self.random.below(30)], vec![1]].concat(),
            _ => self.lengths(30, &[1, 2, 3], 15),
        };
        self.put(286 - 257, 5);
        self.put(distances.len() - 1, 5);
        self.put(19 - 4, 4);
        let of_lengths = self.lengths(19, &(0..19).collect::<Vec<_>>(), 7);
        for symbol in ORDER {
            self.put(of_lengths[symbol], 3);
        }
        self.runs(&[literals.as_slice(), &distances].concat(), &of_lengths);
        self.tokens(tokens, &literals, &distances);
    }

    fn runs(&mut self, lengths: &[usize], of_lengths: &[usize]) {
        let mut at = 0;
        while at < lengths.len() {
            let run = lengths[at..].iter().take_while(|length| **length == lengths[at]).count();
            if lengths[at] == 0 && run >= 11 {
                self.code(of_lengths, 18);
                self.put(run.min(138) - 11, 7);
                at += run.min(138);
            } else if lengths[at] == 0 && run >= 3 {
                self.code(of_lengths, 17);
                self.put(run - 3, 3);
                at += run;
            } else if at > 0 && lengths[at - 1] == lengths[at] && run >= 3 {
                self.code(of_lengths, 16);
                self.put(run.min(6) - 3, 2);
                at += run.min(6);
            } else {
                self.code(of_lengths, lengths[at]);
                at += 1;
            }
        }
    }

    fn tokens(&mut self, tokens: usize, literals: &[usize], distances: &[usize]) {
        for _ in 0..tokens {
            let symbol = self.random.below(286);
            if symbol == 256 || literals[symbol] == 0 {
                continue;
            }
            if symbol < 256 {
                self.code(literals, symbol);
                self.plain += 1;
                continue;
            }
            let distance = self.random.below(distances.len());
            let extra = (distance / 2).saturating_sub(1);
            let base = (0..distance).fold(1, |base, at| base + (1 << (at / 2).saturating_sub(1)));
            let more = self.random.below(1 << extra);
            if distances[distance] == 0 || base + more > self.plain {
                continue;
            }
            self.code(literals, symbol);
            let of_length = if symbol < 265 || symbol == 285 { 0 } else { (symbol - 261) / 4 };
            let longer = self.random.below(1 << of_length);
            self.put(longer, of_length);
            self.code(distances, distance);
            self.put(more, extra);
            let base = (257..symbol).fold(3, |base, before| {
                base + (1 << if before < 265 { 0 } else { (before - 261) / 4 })
            });
            self.plain += if symbol == 285 { 258 } else { base + longer };
        }
        self.code(literals, 256);
    }
}
