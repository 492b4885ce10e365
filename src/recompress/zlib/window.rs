//! The last plain bytes, and where the same three bytes stood before: zlib's window of 65,536
//! bytes with its chains of positions, and the search along them.

use super::deep::Deep;

/// Bytes that a window holds.
pub(super) const SIZE: usize = 65_536;
/// Half of it moves out at a time.
pub(super) const HALF: usize = SIZE / 2;
/// Bytes ahead that a search wants: a match, and what follows it.
pub(super) const AHEAD: usize = 262;
/// How far back a match reaches.
pub(super) const REACH: usize = HALF - AHEAD;
/// The last position that a full window is not moved at.
pub(super) const TURN: usize = SIZE - AHEAD;
/// Bytes behind the window that wide loads touch, and whose values never count.
const SPARE: usize = 520;

/// Bytes by position. One position as `u16` and one length of 258 at most stay within it.
pub(super) type Bytes = [u8; SIZE + SPARE];
/// A position for each hash.
pub(super) type Heads = [u16; SIZE];
/// A position for each position.
pub(super) type Links = [u16; SIZE];

pub(super) struct Window {
    pub bytes: Box<Bytes>,
    /// The last position with a hash; 0 is none, so that position 0 is never found.
    pub heads: Box<Heads>,
    /// The position before with the same hash.
    pub links: Box<Links>,
    /// What makes long searches short.
    pub deep: Deep,
    /// Position that comes next.
    pub at: usize,
    /// Behind the last byte.
    pub end: usize,
    /// All positions before it are in the chains, but those inside skipped matches.
    pub entered: usize,
    /// Where the open block starts, negative when that has moved out.
    pub block: isize,
}

pub(super) fn boxed<T: Clone, const N: usize>(value: T) -> Box<[T; N]> {
    vec![value; N].try_into().unwrap_or_else(|_| unreachable!("as many as it holds"))
}

#[inline(always)]
pub(super) fn load4(bytes: &Bytes, at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[inline(always)]
pub(super) fn load8(bytes: &Bytes, at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Hash of the three bytes at `at`, 5 bits a byte in 15 or 6 bits a byte in 16.
#[inline(always)]
pub(super) fn hash<const SHIFT: u32>(bytes: &Bytes, at: u16) -> usize {
    let three = load4(bytes, usize::from(at));
    let mixed = (three << (2 * SHIFT)) ^ ((three >> 8 & 0xff) << SHIFT) ^ (three >> 16 & 0xff);
    (mixed & (if SHIFT == 5 { 0x7fff } else { 0xffff })) as usize
}

/// Enters a position and gives the last one with the same hash.
#[inline(always)]
pub(super) fn link(heads: &mut Heads, links: &mut Links, hash: usize, at: u16) -> u16 {
    let before = std::mem::replace(&mut heads[hash], at);
    links[usize::from(at)] = before;
    before
}

impl Window {
    /// With `before` as the last bytes before position `at`, none of them in the chains.
    pub fn new(before: &[u8], at: usize) -> Window {
        let before = &before[before.len() - before.len().min(at).min(HALF)..];
        let mut bytes: Box<Bytes> = boxed(0);
        bytes[at - before.len()..at].copy_from_slice(before);
        let entered = at - before.len();
        let (heads, links) = (boxed(0), boxed(0));
        let deep = Deep::new(entered);
        Window { bytes, heads, links, deep, at, end: at, entered, block: at as isize }
    }

    /// Begins again, with the last half window as all that came before, at position [`HALF`].
    pub fn restart(&mut self) {
        let kept = self.at.min(HALF);
        self.bytes.copy_within(self.at - kept..self.at, HALF - kept);
        self.heads.fill(0);
        self.deep.clear(HALF - kept);
        (self.at, self.end, self.entered, self.block) = (HALF, HALF, HALF - kept, HALF as isize);
    }

    /// Begins again with nothing.
    pub fn clear(&mut self) {
        self.heads.fill(0);
        self.deep.clear(0);
        (self.at, self.end, self.entered, self.block) = (0, 0, 0, 0);
    }

    /// Takes what fits of `plain` and gives the rest.
    pub fn fill<'a>(&mut self, plain: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = plain.split_at(plain.len().min(SIZE - self.end));
        self.bytes[self.end..self.end + taken.len()].copy_from_slice(taken);
        self.end += taken.len();
        rest
    }

    /// Moves the lower half out. What lies behind the end stays as it was.
    pub fn slide(&mut self) {
        self.bytes.copy_within(HALF..SIZE, 0);
        for head in self.heads.iter_mut() {
            *head = head.saturating_sub(HALF as u16);
        }
        let (lower, upper) = self.links.split_at_mut(HALF);
        for (to, from) in lower.iter_mut().zip(upper) {
            *to = from.saturating_sub(HALF as u16);
        }
        self.at -= HALF;
        self.end -= HALF;
        self.entered = self.entered.saturating_sub(HALF);
        self.block -= HALF as isize;
    }

    /// Enters all positions before `to` that are not yet in the chains.
    pub fn enter<const SHIFT: u32>(&mut self, to: usize) {
        let Window { bytes, heads, links, entered, .. } = self;
        for at in *entered..to.min(SIZE) {
            link(heads, links, hash::<SHIFT>(bytes, at as u16), at as u16);
        }
        *entered = to.max(*entered);
    }

    /// The open block's bytes, up to position `to`, unless their start has moved out.
    pub fn raw(&self, to: usize) -> Option<&[u8]> {
        let start = usize::try_from(self.block).ok()?;
        self.bytes.get(start..to)
    }
}

/// What a search may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// A match must be longer than this.
    pub best: usize,
    /// So many candidates are looked at.
    pub chain: usize,
    /// So long a match ends the search.
    pub nice: usize,
}

