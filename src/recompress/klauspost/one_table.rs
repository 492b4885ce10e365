//! The match finders of levels 1, 2 and 3: one table of five-byte hashes.
//!
//! What goes into the table, when, and which match wins is the originals' choice, quirks included.

use super::bytes::{half, hash5, word};
use super::fast::{Find, Found, Piece, REACH, Seen};
use super::tokens::Tokens;

/// Levels 1 and 2, which differ in the size of the table (2 to the power of `BITS`, `SIZE`) and
/// in what goes into it.
pub struct One<const BITS: u32, const SIZE: usize>(Box<[Seen; SIZE]>);

/// Level 1.
pub type LevelOne = One<15, { 1 << 15 }>;
/// Level 2.
pub type LevelTwo = One<17, { 1 << 17 }>;

impl<const BITS: u32, const SIZE: usize> One<BITS, SIZE> {
    const TWO: bool = BITS == 17;

    /// That has seen nothing.
    pub fn new() -> Self {
        One(vec![Seen::NEVER; SIZE].try_into().unwrap_or_else(|_| unreachable!("it is so long")))
    }

    /// Notes `at` under the hash of `bytes`, and tells how far before it that hash was seen.
    #[inline(always)]
    fn see(&mut self, bytes: u64, at: usize) -> usize {
        let seen = &mut self.0[hash5::<BITS>(bytes)];
        let distance = seen.before(at);
        *seen = Seen::at(at);
        distance
    }

    /// Looks for a match from `next` on.
    #[inline(always)]
    fn search(
        &mut self,
        piece: &Piece,
        sent: usize,
        limit: usize,
        next: &mut usize,
    ) -> Option<Found> {
        let mut bytes = word(piece.data, *next);
        loop {
            let s = *next;
            *next = s + 2 + ((s - sent) >> 5);
            if *next > limit {
                return None;
            }
            let distance = self.see(bytes, s);
            let ahead = word(piece.data, *next);
            if piece.alike(s, distance, bytes) {
                self.see(ahead, *next);
                return Some(Found { s, distance, length: piece.long(s, distance) });
            }
            let s = *next;
            *next += 1;
            let distance = self.see(ahead, s);
            if piece.alike(s, distance, ahead) {
                if !Self::TWO {
                    // Under the hash of the position before it.
                    self.see(ahead, *next);
                }
                return Some(Found { s, distance, length: piece.long(s, distance) });
            }
            bytes = word(piece.data, *next);
        }
    }

    /// Behind a match of `length`, at `s`: notes some positions, and gives a match that starts
    /// right there.
    #[inline(always)]
    fn at_once(&mut self, piece: &Piece, length: usize, s: usize) -> Option<Found> {
        if Self::TWO {
            for at in (s - length + 2..s - 5).step_by(7) {
                let bytes = word(piece.data, at);
                self.see(bytes, at);
                self.see(bytes >> 16, at + 2);
                // Its fifth byte is taken for zero.
                self.see(bytes >> 32, at + 4);
            }
        }
        let bytes = word(piece.data, s - 2);
        self.see(bytes, s - 2);
        if Self::TWO {
            self.see(bytes >> 8, s - 1);
        }
        let bytes = bytes >> 16;
        let distance = self.see(bytes, s);
        // One farther than elsewhere.
        let hit = distance <= REACH && half(piece.data, s - distance) == bytes as u32;
        hit.then(|| Found { s, distance, length: piece.long(s, distance) })
    }
}

impl<const BITS: u32, const SIZE: usize> Find for One<BITS, SIZE> {
    fn find(&mut self, piece: &Piece, out: &mut Tokens) {
        let (data, mut sent, mut next) = (piece.data, piece.start, piece.start);
        let Some(limit) = piece.limit() else {
            return out.push_literals(data, sent, data.len());
        };
        let mut ready = None;
        while let Some(mut found) =
            ready.take().or_else(|| self.search(piece, sent, limit, &mut next))
        {
            piece.extend_back(&mut found, sent);
            piece.send(&found, sent, out);
            sent = found.s + found.length;
            let s = sent.max(next + 1);
            if s >= limit {
                if s + found.length + 8 < data.len() {
                    self.see(word(data, s), s);
                }
                break;
            }
            ready = self.at_once(piece, found.length, s);
            next = if ready.is_some() { next } else { s + 1 };
        }
        out.push_literals(data, sent, data.len());
    }

