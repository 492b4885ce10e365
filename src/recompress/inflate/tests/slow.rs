//! An inflater that is plain rather than fast: it reads bit by bit and looks codes up in a list.

use super::super::BlockStart;

/// What came out: the bytes, the starts of blocks, and the bits of the stream, if it ended well.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub plain: Vec<u8>,
    pub blocks: Vec<BlockStart>,
    pub end: Option<usize>,
}

struct Slow<'a> {
    bytes: &'a [u8],
    at: usize,
    plain: Vec<u8>,
    blocks: Vec<BlockStart>,
}

/// How many codes there are of each length, and the symbols in the order of their codes.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

pub fn inflate(bytes: &[u8]) -> Outcome {
    let mut slow = Slow { bytes, at: 0, plain: Vec::new(), blocks: Vec::new() };
    let end = slow.stream().map(|()| slow.at);
    Outcome { plain: slow.plain, blocks: slow.blocks, end }
}

/// The canonical code; `None` if the lengths make none.
fn code(lengths: &[usize], may_lack: bool) -> Option<Code> {
    let mut code = Code { counts: [0; 16], symbols: Vec::new() };
    let mut used = 0;
    for length in 1..16 {
        let of_length = (0..lengths.len()).filter(|symbol| lengths[*symbol] == length);
        let before = code.symbols.len();
        code.symbols.extend(of_length);
        code.counts[length] = code.symbols.len() - before;
        used += code.counts[length] << (15 - length);
    }
    let single = code.counts[1] == code.symbols.len();
    (used == 1 << 15 || used < 1 << 15 && may_lack && single).then_some(code)
}

impl Slow<'_> {
    fn bits(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        // Among the codes of its length, and with the first of them.
        let (mut place, mut first) = (0, 0);
        for count in &code.counts[1..] {
            place = place * 2 + self.bits(1)?;
            if place < *count {
                return Some(code.symbols[first + place]);
            }
            place -= count;
            first += count;
        }
        None
    }

    fn stream(&mut self) -> Option<()> {
        loop {
            self.blocks.push(BlockStart { plain: self.plain.len() as u64, bits: self.at as u64 });
            let last = self.bits(1)? == 1;
            match self.bits(2)? {
                0 => self.stored()?,
                1 => {
                    let lengths: Vec<usize> =
                        [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
                    self.coded(&code(&lengths, false)?, &code(&[5; 32], false)?)?;
                }
                2 => self.dynamic()?,
                _ => return None,
            }
            if last {
                return Some(());
            }
        }
    }

    fn stored(&mut self) -> Option<()> {
        self.at = self.at.next_multiple_of(8);
        let (length, complement) = (self.bits(16)?, self.bits(16)?);
        if length + complement != 0xffff {
            return None;
        }
        for _ in 0..length {
            let byte = self.bits(8)?;
            self.plain.push(byte as u8);
        }
        Some(())
    }

    fn dynamic(&mut self) -> Option<()> {
        let (literals, distances) = (self.bits(5)? + 257, self.bits(5)? + 1);
        let coded = self.bits(4)? + 4;
        if literals > 286 || distances > 30 {
            return None;
        }
        let mut lengths = [0; 19];
        for symbol in &ORDER[..coded] {
            lengths[*symbol] = self.bits(3)?;
        }
        let of_lengths = code(&lengths, false)?;
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            match self.symbol(&of_lengths)? {
                16 => {
                    let again = *lengths.last()?;
                    lengths.extend(vec![again; 3 + self.bits(2)?]);
                }
                17 => lengths.extend(vec![0; 3 + self.bits(3)?]),
                18 => lengths.extend(vec![0; 11 + self.bits(7)?]),
                length => lengths.push(length),
            }
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return None;
        }
        let (literals, distances) = lengths.split_at(literals);
        self.coded(&code(literals, true)?, &code(distances, true)?)
    }

    fn coded(&mut self, literals: &Code, distances: &Code) -> Option<()> {
        loop {
            let length = match self.symbol(literals)? {
                256 => return Some(()),
                286.. => return None,
                285 => 258,
                symbol @ 257.. => {
                    let extra = if symbol < 265 { 0 } else { (symbol - 261) / 4 };
                    let base = (257..symbol).fold(3, |base, before| {
                        base + (1 << if before < 265 { 0 } else { (before - 261) / 4 })
                    });
                    base + self.bits(extra)?
                }
                literal => {
                    self.plain.push(literal as u8);
                    continue;
                }
            };
            let symbol = self.symbol(distances).filter(|symbol| *symbol < 30)?;
            let extra = (symbol / 2).saturating_sub(1);
            let base = (0..symbol).fold(1, |base, at| base + (1 << (at / 2).saturating_sub(1)));
            let distance = base + self.bits(extra)?;
            let from = self.plain.len().checked_sub(distance)?;
            for at in from..from + length {
                self.plain.push(self.plain[at]);
            }
        }
    }
}
