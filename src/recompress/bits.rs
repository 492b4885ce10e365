//! Bits in deflate's order: the first in the lowest place (RFC 1951, 3.1.1).

/// Gathers bits into bytes. Holds fewer than eight bytes.
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
    #[inline(always)]
    pub fn put(&mut self, value: u64, count: u32, out: &mut Vec<u8>) {
        debug_assert!(count <= 48 && value >> count == 0);
        self.held |= value << self.count;
        self.count += count;
        if self.count >= 16 {
            let bytes = self.count / 8;
            let at = out.len();
            out.extend_from_slice(&self.held.to_le_bytes());
            out.truncate(at + bytes as usize);
            self.held = if bytes == 8 { 0 } else { self.held >> (bytes * 8) };
            self.count -= bytes * 8;
        }
    }

    /// Bits beyond the last full byte, 0 to 7.
    pub fn phase(&self) -> u32 {
        self.count % 8
    }

    /// Fills the last byte with zeros and gives all.
    pub fn align(&mut self, out: &mut Vec<u8>) {
        let bytes = self.count.div_ceil(8) as usize;
        out.extend_from_slice(&self.held.to_le_bytes()[..bytes]);
        *self = BitWriter::default();
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
}
