//! zlib's search without most of its steps.
//!
//! zlib looks at the last positions with the same hash of three bytes, up to a number of them.
//! Once a match is found, only those count that have more bytes in common. So there are further
//! chains, of positions with the same four and six bytes, and each position knows its number in
//! zlib's chain: the difference of two numbers tells how many steps zlib would have made.

use super::window::{Bytes, HALF, Links, REACH, SIZE, Search, Window, boxed, load4, load8, same};

/// A match of three bytes from farther away is not worth it, where matches are weighed.
pub(super) const TOO_FAR: usize = 4096;

/// Bits of the hashes of four and of six bytes.
const BITS: u32 = 15;

/// Number in zlib's chain, modulo 65,536; last position with the same four bytes; with six.
type Place = [u16; 3];
/// Where these are.
const NUMBER: usize = 0;
const FOUR: usize = 1;
const SIX: usize = 2;

pub(super) struct Deep {
    heads: [Box<[u16; 1 << BITS]>; 2],
    places: Box<[Place; SIZE]>,
    /// All positions before it are in the chains.
    entered: usize,
}

impl Deep {
    /// Without any position, the first being `entered`.
    pub fn new(entered: usize) -> Deep {
        Deep { heads: [boxed(0), boxed(0)], places: boxed([0; 3]), entered }
    }

    /// Begins again without any position, the first being `entered`.
    pub fn clear(&mut self, entered: usize) {
        self.heads.iter_mut().for_each(|heads| heads.fill(0));
        self.entered = entered;
    }

    /// Follows the window's slide.
    pub fn slide(&mut self) {
        for head in self.heads.iter_mut().flat_map(|heads| heads.iter_mut()) {
            *head = head.saturating_sub(HALF as u16);
        }
        let (lower, upper) = self.places.split_at_mut(HALF);
        for (to, &mut [number, four, six]) in lower.iter_mut().zip(upper) {
            *to = [number, four.saturating_sub(HALF as u16), six.saturating_sub(HALF as u16)];
        }
        self.entered = self.entered.saturating_sub(HALF);
    }

    /// As [`super::window::longest`], but a match of three bytes from beyond [`TOO_FAR`] is none,
    /// `candidate` is nearer than [`REACH`], and all positions up to `at` must be in the chains.
    #[inline(always)]
    pub fn longest(
        &self,
        bytes: &Bytes,
        links: &Links,
        at: usize,
        candidate: u16,
        search: Search,
    ) -> (usize, usize) {
        let at = usize::from(at as u16);
        if search.best >= 3 {
            return self.longer(bytes, at, search, 0);
        }
        let (limit, near) = (at.saturating_sub(REACH), at.saturating_sub(TOO_FAR));
        let start = load8(bytes, at);
        let mut place = usize::from(candidate);
        let mut chain = search.chain;
        while place >= near {
            if (load4(bytes, place) ^ start as u32) & 0xff_ffff == 0 {
                let best = same(bytes, at, place, start);
                if best >= search.nice {
                    return (best, place);
                }
                return self.longer(bytes, at, Search { best, ..search }, place);
            }
            place = usize::from(links[place]);
            chain -= 1;
            if place <= limit || chain == 0 {
                return (search.best, 0);
            }
        }
        match self.longer(bytes, at, Search { best: 3, ..search }, 0) {
            (_, 0) => (search.best, 0),
            longer => longer,
        }
    }

    /// A match longer than the best, which is three bytes or more; else that, at `found`.
    #[inline(always)]
    fn longer(&self, bytes: &Bytes, at: usize, search: Search, mut found: usize) -> (usize, usize) {
        let limit = at.saturating_sub(REACH);
        let Search { mut best, chain, nice } = search;
        let start = load8(bytes, at);
        let own = self.places[at];
        let mut lane = if best >= 5 { SIX } else { FOUR };
        let mut skip = (best - 3) & 255;
        let mut want = load4(bytes, at + skip);
        let mut place = usize::from(own[lane]);
        while place > limit {
            let entry = self.places[place];
            if usize::from(own[NUMBER].wrapping_sub(entry[NUMBER])) > chain {
                // Those of another hash have numbers that say nothing.
                if (load4(bytes, place) ^ start as u32) & 0xff_ffff == 0 {
                    break;
                }
            } else if load4(bytes, place + skip) == want {
                let length = same(bytes, at, place, start);
                if length > best {
                    (best, found) = (length, place);
                    if length >= nice {
                        break;
                    }
                    skip = (length - 3) & 255;
                    want = load4(bytes, at + skip);
                    if lane == FOUR && length >= 5 {
                        lane = SIX;
                        place = usize::from(own[SIX]);
                        continue;
                    }
                }
            }
            place = usize::from(entry[lane]);
        }
        (best, found)
    }
}

impl Window {
    /// Enters all positions that six bytes are known of.
    pub fn enter_deep(&mut self) {
        let Window { bytes, links, deep, end, entered, .. } = self;
        let Deep { heads: [fours, sixes], places, entered: from } = deep;
        let to = end.saturating_sub(5).min(*entered);
        for at in *from..to.min(SIZE) {
            let eight = load8(bytes, usize::from(at as u16));
            let number = places[usize::from(links[at])][NUMBER].wrapping_add(1);
            let four =
                &mut fours[((eight as u32).wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize];
            let six = (eight << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS);
            let six = &mut sixes[six as usize];
            places[at] = [number, *four, *six];
            (*four, *six) = (at as u16, at as u16);
        }
        *from = to.max(*from);
    }
}
