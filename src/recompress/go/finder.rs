//! Finding matches: chains of positions whose first bytes have the same hash.
//!
//! Which match is found follows from the chains of four bytes alone, as the original has them:
//! walk from the nearest candidate on, and take each that is longer than all before. [`Deep`] only
//! gets to it faster.

use super::super::deflate::LONGEST_MATCH;
use super::boxed;
use super::window::{Window, equal, load32, load64};

/// How far a match may reach back.
pub(super) const REACH: usize = 32_768;
/// Bytes of the window.
pub(super) const FULL: usize = 2 * REACH;
/// Bytes of the shortest match.
pub(super) const LEAST: usize = 4;
/// Matches of four bytes must be this near.
const NEAR: usize = 4096;

/// A match; of distance 0 if there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub length: usize,
    pub distance: usize,
}

impl Found {
    /// No match. Its length is one too short.
    pub const NONE: Found = Found { length: LEAST - 1, distance: 0 };
}

/// What to look for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// The position whose match it is.
    pub at: usize,
    /// Only a longer match counts. 3 or more, and less than `ahead`.
    pub than: usize,
    /// A match of this length will do.
    pub nice: usize,
    /// Candidates in the chain of four bytes that are looked at.
    pub tries: usize,
    /// Bytes from the position on.
    pub ahead: usize,
}

impl Search {
    fn limit(&self) -> usize {
        self.ahead.min(LONGEST_MATCH)
    }

    /// Positions + 1 up to this one are out of reach.
    fn floor(&self, reach: usize) -> usize {
        self.at.saturating_sub(reach)
    }
}

/// Window and chains. A place is a position in the window + 1; 0 is none.
pub(super) trait Finder: Send {
    /// The heads of a position's chains before it came.
    type Heads: Copy;

    /// Over an empty window.
    fn new() -> Self;

    fn window(&self) -> &Window;

    fn window_mut(&mut self) -> &mut Window;

    /// Puts a position into its chains.
    fn insert(&mut self, at: usize) -> Self::Heads;

    /// The longest match, the nearest of these, or the first that is nice; `than` and distance 0
    /// if there is none.
    fn search(&self, heads: Self::Heads, search: Search) -> Found;

    /// The upper half of the window becomes the lower.
    fn slide(&mut self);
}

/// Chains of four bytes.
pub(super) struct Chains {
    window: Box<Window>,
    /// The last place of each hash.
    heads: Box<[u16; 1 << 17]>,
    /// The place of the same hash before, by position modulo [`REACH`].
    links: Box<[u16; REACH]>,
}

impl Chains {
    /// Goes along the chain from `place` as far as above `floor`; `tries` are left. Gives the last
    /// place, and whether the search is over.
    #[inline(always)]
    fn walk(&self, walk: &mut Walk, best: &mut Found, floor: usize) -> bool {
        let Walk { search, place, tries } = walk;
        let (window, at) = (&*self.window, search.at);
        let nice = search.nice.min(search.ahead);
        // A longer match has these four bytes at its end.
        let mut tail = load32(window, at + best.length - 3);
        while *place > floor {
            let candidate = *place - 1;
            if load32(window, candidate + best.length - 3) == tail {
                let length = equal(window, candidate, at, search.limit());
                if length > best.length {
                    *best = Found { length, distance: at - candidate };
                    if length >= nice {
                        return true;
                    }
                    tail = load32(window, at + length - 3);
                }
            }
            *tries -= 1;
            // The link of a candidate this far back has been overwritten.
            if *tries == 0 || candidate + REACH == at {
                return true;
            }
            *place = usize::from(self.links[candidate % REACH]);
        }
        false
    }
}

/// Where a walk along a chain stands.
struct Walk {
    search: Search,
    /// The next candidate.
    place: usize,
    /// Candidates that may be looked at.
    tries: usize,
}

impl Finder for Chains {
    type Heads = usize;

    fn new() -> Chains {
        Chains { window: boxed(), heads: boxed(), links: boxed() }
    }

    #[inline(always)]
    fn window(&self) -> &Window {
        &self.window
    }

    fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    #[inline(always)]
    fn insert(&mut self, at: usize) -> usize {
        let four = load32(&self.window, at).swap_bytes();
        let head = &mut self.heads[(four.wrapping_mul(0x1e35_a7bd) >> 15) as usize];
        self.links[at % REACH] = *head;
        usize::from(std::mem::replace(head, at as u16 + 1))
    }

