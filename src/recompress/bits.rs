//! Bits in deflate's order: the first in the lowest place (RFC 1951, 3.1.1).

/// Gathers bits into bytes. Holds fewer than eight bits.
#[derive(Debug, Clone, Default)]
pub struct BitWriter {
    held: u64,
    count: u32,
}

impl BitWriter {
    /// With `bit` zero bits (fewer than eight) before the first.
    pub fn at(bit: u8) -> BitWriter {
        BitWriter { held: 0, count: u32::from(bit) }
    }

    /// Adds the lowest `count` bits of `value`, 48 at most; its other bits are zero.
    #[inline]
    pub fn put(&mut self, value: u64, count: u32, out: &mut Vec<u8>) {
        let mut burst = self.burst(1, out);
        burst.put(value, count);
        burst.end();
    }

    /// For many bits at once: up to `puts` times 48. [`Burst::end`] must follow.
    pub(super) fn burst<'a>(&'a mut self, puts: usize, out: &'a mut Vec<u8>) -> Burst<'a> {
        let (held, count, at) = (self.held, self.count, out.len());
        // Each put fills six bytes or fewer, and the last stores eight.
        out.resize(at + puts * 6 + 8, 0);
        Burst { writer: self, out, at, held, count }
    }

    /// Bits beyond the last full byte, 0 to 7.
    pub fn phase(&self) -> u32 {
        self.count
    }

    /// Fills the last byte with zeros and gives all.
    pub fn align(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.push(self.held as u8);
        }
        *self = BitWriter::default();
    }
}

/// Bits on their way into bytes that are there already, so that nothing grows between them.
pub(super) struct Burst<'a> {
    writer: &'a mut BitWriter,
    out: &'a mut Vec<u8>,
    at: usize,
    held: u64,
    count: u32,
}

impl Burst<'_> {
    /// As [`BitWriter::put`].
    #[inline(always)]
    pub fn put(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 48 && value >> count == 0);
        self.held |= value << self.count;
        self.count += count;
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.count / 8) as usize;
        // Below 56 bits are held, so the shift is below 64.
        self.held >>= self.count & !7;
        self.count &= 7;
    }

    /// Gives the full bytes.
    pub fn end(self) {
        self.out.truncate(self.at);
        (self.writer.held, self.writer.count) = (self.held, self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_below() {
        let (mut bits, mut out) = (BitWriter::at(3), Vec::new());
        bits.put(0b1, 1, &mut out);
        bits.put(0xffff_ffff_ffff, 48, &mut out);
        bits.put(0, 1, &mut out);
        bits.put(0b11, 2, &mut out);
        assert_eq!(bits.phase(), 7);
        bits.align(&mut out);
        assert_eq!(out, [0xf8, 255, 255, 255, 255, 255, 0b110_1111]);
        assert_eq!(bits.phase(), 0);
    }

    #[test]
    fn a_burst_gives_what_single_puts_give() {
        let (mut one, mut many) = ((BitWriter::at(5), Vec::new()), (BitWriter::at(5), Vec::new()));
        let mut burst = many.0.burst(49, &mut many.1);
        for count in 0..=48 {
            let value = 0x5a5a_1234_9876_5a5a & ((1 << count) - 1);
            one.0.put(value, count, &mut one.1);
            burst.put(value, count);
        }
        burst.end();
        assert_eq!(one.0.phase(), many.0.phase());
        one.0.align(&mut one.1);
        many.0.align(&mut many.1);
        assert_eq!(one.1, many.1);
    }
}
