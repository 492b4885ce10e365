//! Words of the plain bytes, their hashes, and the comparing of stretches.

/// Eight bytes at `at`, little-endian.
#[inline(always)]
pub fn word(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&data[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Four bytes at `at`, little-endian.
#[inline(always)]
pub fn half(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

/// Hash of the first four bytes of `word`, in `BITS` bits.
#[inline(always)]
pub fn hash4<const BITS: u32>(word: u64) -> usize {
    ((word as u32).wrapping_mul(2_654_435_761) >> (32 - BITS)) as usize
}

/// Hash of the first five bytes of `word`, in `BITS` bits.
#[inline(always)]
pub fn hash5<const BITS: u32>(word: u64) -> usize {
    ((word << 24).wrapping_mul(889_523_592_379) >> (64 - BITS)) as usize
}

/// Hash of the first seven bytes of `word`, in `BITS` bits.
#[inline(always)]
pub fn hash7<const BITS: u32>(word: u64) -> usize {
    ((word << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - BITS)) as usize
}

/// How many bytes are equal from `s` and from `t` on, `t` before `s`: to the end of `data`.
#[inline(always)]
pub fn run(data: &[u8], s: usize, t: usize) -> usize {
    alike(&data[s..], &data[t..])
}

/// The same, of `most` bytes.
#[inline(always)]
pub fn run_within(data: &[u8], s: usize, t: usize, most: usize) -> usize {
    let end = data.len().min(s + most);
    alike(&data[s..end], &data[t..])
}

/// How many bytes of `here` are equal to those of `there`, which is no shorter.
#[inline(always)]
pub fn alike(here: &[u8], there: &[u8]) -> usize {
    let there = &there[..here.len()];
    let mut n = 0;
    while n + 8 <= here.len() {
        let differ = word(here, n) ^ word(there, n);
        if differ != 0 {
            return n + (differ.trailing_zeros() / 8) as usize;
        }
        n += 8;
    }
    while n < here.len() && here[n] == there[n] {
        n += 1;
    }
    n
}
