//! Several media that together hold one bundle: how much goes to each, and what their labels say.

use std::path::PathBuf;

use crate::bundle::ustar;
use crate::bundle::volumes::number_list;

/// What every label begins with.
pub(super) const TITLE: &str = "gapferry bundle: ";

/// A directory on a medium, and how many bytes of volumes may go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The directory.
    pub root: PathBuf,
    /// The most bytes of volumes.
    pub bytes: u64,
}

/// A volume: where its members end, how many bytes it may have, and which medium it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shelf {
    pub end: u64,
    pub limit: u64,
    pub medium: usize,
}

/// Where a member goes.
pub(super) enum Choice {
    /// To a volume that there is.
    Volume(usize),
    /// To a new one.
    New(Shelf),
    /// Nowhere; the most bytes that are left on a medium.
    Nowhere(u64),
}

/// How a bundle comes to lie on its media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spreading {
    /// Bytes of volumes for each medium.
    pub media: Vec<u64>,
    /// How many volumes.
    pub volumes: usize,
    /// Bytes of blobs for which there is no room.
    pub over: u64,
}

/// The media that a bundle is spread over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// They are filled in this order.
    pub rooms: Vec<Room>,
    /// What the labels say that it is: a line of text.
    pub title: String,
}

impl Spread {
    /// One place with room for everything.
    pub(super) fn single(root: PathBuf) -> Spread {
        Spread { rooms: vec![Room { root, bytes: u64::MAX }], title: String::new() }
    }

    /// Where a member of `needed` bytes goes, the end of its archive included: to the first volume with
    /// room for it, or to a new one on the first medium with room, of at most `limit` bytes. Media
    /// before `from` are gone.
    pub(super) fn choose<'a>(
        &self,
        shelves: impl Iterator<Item = &'a Shelf> + Clone,
        from: usize,
        limit: u64,
        needed: u64,
    ) -> Choice {
        let fits = |it: &Shelf| it.medium >= from && it.limit - it.end >= needed;
        if let Some(at) = shelves.clone().position(fits) {
            return Choice::Volume(at);
        }
        // A volume may come to have all that it is allowed to.
        let mut left: Vec<u64> = self.rooms.iter().map(|room| room.bytes).collect();
        left[..from].fill(0);
        shelves.for_each(|it| left[it.medium] = left[it.medium].saturating_sub(it.limit));
        match left.iter().position(|left| *left >= needed) {
            Some(medium) => Choice::New(Shelf { end: 0, limit: limit.min(left[medium]), medium }),
            None => Choice::Nowhere(left.into_iter().max().unwrap_or(0)),
        }
    }

    /// How blobs of these sizes will lie, in volumes of at most `limit` bytes, on media that are there at
    /// once, or come in turn.
    pub fn plan(
        &self,
        limit: u64,
        sizes: impl IntoIterator<Item = u64>,
        in_turn: bool,
    ) -> Spreading {
        let (mut shelves, mut over) = (Vec::<Shelf>::new(), 0_u64);
        for size in sizes {
            let member = ustar::member_size(size);
            let needed = member.saturating_add(ustar::TRAILER);
            let from = shelves.last().filter(|_| in_turn).map_or(0, |shelf| shelf.medium);
            match self.choose(shelves.iter(), from, limit, needed) {
                _ if needed > limit => over = over.saturating_add(size),
                Choice::Volume(at) => shelves[at].end += member,
                Choice::New(shelf) => shelves.push(Shelf { end: member, ..shelf }),
                Choice::Nowhere(_) => over = over.saturating_add(size),
            }
        }
        let mut media = vec![0; self.rooms.len()];
        shelves.iter().for_each(|shelf| media[shelf.medium] += shelf.end + ustar::TRAILER);
        Spreading { media, volumes: shelves.len(), over }
    }

    /// What the label of medium `at` begins with, finished or not.
    pub(super) fn begins(&self, at: usize) -> String {
        format!("{TITLE}{}\nmedium {} of {}: ", self.title, at + 1, self.rooms.len())
    }

    /// The label of a medium that is being written.
    pub(super) fn unfinished(&self, at: usize) -> String {
        format!("{}not finished\n", self.begins(at))
    }

    /// The label of medium `at` with these volumes, of `count`, if that is known.
    pub(super) fn label(&self, at: usize, volumes: &[u32], count: Option<usize>) -> String {
        let of = count.map_or(String::new(), |count| format!(" of {count}"));
        let what = match volumes.len() {
            0 => "no volume".to_owned(),
            1 => format!("volume {}{of}", number_list(volumes)),
            _ => format!("volumes {}{of}", number_list(volumes)),
        };
        let whole = match count {
            Some(count) => format!("The bundle is whole when all {count} are there."),
            None => "More volumes, and the head files, are on the media that follow.".to_owned(),
        };
        format!("{}{what}\n{whole}\n", self.begins(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_filled_one_after_the_other() {
        let room = |bytes| Room { root: "m".into(), bytes };
        let spread = |rooms: &[u64]| Spread {
            rooms: rooms.iter().map(|bytes| room(*bytes)).collect(),
            title: String::new(),
        };
        // Members of 1024 bytes; three in a volume, and the end of it.
        let plan = |rooms: &[u64], count| spread(rooms).plan(4096, vec![512; count], false);
        let on = |media: &[u64], volumes, over| Spreading { media: media.to_vec(), volumes, over };
        assert_eq!(plan(&[8192, 8192], 7), on(&[8192, 2048], 3, 0));
        assert_eq!(plan(&[8191, 8192], 6), on(&[7168, 2048], 3, 0));
        assert_eq!(plan(&[2047, 2048], 1), on(&[0, 2048], 1, 0));
        assert_eq!(plan(&[2047, 2048], 3), on(&[0, 2048], 1, 1024));
        assert_eq!(plan(&[u64::MAX], 4), on(&[6144], 2, 0));
        // A small one goes back to a medium that is there, and not to one that is gone.
        let mixed = |in_turn| spread(&[4096, 4096]).plan(4096, [1000, 2000, 1], in_turn);
        assert_eq!(mixed(false), on(&[3584, 3584], 2, 0));
        assert_eq!(mixed(true), on(&[2560, 3584], 2, 1));
        // Too large for a volume, though not for the medium.
        assert_eq!(spread(&[1 << 20]).plan(4096, [4000, 1], false), on(&[2048], 1, 4000));
    }

    #[test]
    fn a_label_is_for_people() {
        let rooms = ["a", "b", "c"].map(|root| Room { root: root.into(), bytes: 1 }).to_vec();
        let spread = Spread { rooms, title: "stream prod, sequence 7".to_owned() };
        assert_eq!(
            spread.label(1, &[3, 4, 5], Some(6)),
            "gapferry bundle: stream prod, sequence 7\nmedium 2 of 3: volumes 3 to 5 of 6\n\
             The bundle is whole when all 6 are there.\n"
        );
        assert!(spread.label(2, &[], Some(6)).contains("\nmedium 3 of 3: no volume\n"));
        assert!(spread.label(0, &[1], Some(1)).contains("\nmedium 1 of 3: volume 1 of 1\n"));
        let label = spread.label(0, &[1, 2], None);
        assert!(label.contains("\nmedium 1 of 3: volumes 1 and 2\nMore volumes"), "{label}");
        assert!(spread.unfinished(1).starts_with(&spread.begins(1)));
    }
}
