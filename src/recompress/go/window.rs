//! The plain bytes at hand, and reading them in words.

/// Bytes that can be read anywhere: addresses wrap, so that no read needs a check.
pub(super) const ROOM: usize = 1 << 17;

/// Plain bytes. More room than any encoder here uses; what is never touched takes no memory.
pub(super) type Window = [u8; ROOM + 8];

#[inline(always)]
pub(super) fn load32(window: &Window, at: usize) -> u32 {
    load64(window, at) as u32
}

#[inline(always)]
pub(super) fn load64(window: &Window, at: usize) -> u64 {
    let at = at % ROOM;
    let bytes: &[u8; 8] = window[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(*bytes)
}

/// How many bytes at `a` and `b` are equal, `limit` at most.
#[inline(always)]
pub(super) fn equal(window: &Window, a: usize, b: usize, limit: usize) -> usize {
    let mut length = 0;
    while length < limit {
        let unequal = load64(window, a + length) ^ load64(window, b + length);
        if unequal != 0 {
            return limit.min(length + unequal.trailing_zeros() as usize / 8);
        }
        length += 8;
    }
    limit
}
