//! The match finders of levels 4, 5 and 6: a table of four-byte hashes and one of seven-byte
//! hashes.
//!
//! What goes into the tables, when, and which of several matches wins is the originals' choice,
//! quirks included.

use super::super::deflate::LONGEST_MATCH;
use super::bytes::{half, hash4, hash7, run, word};
use super::fast::{Find, Found, Piece, REACH, Seen};
use super::tokens::Tokens;

const BITS: u32 = 15;
const SIZE: usize = 1 << BITS;

fn short_hash(word: u64) -> usize {
    hash4::<BITS>(word)
}

fn long_hash(word: u64) -> usize {
    hash7::<BITS>(word)
}

/// Level 4: the last position of each hash.
pub struct Four {
    short: Box<[Seen; SIZE]>,
    long: Box<[Seen; SIZE]>,
    /// From 1.18.0 on the length of a second match is taken in a wrong place.
    astray: bool,
}

impl Four {
    /// Of 1.18.0 and later, if `astray`.
    pub fn new(astray: bool) -> Four {
        let (short, long) = (Box::new([Seen::NEVER; SIZE]), Box::new([Seen::NEVER; SIZE]));
        Four { short, long, astray }
    }

    /// Looks for a match from `next` on, with `word` there.
    #[inline(always)]
    fn search(
        &mut self,
        piece: &Piece,
        sent: usize,
        next: &mut usize,
        limit: usize,
    ) -> Option<Found> {
        let mut bytes = word(piece.data, *next);
        loop {
            let s = *next;
            *next = s + 1 + ((s - sent) >> 6);
            if *next > limit {
                return None;
            }
            let (short, long) =
                (&mut self.short[short_hash(bytes)], &mut self.long[long_hash(bytes)]);
            let (near, far) = (short.before(s), long.before(s));
            (*short, *long) = (Seen::at(s), Seen::at(s));
            let ahead = word(piece.data, *next);
            let (is_near, is_far) = (piece.alike(s, near, bytes), piece.alike(s, far, bytes));
            if is_far {
                return Some(Found { s, distance: far, length: piece.long(s, far) });
            }
            if is_near {
                return Some(self.or_next(piece, s, near, *next, ahead));
            }
            bytes = ahead;
        }
    }

    /// The match at `s`, or that at `next` if it is longer.
    fn or_next(&self, piece: &Piece, s: usize, near: usize, next: usize, ahead: u64) -> Found {
        let length = piece.long(s, near);
        let far = self.long[long_hash(ahead)].before(next);
        if piece.alike(next, far, ahead) {
            let there = if self.astray { piece.base + far } else { next - far };
            if 4 + run(piece.data, next + 4, there + 4) > length {
                return Found { s: next, distance: far, length: piece.long(next, far) };
            }
        }
        Found { s, distance: near, length }
    }

    fn see(&mut self, piece: &Piece, s: usize) {
        let bytes = word(piece.data, s);
        self.short[short_hash(bytes)] = Seen::at(s);
        self.long[long_hash(bytes)] = Seen::at(s);
    }
}

impl Find for Four {
    fn find(&mut self, piece: &Piece, out: &mut Tokens) {
        let (data, mut sent, mut next) = (piece.data, piece.start, piece.start);
        let Some(limit) = piece.limit() else {
            return out.push_literals(data, sent, data.len());
        };
        while let Some(mut found) = self.search(piece, sent, &mut next, limit) {
            piece.extend_back(&mut found, sent);
            piece.send(&found, sent, out);
            sent = found.s + found.length;
            let s = sent.max(next + 1);
            if s >= limit {
                if s + 8 < data.len() {
                    self.see(piece, s);
                }
                break;
            }
            let mut at = next;
            while at < s - 1 {
                let bytes = word(data, at);
                self.long[long_hash(bytes)] = Seen::at(at);
                self.long[long_hash(bytes >> 8)] = Seen::at(at + 1);
                self.short[short_hash(bytes >> 8)] = Seen::at(at + 1);
                at += 3;
            }
            self.see(piece, s - 1);
            next = s;
        }
        out.push_literals(data, sent, data.len());
    }

