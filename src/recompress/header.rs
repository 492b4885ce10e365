//! The head of a dynamic block: code lengths, packed in runs (RFC 1951, 3.2.7).
//!
//! How runs are taken is the same in all families; what they span is not, see [`Header::add`].

use super::bits::BitWriter;
use super::deflate::{ORDER, assign};

/// Makes code lengths from counts, none above a limit: `(counts, limit, lengths)`.
pub(super) type Lengths = fn(&[u32], usize, &mut [u8]);

/// Bits that a run symbol carries behind its code, by symbol.
const EXTRA: [u8; 19] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];

/// A dynamic block's head in the making.
#[derive(Debug, Clone)]
pub(super) struct Header {
    literals: usize,
    distances: usize,
    /// Symbol and extra bits.
    runs: Vec<(u8, u8)>,
    counts: [u32; 19],
    lengths: [u8; 19],
}

impl Header {
    /// For the code lengths of so many literal and distance symbols.
    pub fn new(literals: usize, distances: usize) -> Header {
        let runs = Vec::with_capacity(literals + distances);
        Header { literals, distances, runs, counts: [0; 19], lengths: [0; 19] }
    }

    /// Adds the runs of these code lengths. Runs end with the list: Go and klauspost give both
    /// lists as one, zlib and GNU gzip each by itself.
    pub fn add(&mut self, lengths: impl Iterator<Item = u8>) {
        let mut lengths = lengths.peekable();
        while let Some(length) = lengths.next() {
            let mut more = 0;
            while lengths.next_if_eq(&length).is_some() {
                more += 1;
            }
            if length == 0 { self.zeros(more + 1) } else { self.same(length, more) }
        }
    }

    fn zeros(&mut self, mut count: usize) {
        while count >= 11 {
            let run = count.min(138);
            self.push(18, run - 11);
            count -= run;
        }
        if count >= 3 {
            self.push(17, count - 3);
        } else {
            (0..count).for_each(|_| self.push(0, 0));
        }
    }

    /// A length, and again so many times.
    fn same(&mut self, length: u8, mut more: usize) {
        self.push(length, 0);
        while more >= 3 {
            let run = more.min(6);
            self.push(16, run - 3);
            more -= run;
        }
        (0..more).for_each(|_| self.push(length, 0));
    }

    fn push(&mut self, symbol: u8, extra: usize) {
        self.runs.push((symbol, extra as u8));
        self.counts[usize::from(symbol)] += 1;
    }

    /// All lengths are added: makes the code for them. Gives the bits of the whole head, the three
    /// of the block's type included.
    pub fn close(&mut self, make: Lengths) -> usize {
        make(&self.counts, 7, &mut self.lengths);
        let symbols = self.counts.iter().zip(self.lengths).zip(EXTRA);
        let runs: usize =
            symbols.map(|((&n, length), extra)| n as usize * usize::from(length + extra)).sum();
        3 + 5 + 5 + 4 + 3 * self.sent() + runs
    }

    /// Lengths of the code-length code that are sent.
    fn sent(&self) -> usize {
        let last = ORDER.iter().rposition(|&symbol| self.lengths[usize::from(symbol)] > 0);
        last.map_or(4, |last| (last + 1).max(4))
    }

    /// Writes the head of a block, the last one of the stream if `last`.
    pub fn write(&self, last: bool, bits: &mut BitWriter, out: &mut Vec<u8>) {
        bits.put(0b100 | u64::from(last), 3, out);
        bits.put((self.literals - 257) as u64, 5, out);
        bits.put((self.distances - 1) as u64, 5, out);
        bits.put((self.sent() - 4) as u64, 4, out);
        for symbol in &ORDER[..self.sent()] {
            bits.put(u64::from(self.lengths[usize::from(*symbol)]), 3, out);
        }
        let mut codes = [0; 19];
        assign(&self.lengths, &mut codes);
        for &(symbol, extra) in &self.runs {
            let symbol = usize::from(symbol);
            let length = u32::from(self.lengths[symbol]);
            let value = u64::from(codes[symbol]) | u64::from(extra) << length;
            bits.put(value, length + u32::from(EXTRA[symbol]), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(lengths: &[u8]) -> Vec<(u8, u8)> {
        let mut header = Header::new(257, 1);
        header.add(lengths.iter().copied());
        header.runs
    }

    #[test]
    fn runs_are_taken_greedily() {
        assert_eq!(runs(&[0, 0, 5, 5, 5]), [(0, 0), (0, 0), (5, 0), (5, 0), (5, 0)]);
        assert_eq!(runs(&[5; 4]), [(5, 0), (16, 0)]);
        assert_eq!(runs(&[5; 9]), [(5, 0), (16, 3), (5, 0), (5, 0)]);
        assert_eq!(runs(&[0; 10]), [(17, 7)]);
        assert_eq!(runs(&[0; 140]), [(18, 127), (0, 0), (0, 0)]);
        assert_eq!(runs(&[0; 141]), [(18, 127), (17, 0)]);
    }
}