/// The longest match at `at` along the chain from `candidate`, which is within reach: its length,
/// 258 at most, and its position. The length is that given as best if none is longer.
#[inline(always)]
pub(super) fn longest(
    bytes: &Bytes,
    links: &Links,
    at: usize,
    mut candidate: u16,
    search: Search,
) -> (usize, usize) {
    let limit = at.saturating_sub(REACH) as u16;
    let Search { mut best, mut chain, nice } = search;
    let (at, mut found) = (usize::from(at as u16), 0);
    let start = load8(bytes, at);
    // The last bytes that a longer match must have too, four of them as soon as that many do.
    let (mut skip, mut mask) = if best < 3 { (0, 0xff_ffff) } else { ((best - 3) & 255, !0) };
    let mut want = load4(bytes, at + skip);
    loop {
        let place = usize::from(candidate);
        if (load4(bytes, place + skip) ^ want) & mask == 0 {
            let length = same(bytes, at, place, start);
            if length > best {
                (best, found) = (length, place);
                if length >= nice {
                    break;
                }
                (skip, mask) = ((length - 3) & 255, !0);
                want = load4(bytes, at + skip);
            }
        }
        candidate = links[place];
        chain -= 1;
        if candidate <= limit || chain == 0 {
            break;
        }
    }
    (best, found)
}

/// How many bytes are the same at both positions, 258 at most.
#[inline(always)]
pub(super) fn same(bytes: &Bytes, at: usize, place: usize, start: u64) -> usize {
    let differ = start ^ load8(bytes, place);
    if differ != 0 {
        return differ.trailing_zeros() as usize / 8;
    }
    let mut length = 8;
    while length <= 256 {
        let differ = load8(bytes, at + length) ^ load8(bytes, place + length);
        if differ != 0 {
            return (length + differ.trailing_zeros() as usize / 8).min(258);
        }
        length += 8;
    }
    258
}

/// Where in its window zlib is after `plain` bytes, if more than a match lies ahead: the window
/// moves on by half as soon as a position is past [`TURN`].
pub(super) fn position(plain: u64) -> usize {
    if plain <= TURN as u64 {
        return plain as usize;
    }
    // From one place past the turn, less half, up to the turn.
    let first = (TURN + 1 - HALF) as u64;
    (first + (plain - first) % HALF as u64) as usize
}