    fn clear(&mut self) {
        self.short.fill(Seen::NEVER);
        self.long.fill(Seen::NEVER);
    }

    fn shift(&mut self, by: usize) {
        self.short.iter_mut().for_each(|seen| seen.shift(by));
        self.long.iter_mut().for_each(|seen| seen.shift(by));
    }
}

/// Levels 5 and 6: of the long hashes the last two positions.
struct Tables {
    short: Box<[Seen; SIZE]>,
    long: Box<[[Seen; 2]; SIZE]>,
}

impl Tables {
    fn new() -> Tables {
        Tables { short: Box::new([Seen::NEVER; SIZE]), long: Box::new([[Seen::NEVER; 2]; SIZE]) }
    }

    #[inline(always)]
    fn see_short(&mut self, bytes: u64, at: usize) {
        self.short[short_hash(bytes)] = Seen::at(at);
    }

    #[inline(always)]
    fn see_long(&mut self, bytes: u64, at: usize) {
        let [last, before] = &mut self.long[long_hash(bytes)];
        (*last, *before) = (Seen::at(at), *last);
    }

    #[inline(always)]
    fn see(&mut self, bytes: u64, at: usize) {
        self.see_short(bytes, at);
        self.see_long(bytes, at);
    }

    fn clear(&mut self) {
        self.short.fill(Seen::NEVER);
        self.long.fill([Seen::NEVER; 2]);
    }

    fn shift(&mut self, by: usize) {
        self.short.iter_mut().for_each(|seen| seen.shift(by));
        self.long.as_flattened_mut().iter_mut().for_each(|seen| seen.shift(by));
    }
}

/// Levels 5 and 6.
pub struct Five<const SIX: bool>(Tables);

impl<const SIX: bool> Five<SIX> {
    /// Steps grow by one for this many literals (a power of two).
    const SKIP: u32 = if SIX { 7 } else { 6 };

    /// That has seen nothing.
    pub fn new() -> Five<SIX> {
        Five(Tables::new())
    }

    /// Looks for a match from `next` on.
    #[inline(always)]
    fn search(
        &mut self,
        piece: &Piece,
        (sent, limit, repeat): (usize, usize, usize),
        next: &mut usize,
    ) -> Option<Found> {
        let mut bytes = word(piece.data, *next);
        loop {
            let s = *next;
            *next = s + 1 + ((s - sent) >> Self::SKIP);
            if *next > limit {
                return None;
            }
            let short = &mut self.0.short[short_hash(bytes)];
            let near = short.before(s);
            *short = Seen::at(s);
            let [last, before] = &mut self.0.long[long_hash(bytes)];
            let far = [last.before(s), before.before(s)];
            (*last, *before) = (Seen::at(s), *last);
            let ahead = word(piece.data, *next);
            let is_near = piece.alike(s, near, bytes);
            let is_far = piece.alike(s, far[0], bytes);
            let is_farther = (far[0] < REACH) & piece.alike(s, far[1], bytes);
            if is_near | is_far | is_farther {
                let later = self.0.long[long_hash(ahead)];
                self.0.see(ahead, *next);
                let found = match (is_far, is_farther) {
                    (false, false) => {
                        let found = Found { s, distance: near, length: piece.short(s, near) };
                        Self::or_later(piece, found, repeat, (*next, ahead, later))
                    }
                    (true, true) => longer_of(piece, s, far),
                    (true, false) => Found { s, distance: far[0], length: piece.long(s, far[0]) },
                    (false, true) => Found { s, distance: far[1], length: piece.long(s, far[1]) },
                };
                return Some(found);
            }
            bytes = ahead;
        }
    }

    /// The match found, or one that starts later and is longer: with the last distance, or at
    /// `next`, where `ahead` stands, whose long hash was seen at `later`.
    #[inline(always)]
    fn or_later(
        piece: &Piece,
        mut found: Found,
        repeat: usize,
        (next, ahead, later): (usize, u64, [Seen; 2]),
    ) -> Found {
        if SIX {
            let s = found.s + 1;
            if half(piece.data, s - repeat) == half(piece.data, s) {
                let length = piece.short(s, repeat);
                if length > found.length {
                    return Found { s, distance: repeat, length };
                }
            }
        }
        if later[0].before(next) >= REACH {
            return found;
        }
        for seen in later {
            let distance = seen.before(next);
            if piece.alike(next, distance, ahead) {
                let length = piece.short(next, distance);
                if length > found.length {
                    found = Found { s: next, distance, length };
                    if !SIX {
                        break;
                    }
                }
            }
        }
        found
    }