    #[inline(always)]
    fn search(&self, head: usize, search: Search) -> Found {
        let mut walk = Walk { search, place: head, tries: search.tries };
        let mut best = Found { length: search.than, distance: 0 };
        if self.walk(&mut walk, &mut best, search.floor(NEAR)) {
            return best;
        }
        // From here on four bytes are not enough.
        let near = best;
        best.length = near.length.max(LEAST);
        self.walk(&mut walk, &mut best, search.floor(REACH));
        if best.distance == near.distance { near } else { best }
    }

    fn slide(&mut self) {
        self.window.copy_within(REACH..FULL, 0);
        self.heads.iter_mut().chain(self.links.iter_mut()).for_each(slide);
    }
}

fn slide(place: &mut u16) {
    *place = place.saturating_sub(REACH as u16);
}

/// Bytes of the longer chains.
const DEEP: usize = 6;

/// Chains of six bytes besides, which are much shorter. If they have a match, it is the longest;
/// if not, a match of five bytes is as long as can be, and ends the walk along the chain of four.
///
/// Every position has a number: how many came before it in its chain of four bytes. From two
/// numbers follows whether the original's walk would have come from the one to the other.
pub(super) struct Deep {
    four: Chains,
    /// The last place of each hash of six bytes.
    heads: Box<[u16; 1 << 16]>,
    /// The place of the same hash before, and the number, by position modulo [`REACH`].
    links: Box<[[u16; 2]; REACH]>,
}

/// Heads before a position came.
#[derive(Clone, Copy)]
pub(super) struct DeepHeads {
    four: usize,
    six: usize,
    /// The position's number.
    number: u16,
    /// The number of the position [`REACH`] before.
    farthest: u16,
}

impl Deep {
    /// The longest match of six bytes or more.
    #[inline(always)]
    fn search_six(&self, heads: DeepHeads, search: &Search) -> Found {
        let (window, at) = (self.four.window(), search.at);
        let nice = search.nice.min(search.ahead);
        let mut best = Found { length: search.than.max(DEEP - 1), distance: 0 };
        let mut tail = load32(window, at + best.length - 3);
        let floor = search.floor(REACH);
        let mut place = heads.six;
        while place > floor {
            let candidate = place - 1;
            let [next, mut number] = self.links[candidate % REACH];
            place = usize::from(next);
            if candidate + REACH == at {
                (place, number) = (0, heads.farthest);
            }
            let tail_is_equal = load32(window, candidate + best.length - 3) == tail;
            if usize::from(heads.number.wrapping_sub(number)) > search.tries {
                // Numbers say nothing of a position in another chain of four bytes.
                if load32(window, candidate) == load32(window, at) {
                    break;
                }
            } else if tail_is_equal {
                let length = equal(window, candidate, at, search.limit());
                if length > best.length {
                    best = Found { length, distance: at - candidate };
                    if length >= nice {
                        break;
                    }
                    tail = load32(window, at + length - 3);
                }
            }
        }
        best
    }
}

impl Finder for Deep {
    type Heads = DeepHeads;

    fn new() -> Deep {
        Deep { four: Chains::new(), heads: boxed(), links: boxed() }
    }

    #[inline(always)]
    fn window(&self) -> &Window {
        self.four.window()
    }

    fn window_mut(&mut self) -> &mut Window {
        self.four.window_mut()
    }

    #[inline(always)]
    fn insert(&mut self, at: usize) -> DeepHeads {
        let four = self.four.insert(at);
        let bytes = load64(self.four.window(), at) << (64 - 8 * DEEP);
        let head = &mut self.heads[(bytes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize];
        let six = usize::from(std::mem::replace(head, at as u16 + 1));
        // What stands there for no place, or one out of reach, is never compared.
        let number = self.links[four.wrapping_sub(1) % REACH][1].wrapping_add(1);
        let link = &mut self.links[at % REACH];
        let farthest = link[1];
        *link = [six as u16, number];
        DeepHeads { four, six, number, farthest }
    }

    #[inline(always)]
    fn search(&self, heads: DeepHeads, search: Search) -> Found {
        if search.ahead >= DEEP {
            let found = self.search_six(heads, &search);
            if found.distance > 0 {
                return found;
            }
        }
        if search.than >= DEEP - 1 {
            return Found { length: search.than, distance: 0 };
        }
        self.four.search(heads.four, Search { nice: DEEP - 1, ..search })
    }

    fn slide(&mut self) {
        self.four.slide();
        self.heads.iter_mut().chain(self.links.iter_mut().map(|[place, _]| place)).for_each(slide);
    }
}