    fn clear(&mut self) {
        self.0.fill(Seen::NEVER);
    }

    fn shift(&mut self, by: usize) {
        self.0.iter_mut().for_each(|seen| seen.shift(by));
    }
}

/// Level 3: of each hash the last two positions.
pub struct Three(Box<[[Seen; 2]; 1 << 16]>);

/// The reach of level 3.
const NEARER: usize = REACH - 4;

impl Three {
    /// That has seen nothing.
    pub fn new() -> Three {
        let table = vec![[Seen::NEVER; 2]; 1 << 16];
        Three(table.try_into().unwrap_or_else(|_| unreachable!("it is so long")))
    }

    /// Notes `at` under the hash of `bytes`, and tells how far before it that hash was seen.
    #[inline(always)]
    fn see(&mut self, bytes: u64, at: usize) -> [usize; 2] {
        let [last, before] = &mut self.0[hash5::<16>(bytes)];
        let distances = [last.before(at), before.before(at)];
        (*last, *before) = (Seen::at(at), *last);
        distances
    }

    /// Looks for a match from `next` on.
    #[inline(always)]
    fn search(
        &mut self,
        piece: &Piece,
        sent: usize,
        limit: usize,
        next: &mut usize,
    ) -> Option<Found> {
        loop {
            let s = *next;
            *next = s + 1 + ((s - sent) >> 7);
            if *next > limit {
                return None;
            }
            let bytes = word(piece.data, s);
            let [last, before] = self.see(bytes, s);
            let is_last = piece.alike(s, last, bytes);
            let is_before = piece.alike(s, before, bytes);
            if (last <= NEARER) & (is_last | is_before) {
                if is_last && is_before && before <= NEARER {
                    return Some(longer_of(piece, s, [last, before]));
                }
                if is_last || before < NEARER {
                    let distance = if is_last { last } else { before };
                    return Some(Found { s, distance, length: piece.long(s, distance) });
                }
            }
        }
    }

    /// Behind a match of `length`, at `s`: notes some positions, and gives a match that starts
    /// right there.
    #[inline(always)]
    fn at_once(&mut self, piece: &Piece, length: usize, s: usize) -> Option<Found> {
        for at in (s - length + 2..s - 5).step_by(6) {
            self.see(word(piece.data, at), at);
        }
        let bytes = word(piece.data, s - 2);
        self.see(bytes, s - 2);
        self.see(bytes >> 8, s - 1);
        let bytes = bytes >> 16;
        let distances = self.see(bytes, s);
        if distances[0] >= NEARER {
            return None;
        }
        let good = |&distance: &usize| distance < NEARER && piece.alike(s, distance, bytes);
        let distance = distances.into_iter().find(good)?;
        Some(Found { s, distance, length: piece.long(s, distance) })
    }
}

/// The longer of the matches at two distances; the first if they are equal.
fn longer_of(piece: &Piece, s: usize, distances: [usize; 2]) -> Found {
    let [first, second] = distances.map(|distance| piece.long(s, distance));
    if second > first {
        Found { s, distance: distances[1], length: second }
    } else {
        Found { s, distance: distances[0], length: first }
    }
}

impl Find for Three {
    fn find(&mut self, piece: &Piece, out: &mut Tokens) {
        let (data, mut sent, mut next) = (piece.data, piece.start, piece.start);
        let Some(limit) = piece.limit() else {
            return out.push_literals(data, sent, data.len());
        };
        let mut ready = None;
        while let Some(mut found) =
            ready.take().or_else(|| self.search(piece, sent, limit, &mut next))
        {
            piece.extend_back(&mut found, sent);
            piece.send(&found, sent, out);
            sent = found.s + found.length;
            let s = sent.max(next + 1);
            if s >= limit {
                // The end of the bytes that the match copies.
                let source = sent - found.distance;
                if source + 8 < data.len() {
                    self.see(word(data, source), source);
                }
                break;
            }
            ready = self.at_once(piece, found.length, s);
            next = if ready.is_some() { next } else { s + 1 };
        }
        out.push_literals(data, sent, data.len());
    }

    fn clear(&mut self) {
        self.0.fill([Seen::NEVER; 2]);
    }

    fn shift(&mut self, by: usize) {
        self.0.as_flattened_mut().iter_mut().for_each(|seen| seen.shift(by));
    }
}