    /// A longer match that ends behind this one: the bytes at its end were seen elsewhere, and two
    /// bytes later the same distance may be good. Its first bytes come by extending back.
    #[inline(always)]
    fn or_beyond(&self, piece: &Piece, found: &mut Found, limit: usize) {
        let end = found.s + found.length;
        if end >= limit || (!SIX && found.length >= 30) {
            return;
        }
        let seen = self.0.long[long_hash(word(piece.data, end))];
        let s = found.s + 2;
        let mut try_one = |end: usize, seen: Seen| {
            // Negative if it was seen behind the end.
            let distance = seen.before(end) as isize;
            if distance > 0 && distance < REACH as isize && s >= piece.base + distance as usize {
                let distance = distance as usize;
                let length = run(piece.data, s, s - distance);
                if length > found.length {
                    *found = Found { s, distance, length };
                }
            }
            (distance < REACH as isize).then_some(s - 2 + found.length)
        };
        match try_one(end, seen[0]) {
            Some(end) if SIX => try_one(end, seen[1]),
            _ => None,
        };
    }

    /// Puts what lies inside a match into the tables: from its start or from `next` on, up to
    /// where the search goes on, at `s`.
    #[inline(always)]
    fn see_match(&mut self, data: &[u8], found: &Found, next: usize, s: usize) {
        if SIX {
            for at in (next + 1..s - 1).step_by(2) {
                let bytes = word(data, at);
                self.0.see(bytes, at);
                self.0.see_long(bytes >> 8, at + 1);
            }
            return;
        }
        let first = s - found.length + 1;
        if first < s - 1 {
            let bytes = word(data, first);
            self.0.see(bytes, first);
            self.0.see_long(bytes >> 8, first + 1);
            self.0.see_short(bytes >> 16, first + 2);
            let mut at = first + 4;
            while at < s - 1 {
                let bytes = word(data, at);
                self.0.see_long(bytes, at);
                self.0.see_short(bytes >> 8, at + 1);
                at += 3;
            }
        }
        self.0.see(word(data, s - 1), s - 1);
    }
}

/// The longer of the matches at two distances; the first if they are equal.
#[inline(always)]
fn longer_of(piece: &Piece, s: usize, distances: [usize; 2]) -> Found {
    let [first, second] = distances.map(|distance| piece.short(s, distance));
    if second > first {
        Found { s, distance: distances[1], length: second }
    } else {
        Found { s, distance: distances[0], length: first }
    }
}

impl<const SIX: bool> Find for Five<SIX> {
    fn find(&mut self, piece: &Piece, out: &mut Tokens) {
        let (data, mut sent, mut next, mut repeat) = (piece.data, piece.start, piece.start, 1);
        let Some(limit) = piece.limit() else {
            return out.push_literals(data, sent, data.len());
        };
        while let Some(mut found) = self.search(piece, (sent, limit, repeat), &mut next) {
            if found.length == LONGEST_MATCH {
                let end = found.s + LONGEST_MATCH;
                found.length += run(data, end, end - found.distance);
            }
            self.or_beyond(piece, &mut found, limit);
            piece.extend_back(&mut found, sent);
            piece.send(&found, sent, out);
            repeat = found.distance;
            sent = found.s + found.length;
            let s = sent.max(next + 1);
            if s >= limit {
                if SIX {
                    for at in (next + 1..data.len() - 8).step_by(2) {
                        self.0.see(word(data, at), at);
                    }
                }
                break;
            }
            self.see_match(data, &found, next, s);
            next = s;
        }
        out.push_literals(data, sent, data.len());
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn shift(&mut self, by: usize) {
        self.0.shift(by);
    }
}
