//! Which plain content is known already, and where it has its home. Pure.

use std::collections::HashMap;

use crate::chunk::{Chunk, ChunkId};

/// What holds plain content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A blob of this bundle, by its place in the plan.
    Blob(u32),
    /// A blob at the destination, by its place among the bases.
    Base(u32),
}

/// A run of plain bytes of a layer, and where the same bytes have their home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What holds them.
    pub home: Home,
    /// Where in its plain bytes.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// Every chunk that has been seen, and its first place.
#[derive(Debug, Default)]
pub struct Known(HashMap<ChunkId, (Home, u64)>);

/// A layer in terms of what is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Its plain bytes from front to back.
    pub runs: Vec<Run>,
    /// How many of them were known before.
    pub known: u64,
}

impl Known {
    /// Adds the chunks of `home`, unless they are known.
    pub fn add(&mut self, home: Home, chunks: &[Chunk]) {
        let mut offset = 0;
        for chunk in chunks {
            self.0.entry(chunk.id()).or_insert((home, offset));
            offset += u64::from(chunk.length());
        }
    }

    /// Finds the chunks of blob `at`. What is new has its home there, if it can be (`home`).
    pub fn share(&mut self, at: u32, chunks: &[Chunk], home: bool) -> Share {
        let (mut share, mut offset) = (Share::default(), 0);
        for chunk in chunks {
            let (id, length) = (chunk.id(), u64::from(chunk.length()));
            let here = (Home::Blob(at), offset);
            let found = match home {
                true => *self.0.entry(id).or_insert(here),
                false => self.0.get(&id).copied().unwrap_or(here),
            };
            share.known += if found == here { 0 } else { length };
            share.push(Run { home: found.0, offset: found.1, length });
            offset += length;
        }
        share
    }
}

impl Share {
    fn push(&mut self, run: Run) {
        if let Some(last) = self.runs.last_mut() {
            if last.home == run.home && last.offset + last.length == run.offset {
                last.length += run.length;
                return;
            }
        }
        self.runs.push(run);
    }

    /// The runs (offset, length) that blob `at` brings itself: its new plain bytes, in order.
    pub fn new_runs(&self, at: u32) -> Vec<(u64, u64)> {
        let (mut runs, mut offset) = (Vec::new(), 0);
        for run in &self.runs {
            if run.home == Home::Blob(at) && run.offset == offset {
                runs.push((offset, run.length));
            }
            offset += run.length;
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk for each letter: `a` of 1 byte, `b` of 2, and so on.
    fn chunks(text: &str) -> Vec<Chunk> {
        text.bytes().map(|byte| Chunk::of(&vec![byte; usize::from(byte - b'a') + 1])).collect()
    }

    fn run(home: Home, offset: u64, length: u64) -> Run {
        Run { home, offset, length }
    }

    #[test]
    fn content_has_its_home_where_it_came_first() {
        let mut known = Known::default();
        let first = known.share(0, &chunks("abca"), true);
        let here = Home::Blob(0);
        assert_eq!(first.runs, [run(here, 0, 6), run(here, 0, 1)]);
        assert_eq!((first.known, first.new_runs(0)), (1, vec![(0, 6)]));
        let second = known.share(1, &chunks("bcd"), true);
        assert_eq!(second.runs, [run(here, 1, 5), run(Home::Blob(1), 5, 4)]);
        assert_eq!((second.known, second.new_runs(1)), (5, vec![(5, 4)]));
    }

    #[test]
    fn bases_come_first_and_what_cannot_be_a_home_is_none() {
        let mut known = Known::default();
        known.add(Home::Base(3), &chunks("ab"));
        let layer = known.share(0, &chunks("bc"), false);
        assert_eq!(layer.runs, [run(Home::Base(3), 1, 2), run(Home::Blob(0), 2, 3)]);
        let next = known.share(1, &chunks("c"), true);
        assert_eq!((next.known, next.new_runs(1)), (0, vec![(0, 3)]));
    }
}
